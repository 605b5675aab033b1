"""A request as bytes, with its placeholders filled in."""

from __future__ import annotations

import random
from collections.abc import Sequence
from urllib.parse import urlsplit

from servicelab.traffic.plan import PLACEHOLDER, Request


class Template:
    """One request to one URL. ``{n}`` counts the run's requests from 1; the others are drawn from the plan's ranges."""

    def __init__(self, request: Request, url: str) -> None:
        parts = urlsplit(url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        names = {name.lower() for name, _ in request.headers}
        headers = [] if "host" in names else [f"Host: {parts.netloc.rpartition('@')[2]}"]
        headers += [f"{name}: {value}" for name, value in request.headers]
        if "user-agent" not in names:
            headers.append("User-Agent: servicelab")
        self._method = request.method
        self._head = f"{request.method} {path} HTTP/1.1\r\n" + "\r\n".join(headers) + "\r\n"
        self._body = request.body
        self._sends_body = bool(request.body) or request.method in ("POST", "PUT", "PATCH")
        self._fixed: tuple[str, bytes] | None = None
        if not PLACEHOLDER.search(self._head) and not PLACEHOLDER.search(self._body):
            self._fixed = (self._method, self._bytes(self._head, self._body))

    def render(self, n: int, draw: random.Random, ids: Sequence[tuple[str, int, int]]) -> tuple[str, bytes]:
        """The method, and the whole request."""
        if self._fixed is not None:
            return self._fixed
        values = {"n": str(n)} | {name: str(draw.randrange(first, end)) for name, first, end in ids}
        head = PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), self._head)
        body = PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), self._body)
        return self._method, self._bytes(head, body)

    def _bytes(self, head: str, body: str) -> bytes:
        if self._sends_body:
            head += f"Content-Length: {len(body)}\r\n"
        return f"{head}\r\n{body}".encode("latin-1")
