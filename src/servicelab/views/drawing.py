"""The one drawer of a stack: stored without a snapshot (the same bytes each time), live with one, wide or in one narrow column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise

from servicelab.traffic.svg import text
from servicelab.views import marks
from servicelab.views.places import Place, Places, column, layered
from servicelab.views.snapshot import Rate, Replica, Snapshot
from servicelab.views.system import OUTSIDE, Arrow, Node, System

MOST_ROWS = 6
FAULT_LETTERS = 26
QUEUE_LETTERS = 14  # beside "1234 messages"

Row = tuple[str, str, str]
"""The name of a mark, words, and what stands at the right end."""

Rates = Mapping[tuple[str, str], Rate]


def draw(system: System, snapshot: Snapshot | None = None, *, narrow: bool = False, selected: str = "") -> str:
    """SVG of SYSTEM.

    Without SNAPSHOT: what the file says, a picture for paper and for where nothing is live, with its own style. With one: states,
    rates and usage; its nodes can be focused and chosen, and the page has to have the style (`marks.LIVE_STYLE`).
    """
    rates = snapshot.rates if snapshot else {}
    arrows = _arrows(system, rates)
    rows = {name: _rows(node, snapshot) for name, node in system.nodes.items()}
    if narrow:
        rows[OUTSIDE] = []
        for arrow in arrows:
            rows[arrow.caller].append(_call(arrow, rates))
    places = (column if narrow else layered)(system, {name: len(own) for name, own in rows.items()})
    body = []
    if not narrow:
        arrows = [arrow for arrow in arrows if arrow.caller in places.boxes]
        body = [_line(arrow, places) for arrow in arrows] + [_label(arrow, places, rates) for arrow in arrows]
    if OUTSIDE in places.boxes:
        body.append(_outside(places.boxes[OUTSIDE], rows.get(OUTSIDE, ())))
    for name, node in system.nodes.items():
        body.append(_node(node, places.boxes[name], rows[name], live=snapshot is not None, chosen=name == selected))
    return _frame(system, places, body, live=snapshot is not None)


def _arrows(system: System, rates: Rates) -> list[Arrow]:
    """The file's, and those that only the logs tell of: who is found by a registry stands in no environment."""
    known = {(arrow.caller, arrow.callee) for arrow in system.arrows}
    return [*system.arrows, *(Arrow(*pair) for pair in sorted(rates) if pair not in known)]


def _rows(node: Node, snapshot: Snapshot | None) -> list[Row]:
    if snapshot is None:
        return [("", f"{node.replicas} replicas", "")] if node.replicas > 1 else []
    own = snapshot.of(node.name)
    rows = [_replica(replica, alone=len(own) == 1) for replica in own[:MOST_ROWS]] or [("missing", "not there", "")]
    if rest := own[MOST_ROWS:]:
        rows.append(("", f"and {len(rest)} more, {sum(r.condition in ('healthy', 'running') for r in rest)} of them well", ""))
    if node.name in snapshot.connections:
        count = snapshot.connections[node.name]
        rows.append(("", f"{count} connection{'' if count == 1 else 's'}", ""))
    rows += _queues(snapshot.depths.get(node.name, {}))
    for fault in snapshot.faults.get(node.name, ()):
        what, _, caller = fault.partition(", from ")
        rows.append(("fault", what, ""))
        if caller:
            rows.append(("", f"from {caller}", ""))
    return rows


def _cut(words: str, letters: int) -> str:
    return words if len(words) <= letters else words[: letters - 1] + "…"


def _queues(depths: Mapping[str, int]) -> list[Row]:
    """The fullest first, and the others' messages together."""
    fullest = sorted(depths.items(), key=lambda queue: (-queue[1], queue[0]))
    rows: list[Row] = [
        ("", _cut(name, QUEUE_LETTERS), f"{count} message{'' if count == 1 else 's'}") for name, count in fullest[:MOST_ROWS]
    ]
    if rest := fullest[MOST_ROWS:]:
        rows.append(("", f"and {len(rest)} more queues", f"{sum(count for _, count in rest)} messages"))
    return rows


def _replica(replica: Replica, *, alone: bool) -> Row:
    words = replica.words if alone else f"{replica.number} {replica.words}"
    usage = ""
    if replica.usage is not None:
        usage = f"{replica.usage.memory / 2**20:.0f} MB"
        if replica.usage.cpu is not None:
            usage += f" {replica.usage.cpu * 100:.0f}%"
    return replica.condition, words, usage


def _call(arrow: Arrow, rates: Rates) -> Row:
    rate = rates.get((arrow.caller, arrow.callee))
    said = f"{rate.requests:.1f}/s" if rate else ""
    return "call", f"calls {arrow.callee}", f"{said}, {rate.errors:.1f} errors/s" if rate and rate.errors else said


def _node(node: Node, place: Place, rows: Sequence[Row], *, live: bool, chosen: bool) -> str:
    left, top = place.left, place.top
    drop = 9 if node.kind == "database" else 0  # below the lid
    end = 10 if node.kind == "queue" else 0  # of the pipe
    drawn = [marks.shape(node.kind, place)]
    drawn.append(text(left + 14, top + 20 + drop, node.name, kind="head"))
    drawn.append(text(left + 14, top + 36 + drop, node.role, kind="dim"))
    drawn += _lines(rows, left, top + 56 + drop, place.width - end)
    if not live:
        return f"<g>{''.join(drawn)}</g>"
    label = ", ".join([f"{node.name}, {node.role}", *(f"{words} {end}".strip() for _, words, end in rows)])
    return (
        f'<g class="node{" chosen" if chosen else ""}" data-node="{escape(node.name)}" tabindex="0" role="button" '
        f'aria-pressed="{"true" if chosen else "false"}" aria-label="{escape(label)}">{"".join(drawn)}</g>'
    )


def _outside(place: Place, rows: Sequence[Row]) -> str:
    name = text(place.left + 14, place.top + 22, OUTSIDE, kind="dim")
    return f"<g>{marks.shape('outside', place)}{name}{''.join(_lines(rows, place.left, place.top + 42, place.width))}</g>"


def _lines(rows: Sequence[Row], left: float, top: float, width: float) -> list[str]:
    drawn = []
    for index, (mark, words, end) in enumerate(rows):
        y = top + 18 * index
        if mark:
            drawn.append(marks.mark(mark, left + 20, y - 4))
        if mark == "fault":
            drawn.append(text(left + 32, y, _cut(words, FAULT_LETTERS), kind="bad"))
        else:
            drawn.append(text(left + (32 if mark else 14), y, words))
        if end:
            drawn.append(text(left + width - 12, y, end, kind="bad" if "error" in end else "dim", anchor="end"))
    return drawn


def _line(arrow: Arrow, places: Places) -> str:
    points = places.way(arrow)
    drawn = f"M{marks.path(points[:1])}"
    for (x, y), (to_x, to_y) in pairwise(points):
        middle = (x + to_x) / 2
        drawn += f"C{marks.path(((middle, y), (middle, to_y), (to_x, to_y)))}"
    return f'<path class="arrow" d="{drawn}"/><path class="tip" d="M{marks.path(points[-1:])}l-9 -4.5v9z"/>'


def _label(arrow: Arrow, places: Places, rates: Rates) -> str:
    rate = rates.get((arrow.caller, arrow.callee))
    if rate is None:
        return ""
    (x, y), (to_x, to_y) = places.way(arrow)[-2:]
    x, y = (x + to_x) / 2, (y + to_y) / 2
    said = text(x, y - 5, f"{rate.requests:.1f}/s", kind="rate", anchor="middle")
    if rate.errors:
        said += text(x, y + 14, f"✕ {rate.errors:.1f} errors/s", kind="rate bad", anchor="middle")
    return said


def _frame(system: System, places: Places, body: Sequence[str], *, live: bool) -> str:
    title = f"The stack {system.name}"
    calls = "; ".join(f"{arrow.caller} calls {arrow.callee}" for arrow in system.arrows)
    description = ", ".join(f"{node.name} ({node.role})" for node in system.nodes.values()) + (f". {calls}." if calls else ".")
    width, height = places.width, places.height
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="sls" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        # what can be chosen must not be inside of something that counts as one picture
        f'role="{"group" if live else "img"}" aria-label="{escape(title)}"><title>{escape(title)}</title>'
        f"<desc>{escape(description)}</desc>{'' if live else f'<style>{marks.STYLE}</style>'}"
        f'<rect class="bg" x=".5" y=".5" width="{width - 1}" height="{height - 1}" rx="6"/>{"".join(body)}</svg>'
    )
