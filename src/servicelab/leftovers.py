"""What a learner has on the engine, found by label and removed: after a run without a browser, after a test session."""

from __future__ import annotations

import contextlib
import getpass
import os
import re
from collections.abc import Iterator

import docker

LABEL = "servicelab.learner"


def learner() -> str:
    """Whose stacks these are, in the form that container names and labels take."""
    name = os.environ.get("SERVICELAB_LEARNER") or os.environ.get("JUPYTERHUB_USER") or getpass.getuser()
    return re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-_") or "learner"


def remove(learner: str, *, images: bool = False) -> list[str]:
    """Remove every container, network and volume that carries the label of ``learner``, and with ``images`` also what was
    built for it; the layers stay in the build cache. Gives the names of what is gone; without an engine, nothing.
    """
    try:
        client = docker.from_env()
    except docker.errors.DockerException:
        return []
    mine = {"label": f"{LABEL}={learner}"}
    gone: list[str] = []
    with contextlib.closing(client):
        for container in client.containers.list(all=True, filters=mine, ignore_removed=True):
            with _perhaps_gone():
                container.remove(force=True, v=True)
            gone.append(container.name)
        for network in client.networks.list(filters=mine):
            with _perhaps_gone():
                network.remove()
            gone.append(network.name)
        for volume in client.volumes.list(filters=mine):
            with _perhaps_gone():
                volume.remove(force=True)
            gone.append(volume.name)
        if images:
            for tag in (tag for image in client.images.list() for tag in image.tags if tag.startswith(f"{learner}-")):
                with _perhaps_gone():
                    client.images.remove(tag, noprune=True)
                gone.append(tag)
    return gone


@contextlib.contextmanager
def _perhaps_gone() -> Iterator[None]:
    """Someone else may be removing the same thing: gone (404) or on its way out (409) is what was wanted."""
    try:
        yield
    except docker.errors.APIError as error:
        if error.status_code not in (404, 409):
            raise
