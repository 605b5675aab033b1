"""Engines elsewhere: one that no network reaches, and one that is not on this machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import requests
from tests.soak.conftest import ADDRESS, Room

from servicelab import Stack, bundle, lessons


def saved(tmp_path: Path, *numbers: str) -> Path:
    file = tmp_path / "bundle.zip"
    contents = bundle.save(file, [lessons.find(number) for number in numbers])
    print(f"bundle of lessons {' '.join(numbers)}: {contents.size / 1e6:.0f} MB, {len(contents.images)} images")
    return file


def test_a_room_without_a_network_learns_from_a_bundle(room: Room, checkout: Path, tmp_path: Path) -> None:
    """Nothing but Python, a Docker engine, a checkout and the bundle."""
    file = saved(tmp_path, "00", "01")
    nowhere = "import socket; socket.create_connection(('1.1.1.1', 53), 3)"
    with pytest.raises(AssertionError, match="unreachable"):
        room.run("python3", "-c", nowhere, cwd=checkout)
    print(room.run("python3", "start.py", "bundle", "load", str(file), cwd=checkout)[-300:])
    assert "lesson 01: passed" in room.run("python3", "start.py", "run", "01", cwd=checkout)
    assert room.run("docker", "ps", "--quiet", cwd=checkout) == ""


def test_a_remote_engine_runs_the_shop(room: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine is reached over TCP, and its containers at an address by name; no folder of this machine is there."""
    file = saved(tmp_path, "02")
    monkeypatch.setenv("DOCKER_HOST", room.remote)
    monkeypatch.setenv("SERVICELAB_LEARNER", "far")
    bundle.load(file)
    refused = subprocess.run([sys.executable, "-m", "servicelab.cli", "up", "shop"], capture_output=True, text=True)
    assert refused.returncode == 1
    assert "SERVICELAB_PUBLISH" in refused.stderr
    monkeypatch.setenv("SERVICELAB_PUBLISH", ADDRESS)
    shop = Stack("shop")
    shop.up()
    try:
        for name in ("users", "orders", "catalog"):
            assert shop[name].url.startswith(f"http://{ADDRESS}:")
            assert requests.get(f"{shop[name].url}/health", timeout=10).status_code == 200
        run = shop.load("orders", "/orders/1", rate=50, seconds=2).wait()
        assert run.failed == 0
        shop.reset()
        assert requests.get(f"{shop['orders'].url}/orders/1", timeout=10).status_code == 200
    finally:
        shop.down(volumes=True)
    print(f"the shop ran on {room.remote}: {run.requests} requests, {run.failed} failed")
