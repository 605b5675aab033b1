"""Taking containers away, and reading what the engine lists of them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
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


def remove_labelled(client: docker.DockerClient, label: str) -> list[str]:
    """Remove every container, volume and network with LABEL ("name=value"), at once. Their names.

    Networks come last: one that somebody else is connected to stops nothing but itself. Raises docker's APIError for that.
    """
    mine = {"label": label}
    gone: list[str] = []
    for container in client.api.containers(all=True, filters=mine):
        remove_container(client, container["Id"])
        gone.append((container["Names"] or [container["Id"]])[0].lstrip("/"))  # one that is being removed has none
    for volume in client.api.volumes(filters=mine)["Volumes"] or []:
        with perhaps_gone():
            client.api.remove_volume(volume["Name"], force=True)
        gone.append(volume["Name"])
    for network in client.api.networks(filters=mine):
        with perhaps_gone():
            client.api.remove_network(network["Id"])
        gone.append(network["Name"])
    return gone


@contextlib.contextmanager
def perhaps_gone() -> Iterator[None]:
    """Someone else may be removing the same thing: gone (404) or on its way out (409) is what was wanted."""
    try:
        yield
    except docker.errors.APIError as error:
        if error.status_code not in (404, 409):
            raise
