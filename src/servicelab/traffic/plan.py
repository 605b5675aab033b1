"""What traffic is to be sent: checked and complete before the first byte leaves, and small enough to hand to a process."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from servicelab.traffic.errors import TrafficError

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
MOST_RATE = 100_000
MOST_REQUESTS = 5_000_000
MOST_CONNECTIONS = 1_000
PLACEHOLDER = re.compile(r"\{(\w+)\}")

Target = str | Sequence[str] | Mapping[str, float]
Body = str | bytes | Mapping[str, Any] | Sequence[Any]


@dataclass(frozen=True)
class Request:
    """One kind of request. ``urls`` are sent to in turn; ``weight`` is its share of the traffic, against the others' weights.

    ``name`` is what its results are found by: the method and the path as written, such as ``"GET /users/{id}"``.
    """

    name: str
    method: str
    urls: tuple[str, ...]
    weight: float = 1.0
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""


@dataclass(frozen=True)
class Plan:
    """All that the generator has to know. ``seconds`` None: until it is stopped. ``ids``: placeholder to (first, last + 1)."""

    requests: tuple[Request, ...]
    rate: float
    seconds: float | None
    timeout: float
    connections: int
    keep_alive: bool
    arrivals: str
    seed: int
    ids: tuple[tuple[str, int, int], ...]

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Plan:
        fields = json.loads(text)
        requests = tuple(
            Request(**(r | {"urls": tuple(r["urls"]), "headers": tuple((k, v) for k, v in r["headers"])}))
            for r in fields.pop("requests")
        )
        ids = tuple((name, first, end) for name, first, end in fields.pop("ids"))
        return cls(requests=requests, ids=ids, **fields)


def make_plan(
    target: Target,
    *,
    rate: float,
    seconds: float | None,
    base: str | Sequence[str] = "",
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: Body | None = None,
    timeout: float = 5.0,
    connections: int | None = None,
    keep_alive: bool = True,
    arrivals: str = "constant",
    seed: int = 1,
    ids: range | Mapping[str, range] = range(1, 1001),
) -> Plan:
    """Check everything and fill in the defaults. Raises :class:`TrafficError`."""
    if not 0 < rate <= MOST_RATE:
        raise TrafficError(f"rate={rate!r} can't be sent", why=f"it is in requests per second, above 0, at most {MOST_RATE:,}")
    if seconds is not None and not seconds > 0:
        raise TrafficError(f"seconds={seconds!r} is no duration", fix="a number above 0, or None: until .stop()")
    if seconds is not None and rate * seconds > MOST_REQUESTS:
        raise TrafficError(f"{rate * seconds:,.0f} requests are too many for one run", why=f"the most is {MOST_REQUESTS:,}")
    if not timeout > 0:
        raise TrafficError(f"timeout={timeout!r} is no duration", fix="seconds, above 0")
    if arrivals not in ("constant", "poisson"):
        raise TrafficError(f"arrivals={arrivals!r} is unknown", fix='arrivals="constant" or arrivals="poisson"')
    if connections is None:
        connections = min(MOST_CONNECTIONS, max(16, round(rate * timeout)))
    elif connections < 1:
        raise TrafficError(f"connections={connections!r} leaves nothing to send on", fix="at least 1")
    bases = (base,) if isinstance(base, str) else tuple(base)
    requests = tuple(_requests(target, bases, method, dict(headers or {}), body))
    if len({request.name for request in requests}) < len(requests):  # the same path on several hosts
        requests = tuple(replace(request, name=f"{request.method} {request.urls[0]}") for request in requests)
    ranges = {"id": ids} if isinstance(ids, range) else dict(ids)
    for name, values in ranges.items():
        if not values or values.step != 1:
            raise TrafficError(f"ids for {{{name}}}: {values!r} has nothing to draw from", fix="such as range(1, 1001)")
    for request in requests:
        _check_placeholders(request, set(ranges) | {"n"})
    return Plan(
        requests, float(rate), seconds, float(timeout), connections, keep_alive, arrivals, seed,
        tuple((name, values.start, values.stop) for name, values in ranges.items()),
    )  # fmt: skip


def _requests(target: Target, bases: tuple[str, ...], method: str, headers: dict[str, str], body: Body | None) -> list[Request]:
    sent_headers = {"X-Caller": "traffic"} | headers
    if body is not None and not isinstance(body, str | bytes):
        body = json.dumps(body)
        if "content-type" not in {name.lower() for name in headers}:
            sent_headers["Content-Type"] = "application/json"
    text = body.decode("latin-1") if isinstance(body, bytes) else (body or "").encode().decode("latin-1")
    fixed = tuple(sent_headers.items())
    if isinstance(target, Mapping):
        entries = [(*_method_and_url(entry), weight) for entry, weight in target.items()]
        if not entries or any(not weight >= 0 for *_, weight in entries) or not sum(w for *_, w in entries) > 0:
            raise TrafficError("the scenario sends nothing", fix='such as {"GET /users/{id}": 0.7, "GET /orders/1": 0.3}')
        return [
            _request(verb, _absolute(url, bases), weight, fixed, text if verb in ("POST", "PUT", "PATCH") else "")
            for verb, url, weight in entries
        ]
    urls = (target,) if isinstance(target, str) else tuple(target)
    if not urls:
        raise TrafficError("no URL to send to")
    return [_request(method.upper(), tuple(a for url in urls for a in _absolute(url, bases)), 1.0, fixed, text)]


def _method_and_url(entry: str) -> tuple[str, str]:
    verb, _, url = entry.strip().partition(" ")
    return (verb.upper(), url.strip()) if url else ("GET", verb)


def _absolute(url: str, bases: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(base.rstrip("/") + url for base in bases) if url.startswith("/") else (url,)


def _request(method: str, urls: tuple[str, ...], weight: float, headers: tuple[tuple[str, str], ...], body: str) -> Request:
    if method not in METHODS:
        raise TrafficError(f"unknown method {method!r}", fix="one of " + ", ".join(METHODS))
    for url in urls:
        try:
            parts = urlsplit(url)
            usable = parts.scheme == "http" and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable or re.search(r"[\s\x00-\x1f]", url) or not url.isascii():
            raise TrafficError(
                f"can't send to {url!r}", why="plain HTTP alone is spoken here", fix="such as http://127.0.0.1:8000/users"
            )
    for name, value in headers:
        if re.search(r"[\r\n]", name + value) or not (name + value).isascii():
            raise TrafficError(f"the header {name!r} holds a character that headers can't", why=repr(value))
    return Request(f"{method} {_path(urls[0])}", method, urls, float(weight), headers, body)


def _path(url: str) -> str:
    return "/" + url.split("://", 1)[1].partition("/")[2]


def _check_placeholders(request: Request, known: set[str]) -> None:
    for url in request.urls:
        for name in PLACEHOLDER.findall(url):
            if name not in known:
                raise TrafficError(
                    f"{{{name}}} in {url!r} has no values", fix=f'ids={{"{name}": range(1, 1001)}}; {{n}} counts requests'
                )
