"""What is on the engine, by learner and stack: everybody's, not just ours."""

from __future__ import annotations

import contextlib
import math
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from servicelab.engine import leases
from servicelab.engine.client import connect
from servicelab.engine.spec import LEARNER, PROJECT, STACK
from servicelab.faults import journal


@dataclass(frozen=True)
class StackRow:
    """One stack: whose, how many of its containers run, since when the oldest thing of it is there, and when it expires (local time).

    Without containers there is still its ``data`` (volumes, how many), or a network. ``abandoned``: faults on it whose kernel is gone.
    """

    learner: str
    stack: str
    running: int
    containers: int
    since: str
    expires: str
    data: int = 0
    expired: bool = False
    abandoned: int = 0

    @property
    def there(self) -> str:
        """How many of its containers run, or what else is there of it."""
        if self.containers:
            return f"{self.running}/{self.containers}"
        return "data only" if self.data else "network only"


@dataclass
class _Found:
    project: str
    states: list[str] = field(default_factory=list)
    data: int = 0
    made: list[float] = field(default_factory=list)


def stacks() -> list[StackRow]:
    """The stacks of all learners, by name. Raises `EngineError` where no engine answers."""
    grouped: dict[tuple[str, str], _Found] = {}

    def of(labels: dict[str, str], made: float) -> _Found:
        found = grouped.setdefault((labels[LEARNER], labels.get(STACK, "")), _Found(str(labels.get(PROJECT))))
        found.made.append(made)
        return found

    ours = {"label": LEARNER}
    with contextlib.closing(connect()) as client:
        expiries = leases.expiries(client)
        for container in client.api.containers(all=True, filters=ours):
            of(container["Labels"], float(container["Created"])).states.append(container["State"])
        for volume in client.api.volumes(filters=ours)["Volumes"] or []:
            if not {leases.EXPIRES, journal.LABEL} & volume["Labels"].keys():  # notes alone are nothing that stays
                of(volume["Labels"], _seconds(volume["CreatedAt"])).data += 1
        for network in client.api.networks(filters=ours):
            of(network["Labels"], _seconds(network["Created"]))
        abandoned = Counter(project for project, record in journal.read_all(client) if record.abandoned)
    rows = []
    for (learner, stack), found in sorted(grouped.items()):
        running = found.states.count("running")
        until = expiries.get(found.project, math.inf)
        expires = _local(until) if until < math.inf else "never"
        since, expired = _local(min(found.made)), until < time.time()
        known = (since, expires, found.data, expired, abandoned[found.project])
        rows.append(StackRow(learner, stack, running, len(found.states), *known))
    return rows


def _seconds(written: str) -> float:
    return datetime.fromisoformat(written).timestamp()


def _local(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).isoformat(sep=" ", timespec="minutes")
