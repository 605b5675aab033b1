"""From a service of a Compose file to what the Docker API wants. All labels live here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import docker

from servicelab.compose import Application, Healthcheck, Service

# Docker Compose's own labels: `docker compose ps`, `logs`, `down` and Docker Desktop know a stack by them.
PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
NUMBER = "com.docker.compose.container-number"
ONEOFF = "com.docker.compose.oneoff"
CONFIG_HASH = "com.docker.compose.config-hash"
NETWORK = "com.docker.compose.network"
VOLUME = "com.docker.compose.volume"
# Ours.
LEARNER = "servicelab.learner"
STACK = "servicelab.stack"
CONTEXT = "servicelab.context"  # of an image: what it was built from
PASSWORDS = "servicelab.passwords"
SOURCE = "servicelab.source"  # of an image: the folder that `update` may change

CPU_PERIOD = 100_000  # microseconds


def fingerprint(value: Any) -> str:
    """A short hash of anything that JSON can say."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]


def config_hash(service: Service, image_id: str) -> str:
    """Changes when a container of SERVICE would have to be replaced. How many there are, and who waits for whom, does not count."""
    described = asdict(service)
    for name in ("replicas", "depends_on", "build"):
        del described[name]
    return fingerprint([described, image_id])


def stack_labels(application: Application, project: str, learner: str) -> dict[str, str]:
    """What every container, network and volume of a stack carries."""
    return {
        PROJECT: project,
        LEARNER: learner,
        STACK: application.name,
        "com.docker.compose.project.config_files": str(application.file),
        "com.docker.compose.project.working_dir": str(application.file.parent),
    }


def container_name(project: str, service: str, number: int) -> str:
    return f"{project}-{service}-{number}"


def create(
    client: docker.DockerClient,
    service: Service,
    number: int,
    *,
    project: str,
    image_id: str,
    labels: Mapping[str, str],
    address: str,
) -> str:
    """Create replica NUMBER (from 1) of SERVICE, on the first of its networks, not started. Returns its id."""
    api = client.api
    first = next(iter(service.networks), "none")
    mounts = [
        docker.types.Mount(m.target, f"{project}_{m.source}", read_only=m.read_only)
        if m.type == "volume"
        else docker.types.Mount(m.target, None, type="tmpfs", tmpfs_size=m.size)
        for m in service.mounts
    ]
    host = api.create_host_config(
        network_mode=first if first == "none" else f"{project}_{first}",
        port_bindings={port.key: _binding(port.host_ip, port.published, address) for port in service.ports},
        mounts=mounts,
        init=service.init,
        read_only=service.read_only,
        cap_add=list(service.cap_add) or None,
        cap_drop=list(service.cap_drop) or None,
        security_opt=list(service.security_opt) or None,
        restart_policy=_restart(service.restart),
        mem_limit=service.memory,
        # not nano_cpus: a quota can be changed while it runs, for a fault
        cpu_period=None if service.cpus is None else CPU_PERIOD,
        cpu_quota=None if service.cpus is None else int(service.cpus * CPU_PERIOD),
    )
    container: str = api.create_container(
        image_id,
        name=container_name(project, service.name, number),
        command=None if service.command is None else list(service.command),
        entrypoint=None if service.entrypoint is None else list(service.entrypoint),
        # a name to be read in logs: orders-2, not 3f2a9b0c…
        hostname=service.hostname or f"{service.name}-{number}",
        user=service.user,
        working_dir=service.working_dir,
        environment=dict(service.environment),
        ports=[(port.target, port.protocol) for port in service.ports] + [_exposed(text) for text in service.expose],
        labels={
            **labels,
            **service.labels,
            SERVICE: service.name,
            NUMBER: str(number),
            ONEOFF: "False",
            CONFIG_HASH: config_hash(service, image_id),
        },
        stop_signal=service.stop_signal,
        healthcheck=_healthcheck(service.healthcheck),
        host_config=host,
        # the key has to be the network's own name: another one drops the aliases in silence
        networking_config=None
        if first == "none"
        else api.create_networking_config({f"{project}_{first}": _endpoint(client, service, first)}),
    )["Id"]
    return container


def connect(client: docker.DockerClient, container_id: str, service: Service, network: str, *, project: str) -> None:
    """Put a container of SERVICE on one more NETWORK."""
    client.api.connect_container_to_network(container_id, f"{project}_{network}", aliases=_aliases(service, network))


def _aliases(service: Service, network: str) -> list[str]:
    return [service.name, *service.networks[network]]


def _endpoint(client: docker.DockerClient, service: Service, network: str) -> Any:
    return client.api.create_endpoint_config(aliases=_aliases(service, network))


def _binding(host_ip: str, published: int | None, address: str) -> tuple[str, int | None]:
    return (address if host_ip == "127.0.0.1" else host_ip, published)


def _exposed(text: str) -> tuple[int, str]:
    port, _, protocol = text.partition("/")
    return int(port), protocol or "tcp"


def _restart(policy: str) -> dict[str, Any] | None:
    name, _, count = policy.partition(":")
    return None if name == "no" else {"Name": name, "MaximumRetryCount": int(count or 0)}


def _healthcheck(check: Healthcheck | None) -> dict[str, Any] | None:
    if check is None:
        return None
    nanoseconds = {
        name: int(value * 1e9)
        for name, value in (
            ("interval", check.interval),
            ("timeout", check.timeout),
            ("start_period", check.start_period),
        )
        if value is not None
    }
    wanted: dict[str, Any] = {"test": list(check.test) if check.test else None, "retries": check.retries, **nanoseconds}
    return {name: value for name, value in wanted.items() if value is not None}
