"""What somebody else does to a stack from outside: up() sees it, says what is wrong or mends it, and nothing is there twice."""

from __future__ import annotations

import gc
from collections.abc import Callable

import docker
import pytest

from servicelab.engine.stacks import Engine
from servicelab.errors import EngineError, StartError

TEXT = """
services:
  db: {image: "${PYTHON}", command: [python, -c, "%s"], networks: [back], mem_limit: 32m, tmpfs: ["/small:size=1m"]}
  web: {image: "${PYTHON}", command: [sleep, infinity], networks: [front, back], depends_on: [db]}
networks: {back: , front: }
"""
IDLE = "import time; time.sleep(1e6)"

Act = Callable[[docker.DockerClient, str], None]


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
    stack.up()
    assert left() == before
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
    assert left() == {"containers": [], "networks": [], "volumes": []}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the SDK leaves the socket that nobody answered
def test_an_engine_that_is_not_there_is_one_error(engine: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch) -> None:
    stack = engine(TEXT % IDLE)
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    with pytest.raises(EngineError, match="no Docker engine answers"):
        stack.up()
    gc.collect()
