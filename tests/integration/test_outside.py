"""What somebody else does to a stack from outside: up() sees it, says what is wrong or mends it, and nothing is there twice."""

from __future__ import annotations

import contextlib
import gc
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import docker
import pytest

from servicelab import Stack
from servicelab.engine import client as engine_client
from servicelab.engine.stacks import Engine
from servicelab.errors import EngineError, StartError
from servicelab_start import endpoints

TEXT = """
services:
  db: {image: "${PYTHON}", command: [python, -c, "%s"], networks: [back], mem_limit: 32m, tmpfs: ["/small:size=1m"]}
  web: {image: "${PYTHON}", command: [sleep, infinity], networks: [front, back], depends_on: [db]}
networks: {back: , front: }
"""
IDLE = "import time; time.sleep(1e6)"

# until a file says so, then it eats more than its limit; started again, its tmpfs is empty
EATS = "import os, time\\nwhile not os.path.exists('/small/eat'): time.sleep(0.05)\\nx = b'1' * 200_000_000"

Act = Callable[[docker.DockerClient, str], None]


@pytest.fixture
def stack(tmp_path: Path, registry: str, learner: str, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """The same as a lesson holds it."""
    monkeypatch.setenv("SERVICELAB_LEARNER", learner)
    file = tmp_path / "held.yaml"
    file.write_text("name: held\n" + (TEXT % IDLE).replace("${PYTHON}", f"{registry}/library/python:3.13-slim"), "utf-8")
    return Stack.of(file)


def kill(client: docker.DockerClient, project: str) -> None:
    client.containers.get(f"{project}-db-1").kill()


def remove(client: docker.DockerClient, project: str) -> None:
    client.containers.get(f"{project}-db-1").remove(force=True)


def pause(client: docker.DockerClient, project: str) -> None:
    client.containers.get(f"{project}-web-1").pause()


def cut_off(client: docker.DockerClient, project: str) -> None:
    client.networks.get(f"{project}_back").disconnect(f"{project}-web-1")


def remove_network(client: docker.DockerClient, project: str) -> None:
    network = client.networks.get(f"{project}_back")
    for name in ("db", "web"):
        network.disconnect(f"{project}-{name}-1", force=True)
    network.remove()


@pytest.mark.parametrize("act", [kill, remove, pause, cut_off, remove_network])
def test_the_next_up_makes_it_whole(
    act: Act, engine: Callable[..., Engine], client: docker.DockerClient, left: Callable[[], dict[str, list[str]]]
) -> None:
    stack = engine(TEXT % IDLE)
    stack.up()
    before = left()
    act(client, stack.project)
    hit = {kind: len(names) for kind, names in left().items()}
    running = sum(summary["State"] == "running" for summary in stack.find(client))
    stack.up()
    after = left()
    print(
        f"{act.__name__} from outside: {running} of 2 ran, {hit['containers']} containers and {hit['networks']} networks were there; "
        f"after up(): {len(after['containers'])} and {len(after['networks'])}, twice or left over: "
        f"{sum(len({*after[kind]} - {*before[kind]}) for kind in before)}"
    )
    assert after == before
    assert [summary["State"] for summary in stack.find(client)] == ["running", "running"]
    code, output = client.containers.get(f"{stack.project}-web-1").exec_run(
        ["python", "-c", "import socket; print(socket.gethostbyname('db'))"]
    )
    assert code == 0, output


@pytest.mark.parametrize("status", ["Up 3 minutes", "Up 3 minutes (healthy)"])
def test_a_list_that_is_older_than_a_kill(
    status: str, engine: Callable[..., Engine], client: docker.DockerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine may still list as running what was killed a moment ago."""
    stack = engine(TEXT % IDLE)
    stack.up()
    stale = [{**summary, "Status": status} for summary in stack.find(client)]
    kill(client, stack.project)
    looks = iter([stale])
    find = stack.find
    monkeypatch.setattr(stack, "find", lambda *args, **options: next(looks, None) or find(*args, **options))
    stack.up()
    monkeypatch.undo()
    assert [summary["State"] for summary in stack.find(client)] == ["running", "running"]


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("x = bytearray(200_000_000); x[:] = b'1' * len(x)", "out of memory"),
        ("open('/small/file', 'wb').write(b'1' * 2_000_000)", "No space left on device"),
    ],
)
def test_a_container_without_room_says_so(
    code: str, what: str, engine: Callable[..., Engine], left: Callable[[], dict[str, list[str]]]
) -> None:
    with pytest.raises(StartError) as caught:
        engine(TEXT % code).up()
    assert what in str(caught.value)
    assert caught.value.service == "db"
    found = left()
    print(f"{what}: 1 error that names db; left: {sum(map(len, found.values()))}")
    assert found == {"containers": [], "networks": [], "volumes": []}


def test_a_running_container_that_ran_out_of_memory(
    stack: Stack, client: docker.DockerClient, left: Callable[[], dict[str, list[str]]]
) -> None:
    """The status shows it, and the next up() makes the stack whole: the same containers, running."""
    stack.file.write_text(stack.file.read_text("utf-8").replace(IDLE, EATS), "utf-8")
    stack = Stack.of(stack.file)
    stack.up()
    before = {name: stack[name].container.id for name in ("db", "web")}
    stack["db"].exec(["touch", "/small/eat"])
    deadline = time.monotonic() + 60
    while (row := stack["db"].status()[0])["state"] == "running":
        assert time.monotonic() < deadline, "it eats and is not killed"
        time.sleep(0.05)
    assert (row["state"], row["exit_code"]) == ("exited", 137)
    assert "db-1                 exited" in repr(stack)
    stack.up()
    assert [row["state"] for row in stack.status()] == ["running", "running"]
    assert {name: stack[name].container.id for name in ("db", "web")} == before
    found = left()
    print(f"out of memory: status says exited, 137; after up(): 2 of 2 run, {len(found['containers'])} containers")
    stack.down(volumes=True)
    assert left() == {"containers": [], "networks": [], "volumes": []}


# ---- the engine itself; restarted under a running stack, it is tests/soak/test_engine.py's


CALLS: dict[str, Callable[[Stack], object]] = {
    "up": Stack.up,
    "scale": lambda stack: stack["web"].scale(2),
    "reset": Stack.reset,
    "down": Stack.down,
}
# the SDK leaves the socket that nobody answered
leaves_sockets = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@leaves_sockets
@pytest.mark.parametrize("call", CALLS)
def test_an_engine_that_is_not_there_is_one_error(
    call: str, stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "dead.sock"))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/dead.sock")
    with pytest.raises(EngineError, match="no Docker engine answers") as caught:
        CALLS[call](stack)
    assert_way_out(caught.value, "unset DOCKER_HOST")
    print(f"{call}() on an engine that is stopped: 1 error, with the doctor's finding")
    gc.collect()


@leaves_sockets
@pytest.mark.parametrize("call", CALLS)
def test_a_socket_that_hangs_is_one_error(call: str, stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_client, "TIMEOUT", 0.5)
    monkeypatch.setattr(endpoints.ping, "__defaults__", (0.5,))
    with socket.socket(socket.AF_UNIX) as hangs:
        hangs.bind(str(tmp_path / "hangs.sock"))
        hangs.listen(100)  # the kernel accepts, and nobody answers
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/hangs.sock")
        began = time.monotonic()
        with pytest.raises(EngineError, match=r"the Docker engine hangs: no answer within 0\.5 s") as caught:
            CALLS[call](stack)
        took = time.monotonic() - began
    assert took < 10
    assert_way_out(caught.value, "does not answer: no answer within")
    print(f"{call}() on a socket that hangs: 1 error after {took:.1f} s, with the doctor's finding")
    gc.collect()


class Relay:
    """A socket that passes everything on to the engine's, until request number LAST: from then on nothing, either way."""

    def __init__(self, path: Path, engine: str, last: int) -> None:
        self.engine, self.last, self.requests, self.lock = engine, last, 0, threading.Lock()
        self.open = [socket.socket(socket.AF_UNIX)]
        self.open[0].bind(str(path))
        self.open[0].listen(100)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                here, there = self.open[0].accept()[0], socket.socket(socket.AF_UNIX)
                there.connect(self.engine)
                self.open += [here, there]
                for one, other in ((here, there), (there, here)):
                    threading.Thread(target=self.pump, args=(one, other), daemon=True).start()

    def pump(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while chunk := one.recv(1 << 16):
                with self.lock:
                    self.requests += chunk.startswith((b"GET /", b"POST /", b"DELETE /", b"HEAD /"))
                if self.requests < self.last:
                    other.sendall(chunk)
            if self.requests < self.last:
                other.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        for one in self.open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


@leaves_sockets
@pytest.mark.parametrize("last", [30])
def test_a_socket_that_hangs_in_the_middle_of_up(
    last: int,
    stack: Stack,
    tmp_path: Path,
    left: Callable[[], dict[str, list[str]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same, after some answers; and when the engine answers again, the next up() makes it whole."""
    with monkeypatch.context() as patch:
        patch.setattr(engine_client, "TIMEOUT", 2)
        patch.setattr(endpoints.ping, "__defaults__", (0.5,))
        with contextlib.closing(Relay(tmp_path / "relay.sock", engine_socket(), last)) as relay:
            patch.setenv("DOCKER_HOST", f"unix://{tmp_path}/relay.sock")
            with pytest.raises(EngineError, match="the Docker engine hangs") as caught:
                Stack.of(stack.file).up()
            assert relay.requests >= last
        assert_way_out(caught.value, "does not answer: no answer within")
    half = left()["containers"]
    stack.up()
    assert [row["state"] for row in stack.status()] == ["running", "running"]
    assert len(left()["containers"]) == 2
    print(f"up() on a socket that hangs at request {last}: 1 error, {len(half)} containers left; next up(): 2 of 2 run, 0 twice")
    stack.down(volumes=True)
    assert left() == {"containers": [], "networks": [], "volumes": []}
    gc.collect()


def engine_socket() -> str:
    """Where this machine's engine listens."""
    answer, _ = endpoints.find()
    assert answer
    if not answer.endpoint.host.startswith("unix://"):
        pytest.skip("the engine has no Unix socket")
    return answer.endpoint.host.removeprefix("unix://")


def assert_way_out(error: EngineError, finding: str) -> None:
    assert error.fix
    assert error.findings
    assert len(error.findings) == 1
    assert finding in " ".join(error.findings[0])
