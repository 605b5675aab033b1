"""What a learner has on the engine, found by label and removed: after a run without a browser, after a test session."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import docker

from servicelab.engine.client import connect
from servicelab.engine.removal import remove_container
from servicelab.engine.spec import LEARNER
from servicelab.errors import EngineError


def remove(learner: str, *, images: bool = False) -> list[str]:
    """Remove every container, network and volume of ``learner``, and with ``images`` also what was built for them.

    The layers of the images stay in the build cache. Gives the names of what is gone: none where no engine answers.
    """
    try:
        client = connect()
    except EngineError:
        return []
    mine = {"label": f"{LEARNER}={learner}"}
    gone: list[str] = []
    with contextlib.closing(client):
        for container in client.containers.list(all=True, filters=mine, ignore_removed=True):
            remove_container(client, container.id)
            gone.append(container.name)
        for network in client.networks.list(filters=mine):
            with _perhaps_gone():
                network.remove()
            gone.append(network.name)
        for volume in client.volumes.list(filters=mine):
            with _perhaps_gone():
                volume.remove(force=True)
            gone.append(volume.name)
        for image in client.images.list(filters=mine) if images else []:
            with _perhaps_gone():
                client.images.remove(image.id, force=True, noprune=True)
            gone.append(", ".join(image.tags) or image.short_id)
    return gone


@contextlib.contextmanager
def _perhaps_gone() -> Iterator[None]:
    """Someone else may be removing the same thing: gone (404) or on its way out (409) is what was wanted."""
    try:
        yield
    except docker.errors.APIError as error:
        if error.status_code not in (404, 409):
            raise
