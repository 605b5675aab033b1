"""What runs on the engine, by learner and stack: everybody's, not just ours."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from servicelab.engine import leases
from servicelab.engine.client import connect
from servicelab.engine.spec import LEARNER, PROJECT, STACK


@dataclass(frozen=True)
class StackRow:
    """One stack: whose, how many of its containers run, since when the oldest is there, and when it expires (local time).

    One that was taken down without its data has no container; it is there since its oldest volume is.
    """

    learner: str
    stack: str
    running: int
    containers: int
    since: str
    expires: str


def stacks() -> list[StackRow]:
    """The stacks of all learners, by name. Raises `EngineError` where no engine answers."""
    grouped: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    since: dict[str, float] = {}
    with contextlib.closing(connect()) as client:
        expiries = leases.expiries(client)
        for container in client.api.containers(all=True, filters={"label": LEARNER}):
            grouped.setdefault(_key(container), []).append(container)
            project = _key(container)[2]
            since[project] = min(float(container["Created"]), since.get(project, math.inf))
        for volume in client.api.volumes(filters={"label": [LEARNER, PROJECT]})["Volumes"] or []:
            if leases.EXPIRES not in volume["Labels"] and not grouped.get(_key(volume)):
                grouped[_key(volume)] = []
                created = datetime.fromisoformat(volume["CreatedAt"]).timestamp()
                since[_key(volume)[2]] = min(created, since.get(_key(volume)[2], math.inf))
    rows = []
    for (learner, stack, project), containers in sorted(grouped.items()):
        running = sum(container["State"] == "running" for container in containers)
        expires = _local(expiries[project]) if project in expiries else "never"
        rows.append(StackRow(learner, stack, running, len(containers), _local(since[project]), expires))
    return rows


def _key(thing: Mapping[str, Any]) -> tuple[str, str, str]:
    """Learner, stack and project of a container or volume."""
    labels = thing["Labels"]
    return labels[LEARNER], labels.get(STACK, ""), labels.get(PROJECT, "")


def _local(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).isoformat(sep=" ", timespec="minutes")
