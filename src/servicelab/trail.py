"""The logs of all services in one, in time order; and one request's way through them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, overload

import docker

from servicelab.engine.client import Clients, clients
from servicelab.engine.removal import number_of
from servicelab.engine.spec import SERVICE
from servicelab.errors import ServicelabError
from servicelab.views import logs

if TYPE_CHECKING:
    from servicelab.engine.stacks import Engine

REQUEST_ID = "X-Request-ID"


@dataclass(frozen=True)
class Entry:
    """A log line. ``time``: when the engine got it, UTC, to the nanosecond, as text that sorts; ``text``: the line as it was written."""

    time: str
    service: str
    replica: int
    text: str

    @cached_property
    def fields(self) -> Mapping[str, Any]:
        """What a JSON line says: ts, level, request_id, caller, method, route, status, duration_ms, message… Empty for other lines."""
        return logs.parsed(self.text)

    @property
    def request_id(self) -> str | None:
        """The request that the line belongs to."""
        return self.fields.get("request_id")

    def __str__(self) -> str:
        return f"{self.time[11:23]}  {self.service}-{self.replica:<3} {logs.words(self.text)}"


class Entries(Sequence[Entry]):
    """Log entries by time. A cell shows them a line each."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        # sorted() is stable: lines of one container that the engine got at the same moment stay as they were written
        self._entries = sorted(entries, key=lambda entry: entry.time)

    @overload
    def __getitem__(self, index: int) -> Entry: ...
    @overload
    def __getitem__(self, index: slice) -> Entries: ...
    def __getitem__(self, index: int | slice) -> Entry | Entries:
        return Entries(self._entries[index]) if isinstance(index, slice) else self._entries[index]

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)

    def of(self, request: str) -> Entries:
        """Those of one request."""
        return Entries(entry for entry in self if entry.request_id == request)

    def __repr__(self) -> str:
        return "\n".join(map(str, self)) or "no log lines"


def collect(engine: Engine, *, request: Any = None, since: float | None = None, tail: int | None = None) -> Entries:
    """What the containers of ENGINE wrote, running or not.

    REQUEST: an id, or a response that carries one, for its lines alone. SINCE: seconds since the epoch. TAIL: so many lines of each
    container at most.
    """
    wanted = None if request is None else request_id(request)
    with clients() as pool:
        summaries = engine.find(pool.get())
        with ThreadPoolExecutor(max(1, min(8, len(summaries)))) as threads:
            found = threads.map(lambda summary: _of_container(pool, summary, tail, since), summaries)
            entries = Entries(entry for own in found for entry in own)
    return entries if wanted is None else entries.of(wanted)


def _of_container(pool: Clients, summary: Mapping[str, Any], tail: int | None, since: float | None) -> list[Entry]:
    try:
        lines = logs.read(pool.get(), summary["Id"], tail=tail, since=since)
    except docker.errors.NotFound:  # removed a moment ago
        return []
    return [Entry(line.time, summary["Labels"][SERVICE], number_of(dict(summary)), line.text) for line in lines]


def request_id(request: Any) -> str:
    """The id of a request: the text itself, or from the header X-Request-ID of a response (of requests, httpx, urllib3, Flask's client).

    Raises `ServicelabError` where there is none.
    """
    if isinstance(request, str):
        return request
    found = getattr(request, "headers", {}).get(REQUEST_ID)
    if not found:
        raise ServicelabError(
            f"{type(request).__name__} carries no request id",
            why=f"its answer has no header {REQUEST_ID}",
            fix=f"give a response of one of the services, or the id itself: shop.follow(response.headers[{REQUEST_ID!r}])",
        )
    return str(found)


def milliseconds(ts: str) -> float:
    """A log's own time (ISO 8601), in ms since the epoch."""
    return datetime.fromisoformat(ts.replace("Z", "+00:00")).timestamp() * 1000
