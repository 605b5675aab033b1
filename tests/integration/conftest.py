"""Small stacks for the engine's tests: real containers, and nothing left of them afterwards."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import docker
import pytest

from servicelab import compose, images, leftovers, settings
from servicelab.engine.client import connect
from servicelab.engine.stacks import Engine

PYTHON = "library/python:3.13-slim"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs an engine."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.docker)


@pytest.fixture(scope="session")
def registry() -> str:
    """The REGISTRY under which the images of these tests are there."""
    return images.ensure([PYTHON], registry=settings.registry())


@pytest.fixture
def client() -> Iterator[docker.DockerClient]:
    found = connect()
    yield found
    found.close()


@pytest.fixture
def learner() -> Iterator[str]:
    """A learner of this test's own. All that is left of them is removed, whatever happened."""
    name = f"test-{secrets.token_hex(4)}"
    yield name
    leftovers.remove(name, images=True)


@pytest.fixture
def engine(tmp_path: Path, registry: str, learner: str) -> Callable[..., Engine]:
    """``engine(compose_text, **variables)``: an Engine for that text, with ${PYTHON} for the image, as this test's learner."""

    def make(text: str, **variables: str) -> Engine:
        path = tmp_path / "small.yaml"
        path.write_text("name: small\n" + dedent(text), "utf-8")
        known = {"PYTHON": f"{registry}/{PYTHON}", **variables}
        return Engine(compose.load(path, known), f"{learner}-small", learner)

    return make


@pytest.fixture
def left(client: docker.DockerClient, learner: str) -> Callable[[], dict[str, list[str]]]:
    """What this test's learner has on the engine: names by kind."""

    def found() -> dict[str, list[str]]:
        filters = {"label": f"servicelab.learner={learner}"}
        kinds: dict[str, list[Any]] = {
            "containers": client.containers.list(all=True, filters=filters, ignore_removed=True),
            "networks": client.networks.list(filters=filters),
            "volumes": client.volumes.list(filters=filters),
        }
        return {kind: sorted(thing.name for thing in things) for kind, things in kinds.items()}

    return found
