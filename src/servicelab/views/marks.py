"""Shapes and colours. A state differs by shape and by word as well as by colour; a kind of node by its outline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from servicelab.traffic.svg import number
from servicelab.views.places import Place

LIGHT = {
    "paper": "#ffffff", "box": "#f6f8fa", "rule": "#8c959f", "text": "#1f2328", "dim": "#59636e", "good": "#1a7f37",
    "bad": "#b42318", "held": "#8a5a00", "new": "#0757ba",
}  # fmt: skip
DARK = {
    "paper": "#15191f", "box": "#1f252d", "rule": "#7d8590", "text": "#e6edf3", "dim": "#a5afba", "good": "#5fd07a",
    "bad": "#ff9a8f", "held": "#f0b84a", "new": "#7cb8ff",
}  # fmt: skip

# Selector, and what is set to which colour.
RULES = (
    (".bg", {"fill": "paper", "stroke": "rule"}),
    ("text", {"fill": "text"}),
    (".dim", {"fill": "dim"}),
    (".box", {"fill": "box", "stroke": "rule"}),
    (".edge", {"stroke": "rule"}),
    (".arrow", {"stroke": "dim"}),
    (".tip", {"fill": "dim"}),
    (".rate", {"stroke": "paper"}),
    (".bad", {"fill": "bad"}),
    (".good-mark", {"fill": "good", "stroke": "good"}),
    (".bad-mark", {"fill": "bad", "stroke": "bad"}),
    (".held-mark", {"fill": "held", "stroke": "held"}),
    (".new-mark", {"fill": "new", "stroke": "new"}),
    (".gone-mark", {"fill": "dim", "stroke": "dim"}),
)
PLAIN = (
    '.sls{font:12px system-ui,-apple-system,"Segoe UI",sans-serif;max-width:100%;height:auto}'
    ".sls .head{font-weight:600;font-size:13px}.sls .dim{font-size:11px}.sls .bg{stroke-opacity:.4}"
    ".sls .edge,.sls .arrow,.sls .hollow{fill:none}.sls .arrow{stroke-width:1.5}.sls .hollow{stroke-width:2}"
    ".sls .rate{paint-order:stroke;stroke-width:4px;stroke-linejoin:round}"
)


def rules(colours: Mapping[str, str], within: str = "") -> str:
    """CSS that gives the classes of a picture COLOURS, for pictures WITHIN what a selector names."""
    return "".join(
        f"{within}.sls {selector}{{{';'.join(f'{name}:{colours[colour]}' for name, colour in properties.items())}}}"
        for selector, properties in RULES
    )


# The picture alone may be shown as an <img>, which knows the system's scheme and not the page's.
STYLE = f"{PLAIN}{rules(LIGHT)}@media(prefers-color-scheme:dark){{{rules(DARK)}}}"

# Live it is a part of its page: JupyterLab says on the body which theme it has.
LIVE_STYLE = (
    f"{PLAIN}{rules(LIGHT)}{rules(DARK, 'body[data-jp-theme-light=false] ')}"
    f"@media(prefers-color-scheme:dark){{{rules(DARK, 'body:not([data-jp-theme-light]) ')}}}"
)

# Around (0, 0), 12 wide. What is not filled has the class hollow.
MARKS: Mapping[str, tuple[str, str]] = {
    "healthy": ("good-mark", '<circle r="5"/>'),
    "running": ("good-mark", '<circle class="hollow" r="4.5"/><circle r="2"/>'),
    "starting": ("new-mark", '<path class="hollow" d="M4.5 0A4.5 4.5 0 1 1 0 -4.5"/>'),
    "created": ("new-mark", '<path class="hollow" d="M4.5 0A4.5 4.5 0 1 1 0 -4.5"/>'),
    "restarting": ("held-mark", '<path class="hollow" d="M4.5 0A4.5 4.5 0 1 1 0 -4.5M-2.5 -7L1 -4.5L-2.5 -2"/>'),
    "unhealthy": ("held-mark", '<path d="M0 -5.5L6 5H-6z"/>'),
    "paused": ("held-mark", '<path d="M-5 -5h3.5v10h-3.5zM1.5 -5h3.5v10h-3.5z"/>'),
    "exited": ("bad-mark", '<path class="hollow" d="M-4.5 -4.5L4.5 4.5M4.5 -4.5L-4.5 4.5"/>'),
    "dead": ("bad-mark", '<path class="hollow" d="M-4.5 -4.5L4.5 4.5M4.5 -4.5L-4.5 4.5"/>'),
    "removing": ("gone-mark", '<path class="hollow" d="M-5 0h10"/>'),
    "missing": ("gone-mark", '<circle class="hollow" r="4.5" stroke-dasharray="2 2"/>'),
    "fault": ("bad-mark", '<path d="M1.5 -6.5L-5 1.5H-.5L-1.5 6.5L5 -1.5H.5z"/>'),
    "call": ("gone-mark", '<path class="hollow" d="M-5 0h9M1 -3.5L4.5 0L1 3.5"/>'),
}


def mark(name: str, x: float, y: float) -> str:
    """The mark of a state (or of a fault, or a call), with its middle at X, Y."""
    kind, drawn = MARKS.get(name, MARKS["missing"])
    return f'<g class="{kind}" transform="translate({number(x)} {number(y)})">{drawn}</g>'


def shape(kind: str, place: Place) -> str:
    """The outline of a kind of node: a cylinder for a database, a pipe for a queue, cut corners for a gateway."""
    w, h = number(place.width), number(place.height)
    half, high = number(place.width / 2), number(place.height / 2)
    if kind == "database":
        sides = f"M0 8v{number(place.height - 16)}a{half} 8 0 0 0 {w} 0v{number(16 - place.height)}"
        drawn = f'<path class="box" d="{sides}a{half} 8 0 0 0 -{w} 0z"/><path class="edge" d="M0 8a{half} 8 0 0 0 {w} 0"/>'
    elif kind == "queue":
        along, back = number(place.width - 16), number(16 - place.width)
        drawn = f'<path class="box" d="M8 0h{along}a8 {high} 0 0 1 0 {h}h{back}a8 {high} 0 0 1 0 -{h}z"/>'
        drawn += f'<path class="edge" d="M{number(place.width - 8)} 0a8 {high} 0 0 0 0 {h}"/>'
    elif kind == "gateway":
        along, down = number(place.width - 20), number(place.height - 20)
        drawn = f'<path class="box" d="M10 0h{along}l10 10v{down}l-10 10h-{along}l-10 -10v-{down}z"/>'
    else:
        dash = ' stroke-dasharray="4 3"' if kind == "outside" else ""
        drawn = f'<rect class="box" width="{w}" height="{h}" rx="8"{dash}/>'
    return f'<g transform="translate({number(place.left)} {number(place.top)})">{drawn}</g>'


def path(points: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{number(x)} {number(y)}" for x, y in points)
