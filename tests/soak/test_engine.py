"""The engine itself goes away, comes back, or hangs, under a running stack; or its disk is full."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import docker
import pytest
from tests.soak.conftest import Room

from servicelab import Stack, bundle, doctor, lessons
from servicelab.errors import EngineError, ServicelabError

# the SDK leaves the socket that nobody answered
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def monolith(room: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """Lesson 01's stack, up, on an engine of its own."""
    stack = stack_on(room, tmp_path, monkeypatch)
    stack.up()
    return stack


def stack_on(room: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """Lesson 01's stack, with its images there and nothing started."""
    file = tmp_path / "bundle.zip"
    bundle.save(file, [lessons.find("01")])
    monkeypatch.setenv("DOCKER_HOST", room.socket)
    monkeypatch.setenv("SERVICELAB_LEARNER", "engine")
    bundle.load(file)
    return Stack("monolith")


def states(stack: Stack) -> dict[str, str]:
    return {row["name"]: row["state"] for row in stack.status()}


def test_restarted_under_a_running_stack(monolith: Stack, room: Room) -> None:
    whole = states(monolith)
    room.stop()
    with pytest.raises(EngineError, match="no Docker engine answers"):
        Stack("monolith").up()
    room.start()
    again = Stack("monolith")
    again.up()
    assert states(again) == whole
    users = again["postgres"].exec(["psql", "-U", "shop", "-d", "shop", "-XqAtc", "SELECT count(*) FROM users"])
    assert users == (0, "10000\n"), "its data is there"
    again.down(volumes=True)
    assert docker.DockerClient(room.socket).containers.list(all=True) == []
    print("engine restarted under the stack: 0 containers lost, 0 twice")


@pytest.mark.parametrize("call", [Stack.up, Stack.reset, Stack.down], ids=["up", "reset", "down"])
def test_a_socket_that_hangs_is_an_error_with_a_way_out(call: Callable[[Stack], None], monolith: Stack, room: Room) -> None:
    assert room.engine
    began = time.monotonic()
    os.kill(room.engine.pid, signal.SIGSTOP)
    try:
        with pytest.raises(EngineError) as caught:
            call(monolith)
    finally:
        os.kill(room.engine.pid, signal.SIGCONT)
    print(f"{call.__name__}() on an engine that hangs: {type(caught.value).__name__} after {time.monotonic() - began:.0f} s")
    assert caught.value.fix
    monolith.up()
    assert set(states(monolith).values()) == {"running", "exited"}


def test_a_full_disk_is_told_before_and_after(small_room: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database has no room for its first files: what it says, what the doctor says, and nothing of the stack is left."""
    stack = stack_on(small_room, tmp_path, monkeypatch)
    ballast = small_room.data / "ballast"
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(small_room.data).free - 20 * 10**6)
    [before] = [finding for finding in doctor.examine() if finding.name == "disk"]
    print(f"the doctor before: {before.what}")
    assert before.level == "fail"
    assert str(small_room.data) in before.fix
    with pytest.raises(ServicelabError) as caught:
        stack.up()
    print(f"the error: {caught.value}")
    assert "No space left on device" in str(caught.value)
    assert before.fix in str(caught.value)
    client = docker.DockerClient(small_room.socket)
    assert client.containers.list(all=True) == []
    ballast.unlink()
    stack.up()
    assert states(stack) == {"monolith-1": "running", "seed-1": "exited", "postgres-1": "running"}
    stack.down(volumes=True)
