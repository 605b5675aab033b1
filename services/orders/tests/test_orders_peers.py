"""Peers over real sockets: fast, slow, wrong and gone."""

import socket
import threading
from contextlib import contextmanager

import pytest
import urllib3
from flask import Flask, g
from orders import peers
from orders.errors import ApiError
from orders.peers import TIMEOUT, Peer


@contextmanager
def answering(*answers):
    """A server that gives each connection in turn one of these answers (None: nothing, and it stays open)."""
    seen = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            held = []
            for answer in answers:
                connection, _ = server.accept()
                held.append(connection)
                seen.append(connection.recv(65536).decode())
                if answer is not None:
                    connection.sendall(answer)
                    connection.close()
            done.wait()
            for connection in held:
                connection.close()

        done = threading.Event()
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}", seen
        finally:
            done.set()
            thread.join()


@pytest.fixture(autouse=True)
def in_a_request(monkeypatch):
    monkeypatch.setattr(peers, "TIMEOUT", urllib3.Timeout(connect=30, read=30))  # a busy machine is no finding
    with Flask("orders").app_context():
        g.request_id = "abc-1"
        yield


def http(status, body):
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode()


def test_the_request_id_and_our_name_travel_along_and_what_was_not_asked_for_stays_behind():
    with answering(http("200 OK", '{"id": 1, "phone": "5"}')) as (url, seen):
        assert Peer("users", url).get("/users/1", ("id",)) == {"id": 1}
    assert "X-Request-ID: abc-1" in seen[0]
    assert "X-Caller: orders" in seen[0]


def test_a_404_is_an_answer():
    with answering(http("404 Not Found", "{}")) as (url, _):
        assert Peer("users", url).get("/users/1", ("id",)) is None


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (http("500 Internal Server Error", "{}"), 502),
        (http("200 OK", "<html>"), 502),
        (http("200 OK", '{"key": 1}'), 502),
        (http("200 OK", "[1]"), 502),
        (b"", 503),
        (None, 504),
    ],
)
def test_each_failure_has_its_own_status(monkeypatch, answer, status):
    if answer is None:
        monkeypatch.setattr(peers, "TIMEOUT", urllib3.Timeout(connect=30, read=0.1))
    with answering(answer) as (url, _), pytest.raises(ApiError) as error:
        Peer("users", url).get("/users/1", ("id",))
    assert error.value.status == status


def test_nobody_there_is_a_503():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(ApiError) as error:
        Peer("users", f"http://127.0.0.1:{port}").get("/users/1", ("id",))
    assert error.value.status == 503


def test_a_connection_never_takes_longer_than_a_quarter_of_a_second():
    assert TIMEOUT.connect_timeout <= 0.25
