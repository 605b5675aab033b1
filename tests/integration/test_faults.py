"""Each fault does what it says, to those it is meant for, and its undo leaves nothing: also after SIGKILL."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker
import pytest
import requests

from servicelab import Stack, faults, settings
from servicelab.errors import FaultError
from servicelab.faults import network

TEXT = """
name: faulty
services:
  callee:
    image: ${REGISTRY:-docker.io}/library/python:3.13-slim
    command:
      - python
      - -c
      - |
        from http.server import *
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            def do_GET(self):
                body = b"x" * int(self.path[1:])
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
        ThreadingHTTPServer(("", 8000), Handler).serve_forever()
    healthcheck: {test: [CMD, python, -c, "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/1')"], interval: 10s}
    ports: ["127.0.0.1::8000"]
    tmpfs: [/data:size=1m]
    deploy: {resources: {limits: {memory: 128m}}}
  caller: {image: "${REGISTRY:-docker.io}/library/python:3.13-slim", command: [sleep, infinity]}
  other: {image: "${REGISTRY:-docker.io}/library/python:3.13-slim", command: [sleep, infinity]}
"""

# how long a request takes, in seconds, or the error's name
ASK = """
import sys, time, urllib.request
start = time.perf_counter()
try:
    urllib.request.urlopen(f"http://callee:8000/{sys.argv[1]}", timeout=float(sys.argv[2])).read()
    print(time.perf_counter() - start)
except OSError as error:
    print(type(getattr(error, "reason", error)).__name__)
"""

# what share of a core a busy program gets, over 2 s
SHARE = """
import time
start, used = time.perf_counter(), time.process_time()
while time.perf_counter() < start + 2: pass
print((time.process_time() - used) / (time.perf_counter() - start))
"""
FILL = "b'x' * (80 << 20)"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    found = Stack.of(_file(tmp_path_factory.mktemp("compose")))
    found.up()
    yield found
    found.down(volumes=True)


def _file(folder: Path) -> Path:
    path = folder / "faulty.yaml"
    path.write_text(TEXT, "utf-8")
    return path


def ask(stack: Stack, who: str, size: int = 1, timeout: float = 10.0) -> float | str:
    code, output = stack[who].exec(["python", "-c", ASK, str(size), str(timeout)])
    assert code == 0, output
    try:
        return float(output)
    except ValueError:
        return output.strip()


def rules(stack: Stack) -> str:
    """Rules of ours in the callee's network namespace."""
    output = stack.client.containers.run(
        f"{settings.registry()}/servicelab/iptables:1",
        ["sh", "-c", "iptables -t nat -S; iptables -S"],
        network_mode=f"container:{stack['callee'].container.id}",
        cap_add=["NET_ADMIN", "NET_RAW"],
        remove=True,
        labels=stack._engine.labels,
    )
    return "\n".join(line for line in output.decode().splitlines() if "servicelab" in line)


def assert_nothing_left(stack: Stack) -> None:
    assert stack.faults == []
    assert rules(stack) == ""
    containers = stack.client.api.containers(all=True, filters={"label": f"com.docker.compose.project={stack.project}"})
    assert len(containers) == 3
    assert isinstance(ask(stack, "caller"), float)


def test_latency_is_as_long_as_it_says_and_for_the_named_caller_only(stack: Stack) -> None:
    with stack.fault("callee", latency="2s", caller="caller") as active:
        assert str(active.fault) == "callee: latency 2000 ms, from caller"
        assert stack.faults == [active.fault]
        slow, fast = ask(stack, "caller"), ask(stack, "other")
        assert isinstance(slow, float)
        assert slow >= 2.0
        assert isinstance(fast, float)
        assert fast < 2.0
    assert_nothing_left(stack)


def test_jitter_makes_each_wait_another(stack: Stack) -> None:
    with stack.fault("callee", latency="300ms", jitter="200ms", caller="caller"):
        waits = [wait for wait in (ask(stack, "caller") for _ in range(8)) if isinstance(wait, float)]
    assert len(waits) == 8
    assert min(waits) >= 0.1
    assert max(waits) - min(waits) > 0.05, waits
    assert_nothing_left(stack)


def test_at_the_edge(stack: Stack) -> None:
    with stack.fault("callee", latency="2s", caller="edge"):
        assert requests.get(f"{stack['callee'].url}/1", timeout=30).elapsed.total_seconds() >= 2.0
        fast = ask(stack, "caller")
        assert isinstance(fast, float)
        assert fast < 2.0
    assert_nothing_left(stack)


def test_bandwidth(stack: Stack) -> None:
    with stack.fault("callee", bandwidth="100k"):
        slow = ask(stack, "caller", size=200 * 1024)
        assert isinstance(slow, float)
        assert slow >= 1.5
    fast = ask(stack, "caller", size=200 * 1024)
    assert isinstance(fast, float)
    assert fast < 1.5
    assert_nothing_left(stack)


def test_reset_timeout_and_partition(stack: Stack) -> None:
    with stack.fault("callee", reset=True):
        assert ask(stack, "caller") in ("ConnectionResetError", "RemoteDisconnected")
    with stack.fault("callee", timeout=True):
        assert ask(stack, "caller", timeout=1.0) == "TimeoutError"
    with stack.fault("callee", partition="caller"):
        assert ask(stack, "caller", timeout=1.0) == "TimeoutError"
        assert isinstance(ask(stack, "other"), float)
    assert_nothing_left(stack)


def test_open_connections_are_not_a_way_round(stack: Stack) -> None:
    script = """
import http.client, sys
connection = http.client.HTTPConnection("callee", 8000, timeout=30)
connection.request("GET", "/1"); connection.getresponse().read()
print("open", flush=True); sys.stdin.readline()
try:
    connection.request("GET", "/1"); connection.getresponse().read(); print("went round")
except OSError as error:
    print(type(error).__name__)
"""
    api, container = stack.client.api, stack["caller"].container.id
    created = api.exec_create(container, ["python", "-c", script], stdin=True, tty=True)
    socket = api.exec_start(created["Id"], socket=True, tty=True)
    try:
        raw = socket._sock
        assert b"open" in raw.recv(100)
        with stack.fault("callee", latency="1s"):
            raw.sendall(b"\n")
            seen = b""
            while chunk := raw.recv(100):
                seen += chunk
        assert b"ConnectionResetError" in seen or b"RemoteDisconnected" in seen
    finally:
        socket._response.close()
    assert_nothing_left(stack)


@pytest.mark.parametrize("how", ["stop", "kill", "pause"])
def test_of_the_container(stack: Stack, how: str) -> None:
    options: dict[str, bool] = {how: True}
    with stack.fault("callee", **options):
        (row,) = stack["callee"].status()
        assert row["state"] == ("paused" if how == "pause" else "exited")
    assert_nothing_left(stack)


def test_cpu_and_memory_are_changed_while_it_runs_and_put_back(stack: Stack) -> None:
    def limits() -> tuple[int, int]:
        host = stack["callee"].container.attrs["HostConfig"]
        return host["CpuQuota"], host["Memory"]

    before = limits()
    with stack.fault("callee", cpu=0.2), stack.fault("callee", memory="64m"):
        assert limits() == (20_000, 64 * 2**20)
        assert len(stack.faults) == 2
        assert float(stack["callee"].exec(["python", "-c", SHARE])[1]) < 0.5, "of a core, where it may have a fifth"
        assert stack["callee"].exec(["python", "-c", FILL])[0] == 137, "80 MB are more than it may have"
    assert stack["callee"].exec(["python", "-c", FILL])[0] == 0
    assert limits()[1] == before[1]
    assert limits()[0] in (before[0], -1)
    assert stack["other"].container.attrs["HostConfig"]["Memory"] == 0
    with stack.fault("other", memory="64m"):
        assert stack["other"].exec(["python", "-c", FILL])[0] == 137
    assert stack["other"].exec(["python", "-c", FILL])[0] == 0, "without a limit of its own it has none again"
    assert_nothing_left(stack)


def test_a_full_disk(stack: Stack) -> None:
    write = ["sh", "-c", "echo more > /data/more"]
    assert stack["callee"].exec(write)[0] == 0
    with stack.fault("callee", disk="/data"):
        code, output = stack["callee"].exec(["sh", "-c", "cat /etc/passwd > /data/more2"])
        assert code != 0
        assert "No space left" in output
    assert stack["callee"].exec(write)[0] == 0
    with pytest.raises(FaultError, match="no size-limited tmpfs at /var"):
        stack.fault("callee", disk="/var").begin()
    assert_nothing_left(stack)


def test_undone_after_an_exception(stack: Stack) -> None:
    with pytest.raises(ZeroDivisionError), stack.fault("callee", latency="1s"):
        raise ZeroDivisionError
    assert_nothing_left(stack)


KILLED = """
import sys
from contextlib import ExitStack
from pathlib import Path
from servicelab import Stack
stack = Stack.of(Path(sys.argv[1]))
with ExitStack() as blocks:
    for service, options in eval(sys.argv[2]):
        blocks.enter_context(stack.fault(service, **options))
    print("active", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_kernel(stack: Stack, *faults: tuple[str, dict[str, Any]], how: signal.Signals) -> Iterator[None]:
    """A process that holds these faults during the block, and gets the signal HOW at its end."""
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(stack.file), repr(faults)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler) and None,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "active\n"
        yield
        process.send_signal(how)
        process.wait()


@pytest.mark.parametrize("options", [{"timeout": True}, {"pause": True}, {"kill": True}], ids=str)
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["interrupted", "killed"])
def test_undone_after_the_kernel_is_gone(stack: Stack, options: dict[str, bool], how: signal.Signals) -> None:
    with another_kernel(stack, ("callee", options), how=how):
        assert faults.recover(stack) == [], "somebody holds it"
    if how is signal.SIGKILL:
        assert len(stack.faults) == 1
        if "timeout" in options:
            stack.up()
        else:  # up() would also start what nobody mended
            stack.fault("callee", latency="1s")
    assert_nothing_left(stack)


def test_a_killed_kernel_that_held_many_faults(stack: Stack) -> None:
    """The next call undoes all of them: each one's effect is measured while its kernel lives, after it was killed, and after that."""
    held = (
        ("callee", {"latency": "1s", "caller": "edge"}),
        ("callee", {"disk": "/data"}),
        ("callee", {"cpu": 0.2}),
        ("callee", {"memory": "64m"}),
        ("other", {"partition": "callee"}),
        ("caller", {"stop": True}),
    )
    before = hurt(stack)
    assert not any(before.values()), before
    with another_kernel(stack, *held, how=signal.SIGKILL):
        lasting = hurt(stack)
        assert all(lasting.values()), lasting
    assert len(stack.faults) == len(held)
    left = hurt(stack)
    assert all(left.values()), left
    stack.fault("callee", latency="1s")
    after = hurt(stack)
    assert not any(after.values()), after
    assert_nothing_left(stack)


def hurt(stack: Stack) -> dict[str, bool]:
    """What a fault of each kind would do, and whether something does."""
    callee, address = stack["callee"], f"{stack['callee'].url}/1"
    throttled = _throttled(stack)
    callee.exec(["python", "-c", "import time; start = time.time()\nwhile time.time() < start + 0.5: pass"])
    return {
        "cpu": _throttled(stack) > throttled,
        "memory": callee.exec(["python", "-c", FILL])[0] == 137,
        "disk": callee.exec(["sh", "-c", "echo more > /data/probe; code=$?; rm -f /data/probe; exit $code"])[0] != 0,
        "latency": requests.get(address, timeout=30).elapsed.total_seconds() >= 1.0,
        "partition": ask(stack, "other", timeout=1.0) == "TimeoutError",
        "stop": stack["caller"].status()[0]["state"] == "exited",
    }


def _throttled(stack: Stack) -> int:
    """How often the callee had used up what it may have of a core."""
    stats = stack["callee"].container.stats(stream=False, one_shot=True)
    return int(stats["cpu_stats"]["throttling_data"]["throttled_periods"])


def test_one_that_cannot_be_undone_keeps_no_other_and_no_stack(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        if stack["callee"].containers:
            raise docker.errors.APIError("no")

    stack.fault("callee", latency="1s").begin()
    stack.fault("other", pause=True).begin()
    monkeypatch.setattr(network, "end", refuse)
    with pytest.raises(docker.errors.APIError):
        stack.mend()
    assert [fault.service for fault in stack.faults] == ["callee"]
    assert stack["other"].status()[0]["state"] == "running"
    stack.down()
    assert stack.status() == []
    assert stack.faults == []
    monkeypatch.undo()
    stack.up()


def test_helpers_that_were_killed_leave_no_rules(stack: Stack) -> None:
    active = stack.fault("callee", latency="1s").begin()
    for container in stack.client.containers.list(filters={"label": "com.docker.compose.oneoff=True"}):
        if container.labels["servicelab.learner"] == stack.learner:
            container.kill()
    assert "servicelab" in rules(stack)
    active.end()
    assert_nothing_left(stack)


def test_a_restarted_callee(stack: Stack) -> None:
    with stack.fault("callee", latency="1s"):
        stack["callee"].restart()
    assert_nothing_left(stack)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "no fault of callee is named"),
        ({"slowness": 1}, "there is no fault 'slowness'"),
        ({"latency": "soon"}, "'soon' is not a duration"),
        ({"latency": "1s", "kill": True}, "can't be one fault"),
        ({"jitter": "1s"}, "jitter of a latency"),
        ({"kill": True, "caller": "caller"}, "hits all callers"),
    ],
)
def test_bad_input(stack: Stack, options: dict[str, object], said: str) -> None:
    with pytest.raises(FaultError, match=said):
        stack.fault("callee", **options)  # type: ignore[arg-type]


def test_a_schedule_is_seeded_printable_and_played(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    choices = [("callee", {"pause": True}), ("callee", {"latency": "1s", "caller": "caller"})]
    first = faults.Schedule.random(7, seconds=4, faults=choices, count=2, lasting=1.0)
    assert first == faults.Schedule.random(7, seconds=4, faults=choices, count=2, lasting=1.0)
    assert str(first) != str(faults.Schedule.random(8, seconds=4, faults=choices, count=2, lasting=1.0))
    assert len(str(first).splitlines()) == 2
    with first.play(stack) as playing:
        playing.wait()
    assert playing.failed == []
    assert [entry.fault for entry in playing.played] == [entry.fault for entry in sorted(first.entries, key=lambda e: e.at)]
    assert_nothing_left(stack)
