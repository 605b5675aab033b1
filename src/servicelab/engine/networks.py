"""A project's networks. Docker lets two have the same name, and then refuses to start what names it: here each is there once."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import docker

from servicelab.compose import Network
from servicelab.engine.spec import PROJECT


def settle(client: docker.DockerClient, project: str) -> dict[str, dict[str, Any]]:
    """PROJECT's networks as the engine lists them, by name; of several with one name, one is kept: that which containers are on.

    A killed kernel's last request can make a second one, carried out after somebody else has looked.
    """
    filters = {"label": f"{PROJECT}={project}"}
    found: dict[str, list[dict[str, Any]]] = {}
    for network in client.api.networks(filters=filters):
        found.setdefault(network["Name"], []).append(network)
    if any(len(same) > 1 for same in found.values()):
        used = {i for summary in client.api.containers(all=True, filters=filters) for i in attached(summary)}
        for same in found.values():
            same.sort(key=lambda network: network["Id"] not in used)
            for extra in same[1:]:
                with contextlib.suppress(docker.errors.NotFound):
                    client.api.remove_network(extra["Id"])
    return {name: same[0] for name, same in found.items()}


def create(client: docker.DockerClient, name: str, wanted: Network, labels: Mapping[str, str]) -> str:
    """Make the network NAME of the project that LABELS names. Its id."""
    labels = {**labels, **wanted.labels}
    try:
        made = client.api.create_network(name, driver="bridge", check_duplicate=True, internal=wanted.internal, labels=labels)
    except docker.errors.APIError as error:
        # a killed kernel's last request can still have been carried out after we looked
        late = settle(client, labels[PROJECT]).get(name) if error.status_code == 409 else None
        if late is None:
            raise
        made = late
    return str(made["Id"])


def differs(there: Mapping[str, Any], wanted: Network) -> bool:
    """Whether a listed network is not what a file wants. Labels that others put on it are theirs."""
    return there["Internal"] != wanted.internal or not wanted.labels.items() <= (there["Labels"] or {}).items()


def remove(client: docker.DockerClient, network_id: str) -> None:
    """Take all containers off a network, and remove it."""
    for container in client.api.inspect_network(network_id)["Containers"]:
        with contextlib.suppress(docker.errors.NotFound):
            client.api.disconnect_container_from_network(container, network_id, force=True)
    client.api.remove_network(network_id)


def attached(summary: dict[str, Any]) -> set[str]:
    """Ids of the networks that a listed container is on."""
    return {endpoint["NetworkID"] for endpoint in summary["NetworkSettings"]["Networks"].values()}


def is_ambiguous(error: docker.errors.APIError) -> bool:
    """Whether the engine refused because two networks have one name."""
    return "ambiguous" in str(error.explanation)
