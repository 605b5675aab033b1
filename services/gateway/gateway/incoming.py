"""What comes in, before anything goes on: a target without tricks, a host that is one, a body of known length.

gunicorn has parsed the request by now and refused what is no HTTP: two lengths, a length and chunks, folded or unnamed headers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from .errors import ApiError

PIECE = 64 * 1024  # bytes; a body up to this long is here in full before a backend hears of it
# Plain segments. No "." and "..", also encoded; no encoded / \ or control character, and nothing encoded twice: two programs
# in a row may read any of these differently, and then one of them guards a path that the other does not mean.
PATH = re.compile(
    r"(?:/(?!\.{1,2}(?:[/;]|\Z))"
    r"(?:[\w.~!$&'()*+,;=:@-]|%(?!2[EeFf]|5[Cc]|[01]|7[Ff]|25[0-9A-Fa-f]{2})[0-9A-Fa-f]{2})*)+",
    re.ASCII,
)
HOST = re.compile(r"(?:[\w.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?", re.ASCII)
QUERY = re.compile(r"(?:[^\x00-\x20\x7f-\U0010ffff#%]|%[0-9A-Fa-f]{2})*")


def target(environ: Mapping[str, Any]) -> tuple[str, str]:
    """The path and the query string (with its "?", or empty), both as the client has encoded them."""
    raw = environ.get("RAW_URI") or environ["REQUEST_URI"]
    path, mark, query = raw.partition("?")
    if not PATH.fullmatch(path):
        raise ApiError(
            400, "invalid", "the path has to be plain: no dot segments, nothing encoded that would change its parts", "path"
        )
    if not QUERY.fullmatch(query):
        raise ApiError(400, "invalid", "the query string has a character that has to be encoded", "query")
    return path, mark + query


def host(environ: Mapping[str, Any]) -> str:
    """The Host header; empty only where HTTP/1.0 allows that."""
    given = environ.get("HTTP_HOST", "")
    if HOST.fullmatch(given) or (not given and environ.get("SERVER_PROTOCOL") == "HTTP/1.0"):
        return given
    raise ApiError(400, "invalid", "one Host header, with a name or address and perhaps a port, has to be there", "Host")


class Body:
    """The body of a request: its first piece is read at once, the rest as it is sent on."""

    def __init__(self, environ: Mapping[str, Any], most: int) -> None:
        """MOST: bytes. Raises ApiError: 400 for a body that is not as announced, 413 for one that is too long."""
        self._input: BinaryIO = environ["wsgi.input"]
        self._most = most
        self._read = 0
        declared = environ.get("CONTENT_LENGTH", "")
        self.length = int(declared) if declared else None  # bytes; None: chunked, until all of it is here
        if self.length is None and not environ.get("HTTP_TRANSFER_ENCODING"):
            self.length = 0
        if (self.length or 0) > most:
            raise self._too_long()
        self.first = self._piece() if self.length != 0 else b""
        self.complete = self._read == self.length if self.length is not None else len(self.first) < PIECE
        if self.complete:
            self.length = len(self.first)

    def pieces(self) -> Iterator[bytes]:
        """All of it. Once begun, it can't be had again."""
        yield self.first
        while not self.complete:
            piece = self._piece()
            self.complete = not piece if self.length is None else self._read == self.length
            if piece:
                yield piece

    @property
    def again(self) -> bool:
        """Whether all of it can be sent once more."""
        return self._read == len(self.first)

    def _piece(self) -> bytes:
        wanted = PIECE if self.length is None else min(PIECE, self.length - self._read)
        try:
            piece = self._input.read(wanted)
        except TimeoutError:
            raise ApiError(408, "too_slow", "the body did not come", "body") from None
        except Exception as error:  # gunicorn's, which we do not import: what it raises here is about the client's bytes
            raise ApiError(400, "invalid", "the body is not framed as it has to be", "body", why=repr(error)) from None
        self._read += len(piece)
        if self.length is not None and len(piece) < wanted:
            raise ApiError(400, "invalid", "the body ended before its Content-Length", "body")
        if self._read > self._most:
            raise self._too_long()
        return piece

    def _too_long(self) -> ApiError:
        return ApiError(413, "too_long", f"a body has at most {self._most} bytes", "body")
