"""What the doctor looks at: this machine and its engine, gathered once, nothing judged."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import platform
import shutil
import socket
import ssl
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import docker
import requests

from servicelab import images, listing, settings
from servicelab.errors import EngineError
from servicelab.images import registries
from servicelab.listing import StackRow
from servicelab_start.endpoints import Answer, Refusal, current_context, find
from servicelab_start.machine import Machine, this_machine

GB = 2**30
PROBED = "library/python:3.13-slim"


@dataclass(frozen=True)
class Facts:
    """Sizes are in bytes, times in seconds; None where it can't be known from here."""

    machine: Machine
    root: Path
    environ: Mapping[str, str]
    python: str = platform.python_version()
    in_venv: bool = False
    answer: Answer | None = None
    refusals: list[Refusal] = field(default_factory=list)
    engine_error: str = ""
    version: Mapping[str, Any] = field(default_factory=dict)
    info: Mapping[str, Any] = field(default_factory=dict)
    context: str = ""
    remote: bool = False
    memory_free: int | None = None
    disk_free: int | None = None
    clock_skew: float | None = None
    loopback_error: str = ""
    registry: str = ""
    registry_answers: bool | None = None
    learner: str = ""
    stacks: list[StackRow] = field(default_factory=list)


def gather(*, ask_registry: bool = True) -> Facts:
    """Ask this machine and its engine; takes as long as the registry's three seconds at most, and raises nothing."""
    root, machine = settings.root(), this_machine()
    answer, refusals = find()
    config = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    known: dict[str, Any] = {
        "machine": machine,
        "root": root,
        "environ": dict(os.environ),
        "in_venv": Path(sys.prefix) == root / ".venv",
        "answer": answer,
        "refusals": refusals,
        "context": os.environ.get("DOCKER_CONTEXT") or current_context(config),
        "learner": settings.learner(),
        "loopback_error": loopback_error(),
        "registry": images.upstream(settings.registry()),
    }
    if answer is None:
        return Facts(**known)
    host = urlsplit(answer.endpoint.host)
    remote = host.scheme not in ("unix", "npipe") and host.hostname not in ("localhost", "127.0.0.1", "::1")
    local = host.scheme == "unix" and machine.system not in ("darwin", "win32")
    try:
        with contextlib.closing(docker.DockerClient(base_url=answer.endpoint.host, timeout=20)) as client:
            version, info = client.version(), client.info()
    except (docker.errors.DockerException, requests.RequestException, OSError) as error:
        return Facts(**known, engine_error=str(error), remote=remote)
    return Facts(
        **known,
        version=version,
        info=info,
        remote=remote,
        memory_free=memory_available() if local else None,
        disk_free=disk_free(Path(str(info.get("DockerRootDir", "/var/lib/docker")))) if local else None,
        clock_skew=skew(str(info.get("SystemTime", "")), datetime.now(UTC)),
        registry_answers=_registry_answers(known["registry"]) if ask_registry else None,
        stacks=_stacks(),
    )


def memory_available(meminfo: Path = Path("/proc/meminfo")) -> int | None:
    """What programs can still get without swapping."""
    try:
        lines = dict(line.split(":", 1) for line in meminfo.read_text("utf-8").splitlines() if ":" in line)
        return int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return None


def disk_free(folder: Path) -> int | None:
    """Free bytes on the disk that holds ``folder``, asked at the nearest parent that we may look at."""
    for place in (folder, *folder.parents):
        with contextlib.suppress(OSError):
            return shutil.disk_usage(place).free
    return None


def loopback_error() -> str:
    """Why a free port on 127.0.0.1 can't be had and reached; "" where it can."""
    try:
        with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()[:2], 3):
            return ""
    except OSError as error:
        return str(error)


def no_bundle(path: str) -> str:
    """Why PATH is no bundle of certificates; "" where it is one."""
    if not Path(path).is_file():
        return "no such file"
    try:
        ssl.create_default_context(cafile=path)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        return "you may not read it" if isinstance(error, PermissionError) else "no readable bundle of certificates (PEM)"
    return ""


def is_address(text: str) -> bool:
    """Whether it is one in numbers."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def skew(engine_time: str, now: datetime) -> float | None:
    """How many seconds the engine's clock is ahead; its time is RFC 3339 with up to nine decimals."""
    try:
        return (datetime.fromisoformat(engine_time) - now).total_seconds()
    except (ValueError, TypeError):
        return None


def _registry_answers(registry: str) -> bool | None:
    try:
        return registries.probe(registry, PROBED).answers
    except (EngineError, docker.errors.DockerException, requests.RequestException, OSError):
        return None


def _stacks() -> list[StackRow]:
    try:
        return listing.stacks()
    except (EngineError, docker.errors.DockerException, requests.RequestException, OSError):
        return []
