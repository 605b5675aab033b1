"""Discovery without Consul: what it says is put in by hand, and the clock is ours."""

import json
import queue
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from gateway import create_app, discovery, find_backends
from gateway.backends import NoBackendError, StaticBackends
from gateway.config import Config, ConfigError
from gateway.consul import Consul
from gateway.discovery import DiscoveredBackends

ONE, TWO, THREE = (f"http://10.0.0.{n}:3001" for n in (1, 2, 3))


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def backends(clock):
    found = DiscoveredBackends(None, ["users"], StaticBackends({"orders": "http://orders:3002"}), clock)
    found.learn("users", [ONE, TWO, THREE])
    return found


def picked(backends, requests=300):
    """How many of REQUESTS, each over before the next, go where."""
    seen = Counter()
    for _ in range(requests):
        url = backends.pick("users")
        backends.report("users", url, ok=True)
        seen[url] += 1
    return seen


def test_requests_are_spread_over_all_instances(backends):
    seen = picked(backends)
    assert set(seen) == {ONE, TWO, THREE}
    assert min(seen.values()) > 50


def test_whoever_is_busy_gets_less(backends):
    busy = backends.pick("users")  # for a request that does not end
    assert picked(backends)[busy] == 0


def test_an_instance_that_failed_gets_no_requests_for_a_while(backends, clock):
    backends.report("users", ONE, ok=False)
    assert ONE not in picked(backends)
    clock.now += discovery.EJECTED - 0.1
    backends.learn("users", [ONE, TWO, THREE])  # Consul has not noticed: that changes nothing
    assert ONE not in picked(backends)
    clock.now += 0.2
    assert ONE in picked(backends)


def test_when_all_have_failed_all_are_tried(backends):
    for url in (ONE, TWO, THREE):
        backends.report("users", url, ok=False)
    assert set(picked(backends)) == {ONE, TWO, THREE}


def test_the_second_try_goes_to_another_instance(backends):
    assert all(backends.pick("users", avoid=ONE) != ONE for _ in range(100))
    backends.learn("users", [ONE])
    with pytest.raises(NoBackendError):
        backends.pick("users", avoid=ONE)


def test_one_that_left_gets_no_requests_and_its_last_ones_may_end(backends):
    for _ in range(10):
        backends.pick("users")
    backends.learn("users", [TWO])
    for url in (ONE, TWO, THREE):
        backends.report("users", url, ok=True)
    assert set(picked(backends)) == {TWO}


def test_one_that_came_back_at_the_same_address_is_not_doubted(backends):
    backends.report("users", ONE, ok=False)
    backends.learn("users", [TWO, THREE])
    backends.learn("users", [ONE, TWO, THREE])
    assert ONE in picked(backends)


def test_an_empty_list_takes_nobody_away(backends):
    """All checks fail. Whether that is so or the checks are wrong: to try is all that can be done."""
    backends.learn("users", [])
    assert set(picked(backends)) == {ONE, TWO, THREE}


def test_before_the_first_answer_there_is_nobody():
    with pytest.raises(NoBackendError):
        DiscoveredBackends(None, ["users"], StaticBackends({})).pick("users")


def test_services_with_a_url_are_not_looked_up(backends):
    assert backends.pick("orders") == "http://orders:3002"
    backends.report("orders", "http://orders:3002", ok=False)


class ScriptedConsul:
    """Each answer is what the test puts in: URLs with their index, or an error."""

    def __init__(self):
        self.answers = queue.Queue()
        self.asked = queue.Queue()

    def passing(self, service, index=0, wait=30):
        self.asked.put(index)
        answer = self.answers.get(timeout=60)
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_watching_outlives_a_consul_that_is_down_and_comes_back_with_nothing(monkeypatch, clock):
    monkeypatch.setattr(discovery, "PAUSES", (0.0, 0.0))
    consul = ScriptedConsul()
    consul.answers.put(([ONE, TWO], 7))
    backends = DiscoveredBackends(consul, ["users"], StaticBackends({}), clock).start()

    def then(answer):
        """Answer the question that waits, and wait for the next one. Returns its index, and who gets requests meanwhile."""
        consul.answers.put(answer)
        return consul.asked.get(timeout=60), set(picked(backends))

    assert [consul.asked.get(timeout=60) for _ in range(2)] == [0, 7]
    assert then(ValueError("it is down")) == (0, {ONE, TWO})
    assert then(ValueError("it is down")) == (0, {ONE, TWO})
    assert then(([], 2)) == (2, {ONE, TWO})  # another Consul counts from another number
    assert then(([THREE], 3)) == (3, {ONE, TWO, THREE})  # not all to the first that is back
    clock.now += discovery.REGATHERED
    assert then(([TWO, THREE], 4)) == (4, {TWO, THREE})  # whoever is not back by now is gone
    assert then(([TWO], 5)) == (5, {TWO})


def test_a_start_waits_for_the_first_answer_and_not_for_ever(monkeypatch):
    monkeypatch.setattr(discovery, "FIRST", 0.1)
    backends = DiscoveredBackends(ScriptedConsul(), ["users"], StaticBackends({})).start()
    with pytest.raises(NoBackendError):
        backends.pick("users")


@pytest.fixture
def consul():
    """An HTTP server that answers as Consul does: with `server.index`, `server.status` and `server.entries`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked.append(urlsplit(self.path))
            body = json.dumps(self.server.entries).encode()
            self.send_response(self.server.status)
            if self.server.index is not None:
                self.send_header("X-Consul-Index", str(self.server.index))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.asked, server.status, server.index = [], 200, 12
        server.entries = [{"Service": {"ID": "users-1", "Address": "10.0.0.1", "Port": 3001}}]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def client_of(server):
    return Consul(f"http://127.0.0.1:{server.server_address[1]}")


def test_only_passing_instances_are_asked_for_from_the_last_index_on(consul):
    assert client_of(consul).passing("users", index=5, wait=20) == ([ONE], 12)
    (asked,) = consul.asked
    assert asked.path == "/v1/health/service/users"
    assert parse_qs(asked.query) == {"passing": ["1"], "index": ["5"], "wait": ["20s"]}


@pytest.mark.parametrize(("index", "answered", "following"), [(5, 12, 12), (12, 12, 12), (50, 12, 0), (0, 0, 1)])
def test_an_index_that_goes_backwards_starts_again(consul, index, answered, following):
    consul.index = answered
    assert client_of(consul).passing("users", index)[1] == following


@pytest.mark.parametrize("broken", [{"status": 500}, {"index": None}, {"entries": [{}]}, {"entries": [{"Service": 1}]}])
def test_an_answer_that_is_none_is_an_error(consul, broken):
    vars(consul).update(broken)
    with pytest.raises(ValueError, match="answer"):
        client_of(consul).passing("users")


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Le", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"])
def test_a_read_that_broke_off_is_asked_of_another_and_a_write_is_not(consul, backend, monkeypatch, answer):
    """Whenever it dies: before its answer, within the head, or within a short body."""
    backend.answer = answer
    well = f"http://127.0.0.1:{consul.server_address[1]}"  # it answers whoever asks
    monkeypatch.setattr(discovery, "two_choices", lambda instances: max(instances, key=lambda each: each.url == backend.url))
    instances = DiscoveredBackends(None, ["users"], StaticBackends({}))
    client = create_app(Config(backends={}, rate=0, patience=60.0), instances).test_client()
    instances.learn("users", [backend.url, well])
    assert client.post("/api/users", data=b"{}").status_code == 502
    instances.learn("users", [well])
    instances.learn("users", [backend.url, well])  # back, and not doubted any more
    assert client.get("/api/users/1").status_code == 200
    assert len(backend.seen) == 2
    assert len(consul.asked) == 1


def test_a_gateway_needs_urls_or_a_consul():
    with pytest.raises(ConfigError, match="CONSUL_URL"):
        Config.from_environment({"USERS_URL": "http://users:3001"})
    config = Config.from_environment({"CONSUL_URL": "http://consul:8500/", "ORDERS_URL": "http://orders:3002"})
    assert (config.consul_url, config.backends) == ("http://consul:8500", {"orders": "http://orders:3002"})
    assert isinstance(find_backends(Config(backends={})), StaticBackends)
