"""A service that is dead, hung, wrong, or breaks off: each told apart, and none at the cost of the others."""

import threading
import time

import pytest
from gateway import create_app
from gateway.config import Config
from gateway.forward import BrokenAnswerError

BIG = 1024 * 1024


def test_nobody_there_is_a_503_with_a_time_to_come_back(gateway):
    answer = gateway(backends=dict.fromkeys(("users", "orders", "catalog"), "http://127.0.0.1:1")).get("/api/users/1")
    assert (answer.status_code, answer.json["error"]["code"]) == (503, "backend_unavailable")
    assert answer.headers["Retry-After"] == "1"
    assert "127.0.0.1" not in answer.text  # where it is, is nobody's business outside


def test_silence_is_a_504_within_the_deadline(gateway, backend):
    backend.hold.clear()
    started = time.monotonic()
    answer = gateway(patience=0.2).get("/api/users/1")
    assert (answer.status_code, answer.json["error"]["code"]) == (504, "backend_timeout")
    assert time.monotonic() - started >= 0.2
    assert len(backend.seen) <= 1  # not asked again: it has enough to do


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x00\x01\x02 not HTTP\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nhow long is it?",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Bad: a\x01b\r\n\r\nok",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
    ],
)
def test_what_is_no_answer_is_a_502(client, backend, answer):
    backend.answer = answer
    given = client.post("/api/users")
    assert (given.status_code, given.json["error"]["code"]) == (502, "backend_failed")


@pytest.mark.parametrize(
    "head",
    [f"Content-Length: {2 * BIG}\r\n\r\n".encode(), b"Transfer-Encoding: chunked\r\n\r\n" + f"{2 * BIG:x}\r\n".encode()],
)
def test_half_of_a_long_answer_is_broken_off_and_never_ended(client, backend, head):
    backend.answer = b"HTTP/1.1 200 OK\r\n" + head + b"x" * BIG
    with pytest.raises(BrokenAnswerError):  # which makes gunicorn break the connection off
        client.get("/api/users/1", buffered=True)
    backend.answer = None
    assert client.get("/api/users/1").status_code == 200


def test_chunks_are_not_for_a_client_who_could_not_see_that_one_is_missing(client, backend):
    backend.answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    old = {"SERVER_PROTOCOL": "HTTP/1.0"}
    assert client.get("/api/users/1", environ_overrides=old).status_code == 505
    backend.answer = None
    assert client.get("/api/users/1", environ_overrides=old).status_code == 200


@pytest.mark.parametrize("length", [100, 100_000])
def test_an_answer_that_trickles_ends_with_its_deadline(gateway, backend, length):
    def trickle():
        yield b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length
        for _ in range(100):
            time.sleep(0.05)
            yield b"x"

    backend.answer = trickle()
    if length < 64 * 1024:
        assert gateway(patience=1.5).get("/api/users/1").status_code == 504
    else:
        with pytest.raises(BrokenAnswerError):
            gateway(patience=1.5).get("/api/users/1", buffered=True)


def test_a_hung_service_gets_so_many_requests_and_no_more_and_the_others_all_of_theirs(backend):
    config = Config(
        backends={"users": backend.url, "orders": backend.url, "catalog": backend.url}, rate=0, in_flight=3, patience=60.0
    )
    app = create_app(config)
    backend.hold.clear()
    statuses = []
    threads = [
        threading.Thread(target=lambda: statuses.append(app.test_client().get("/api/orders/1").status_code)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(0.01)
    deadline = time.monotonic() + 30
    while len(statuses) < 5 or len(backend.seen) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert statuses == [503] * 5
    assert len(backend.seen) == 3
    backend.hold.set()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] * 3 + [503] * 5
    assert app.test_client().get("/api/orders/1").status_code == 200  # every place has been given back


class Instances:
    """Several addresses of each service, given out in turn."""

    def __init__(self, *urls):
        self.urls, self.reports = urls, []

    def pick(self, service, avoid=None):
        return next(url for url in self.urls if url != avoid)

    def report(self, service, url, *, ok):
        self.reports.append((url, ok))


@pytest.mark.parametrize(("method", "body"), [("GET", None), ("POST", b"{}"), ("POST", b"x" * 200_000)])
def test_what_could_not_be_sent_is_sent_to_another_instance_once(backend, method, body):
    instances = Instances("http://127.0.0.1:1", backend.url)
    client = create_app(Config(backends={}, rate=0, patience=60.0), instances).test_client()
    assert client.open("/api/users", method=method, data=body).status_code == 200
    assert len(backend.seen) == 1
    assert instances.reports == [("http://127.0.0.1:1", False), (backend.url, True)]


def test_what_may_have_been_done_is_not_done_again(backend):
    backend.answer = b""
    instances = Instances(backend.url, "http://127.0.0.1:1")
    client = create_app(Config(backends={}, rate=0, patience=60.0), instances).test_client()
    assert client.post("/api/users", data=b"{}").status_code == 502
    assert instances.reports == [(backend.url, False)]
    assert client.get("/api/users/1").status_code == 503  # reading changes nothing: the other one was asked, and is not there
