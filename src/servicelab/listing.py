"""What runs on the engine, by learner and stack: everybody's, not just ours."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from servicelab.engine import leases
from servicelab.engine.client import connect
from servicelab.engine.spec import LEARNER, PROJECT, STACK


@dataclass(frozen=True)
class StackRow:
    """One stack: whose, how many of its containers run, since when the oldest is there, and when it expires (local time)."""

    learner: str
    stack: str
    running: int
    containers: int
    since: str
    expires: str


def stacks() -> list[StackRow]:
    """The stacks of all learners, by name. Raises `EngineError` where no engine answers."""
    grouped: dict[tuple[str, str], list[dict[str, Any]]] = {}
    with contextlib.closing(connect()) as client:
        expiries = leases.expiries(client)
        for container in client.api.containers(all=True, filters={"label": LEARNER}):
            labels = container["Labels"]
            grouped.setdefault((labels[LEARNER], labels.get(STACK, "")), []).append(container)
    rows = []
    for (learner, stack), containers in sorted(grouped.items()):
        running = sum(container["State"] == "running" for container in containers)
        oldest = min(int(container["Created"]) for container in containers)
        project = str(containers[0]["Labels"].get(PROJECT))
        expires = _local(expiries[project]) if project in expiries else "never"
        rows.append(StackRow(learner, stack, running, len(containers), _local(oldest), expires))
    return rows


def _local(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).isoformat(sep=" ", timespec="minutes")
