"""A run in one line of text."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from servicelab.traffic.run import Run


def milliseconds(value: float) -> str:
    """``0.84 ms``, ``12 ms``, ``1.2 s``; a dash where nothing was measured."""
    if math.isnan(value):
        return "–"  # noqa: RUF001
    if value >= 1000:
        return f"{value / 1000:.3g} s"
    return f"{value:.2g} ms" if value < 100 else f"{value:.0f} ms"


def failures(run: Run) -> str:
    """``0 failed``, or ``12 failed (503: 10, refused: 2)``."""
    if not run.failed:
        return "0 failed"
    kinds = {str(status): n for status, n in run.statuses.items() if not 200 <= status < 400} | run.error_kinds
    return f"{run.failed:,} failed ({', '.join(f'{kind}: {n:,}' for kind, n in kinds.items())})"


def one_line(run: Run) -> str:
    """The whole result: counts, percentiles, and whether the generator was the limit."""
    line = (
        f"{run.requests:,} requests at {run.plan.rate:,.6g}/s: {run.ok:,} ok, {failures(run)}; "
        f"p50 {milliseconds(run.p50)}, p99 {milliseconds(run.p99)}, max {milliseconds(run.max)}"
    )
    if run.running:
        line += "; running"
    if run.limited:
        line += f"; the generator was the limit: {run.limited}"
    return line
