"""What a Compose file says, in one form: times in seconds, sizes in bytes, lists and mappings in their long form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Literal

Condition = Literal["service_started", "service_healthy", "service_completed_successfully"]


@dataclass(frozen=True)
class Build:
    """An image built from ``context`` (absolute) by ``dockerfile`` (relative to it)."""

    context: Path
    dockerfile: str = "Dockerfile"
    args: Mapping[str, str] = field(default_factory=dict)
    target: str | None = None


@dataclass(frozen=True)
class Port:
    """A published port. ``published`` None: the engine chooses one."""

    target: int
    published: int | None = None
    host_ip: str = "127.0.0.1"
    protocol: str = "tcp"

    @property
    def key(self) -> str:
        """As the Docker API names it: ``3001/tcp``."""
        return f"{self.target}/{self.protocol}"


@dataclass(frozen=True)
class Mount:
    """A named volume, or memory (``tmpfs``: then no source, and ``size`` in bytes, None: unlimited)."""

    type: Literal["volume", "tmpfs"]
    target: str
    source: str | None = None
    read_only: bool = False
    size: int | None = None


@dataclass(frozen=True)
class Dependency:
    """What must be true of another service before this one starts."""

    condition: Condition = "service_started"
    required: bool = True


@dataclass(frozen=True)
class Healthcheck:
    """``test`` as Docker wants it: ``("CMD", …)``, ``("CMD-SHELL", line)`` or ``("NONE",)``. None: the image's own."""

    test: tuple[str, ...] | None
    interval: float | None = None
    timeout: float | None = None
    start_period: float | None = None
    retries: int | None = None


@dataclass(frozen=True)
class Service:
    """One service. Empty and None mean: as the image says."""

    name: str
    image: str | None = None
    build: Build | None = None
    command: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[Port, ...] = ()
    expose: tuple[str, ...] = ()
    networks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # network -> aliases
    mounts: tuple[Mount, ...] = ()
    depends_on: Mapping[str, Dependency] = field(default_factory=dict)
    healthcheck: Healthcheck | None = None
    init: bool = True
    user: str | None = None
    working_dir: str | None = None
    hostname: str | None = None
    read_only: bool = False
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    security_opt: tuple[str, ...] = ()
    stop_signal: str | None = None
    stop_grace_period: float | None = None
    restart: str = "no"
    replicas: int = 1
    memory: int | None = None  # bytes
    cpus: float | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Network:
    """A network of the stack's own. ``internal``: no way out of it."""

    internal: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Volume:
    """A named volume of the stack's own."""

    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Application:
    """A whole Compose file."""

    name: str
    file: Path
    services: Mapping[str, Service]
    networks: Mapping[str, Network]
    volumes: Mapping[str, Volume]

    @property
    def order(self) -> list[str]:
        """Names of the services, each after those that it depends on."""
        return list(TopologicalSorter({s.name: s.depends_on.keys() for s in self.services.values()}).static_order())

    @property
    def jobs(self) -> frozenset[str]:
        """Services that are meant to end: another one waits for them to complete."""
        return frozenset(
            name
            for service in self.services.values()
            for name, dependency in service.depends_on.items()
            if dependency.condition == "service_completed_successfully"
        )
