"""Interrupted or killed at any moment of up(), scale(), down() or reset(): the next call makes it whole, nothing twice or left over."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable

import docker
import pytest

from servicelab.engine.stacks import Engine

MOMENTS = int(os.environ.get("SERVICELAB_SOAK", "10"))  # a soak sets 100
SEED = 20261125

TEXT = """
services:
  db:
    image: ${PYTHON}
    command: [python, -m, http.server, "5000"]
    healthcheck: {test: [CMD, python, -c, "import urllib.request as r; r.urlopen('http://127.0.0.1:5000')"], interval: 10s}
    volumes: [data:/data]
    networks: [back]
  seed:
    image: ${PYTHON}
    command: [touch, /data/seeded]
    volumes: [data:/data]
    depends_on: {db: {condition: service_healthy}}
    networks: [back]
  web:
    image: ${PYTHON}
    command: [sleep, infinity]
    depends_on: {seed: {condition: service_completed_successfully}}
    networks: {back: {}, front: {}}
    deploy: {replicas: 2}
networks: {back: {}, front: {}}
volumes: {data: }
"""

CALL = """
import sys
from pathlib import Path
from servicelab import compose
from servicelab.engine.stacks import Engine
path, image, project, learner, call = sys.argv[1:]
engine = Engine(compose.load(Path(path), {"PYTHON": image}), project, learner)
print("begin", flush=True)
eval(call)
print("end", flush=True)
"""

SIGNALS = pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["interrupted", "killed"])
Left = Callable[[], dict[str, list[str]]]


def stopped(engine: Engine, image: str, call: str, how: signal.Signals, seconds: float) -> int | None:
    """CALL in another Python process, sent a signal after SECONDS. Its exit code; None where it had come to its end."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            CALL,
            str(engine.application.file),
            image,
            engine.project,
            engine.labels["servicelab.learner"],
            call,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        # a shell's background job ignores SIGINT, and its children inherit that
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler) and None,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begin\n"
        timer = threading.Timer(seconds, process.send_signal, [how])
        timer.start()
        ended = "end" in process.stdout.read()
        process.wait()
        timer.cancel()
        timer.join()
    return None if ended else process.returncode


def whole(project: str) -> dict[str, list[str]]:
    """What is there when all of TEXT is up, as `left` tells it."""
    return {
        "containers": [f"{project}-{name}" for name in ("db-1", "seed-1", "web-1", "web-2")],
        "networks": [f"{project}_back", f"{project}_front"],
        "volumes": [f"{project}_data"],
    }


def without_copies(found: dict[str, list[str]], project: str) -> dict[str, list[str]]:
    """FOUND without the copy of the first data that reset() keeps, which is there whole or not at all."""
    kept = [f"{project}_data.first", f"{project}_first-state"]
    assert [name for name in found["volumes"] if name in kept] in ([], kept)
    return {**found, "volumes": [name for name in found["volumes"] if name not in kept]}


def told(how: signal.Signals, call: str, stopped_early: int, moments: int) -> None:
    print(f"{how.name} {call}: {stopped_early} of {moments} were stopped before their end; 0 left anything")
    assert stopped_early, "none was stopped before its end: the moments are too late"


@SIGNALS
def test_up_at_random_moments(
    how: signal.Signals, engine: Callable[..., Engine], registry: str, client: docker.DockerClient, left: Left
) -> None:
    stack, chance, early = engine(TEXT), random.Random(SEED), 0
    project, image = stack.project, f"{registry}/library/python:3.13-slim"
    for moment in range(MOMENTS * 6 // 10):
        code = stopped(stack, image, "engine.up()", how, chance.uniform(0.0, 1.5))
        early += code is not None
        if how is signal.SIGINT and code:
            assert left()["containers"] == [], "an interrupted up() takes back what it made"
        (stack.reset if moment % 2 else stack.up)()
        assert (without_copies(left(), project) if moment % 2 else left()) == whole(project)
        states = {s["Names"][0]: s["State"] for s in stack.find(client)}
        assert set(states.values()) == {"running", "exited"}
        web = client.containers.get(f"{project}-web-1")
        assert set(web.attrs["NetworkSettings"]["Networks"]) == {f"{project}_back", f"{project}_front"}
        stack.down(volumes=True)
        assert left() == {"containers": [], "networks": [], "volumes": []}
    told(how, "up()", early, MOMENTS * 6 // 10)


@SIGNALS
def test_scale_and_down_at_random_moments(
    how: signal.Signals, engine: Callable[..., Engine], registry: str, client: docker.DockerClient, left: Left
) -> None:
    stack, chance, early = engine(TEXT), random.Random(SEED), 0
    image, calls = f"{registry}/library/python:3.13-slim", ["engine.scale('web', 4)", "engine.down(volumes=True)"]
    for moment in range(MOMENTS * 4 // 10):
        stack.up()
        early += stopped(stack, image, calls[moment % 2], how, chance.uniform(0.0, 0.7)) is not None
        stack.up()
        assert left() == whole(stack.project)
        assert len([s for s in stack.find(client, "web") if s["State"] == "running"]) == 2
    stack.down(volumes=True)
    assert left() == {"containers": [], "networks": [], "volumes": []}
    told(how, "scale() or down()", early, MOMENTS * 4 // 10)


@SIGNALS
def test_reset_at_random_moments(
    how: signal.Signals, engine: Callable[..., Engine], registry: str, client: docker.DockerClient, left: Left
) -> None:
    """A copy of the data may be there or not; the data itself is whole, and that of the first state."""
    stack, chance, early = engine(TEXT), random.Random(SEED), 0
    project, image = stack.project, f"{registry}/library/python:3.13-slim"
    for moment in range(MOMENTS // 5):
        stack.up()
        client.containers.get(f"{project}-db-1").exec_run(["touch", "/data/later"])
        if moment % 2:
            stack.reset()
        early += stopped(stack, image, "engine.reset()", how, chance.uniform(0.0, 1.5)) is not None
        stack.up()
        assert without_copies(left(), project) == whole(project)
        assert client.containers.get(f"{project}-db-1").exec_run(["ls", "/data"]).output == b"seeded\n"
        stack.down(volumes=True)
        assert left() == {"containers": [], "networks": [], "volumes": []}
    told(how, "reset()", early, MOMENTS // 5)
