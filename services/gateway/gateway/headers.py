"""Which headers go on, and what we add. A proxy ends one connection and begins another: what is about a connection stays behind."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from .errors import ApiError
from .table import Route

# RFC 9110, 7.6.1, with those that old programs still send.
HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection"}
    | {"te", "trailer", "transfer-encoding", "upgrade"}
)
# Not taken from outside: we say them ourselves, or nobody does. (Content-Length is said with the body, Expect has been answered.)
OURS = frozenset(
    {"host", "content-length", "expect", "forwarded", "via", "x-real-ip", "x-request-id", "x-caller", "x-deadline-ms"}
)
FORWARDED = "x-forwarded-"  # -for, -proto, -ssl, -scheme, …: there is always one more that some program believes
NOT_BACK = HOP_BY_HOP | {"server", "date", "x-request-id"}  # our own server says these
VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


@lru_cache(maxsize=256)
def name(key: str) -> str | None:
    """The header of this WSGI key: HTTP_ACCEPT_LANGUAGE is accept-language. None: it is no header, or does not go on."""
    if key == "CONTENT_TYPE":
        return "content-type"
    if not key.startswith("HTTP_"):
        return None
    found = key[5:].replace("_", "-").lower()
    return None if found in HOP_BY_HOP or found in OURS or found.startswith(FORWARDED) else found


def onwards(environ: Mapping[str, Any], added: Mapping[str, str]) -> dict[str, str]:
    """The headers of the request to the backend."""
    found = {header: value for key, value in environ.items() if (header := name(key))}
    if connection := environ.get("HTTP_CONNECTION"):
        for token in connection.lower().split(","):  # headers that the client has declared to be about this connection
            found.pop(token.strip(), None)
    found.update(added)
    return found


def back(headers: Iterable[tuple[str, str]], route: Route) -> list[tuple[str, str]]:
    """The headers of the answer to the client. Raises ApiError 502 for a value that no server may send."""
    headers = list(headers)
    dropped = NOT_BACK
    kept = []
    for header, value in headers:
        if header.lower() == "connection" and value.lower() not in ("close", "keep-alive"):
            dropped = dropped | {token.strip() for token in value.lower().split(",")}
    for header, value in headers:
        lower = header.lower()
        if lower in dropped:
            continue
        if not VALUE.fullmatch(value):
            raise ApiError(
                502, "backend_failed", f"{route.service} answered with a header that is none", why=repr((header, value))
            )
        kept.append((header, outside(value, route) if lower == "location" else value))
    return kept


def outside(location: str, route: Route) -> str:
    """A path of the backend's, as clients know it: /orders/7 is at /api/orders/7."""
    if location.startswith(route.to) and location[len(route.to) :][:1] in ("", "/", "?"):
        return route.prefix + location[len(route.to) :]
    return location
