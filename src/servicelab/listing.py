"""What runs on the engine, by learner and stack: everybody's, not just ours."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import datetime

from servicelab.engine.client import connect
from servicelab.engine.spec import LEARNER, STACK


@dataclass(frozen=True)
class StackRow:
    """One stack: whose, how many of its containers run, and since when the oldest is there (local time)."""

    learner: str
    stack: str
    running: int
    containers: int
    since: str


def stacks() -> list[StackRow]:
    """The stacks of all learners, by name. Raises `EngineError` where no engine answers."""
    grouped: dict[tuple[str, str], list[dict[str, object]]] = {}
    with contextlib.closing(connect()) as client:
        for container in client.api.containers(all=True, filters={"label": LEARNER}):
            labels = container["Labels"]
            grouped.setdefault((labels[LEARNER], labels.get(STACK, "")), []).append(container)
    rows = []
    for (learner, stack), containers in sorted(grouped.items()):
        running = sum(container["State"] == "running" for container in containers)
        oldest = min(int(str(container["Created"])) for container in containers)
        since = datetime.fromtimestamp(oldest).isoformat(sep=" ", timespec="minutes")
        rows.append(StackRow(learner, stack, running, len(containers), since))
    return rows
