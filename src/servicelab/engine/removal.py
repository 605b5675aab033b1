"""Taking containers away, and reading what the engine lists of them."""

from __future__ import annotations

import contextlib
from typing import Any

import docker

from servicelab.engine.client import Clients
from servicelab.engine.spec import NUMBER
from servicelab.progress import Progress


def number_of(summary: dict[str, Any]) -> int:
    """The replica's number, of a container as the engine lists it."""
    return int(summary["Labels"].get(NUMBER, 0))


def remove(pool: Clients, summary: dict[str, Any], thing: str, progress: Progress) -> None:
    """Stop a listed container as gently as it asks for, and remove it. THING is its name for PROGRESS."""
    client = pool.get()
    with contextlib.suppress(docker.errors.NotFound):
        if summary["State"] == "paused":
            client.api.unpause(summary["Id"])
        if summary["State"] in ("running", "paused", "restarting"):
            progress(thing, "stopping")
            client.api.stop(summary["Id"])
        remove_container(client, summary["Id"])
    progress(thing, "removed")


def remove_container(client: docker.DockerClient, container_id: str) -> None:
    """Remove it with its anonymous volumes, at once. No error when it is gone, or being removed, already."""
    try:
        client.api.remove_container(container_id, v=True, force=True)
    except docker.errors.NotFound:
        pass
    except docker.errors.APIError as error:
        if error.status_code != 409 or "already in progress" not in str(error.explanation):
            raise
        with contextlib.suppress(docker.errors.NotFound):
            client.api.wait(container_id, condition="removed")
