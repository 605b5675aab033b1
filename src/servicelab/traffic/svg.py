"""Small SVG: an accessible frame that is legible on light and dark, and panels with axes to draw in."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from html import escape

# The picture has a background of its own: it may be shown as an <img>, which knows the system's scheme and not the page's.
# No CSS variables: not every viewer knows them.
STYLE = """
.slt{font:12px system-ui,-apple-system,"Segoe UI",sans-serif;max-width:100%;height:auto}
.slt .bg{fill:#fff;stroke:#d8dee4}.slt text{fill:#1f2328}.slt .dim{fill:#59636e}.slt .head{font-weight:600}
.slt .rule{stroke:#d8dee4;fill:none}.slt .mark{stroke:#1f2328;stroke-dasharray:2 3;fill:none}
.slt .ok{fill:#2f6fbf}.slt .bad{fill:#c2410c}.slt .line{fill:none;stroke-width:2;stroke-linejoin:round}
.slt .c0{stroke:#c2410c}.slt .c1{stroke:#2f6fbf}.slt .c2{stroke:#6f42c1}.slt .c3{stroke:#1a7f37}
@media (prefers-color-scheme:dark){
.slt .bg{fill:#15191f;stroke:#363d46}.slt text{fill:#e6edf3}.slt .dim{fill:#9aa4af}
.slt .rule{stroke:#363d46}.slt .mark{stroke:#e6edf3}.slt .ok{fill:#6cb0ff}.slt .bad{fill:#ff9a5c}
.slt .c0{stroke:#ff9a5c}.slt .c1{stroke:#6cb0ff}.slt .c2{stroke:#c9a6ff}.slt .c3{stroke:#5fd07a}}
""".replace("\n", "")

DASHES = ("none", "6 3", "2 3", "8 3 2 3")
"""Lines differ by dash as well as by colour."""


def number(value: float) -> str:
    """A coordinate, short."""
    return f"{value:.1f}".removesuffix(".0")


def text(x: float, y: float, content: str, *, kind: str = "", anchor: str = "start") -> str:
    attributes = (f' class="{kind}"' if kind else "") + (f' text-anchor="{anchor}"' if anchor != "start" else "")
    return f'<text x="{number(x)}" y="{number(y)}"{attributes}>{escape(content)}</text>'


def path(points: Iterable[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{number(x)} {number(y)}" for x, y in points)


def frame(width: int, height: int, *, title: str, description: str, body: Sequence[str]) -> str:
    """The whole picture. Screen readers get the title and the description."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="slt" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="{escape(title)}"><title>{escape(title)}</title><desc>{escape(description)}</desc>'
        f'<style>{STYLE}</style><rect class="bg" x=".5" y=".5" width="{width - 1}" height="{height - 1}" rx="6"/>'
        + "".join(body)
        + "</svg>"
    )


@dataclass
class Panel:
    """A rectangle with two axes. ``x`` and ``y`` put values to where they are drawn."""

    left: float
    top: float
    width: float
    height: float
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    parts: list[str] = field(default_factory=list)

    @property
    def bottom(self) -> float:
        return self.top + self.height

    def x(self, value: float) -> float:
        low, high = self.x_range
        return self.left + self.width * (value - low) / (high - low)

    def y(self, value: float) -> float:
        low, high = self.y_range
        return self.bottom - self.height * (value - low) / (high - low)

    def axes(
        self, title: str, x_ticks: Iterable[tuple[float, str]], y_ticks: Iterable[tuple[float, str]], *, x_label: str
    ) -> None:
        """A heading, rules with the values of y, and the values of x below."""
        self.parts.append(text(self.left, 24, title, kind="head"))
        for value, label in y_ticks:
            y = self.y(value)
            self.parts.append(f'<path class="rule" d="M{number(self.left)} {number(y)}h{number(self.width)}"/>')
            self.parts.append(text(self.left - 6, y + 4, label, kind="dim", anchor="end"))
        for value, label in x_ticks:
            self.parts.append(text(self.x(value), self.bottom + 16, label, kind="dim", anchor="middle"))
        self.parts.append(text(self.left + self.width / 2, self.bottom + 32, x_label, kind="dim", anchor="middle"))

    def line(self, points: Sequence[tuple[float, float]], index: int) -> None:
        drawn = path((self.x(x), self.y(y)) for x, y in points)
        self.parts.append(f'<path class="line c{index % 4}" d="{drawn}" stroke-dasharray="{DASHES[index % 4]}"/>')

    def bars(self, steps: Sequence[tuple[float, float, float]], step: float, kind: str) -> None:
        """Bars as one path. Each: where it begins on x (``step`` wide), from y, to y."""
        drawn = []
        for x, low, high in steps:
            if high > low:
                left, right = self.x(x), self.x(x + step)
                top, bottom = self.y(high), self.y(low)
                drawn.append(f"M{number(left)} {number(bottom)}V{number(top)}H{number(right)}V{number(bottom)}z")
        self.parts.append(f'<path class="{kind}" d="{"".join(drawn)}"/>')


def round_ticks(high: float, most: int) -> list[float]:
    """0 and up to so many round steps that reach ``high``."""
    raw = max(high, 1e-9) / most
    magnitude = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * magnitude for factor in (1, 2, 5, 10) if factor * magnitude >= raw * (1 - 1e-9))
    return [step * i for i in range(math.ceil(high / step - 1e-9) + 1)]


def log_ticks(low: float, high: float, label: Callable[[float], str]) -> list[tuple[float, str]]:
    """(log10, label) of whole powers of ten, from the one at or below ``low`` (a log10) to the one at or above ``high``."""
    first = math.floor(low)
    return [(float(power), label(10.0**power)) for power in range(first, max(math.ceil(high), first + 1) + 1)]
