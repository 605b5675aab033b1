"""Requests and errors per second on the arrows, counted from the services' own logs."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Iterable

from servicelab.views.logs import Line
from servicelab.views.snapshot import Rate
from servicelab.views.system import OUTSIDE

WINDOW = 3.0
"""Seconds over which a rate is taken."""

FAILED = 500


class Rates:
    """What each container's log told, over the last few seconds. Times are of one monotonic clock.

    CALLERS: the stack's own services; whoever else calls is OUTSIDE.
    """

    def __init__(self, callers: Collection[str]) -> None:
        self._callers = callers
        self._seen: dict[str, deque[tuple[float, str, Counter[tuple[str, bool]]]]] = {}
        self._read: dict[str, float] = {}

    def add(self, container: str, service: str, lines: Iterable[Line], now: float) -> None:
        """LINES are what CONTAINER wrote from its last ``add`` to NOW."""
        counts: Counter[tuple[str, bool]] = Counter()
        for line in lines:
            if '"status"' not in line.text:
                continue
            fields = line.fields
            status = fields.get("status")
            if isinstance(status, int):
                caller = str(fields.get("caller"))
                counts[caller if caller in self._callers else OUTSIDE, status >= FAILED] += 1
        last = self._read.get(container)
        self._read[container] = now
        if last is not None:
            self._seen.setdefault(container, deque()).append((now - last, service, counts))
            seen = self._seen[container]
            while len(seen) > 1 and sum(seconds for seconds, *_ in seen) - seen[0][0] >= WINDOW:
                seen.popleft()

    def keep(self, containers: Iterable[str]) -> None:
        """Forget all containers but these."""
        gone = self._read.keys() - set(containers)
        for container in gone:
            self._read.pop(container)
            self._seen.pop(container, None)

    def now(self) -> dict[tuple[str, str], Rate]:
        """Per second, by (caller, callee); pairs without a request are left out."""
        total: dict[tuple[str, str], Rate] = {}
        for seen in self._seen.values():
            seconds = sum(length for length, *_ in seen)
            for _, service, counts in seen:
                for (caller, failed), count in counts.items():
                    before = total.get((caller, service), Rate())
                    share = count / seconds
                    total[caller, service] = Rate(before.requests + share, before.errors + (share if failed else 0.0))
        return total
