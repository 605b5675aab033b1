"""The engine itself goes away, comes back, or hangs, under a running stack."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import docker
import pytest
from tests.soak.conftest import Room

from servicelab import Stack, bundle, lessons
from servicelab.errors import EngineError

# the SDK leaves the socket that nobody answered
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def monolith(room: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """Lesson 01's stack, up, on an engine of its own."""
    file = tmp_path / "bundle.zip"
    bundle.save(file, [lessons.find("01")])
    monkeypatch.setenv("DOCKER_HOST", room.socket)
    monkeypatch.setenv("SERVICELAB_LEARNER", "engine")
    bundle.load(file)
    stack = Stack("monolith")
    stack.up()
    return stack


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
