"""Runs in words: one line for one, a small table for several."""

from __future__ import annotations

import math

from servicelab.traffic.results import Results


def milliseconds(value: float) -> str:
    """``0.84 ms``, ``12 ms``, ``1.2 s``; a dash where nothing was measured."""
    if math.isnan(value):
        return "-"
    if value >= 1000:
        return f"{value / 1000:.3g} s"
    return f"{value:.2g} ms" if value < 100 else f"{value:.0f} ms"


def failures(results: Results) -> str:
    """``0 failed``, or ``12 failed (503: 10, refused: 2)``."""
    if not results.failed:
        return "0 failed"
    kinds = {str(status): n for status, n in results.statuses.items() if not 200 <= status < 400} | results.error_kinds
    return f"{results.failed:,} failed ({', '.join(f'{kind}: {n:,}' for kind, n in kinds.items())})"


def planned(results: Results) -> str:
    """What was asked for: ``GET /users/{id} at 200/s for 10 s``."""
    seconds = results.plan.seconds
    return f"{results.title} at {results.plan.rate:,.6g}/s" + (f" for {seconds:g} s" if seconds else "")


def one_line(results: Results) -> str:
    """The whole result: counts, percentiles, and whether the generator was the limit. Of a run that goes on: what was asked."""
    if not results.ended:
        return f"{planned(results)}: running"
    line = (
        f"{results.requests:,} requests at {results.plan.rate:,.6g}/s: {results.ok:,} ok, {failures(results)}; "
        f"p50 {milliseconds(results.p50)}, p99 {milliseconds(results.p99)}, max {milliseconds(results.max)}"
    )
    return f"{line}; the generator was the limit: {results.limited}" if results.limited else line


def table(runs: dict[str, Results]) -> str:
    """Several runs, one a line, under a heading."""
    rows: list[tuple[str, ...]] = [("", "requests", "ok", "failed", "p50", "p90", "p99", "max")]
    for label, run in runs.items():
        latencies = (milliseconds(value) for value in (run.p50, run.p90, run.p99, run.max))
        rows.append((label, f"{run.requests:,}", f"{run.ok:,}", f"{run.failed:,}", *latencies))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    )
