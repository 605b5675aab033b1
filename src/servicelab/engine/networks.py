"""A project's networks. Docker lets two have the same name, and then refuses to start what names it: here each is there once."""

from __future__ import annotations

import contextlib
from typing import Any

import docker

from servicelab.engine.spec import PROJECT


def settle(client: docker.DockerClient, project: str) -> dict[str, str]:
    """The id of each of PROJECT's networks by name; of several with one name, one is kept: that which containers are on.

    A killed kernel's last request can make a second one, carried out after somebody else has looked.
    """
    filters = {"label": f"{PROJECT}={project}"}
    found: dict[str, list[str]] = {}
    for network in client.api.networks(filters=filters):
        found.setdefault(network["Name"], []).append(network["Id"])
    if any(len(same) > 1 for same in found.values()):
        used = {i for summary in client.api.containers(all=True, filters=filters) for i in attached(summary)}
        for same in found.values():
            same.sort(key=lambda network_id: network_id not in used)
            for extra in same[1:]:
                with contextlib.suppress(docker.errors.NotFound):
                    client.api.remove_network(extra)
    return {name: same[0] for name, same in found.items()}


def attached(summary: dict[str, Any]) -> set[str]:
    """Ids of the networks that a listed container is on."""
    return {endpoint["NetworkID"] for endpoint in summary["NetworkSettings"]["Networks"].values()}


def is_ambiguous(error: docker.errors.APIError) -> bool:
    """Whether the engine refused because two networks have one name."""
    return "ambiguous" in str(error.explanation)
