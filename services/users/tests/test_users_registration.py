"""Registration against an HTTP server that remembers what Consul would be told; our own /health is another."""

import importlib.util
import json
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

FILE = Path(__file__).parent.parent / "users" / "registration.py"
spec = importlib.util.spec_from_file_location("registration", FILE)
registration = importlib.util.module_from_spec(spec)
spec.loader.exec_module(registration)


class Server(ThreadingHTTPServer):
    """Remembers requests, and answers with what `answers` has for the path's beginning, else 200."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked, self.answers = [], {}
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def port(self):
        return self.server_address[1]


class Handler(BaseHTTPRequestHandler):
    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.asked.append((self.command, self.path.partition("?")[0], json.loads(body) if body else None))
        found = [status for path, status in self.server.answers.items() if self.path.startswith(path)]
        self.send_response(found[0] if found else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self):
        self.answer()

    def do_PUT(self):
        self.answer()

    def log_message(self, *_):
        pass


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(registration, "TIMEOUT", 10)
    monkeypatch.setattr(registration.socket, "gethostname", lambda: "users-7")


@pytest.fixture
def server():
    made = []

    def make():
        made.append(Server())
        return made[-1]

    yield make
    for each in made:
        each.shutdown()
        each.server_close()


@pytest.fixture
def consul(server):
    return server()


@pytest.fixture
def us(server):
    return server()


@pytest.fixture
def entry(consul, us):
    return registration.Registration(f"http://127.0.0.1:{consul.port}", us.port, "1s")


def test_an_entry_says_where_we_are_and_how_to_check_it(entry, consul, us, capsys):
    assert entry.look()
    ((method, path, body),) = consul.asked
    assert (method, path) == ("PUT", "/v1/agent/service/register")
    assert body == {
        "ID": "users-7",
        "Name": "users",
        "Address": "127.0.0.1",
        "Port": us.port,
        "Check": {
            "HTTP": f"http://127.0.0.1:{us.port}/health",
            "Header": {"X-Caller": ["consul"]},
            "Interval": "1s",
            "Timeout": "2s",
            "Status": "passing",
            "DeregisterCriticalServiceAfter": "1m",
        },
    }
    line = json.loads(capsys.readouterr().out)
    assert (line["service"], line["instance"], line["level"]) == ("users", "users-7", "info")


def test_nobody_is_sent_to_us_before_we_serve(entry, consul, us):
    us.answers["/health"] = 503
    assert not entry.look()
    assert consul.asked == []


def test_one_that_is_known_is_not_registered_again(entry, consul):
    """It would set its check to passing, whatever Consul has seen meanwhile."""
    assert entry.look()
    assert entry.look()
    assert [asked[:2] for asked in consul.asked[1:]] == [("GET", "/v1/agent/service/users-7")]


def test_one_that_consul_forgot_is_registered_again(entry, consul):
    entry.look()
    consul.answers["/v1/agent/service/users-7"] = 404
    assert entry.look()
    assert [asked[0] for asked in consul.asked] == ["PUT", "GET", "PUT"]


def test_an_entry_of_the_process_before_us_is_replaced(entry, consul):
    """It has our name, and perhaps another address: a container that is restarted gets one."""
    assert entry.look()
    assert [asked[0] for asked in consul.asked] == ["PUT"]


def test_it_keeps_trying_while_consul_is_down(consul, us, capsys):
    consul.answers["/v1/agent/service/register"] = 500
    entry = registration.Registration(f"http://127.0.0.1:{consul.port}", us.port)
    assert not entry.look()
    assert not entry.look()
    (line,) = capsys.readouterr().out.splitlines()  # said once, not five times a second
    assert json.loads(line)["level"] == "warning"
    consul.answers.clear()
    assert entry.look()


PROGRAM = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("registration", sys.argv[1])
registration = importlib.util.module_from_spec(spec)
spec.loader.exec_module(registration)
registration.HEARD, registration.GONE = 0.0, 60.0
entry = registration.Registration(sys.argv[2], int(sys.argv[3]))
entry.start()
print("started", flush=True)
sys.stdin.readline()
entry.leave()
print("left", flush=True)
"""


def as_the_master(consul_url, us, until=lambda: True):
    """Start in a process of its own, leave once UNTIL holds; its output."""
    command = [sys.executable, "-c", PROGRAM, str(FILE), consul_url, str(us.port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as master:
        deadline = time.monotonic() + 60
        while not until():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        output, _ = master.communicate("\n", timeout=60)
    assert master.returncode == 0
    return output


def test_it_leaves_when_it_is_told_to(consul, us):
    output = as_the_master(f"http://127.0.0.1:{consul.port}", us, until=lambda: consul.asked)
    assert output.splitlines()[-1] == "left"
    (registered, left) = [asked[1] for asked in consul.asked if asked[0] == "PUT"]
    assert registered == "/v1/agent/service/register"
    assert left.startswith("/v1/agent/service/deregister/")


def test_a_start_that_is_stopped_at_once_leaves_as_well(consul, us):
    """SIGTERM may come before the process does anything: it is kept for it."""
    as_the_master(f"http://127.0.0.1:{consul.port}", us)
    assert consul.asked[-1][1].startswith("/v1/agent/service/deregister/")


def test_its_end_does_not_wait_for_a_consul_that_is_gone(us):
    assert as_the_master("http://127.0.0.1:1", us).splitlines()[-1] == "left"


def test_the_environment_says_where_consul_is():
    entry = registration.Registration.from_environment({"CONSUL_URL": "http://consul:8500", "CONSUL_CHECK_INTERVAL": "1s"})
    assert (entry._consul, entry._port, entry._check_interval) == (("consul", 8500), 3001, "1s")


def test_the_master_needs_nothing_of_the_application():
    """What it imports of the package would be the same for ever, however often a reload changes it."""
    assert "users" not in {
        line.split()[1].partition(".")[0] for line in FILE.read_text().splitlines() if line.startswith("from ")
    }
    assert "from ." not in FILE.read_text()
