"""What a stack is like at one moment, and how the engine's list of containers says it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from servicelab.engine.spec import NUMBER, SERVICE

EXIT_CODE = re.compile(r"^Exited \((\d+)\)")
HEALTH = re.compile(r"\((?:health: )?(healthy|unhealthy|starting)\)$")


@dataclass(frozen=True)
class Usage:
    """``memory`` in bytes, without caches; ``cpu`` as a part of one core (1.0: all of it), None until it was seen twice."""

    memory: int
    cpu: float | None = None


@dataclass(frozen=True)
class Replica:
    """One container. ``state`` as the engine calls it: running, paused, exited, restarting, created, removing, dead."""

    number: int
    state: str
    health: str | None = None
    exit_code: int | None = None
    id: str = ""
    edited: bool = False
    usage: Usage | None = None

    @property
    def condition(self) -> str:
        """One word for how it is: its health where it runs and has a check, else its state."""
        return self.health if self.state == "running" and self.health else self.state

    @property
    def words(self) -> str:
        """The condition, the exit code, and whether its source was edited."""
        code = f" {self.exit_code}" if self.state == "exited" else ""
        return f"{self.condition}{code}" + (", edited" if self.edited else "")


@dataclass(frozen=True)
class Rate:
    """Requests and errors (status 500 and above) per second."""

    requests: float = 0.0
    errors: float = 0.0


@dataclass(frozen=True)
class Snapshot:
    """By service: its replicas by number (none: not there), faults in words, connections of a database where they are known,
    messages by queue where they are known (of replicas in a cluster each knows all: those of the last).

    ``rates`` by (caller, callee), where the caller is OUTSIDE if the request names none. ``trouble``: why nothing could be seen.
    """

    replicas: Mapping[str, tuple[Replica, ...]] = field(default_factory=dict)
    faults: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rates: Mapping[tuple[str, str], Rate] = field(default_factory=dict)
    connections: Mapping[str, int] = field(default_factory=dict)
    depths: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    trouble: str = ""

    def of(self, service: str) -> tuple[Replica, ...]:
        return self.replicas.get(service, ())

    def with_details(self, usage: Mapping[str, Usage], edited: Iterable[str]) -> Snapshot:
        """The same with what is asked more rarely, by container id."""
        known = set(edited)
        detailed = {
            name: tuple(replace(r, usage=usage.get(r.id) if r.state == "running" else None, edited=r.id in known) for r in own)
            for name, own in self.replicas.items()
        }
        return replace(self, replicas=detailed)


def replicas(summaries: Iterable[Mapping[str, Any]]) -> dict[str, tuple[Replica, ...]]:
    """Replicas by service, from the containers as the engine lists them (``Engine.find``): one call for all."""
    found: dict[str, list[Replica]] = {}
    for summary in summaries:
        found.setdefault(summary["Labels"].get(SERVICE, ""), []).append(replica(summary))
    return {name: tuple(sorted(own, key=lambda r: r.number)) for name, own in found.items()}


def replica(summary: Mapping[str, Any]) -> Replica:
    """One of them. Health and exit code stand only in its sentence: "Up 3 minutes (healthy)", "Exited (137) 2 hours ago"."""
    status = summary.get("Status") or ""
    code, health = EXIT_CODE.match(status), HEALTH.search(status)
    return Replica(
        number=int(summary["Labels"].get(NUMBER, 0)),
        state=summary["State"],
        health=health[1] if health else None,
        exit_code=int(code[1]) if code else None,
        id=summary["Id"],
    )


def changes(before: Snapshot, after: Snapshot) -> list[str]:
    """What became different from BEFORE to AFTER, in words, for who can't see it."""
    said = []
    for name in sorted(before.replicas.keys() | after.replicas.keys()):
        old, new = ({r.number: r.words for r in snapshot.of(name)} for snapshot in (before, after))
        for number in sorted(old.keys() | new.keys()):
            if old.get(number) != new.get(number):
                said.append(f"{name}-{number}: {new.get(number, 'removed')}")
    for name in sorted(before.faults.keys() | after.faults.keys()):
        old_faults, new_faults = before.faults.get(name, ()), after.faults.get(name, ())
        said += [f"{name}: fault over, {fault}" for fault in old_faults if fault not in new_faults]
        said += [f"{name}: fault, {fault}" for fault in new_faults if fault not in old_faults]
    return said
