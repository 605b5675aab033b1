"""Where things stand: layers as columns from left to right, or one column where there is no room."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from servicelab.views.system import OUTSIDE, Arrow, Slot, System

MARGIN = 16
WIDTH = 210  # of a node
OUTSIDE_WIDTH, OUTSIDE_HEIGHT = 72, 36
BETWEEN = 96  # columns: an arrow and its numbers
APART = 18  # nodes of one column
THROUGH = 30  # an arrow that passes through a column
NARROW = 300  # a node in a narrow picture


@dataclass(frozen=True)
class Place:
    """A rectangle, in pixels at full size."""

    left: float
    top: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        return self.top + self.height / 2


@dataclass(frozen=True)
class Places:
    """Rectangles by node, and the spots that an arrow passes between its ends."""

    width: int
    height: int
    boxes: Mapping[str, Place]
    passed: Mapping[Arrow, tuple[Place, ...]]

    def way(self, arrow: Arrow) -> list[tuple[float, float]]:
        """Points of an arrow: out of the caller's right side, through what lies between, into the callee's left side."""
        start, end = self.boxes[arrow.caller], self.boxes[arrow.callee]
        points = [(start.left + start.width, start.middle)]
        for place in self.passed.get(arrow, ()):
            points += [(place.left, place.middle), (place.left + place.width, place.middle)]
        return [*points, (end.left, end.middle)]


def layered(system: System, rows: Mapping[str, int]) -> Places:
    """Columns, each in the middle of the picture's height. ROWS: lines by node."""
    spots = _spots(system)
    heights = {spot: _height(system, spot, rows) for layer in spots for spot in layer}
    totals = [sum(heights[spot] for spot in layer) + APART * (len(layer) - 1) for layer in spots]
    height = max(totals, default=0) + 2 * MARGIN
    boxes: dict[str, Place] = {}
    passed: dict[Arrow, list[Place]] = {}
    left = float(MARGIN)
    for layer, total in zip(spots, totals, strict=True):
        wide = OUTSIDE_WIDTH if OUTSIDE in layer else WIDTH
        top = (height - total) / 2
        for spot in layer:
            place = Place(left, top, wide, heights[spot])
            if isinstance(spot, Arrow):
                passed.setdefault(spot, []).append(place)
            else:
                boxes[spot] = place
            top += heights[spot] + APART
        left += wide + BETWEEN
    return Places(int(left - BETWEEN + MARGIN), int(height), boxes, {arrow: tuple(own) for arrow, own in passed.items()})


def column(system: System, rows: Mapping[str, int]) -> Places:
    """All nodes below each other, callers first."""
    boxes: dict[str, Place] = {}
    top = float(MARGIN)
    for name in (spot for layer in _spots(system) for spot in layer if isinstance(spot, str)):
        boxes[name] = Place(MARGIN, top, NARROW, _height(system, name, rows))
        top += boxes[name].height + APART
    return Places(NARROW + 2 * MARGIN, int(top - APART + MARGIN), boxes, {})


def _spots(system: System) -> list[tuple[Slot, ...]]:
    """The layers that have something in them: without published ports nobody calls from outside."""
    used = any(arrow.caller == OUTSIDE for arrow in system.arrows)
    return [layer for layer in system.layers if layer and (used or OUTSIDE not in layer)]


def _height(system: System, spot: Slot, rows: Mapping[str, int]) -> int:
    """With so many lines below a node's name and its role; a cylinder needs more for its lid and its foot."""
    if isinstance(spot, Arrow):
        return THROUGH
    if spot == OUTSIDE:
        return OUTSIDE_HEIGHT + 18 * rows.get(spot, 0)
    return 48 + 18 * rows.get(spot, 0) + (15 if system.nodes[spot].kind == "database" else 0)
