"""What benchmarks/compose.py sets side by side: our engine, docker compose and a bare script, with the same stacks."""

from __future__ import annotations

import subprocess
from pathlib import Path

import bare_up
import docker_compose

from servicelab import Stack, progress, settings

PYTHON = "library/python:3.13-slim"
SERVER = ["python", "-m", "http.server", "8000"]
HEALTH = ["bash", "-c", ": </dev/tcp/127.0.0.1/8000"]  # of no weight: what is measured is the engines


def layers(services: int) -> list[list[str]]:
    """Names: the second half waits until all of the first are healthy."""
    names = [f"s{number}" for number in range(1, services + 1)]
    return [names[: services // 2], names[services // 2 :]]


def compose_file(folder: Path, services: int) -> Path:
    first, second = layers(services)
    path = folder / f"bench{services}.yaml"
    lines = [f"name: bench{services}", "services:"]
    for name in [*first, *second]:
        lines += [
            f"  {name}:",
            f'    image: "${{REGISTRY}}/{PYTHON}"',
            f"    command: {SERVER!r}",
            "    init: true",
            '    ports: ["127.0.0.1::8000"]',
            f"    healthcheck: {{test: {['CMD', *HEALTH]!r}, interval: 1s, timeout: 3s, retries: 30}}",
        ]
        if name not in first:
            lines.append("    depends_on: {" + ", ".join(f"{n}: {{condition: service_healthy}}" for n in first) + "}")
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


class Ours:
    name = "servicelab"

    def __init__(self, file: Path) -> None:
        self.stack = Stack.of(file)

    def up(self) -> None:
        with progress.told(progress.silent):
            self.stack.up()

    def down(self) -> None:
        with progress.told(progress.silent):
            self.stack.down(volumes=True)


class Compose:
    name = "docker compose"

    def __init__(self, file: Path) -> None:
        self.project = f"{settings.learner()}-theirs-{file.stem}"
        self.command = [str(docker_compose.binary()), "--progress", "quiet", "-p", self.project, "-f", str(file)]

    def run(self, *arguments: str) -> None:
        environ = {**settings.variables(), "REGISTRY": settings.registry()}
        done = subprocess.run([*self.command, *arguments], env=environ, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(done.stderr)

    def up(self) -> None:
        self.run("up", "-d", "--wait")

    def down(self) -> None:
        self.run("down", "--volumes")

    def url(self, service: str) -> str:
        """Its first published port. Raises LookupError where it has none."""
        labels = [f"com.docker.compose.project={self.project}", f"com.docker.compose.service={service}"]
        (found,) = bare_up.client().api.containers(filters={"label": labels})[:1] or [{"Ports": []}]
        return f"http://127.0.0.1:{found['Ports'][0]['PublicPort']}"


class Bare:
    name = "bare script"

    def __init__(self, file: Path, services: int) -> None:
        self.project, self.layers = f"{settings.learner()}-bare-{file.stem}", layers(services)

    def up(self) -> None:
        bare_up.up(self.project, f"{settings.registry()}/{PYTHON}", SERVER, HEALTH, self.layers)

    def down(self) -> None:
        bare_up.down(self.project)
