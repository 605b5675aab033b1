"""New log lines of a container, asked for in bulk: what was read is never read again, and the engine reads from the end of its file."""

from __future__ import annotations

import json
import struct
from collections import deque
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import docker

LEAST_TAIL, MOST_TAIL = 50, 20_000
REMEMBERED = 12


class Line(NamedTuple):
    """One line of a log. ``time``: the engine's, UTC, to the nanosecond, in a form that sorts as text."""

    time: str
    text: str

    @property
    def fields(self) -> Mapping[str, Any]:
        """What a JSON line says, else nothing."""
        return parsed(self.text)

    def __str__(self) -> str:
        instance = self.fields.get("instance")
        return f"{self.time[11:23]}  {f'{instance}  ' if instance else ''}{words(self.text)}"


def parsed(text: str) -> Mapping[str, Any]:
    """The object in a JSON line; nothing for any other line."""
    if text.startswith("{"):
        try:
            found = json.loads(text)
        except ValueError:
            return {}
        if isinstance(found, dict):
            return found
    return {}


def words(text: str) -> str:
    """A line for people: of a JSON line what happened, how long it took and for whom; any other as it is."""
    fields = parsed(text)
    said = fields.get("message", fields.get("msg"))  # msg: MongoDB
    if said is None:
        return text
    took = f" in {fields['duration_ms']} ms" if "duration_ms" in fields else ""
    return f"{said}{took}{f' for {caller}' if (caller := fields.get('caller')) else ''}"


def read(client: docker.DockerClient, container: str, *, tail: int | None = None, since: float | None = None) -> list[Line]:
    """The last TAIL lines (None: all) of a container, standard output and error, in the order in which the engine got them.

    SINCE: seconds since the epoch. Not by the SDK's ``logs``: that inspects the container before each call.
    """
    api = client.api
    wanted: dict[str, str | int | float] = {"stdout": 1, "stderr": 1, "timestamps": 1, "tail": "all" if tail is None else tail}
    if since is not None:
        wanted["since"] = f"{since:.6f}"
    response = api.get(f"{api.base_url}/v{api.api_version}/containers/{container}/logs", params=wanted, timeout=api.timeout)
    if response.status_code == 404:
        raise docker.errors.NotFound(f"no container {container}", response)
    response.raise_for_status()
    lines = b"".join(_payloads(response.content)).decode("utf-8", "replace").split("\n")
    return [Line(*line.split(" ", 1)) for line in lines if " " in line]


def _payloads(content: bytes) -> Iterator[bytes]:
    """What is in the frames of a log: 1 byte stream, 3 of zero, 4 length. A container with a terminal sends no frames."""
    if content[:1] not in (b"\0", b"\1", b"\2"):
        yield content
        return
    start = 0
    while start + 8 <= len(content):
        (length,) = struct.unpack_from(">I", content, start + 4)
        yield content[start + 8 : start + 8 + length]
        start += 8 + length


class Reader:
    """Follows the log of one container by asking again. ``last``: its most recent lines."""

    def __init__(self, container: str) -> None:
        self.container = container
        self.last: deque[Line] = deque(maxlen=REMEMBERED)
        self._until = ""
        self._tail = LEAST_TAIL

    def read(self, client: docker.DockerClient) -> list[Line]:
        """The lines since the last call; the first call returns none, and remembers the last ones."""
        first = not self._until
        while True:
            lines = read(client, self.container, tail=self._tail, since=None if first else _seconds(self._until))
            # all that were asked for, and none of them known: there may be more before them
            if first or len(lines) < self._tail or lines[0].time <= self._until or self._tail >= MOST_TAIL:
                break
            self._tail = min(2 * self._tail, MOST_TAIL)
        new = [line for line in lines if line.time > self._until]
        self._tail = max(LEAST_TAIL, min(2 * len(new), MOST_TAIL))
        if new:
            self._until = max(line.time for line in new)
            self.last.extend(new)
        elif first:
            self._until = "0"
        return [] if first else new


def _seconds(time: str) -> float:
    """A little before an engine's time, as it takes it: a float does not hold nanoseconds."""
    return max(0.0, datetime.fromisoformat(time[:19] + "+00:00").timestamp()) if time[:1] != "0" else 0.0
