"""The pictures: one run, and several over each other."""

from __future__ import annotations

import math
from typing import Any

from servicelab.traffic import svg
from servicelab.traffic.results import Results
from servicelab.traffic.summary import failures, milliseconds, one_line, table
from servicelab.traffic.tally import BUCKET

WIDTH, HEIGHT, TOP = 760, 290, 66
MOST_BARS = 120
PERCENTILES = (0, 10, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 99.95, 99.99)
NAMED = ((50, "50%"), (90, "90%"), (99, "99%"), (99.9, "99.9%"), (99.99, "99.99%"))

Columns = list[tuple[float, float, float]]


def one_run(results: Results) -> str:
    """Requests over time, the failed ones on top, and latency by percentile."""
    step, columns = _columns(results, _span(results))
    highest = max((ok + bad for _, ok, bad in columns), default=0)
    panel = _time_panel(_span(results), max(highest, results.plan.rate), f"requests per second: {results.title}"[:58])
    panel.bars([(start, 0, ok) for start, ok, _ in columns], step, "ok")
    panel.bars([(start, ok, ok + bad) for start, ok, bad in columns], step, "bad")
    body = [*panel.parts, *_marks(panel, results.marks)]
    body += _key(panel, [("ok", f"{results.ok:,} ok"), ("bad", failures(results))])
    curves = _latency_panel({results.title: results})
    for q, name, right, down, anchor in ((50, "p50", 8, 13, "start"), (99, "p99", -8, -7, "end")):
        value = results.percentile(q)
        if not math.isnan(value):
            x, y = curves.x(_nines(q)), curves.y(math.log10(max(value, 0.001)))
            curves.parts.append(f'<circle class="ok" cx="{svg.number(x)}" cy="{svg.number(y)}" r="4"/>')
            curves.parts.append(svg.text(x + right, y + down, f"{name} {milliseconds(value)}", anchor=anchor))
    body += curves.parts
    height = HEIGHT
    if results.limited:
        height += 22
        body.append(svg.text(20, HEIGHT + 8, "The generator was the limit: " + results.limited, kind="bad"))
    return svg.frame(WIDTH, height, title=f"Traffic: {results.title}", description=one_line(results), body=body)


def several(runs: dict[str, Results]) -> str:
    """Failures over time and latency by percentile, one line each."""
    span = max(_span(run) for run in runs.values())
    columns = {label: _columns(run, span) for label, run in runs.items()}
    highest = max((bad for _, rows in columns.values() for *_, bad in rows), default=0)
    panel = _time_panel(span, highest, "failed requests per second")
    for index, (step, rows) in enumerate(columns.values()):
        panel.line([point for start, _, bad in rows for point in ((start, bad), (start + step, bad))] or [(0, 0), (0, 0)], index)
    body = list(panel.parts)
    curves = _latency_panel(runs)
    body += curves.parts
    for index, (label, run) in enumerate(runs.items()):
        y = HEIGHT + 6 + 20 * index
        words = f"{label}: {run.requests:,} requests, {failures(run)}, p50 {milliseconds(run.p50)}, p99 {milliseconds(run.p99)}"
        dash = svg.DASHES[index % 4]
        body += [f'<path class="line c{index % 4}" d="M20 {y - 4}h32" stroke-dasharray="{dash}"/>', svg.text(60, y, words)]
    title = "Traffic: " + " and ".join(runs)
    return svg.frame(WIDTH, HEIGHT + 6 + 20 * len(runs), title=title, description=table(runs), body=body)


class Comparison:
    """Several runs over each other, as a cell's last value."""

    def __init__(self, runs: dict[str, Results]) -> None:
        self.runs = runs

    def __repr__(self) -> str:
        return table(self.runs)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/plain": repr(self), "image/svg+xml": several(self.runs)}


def _span(results: Results) -> float:
    """Seconds on the axis: as long as requests were sent."""
    seconds = results.plan.seconds
    sent = len(results.timeline) * BUCKET
    return max(BUCKET, sent if seconds is None or results.ended else max(seconds, sent))


def _columns(results: Results, span: float) -> tuple[float, Columns]:
    """The width of a column (s), and for each: its start, ok per second, failed per second."""
    width = max(1, math.ceil(span / BUCKET / MOST_BARS - 1e-9))
    step, timeline = width * BUCKET, results.timeline
    groups = [timeline[i : i + width] for i in range(0, len(timeline), width)]
    return step, [
        (group[0].start, sum(bucket.ok for bucket in group) / step, sum(bucket.failed for bucket in group) / step)
        for group in groups
    ]


def _time_panel(span: float, highest: float, title: str) -> svg.Panel:
    ticks = svg.round_ticks(max(highest, 1), 4)
    panel = svg.Panel(56, TOP, 400, HEIGHT - TOP - 64, (0, span), (0, ticks[-1]))
    seconds = [tick for tick in svg.round_ticks(span, 5) if tick <= span * 1.001]
    panel.axes(
        title, [(s, f"{s:g}") for s in seconds], [(tick, f"{tick:,g}") for tick in ticks],
        x_label="seconds since the start, when each request was due",
    )  # fmt: skip
    return panel


def _marks(panel: svg.Panel, marks: list[tuple[float, str]]) -> list[str]:
    parts = []
    for row, (seconds, label) in enumerate(sorted(marks)):
        x = panel.x(min(seconds, panel.x_range[1]))
        y = panel.top - 18 + 13 * (row % 2)  # above the bars, in two rows
        right = x > panel.left + panel.width * 0.7
        parts.append(f'<path class="mark" d="M{svg.number(x)} {svg.number(y + 2)}V{svg.number(panel.bottom)}"/>')
        parts.append(svg.text(x - 4 if right else x + 4, y, label, anchor="end" if right else "start"))
    return parts


def _key(panel: svg.Panel, entries: list[tuple[str, str]]) -> list[str]:
    parts, x, y = [], panel.left, panel.bottom + 50
    for kind, words in entries:
        parts.append(f'<rect class="{kind}" x="{svg.number(x)}" y="{svg.number(y - 9)}" width="10" height="10"/>')
        parts.append(svg.text(x + 15, y, words))
        x += 15 + 7 * len(words) + 20
    return parts


def _nines(q: float) -> float:
    """Where a percentile stands on the axis: 90% at 1, 99% at 2, 99.9% at 3."""
    return -math.log10(1 - q / 100)


def _curve(results: Results) -> list[tuple[float, float]]:
    """(where the percentile stands, log10 of ms), as far as so many requests tell: one in n says nothing beyond 1 - 1/n."""
    count = results.histogram.get_total_count()
    if not count:
        return []
    last = 100 * (1 - 1 / min(count, 10_000))
    qs = [q for q in PERCENTILES if q < last] + [last]
    return [(_nines(q), math.log10(max(ms, 0.001))) for q, ms in zip(qs, results.percentiles(qs), strict=True)]


def _latency_panel(runs: dict[str, Results]) -> svg.Panel:
    curves = [_curve(run) for run in runs.values()]
    points = [point for curve in curves for point in curve] or [(2.0, 0.0), (2.0, 2.0)]
    right = max(2.0, *(x for x, _ in points))
    ticks = svg.log_ticks(min(y for _, y in points), max(y for _, y in points), milliseconds)
    panel = svg.Panel(532, TOP, 204, HEIGHT - TOP - 64, (0, right), (ticks[0][0], ticks[-1][0]))
    named = [(_nines(q), name) for q, name in NAMED if _nines(q) <= right + 1e-9]
    panel.axes("latency by percentile", named, ticks, x_label="of requests")
    for index, curve in enumerate(curves):
        if curve:
            panel.line(curve, index if len(runs) > 1 else 1)
    return panel
