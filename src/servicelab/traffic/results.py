"""The results of a run, as the generator's reports add up to them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from servicelab.traffic.plan import Plan
from servicelab.traffic.tally import BUCKET, Bucket, Tally, new_histogram

LATE = 0.010
"""Seconds behind its time from which a request counts as sent late."""

LATE_SHARE = 0.01
"""Share of late requests from which the generator, and not the service, was the limit."""


class Results(Tally):
    """What :class:`~servicelab.traffic.run.Run` says of its attributes. Reports may come from another thread."""

    def __init__(self, plan: Plan, title: str = "") -> None:
        super().__init__()
        self.plan = plan
        self.title = title or ", ".join(request.name for request in plan.requests)
        self.lateness = new_histogram()
        self.marks: list[tuple[float, str]] = []
        self.sent = 0
        self.retries = 0
        self.generator_cpu = 0.0
        self.seconds = 0.0
        self.ended = False
        self._lock = threading.RLock()
        self._timeline: list[Bucket] = []
        self._tallies = [Tally() for _ in plan.requests]
        self._late = 0
        self._queued = 0
        self._own_errors: list[str] = []

    @property
    def rate(self) -> float:
        """Answers per second."""
        with self._lock:
            return (self.requests - self.errors) / self.seconds if self.seconds else 0.0

    @property
    def timeline(self) -> list[Bucket]:
        with self._lock:
            return list(self._timeline)

    @property
    def by_request(self) -> dict[str, Tally]:
        return dict(zip((request.name for request in self.plan.requests), self._tallies, strict=True))

    def percentile(self, q: float) -> float:
        with self._lock:
            return super().percentile(q)

    def percentiles(self, qs: Sequence[float]) -> list[float]:
        with self._lock:
            return super().percentiles(qs)

    @property
    def limited(self) -> str:
        """Why the generator, and not the service, was the limit; empty where it was not."""
        reasons = []
        with self._lock:
            if self._late > LATE_SHARE * max(1, self.sent):
                reasons.append(f"{self._late:,} of {self.sent:,} requests were sent more than {LATE * 1000:.0f} ms late")
            if self._queued:
                reasons.append(f"{self._queued:,} had to wait for one of {self.plan.connections:,} connections")
            reasons += self._own_errors
        return "; ".join(reasons)

    def take(self, report: dict[str, Any]) -> None:
        """Add what is new since the last report (:mod:`servicelab.traffic.generator` gives its form)."""
        with self._lock:
            self.sent = report["sent"]
            self.seconds = max(report["elapsed"], 0.0)
            self._queued = report["queued"]
            for index, request, outcome, count, slowest in report["outcomes"]:
                while len(self._timeline) <= index:
                    self._timeline.append(Bucket(start=round(len(self._timeline) * BUCKET, 3)))
                bucket = self._timeline[index]
                bucket.slowest = max(bucket.slowest, slowest / 1000)
                for counts in (self, bucket, self._tallies[request]):
                    counts.outcomes[outcome] += count
            for request, micros, count in report["latencies"]:
                self.histogram.record_value(max(1, micros), count)
                self._tallies[request].histogram.record_value(max(1, micros), count)
            for micros, count in report["lateness"]:
                self.lateness.record_value(max(1, micros), count)
                self._late += count if micros > LATE * 1e6 else 0

    def take_end(self, end: dict[str, Any]) -> None:
        """The last report: what holds of the run as a whole."""
        with self._lock:
            self.seconds = end["seconds"]
            self.generator_cpu = end["cpu"]
            self.retries = end["retries"]
            self._own_errors = end["own_errors"]
            self.ended = True
