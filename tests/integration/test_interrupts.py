"""Interrupted or killed at any moment of up(): the next up() makes it whole, nothing twice, nothing left over."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

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
  seed: {image: "${PYTHON}", command: ["true"], depends_on: {db: {condition: service_healthy}}, networks: [back]}
  web:
    image: ${PYTHON}
    command: [sleep, infinity]
    depends_on: {seed: {condition: service_completed_successfully}}
    networks: {back: {}, front: {}}
    deploy: {replicas: 2}
networks: {back: {}, front: {}}
volumes: {data: }
"""

UP = """
import sys
from pathlib import Path
from servicelab import compose
from servicelab.engine.stacks import Engine
path, image, project, learner = sys.argv[1:]
engine = Engine(compose.load(Path(path), {"PYTHON": image}), project, learner)
print("begin", flush=True)
engine.up()
print("end", flush=True)
"""


def up_in_a_process(engine: Engine, image: str) -> subprocess.Popen[str]:
    """Another Python process that calls up(); returns at the moment it begins."""
    process = subprocess.Popen(
        [sys.executable, "-c", UP, str(engine.application.file), image, engine.project, engine.labels["servicelab.learner"]],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        # a shell's background job ignores SIGINT, and its children inherit that
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler) and None,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begin\n"
    return process


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["interrupted", "killed"])
def test_up_at_random_moments(
    how: signal.Signals,
    engine: Callable[..., Engine],
    registry: str,
    client: docker.DockerClient,
    left: Callable[[], dict[str, list[str]]],
    tmp_path: Path,
) -> None:
    stack = engine(TEXT)
    chance = random.Random(SEED)
    project = stack.project
    whole = {
        "containers": [f"{project}-{name}" for name in ("db-1", "seed-1", "web-1", "web-2")],
        "networks": [f"{project}_back", f"{project}_front"],
        "volumes": [f"{project}_data"],
    }
    interrupted = 0
    for _ in range(MOMENTS // 2):
        with up_in_a_process(stack, f"{registry}/library/python:3.13-slim") as process:
            timer = threading.Timer(chance.uniform(0.0, 1.5), process.send_signal, [how])
            timer.start()
            assert process.stdout is not None
            interrupted += "end" not in process.stdout.read()
            process.wait()
            timer.cancel()
            timer.join()
        if how is signal.SIGINT and process.returncode != 0:
            assert left()["containers"] == [], "an interrupted up() takes back what it made"
        stack.up()
        assert left() == whole
        states = {s["Names"][0]: s["State"] for s in stack.find(client)}
        assert set(states.values()) == {"running", "exited"}
        web = client.containers.get(f"{project}-web-1")
        assert set(web.attrs["NetworkSettings"]["Networks"]) == {f"{project}_back", f"{project}_front"}
        stack.down(volumes=True)
        assert left() == {"containers": [], "networks": [], "volumes": []}
    print(f"{how.name}: {interrupted} of {MOMENTS // 2} ups were stopped before their end; 0 left anything")
    assert interrupted, "no up() was stopped before its end: the moments are too late"
