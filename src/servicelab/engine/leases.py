"""How long a stack may stay: a lease, written on the engine as an empty volume, which goes with the stack's other volumes.

Labels can't be changed, so a renewal is a new volume and the old one's end. Who holds a stack (a live kernel) renews its lease;
what nobody renews expires, and whatever starts next sweeps it: containers, networks and data.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Mapping
from typing import Any

import docker
import requests

from servicelab.engine import owner
from servicelab.engine.client import connect
from servicelab.engine.removal import remove_labelled
from servicelab.engine.spec import PROJECT
from servicelab.errors import EngineError

EXPIRES = "servicelab.expires"  # the label: seconds since the epoch
_HOLDER = "servicelab.holder"
RENEWALS = 4  # of a lease in its time, by a kernel that holds it: one may fail


def renew(client: docker.DockerClient, labels: Mapping[str, str], seconds: float) -> None:
    """The stack with these LABELS may stay for SECONDS from now."""
    project, until = labels[PROJECT], int(time.time() + seconds)
    name = f"{project}_lease-{until}"
    client.api.create_volume(name, labels={**labels, EXPIRES: str(until), _HOLDER: json.dumps(owner.me())})
    for volume in _leases(client, f"{PROJECT}={project}"):
        if volume["Name"] != name:
            _remove_volume(client, volume["Name"])


def drop(client: docker.DockerClient, project: str) -> None:
    """End the lease of a stack of which nothing else is there: a start that failed leaves nothing."""
    if not _inhabited(client, f"{PROJECT}={project}"):
        for volume in _leases(client, f"{PROJECT}={project}"):
            _remove_volume(client, volume["Name"])


def expiries(client: docker.DockerClient) -> dict[str, float]:
    """By project, of all learners: when it expires, in seconds since the epoch."""
    found: dict[str, float] = {}
    for volume in _leases(client):
        labels = volume["Labels"]
        found[labels[PROJECT]] = max(float(labels[EXPIRES]), found.get(labels[PROJECT], 0.0))
    return found


def sweep(client: docker.DockerClient) -> list[str]:
    """Remove what has expired, whoever's it is, and leases of which `docker compose down -v` left nothing else. Returns the projects.

    Not that of a kernel which lives on this machine: after a night's sleep of the machine it had no chance to renew yet.
    """
    leases, now = _leases(client), time.time()
    lives = {lease["Name"]: owner.lives(json.loads(lease["Labels"][_HOLDER])) for lease in leases}
    stays = {lease["Labels"][PROJECT] for lease in leases if float(lease["Labels"][EXPIRES]) >= now or lives[lease["Name"]]}
    expired = sorted({lease["Labels"][PROJECT] for lease in leases} - stays)
    for project in expired:
        with contextlib.suppress(docker.errors.APIError):  # somebody else connected something of theirs
            remove_labelled(client, f"{PROJECT}={project}")
    # a holder that lives, or may live elsewhere (None), can be about to start the stack
    dead = {lease["Name"]: lease["Labels"][PROJECT] for lease in leases if lives[lease["Name"]] is False}
    inhabited = _inhabited(client) if dead else set()
    alone = {name: project for name, project in dead.items() if project not in {*expired, *inhabited}}
    for name in alone:
        _remove_volume(client, name)
    return sorted({*expired, *alone.values()})


class Holder:
    """Renews the lease of a stack for as long as this process lives, or until `release`."""

    def __init__(self, labels: Mapping[str, str], seconds: float) -> None:
        self._labels, self._seconds = labels, seconds
        self._released = threading.Event()
        threading.Thread(target=self._hold, name="servicelab-lease", daemon=True).start()

    def release(self) -> None:
        """Renew no more: the stack is gone, or its kernel ends."""
        self._released.set()

    def _hold(self) -> None:
        while not self._released.wait(self._seconds / RENEWALS):
            # an engine that is away for a while comes back, and the next renewal is in time
            away = (EngineError, docker.errors.DockerException, requests.RequestException)
            with contextlib.suppress(*away), contextlib.closing(connect()) as client:
                if _leases(client, f"{PROJECT}={self._labels[PROJECT]}"):  # none: it was taken down by another process
                    renew(client, self._labels, self._seconds)


def _inhabited(client: docker.DockerClient, label: str = PROJECT) -> set[str]:
    """The projects with LABEL of which more is there than leases."""
    mine = {"label": label}
    things = [each for each in client.api.volumes(filters=mine)["Volumes"] or [] if EXPIRES not in each["Labels"]]
    things += client.api.containers(all=True, filters=mine)
    things += client.api.networks(filters=mine)
    return {thing["Labels"][PROJECT] for thing in things}


def _remove_volume(client: docker.DockerClient, name: str) -> None:
    with contextlib.suppress(docker.errors.APIError):  # somebody else was quicker
        client.api.remove_volume(name, force=True)


def _leases(client: docker.DockerClient, *labels: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.api.volumes(filters={"label": [EXPIRES, *labels]})["Volumes"] or []
    return found
