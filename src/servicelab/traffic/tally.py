"""What traffic saw: counts by status and kind of error, by time, and the latencies in an HdrHistogram."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hdrh.histogram import HdrHistogram

BUCKET = 0.1
"""Seconds of a timeline's bucket."""

LONGEST = 3_600_000_000
"""µs: the longest latency that a histogram holds."""


def new_histogram() -> Any:
    """An empty HdrHistogram of µs, to three significant digits."""
    return HdrHistogram(1, LONGEST, 3)


def is_ok(outcome: str) -> bool:
    """2xx and 3xx are successes; other statuses and every kind of error ("refused", "timeout", …) are failures."""
    return outcome[0] in "23"


@dataclass
class Counts:
    """How many requests ended in which way. ``outcomes`` has both: statuses ("200") and kinds of error ("refused")."""

    outcomes: Counter[str] = field(default_factory=Counter)

    @property
    def requests(self) -> int:
        """All that ended."""
        return self.outcomes.total()

    @property
    def ok(self) -> int:
        """Answered with 2xx or 3xx."""
        return sum(count for outcome, count in self.outcomes.items() if is_ok(outcome))

    @property
    def failed(self) -> int:
        """Answered with another status, or not at all."""
        return self.requests - self.ok

    @property
    def errors(self) -> int:
        """Not answered at all."""
        return sum(self.error_kinds.values())

    @property
    def statuses(self) -> dict[int, int]:
        """How many answers had which status."""
        return {int(outcome): n for outcome, n in sorted(self.outcomes.items()) if outcome.isdigit()}

    @property
    def error_kinds(self) -> dict[str, int]:
        """How many got no answer, by kind: refused, reset, closed, timeout, unreachable, protocol, unsent."""
        return {outcome: n for outcome, n in sorted(self.outcomes.items()) if not outcome.isdigit()}


@dataclass
class Bucket(Counts):
    """The requests that were meant to be sent in 100 ms from ``start`` (s). ``slowest``: ms, of those that ended."""

    start: float = 0.0
    slowest: float = 0.0


@dataclass
class Tally(Counts):
    """Counts, and the latencies of what was answered or timed out, from the moment at which it was meant to be sent."""

    histogram: Any = field(default_factory=new_histogram)

    def percentile(self, q: float) -> float:
        """The latency in ms that q % of the requests did not exceed; NaN where nothing was answered or timed out."""
        if not self.histogram.get_total_count():
            return math.nan
        return float(self.histogram.get_value_at_percentile(q)) / 1000

    def percentiles(self, qs: Sequence[float]) -> list[float]:
        """As :meth:`percentile`, for several at once: one pass over the histogram."""
        if not self.histogram.get_total_count():
            return [math.nan] * len(qs)
        found = self.histogram.get_percentile_to_value_dict(list(qs))
        return [found[q] / 1000 for q in qs]

    @property
    def p50(self) -> float:
        return self.percentile(50)

    @property
    def p90(self) -> float:
        return self.percentile(90)

    @property
    def p99(self) -> float:
        return self.percentile(99)

    @property
    def max(self) -> float:
        return self.percentile(100)
