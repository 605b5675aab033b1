"""The small languages inside a Compose file: durations, sizes, ports, lists of NAME=VALUE.

Each function raises ValueError with ``what; how to write it``.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from servicelab.compose.model import Port

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_BOOLEANS = {"true": True, "yes": True, "y": True, "on": True, "false": False, "no": False, "n": False, "off": False}
_SIZES = {"": 1, "b": 1, "k": 2**10, "m": 2**20, "g": 2**30}


def duration(raw: Any) -> float:
    """``1m30s`` in seconds."""
    text = str(raw)
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|us|ns|h|m|s)", text)
    if not parts or "".join(n + unit for n, unit in parts) != text:
        raise ValueError(f"{text!r} is not a duration; write a number with its unit: 10s, 1m30s, 500ms")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def size(raw: Any) -> int:
    """``512m`` in bytes."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmg]?)i?b?", str(raw).lower())
    if not match:
        raise ValueError(f"{raw!r} is not a size; write 64m or 1g")
    return int(float(match[1]) * _SIZES[match[2]])


def words(raw: str) -> tuple[str, ...]:
    """A command line in words, as a shell would split it; there is no shell."""
    unquoted = re.sub(r"""'[^']*'|"(?:\\.|[^"\\])*"|\\.""", "", raw)
    if found := re.search(r"[;|&<>()`]", unquoted):
        raise ValueError(f"`{found[0]}` in {raw!r} needs a shell; write [sh, -c, …], or put it in quotes")
    return tuple(shlex.split(raw))


def restart(raw: str) -> str:
    """A restart policy; empty: none."""
    if not re.fullmatch(r"no|always|unless-stopped|on-failure(:\d+)?|", raw):
        raise ValueError(f"{raw!r} is no restart policy; write no, always, unless-stopped, on-failure or on-failure:3")
    return raw or "no"


def ports(raw: Any) -> list[Port]:
    """``[[HOST_IP:]PUBLISHED:]TARGET[/PROTOCOL]``, or the long form."""
    if isinstance(raw, dict):
        published, host_ip = str(raw.get("published", "")), raw.get("host_ip", "")
        target, protocol = str(raw["target"]), raw.get("protocol", "tcp")
    else:
        text, _, protocol = str(raw).partition("/")
        protocol = protocol or "tcp"
        *before, target = text.rsplit(":", 2)
        published = before.pop() if before else ""
        host_ip = before.pop().strip("[]") if before else ""
    if protocol not in ("tcp", "udp"):
        raise ValueError(f"{raw!r}: the protocol {protocol!r} is not known; tcp or udp")
    return [Port(_port(target, raw), _port(published, raw) if published else None, host_ip or "127.0.0.1", protocol)]


def _port(text: str, raw: Any) -> int:
    if not re.fullmatch(r"\d{1,5}", text) or not 0 < int(text) < 65536:
        how = "one port each, no ranges" if "-" in text else "a number from 1 to 65535"
        raise ValueError(f"{raw!r}: {text!r} is not a port; {how}, as in 127.0.0.1::3001 (the engine picks the outer one)")
    return int(text)


def exposed(raw: Any) -> str:
    """``PORT[/PROTOCOL]``."""
    text, _, protocol = str(raw).partition("/")
    _port(text, raw)
    if protocol not in ("", "tcp", "udp"):
        raise ValueError(f"{raw!r}: the protocol {protocol!r} is not known; tcp or udp")
    return str(raw)


def boolean(raw: Any) -> bool:
    """A bool; as a word where it came from a variable."""
    text = str(raw).lower()
    if text not in _BOOLEANS:
        raise ValueError(f"{raw!r} is neither true nor false; write one of them")
    return _BOOLEANS[text]


def environment(raw: Sequence[Any] | Mapping[str, Any]) -> dict[str, str]:
    """NAME=VALUE entries, or a mapping, as a mapping of strings. A name alone, which would be passed on from the shell, is refused."""
    pairs: dict[str, str] = {}
    for name, value in _pairs(raw):
        if value is None:
            raise ValueError(f"{name} has no value; give it one, be it an empty one, or pass one on: ${{{name}}}")
        pairs[name] = value
    return pairs


def labels(raw: Sequence[Any] | Mapping[str, Any]) -> dict[str, str]:
    """The same for labels, which are empty without a value."""
    return {name: value or "" for name, value in _pairs(raw)}


def _pairs(raw: Sequence[Any] | Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
    if isinstance(raw, Mapping):
        for name, value in raw.items():
            yield name, None if value is None else _text(name, value)
        return
    for entry in raw:
        name, equals, text = str(entry).partition("=")
        yield name, text if equals else None


def _text(name: str, value: Any) -> str:
    if isinstance(value, float) and (value.is_integer() or not 1e-4 <= abs(value) < 1e6):
        raise ValueError(f"{name} is the number {value}, which docker compose writes in another way; put it in quotes")
    return str(value).lower() if isinstance(value, bool) else str(value)
