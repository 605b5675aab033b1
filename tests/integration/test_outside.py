"""What somebody else does to a stack from outside: up() sees it, says what is wrong or mends it, and nothing is there twice."""

from __future__ import annotations

import contextlib
import gc
import json
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import docker
import pytest

from servicelab.engine import client as engine_client
from servicelab.engine.stacks import Engine
from servicelab.errors import EngineError, StartError

TEXT = """
services:
  db: {image: "${PYTHON}", command: [python, -c, %s], networks: [back], mem_limit: 32m, tmpfs: ["/small:size=1m"]}
  web: {image: "${PYTHON}", command: [sleep, infinity], networks: [front, back], depends_on: [db]}
networks: {back: , front: }
"""
EAT = "x = bytearray(200_000_000); x[:] = b'1' * len(x)"
IDLE = f"""
import os, time
while not os.path.exists('/small/eat'): time.sleep(0.05)
{EAT}
"""

Act = Callable[[docker.DockerClient, str], None]


def kill(client: docker.DockerClient, project: str) -> None:
    client.containers.get(f"{project}-db-1").kill()


def remove(client: docker.DockerClient, project: str) -> None:
    client.containers.get(f"{project}-db-1").remove(force=True)


def run_out_of_memory(client: docker.DockerClient, project: str) -> None:
    container = client.containers.get(f"{project}-db-1")
    container.exec_run(["touch", "/small/eat"])
    container.wait(timeout=60)
    container.reload()
    assert container.attrs["State"]["OOMKilled"]


def pause(client: docker.DockerClient, project: str) -> None:
    client.containers.get(f"{project}-web-1").pause()


def cut_off(client: docker.DockerClient, project: str) -> None:
    client.networks.get(f"{project}_back").disconnect(f"{project}-web-1")


def remove_network(client: docker.DockerClient, project: str) -> None:
    network = client.networks.get(f"{project}_back")
    for name in ("db", "web"):
        network.disconnect(f"{project}-{name}-1", force=True)
    network.remove()


@pytest.mark.parametrize("act", [kill, remove, run_out_of_memory, pause, cut_off, remove_network])
def test_the_next_up_makes_it_whole(
    act: Act, engine: Callable[..., Engine], client: docker.DockerClient, left: Callable[[], dict[str, list[str]]]
) -> None:
    stack = engine(TEXT % json.dumps(IDLE))
    stack.up()
    before = left()
    act(client, stack.project)
    harmed = [summary["State"] for summary in stack.find(client)]
    stack.up()
    after = left()
    counts = ", ".join(f"{len(names)} of {len(before[kind])} {kind}" for kind, names in after.items())
    print(f"{act.__name__}: {harmed} of 2 containers as it left them; after up() {counts}, none twice")
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
    stack = engine(TEXT % json.dumps(IDLE))
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
        (EAT, "out of memory"),
        ("open('/small/file', 'wb').write(b'1' * 2_000_000)", "No space left on device"),
    ],
)
def test_a_container_without_room_says_so(
    code: str, what: str, engine: Callable[..., Engine], left: Callable[[], dict[str, list[str]]]
) -> None:
    with pytest.raises(StartError) as caught:
        engine(TEXT % json.dumps(code)).up()
    assert what in str(caught.value)
    assert caught.value.service == "db"
    assert left() == {"containers": [], "networks": [], "volumes": []}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the SDK leaves the socket that nobody answered
def test_an_engine_that_is_not_there_is_one_error(engine: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch) -> None:
    stack = engine(TEXT % json.dumps(IDLE))
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    with pytest.raises(EngineError, match="no Docker engine answers"):
        stack.up()
    gc.collect()


class Between:
    """A socket before the engine's: what is sent to it goes on, both ways, until a container is to be made. From then on it hangs."""

    def __init__(self, path: Path, engine: str) -> None:
        self.engine, self.hangs = engine, threading.Event()
        self.sockets: list[socket.socket] = []
        self.server = self.kept()
        self.server.bind(str(path))
        self.server.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    def kept(self) -> socket.socket:
        self.sockets.append(socket.socket(socket.AF_UNIX))
        return self.sockets[-1]

    def serve(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                caller, _ = self.server.accept()
                engine = self.kept()
                engine.connect(self.engine)
                self.sockets.append(caller)
                for a, b in ((caller, engine), (engine, caller)):
                    threading.Thread(target=self.pass_on, args=(a, b), daemon=True).start()

    def pass_on(self, a: socket.socket, b: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := a.recv(65536):
                if b"/containers/create" in data:
                    self.hangs.set()
                if self.hangs.is_set():
                    return
                b.sendall(data)
            b.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        for each in self.sockets:
            each.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_engine_that_hangs_half_way_is_one_error_and_the_next_up_makes_it_whole(
    engine: Callable[..., Engine],
    client: docker.DockerClient,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    stack = engine(TEXT % json.dumps(IDLE))
    base = str(docker.from_env().api.base_url)
    if not base.startswith("http+docker:"):
        pytest.skip("the engine is not at a socket")
    between = Between(tmp_path / "docker.sock", str(client.api.get_adapter(base).socket_path))  # type: ignore[attr-defined]
    with monkeypatch.context() as patched:
        patched.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
        patched.setattr(engine_client, "TIMEOUT", 2)
        with pytest.raises(EngineError, match="the Docker engine hangs: no answer within 2 s") as caught:
            stack.up()
    between.close()
    assert between.hangs.is_set()
    assert "restart it" in caught.value.fix
    stack.up()
    assert [summary["State"] for summary in stack.find(client)] == ["running", "running"]
    gc.collect()
