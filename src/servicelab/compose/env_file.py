"""An env_file, as docker compose reads it: NAME=VALUE lines with quotes, comments and ``${VARIABLE}``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

_LINE = re.compile(r"(?:export\s+)?(?P<name>[\w.-]+)\s*=\s*(?P<value>.*)")
_QUOTED = re.compile(r"""(?P<quote>["'])(?P<text>(?:\\.|(?!(?P=quote)).)*)(?P=quote)\s*(?:#.*)?""")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "$": "$$"}


def read(path: Path, fill: Callable[[str, Mapping[str, str]], str]) -> dict[str, str]:
    """The variables of PATH. FILL(text, those before it) fills in what a value names. Raises ValueError for a line that is none."""
    found: dict[str, str] = {}
    for number, raw in enumerate(path.read_text("utf-8-sig").splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if not match:
            raise ValueError(f"line {number} of {path.name} is not NAME=VALUE: {line!r}; write a value, be it an empty one")
        value = match["value"]
        if value[:1] in ("'", '"'):
            quoted = _QUOTED.fullmatch(value)
            if not quoted:
                raise ValueError(
                    f"line {number} of {path.name}: the quotes of {value!r} do not close; a value ends on its own line"
                )
            value = quoted["text"]
            if quoted["quote"] == "'":
                found[match["name"]] = value.replace("\\'", "'")  # as it is
                continue
            value = re.sub(r'\\([nrt"\\$])', lambda escape: _ESCAPES[escape[1]], value)
        else:
            value = value.partition(" #")[0].rstrip()
        found[match["name"]] = fill(value, found)
    return found
