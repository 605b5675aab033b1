"""One request through the services, as a sequence diagram drawn from what they logged."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from servicelab import trail
from servicelab.errors import ServicelabError
from servicelab.traffic import svg
from servicelab.views.system import OUTSIDE

if TYPE_CHECKING:
    from servicelab.engine.stacks import Engine

LANE, STEP, TOP = 170, 34, 62
FAILED = 500
PATIENCE = 2.0  # seconds for the last lines to arrive: a service may log after it answered


@dataclass
class Call:
    """``caller`` called ``service``: from ``start`` to ``end``, in ms since the epoch, by the callee's clock."""

    caller: str
    service: str
    what: str
    status: int
    start: float
    end: float
    inner: list[Call] = field(default_factory=list)

    @property
    def duration(self) -> float:
        """Milliseconds, as the callee measured it."""
        return self.end - self.start


@dataclass(frozen=True)
class Step:
    """An arrow of the diagram. ``at``: ms after the request came in."""

    source: str
    target: str
    words: str
    at: float
    failed: bool = False
    back: bool = False


class Journey:
    """A request's way. As a cell's value: a sequence diagram; ``print`` gives it as text. ``calls``: all of them, the outermost first."""

    def __init__(self, request: str, entries: Sequence[trail.Entry]) -> None:
        self.request = request
        self.entries = entries
        self.roots = nested([call for entry in entries if (call := _call(entry)) is not None])
        self.calls = [call for root in self.roots for call in _walk(root)]

    @property
    def steps(self) -> list[Step]:
        """The calls and their answers, in time order; an inner call lies within the one that it belongs to."""
        began = min((call.start for call in self.roots), default=0.0)
        steps = [step for root in self.roots for step in _steps(root, began, root.start, root.end)]
        return sorted(steps, key=lambda step: step.at)  # stable: at the same moment, as they are nested

    @property
    def participants(self) -> list[str]:
        """Who takes part, in the order of appearance."""
        return list(dict.fromkeys(name for step in self.steps for name in (step.source, step.target)))

    def __repr__(self) -> str:
        lines = [f"request {self.request}"]
        for step in self.steps:
            ends = f"{step.target} <-- {step.source}" if step.back else f"{step.source} --> {step.target}"
            lines.append(f"{step.at:9.1f} ms  {ends}: {step.words}")
        return "\n".join(lines)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/plain": repr(self), "image/svg+xml": self.svg()}

    def svg(self) -> str:
        """The sequence diagram."""
        steps, names = self.steps, self.participants
        x = {name: 90 + LANE * index for index, name in enumerate(names)}
        width, bottom = 90 + LANE * len(names), TOP + STEP * len(steps)
        body = []
        for name in names:
            body.append(f'<path class="rule" d="M{x[name]} {TOP - 18}V{bottom}"/>')
            body.append(svg.text(x[name], TOP - 28, name, kind="head", anchor="middle"))
        for index, step in enumerate(steps):
            y = TOP + 16 + STEP * index
            start, end = x[step.source], x[step.target]
            tip = -7 if end > start else 7
            colour = "c0" if step.failed else "c1"
            dash = ' stroke-dasharray="5 4"' if step.back else ""
            body.append(f'<path class="line {colour}" d="M{start} {y}H{end}"{dash}/>')
            body.append(f'<path class="line {colour}" d="M{end + tip} {y - 4}L{end} {y}L{end + tip} {y + 4}"/>')
            words = ("✕ " if step.failed else "") + step.words
            body.append(svg.text((start + end) / 2, y - 6, words[:40], anchor="middle", kind="bad" if step.failed else ""))
            body.append(svg.text(8, y + 4, f"{step.at:.1f} ms", kind="dim"))
        return svg.frame(width, bottom + 14, title=f"Request {self.request}", description=repr(self), body=body)


def follow(engine: Engine, request: Any) -> Journey:
    """The way of REQUEST (an id, or a response that carries one). Raises `ServicelabError` where no service logged it."""
    wanted = trail.request_id(request)
    until = time.monotonic() + PATIENCE
    found, before = trail.collect(engine, request=wanted), -1
    while (len(found) != before or not found) and time.monotonic() < until:
        before = len(found)
        time.sleep(0.1)
        found = trail.collect(engine, request=wanted)
    journey = Journey(wanted, found)
    if not journey.calls:
        raise ServicelabError(
            f"no service has logged a request {wanted}",
            why="it did not reach one, or the containers that served it are gone",
            fix="shop.logs(tail=20) shows what was logged last",
        )
    return journey


def _call(entry: trail.Entry) -> Call | None:
    """The call that a line tells of; other lines of the request tell of none."""
    fields = entry.fields
    if not {"ts", "method", "status", "duration_ms"} <= fields.keys():
        return None
    end = trail.milliseconds(fields["ts"])
    what = f"{fields['method']} {fields.get('route') or fields.get('message', '')}".strip()
    caller = fields.get("caller") or OUTSIDE
    return Call(caller, entry.service, what, int(fields["status"]), end - float(fields["duration_ms"]), end)


def nested(calls: Sequence[Call]) -> list[Call]:
    """Put each call into the one of its caller that it happened in; returns those that are in none."""
    roots = []
    for call in sorted(calls, key=lambda call: (call.start, -call.end)):
        within = {id(inner) for inner in _walk(call)}  # a circle of calls must not close upon itself
        outer = [other for other in calls if other.service == call.caller and id(other) not in within]
        if outer:  # of several, as with a retry, the one that has most of the call's time in it
            max(outer, key=lambda other: min(other.end, call.end) - max(other.start, call.start)).inner.append(call)
        else:
            roots.append(call)
    return roots


def _walk(call: Call) -> list[Call]:
    return [call, *(inner for own in call.inner for inner in _walk(own))]


def _steps(call: Call, began: float, first: float, last: float) -> list[Step]:
    """Arrows of CALL and what is in it. Logs count in ms: what happened within a call is held within it."""
    start, end = min(max(call.start, first), last), max(min(call.end, last), first)
    failed = call.status >= FAILED
    steps = [Step(call.caller, call.service, call.what, start - began)]
    for inner in call.inner:
        steps += _steps(inner, began, start, end)
    answer = f"{call.status} in {call.duration:.1f} ms"
    return [*steps, Step(call.service, call.caller, answer, end - began, failed, back=True)]
