"""Connections to backends: urllib3's pools, with what a proxy wants otherwise."""

from __future__ import annotations

from http.client import HTTPException, HTTPResponse
from typing import Any
from urllib.parse import urlsplit

from urllib3 import HTTPConnectionPool
from urllib3.connection import HTTPConnection

CONNECT = 0.25  # seconds. In one data centre a connection takes a millisecond, or never happens


class Response(HTTPResponse):
    """Without an end that can be told from a broken connection it is no answer: http.client would take what came for the whole."""

    def begin(self) -> None:
        super().begin()
        if self.msg.defects:
            raise HTTPException(f"its headers are none: {self.msg.defects}")
        if self.length is None and not self.chunked:
            raise HTTPException("it has neither a Content-Length nor chunks")


class Connection(HTTPConnection):
    """urllib3 sends with the time that it has for connecting; a body that streams from a slow client needs more than that."""

    patience = 5.0  # seconds for which a backend may leave what we send lie
    response_class = Response

    def request(self, *arguments: Any, **options: Any) -> None:
        if self.sock is None:
            self.connect()
        self.timeout = self.patience
        super().request(*arguments, **options)


class Pool(HTTPConnectionPool):
    ConnectionCls = Connection


def pool(url: str, size: int) -> Pool:
    """SIZE connections are kept. No more are opened than requests are let through, so none is ever waited for."""
    parts = urlsplit(url)
    return Pool(parts.hostname or "", parts.port or 80, maxsize=size, block=False, retries=False)
