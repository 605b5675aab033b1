"""Where one HTTP/1.1 response ends: just enough of RFC 9112 to time it and use the connection again. Bodies are dropped."""

from __future__ import annotations

MOST_HEAD = 65_536


class ProtocolError(Exception):
    """What came is not an HTTP/1.1 response."""


class ResponseReader:
    """Feed it bytes until it says that the response is complete; ``status`` and ``keep_alive`` hold from then on."""

    __slots__ = ("_buffer", "_left", "_no_body", "_state", "keep_alive", "started", "status")

    HEAD, LENGTH, CHUNKS, TRAILER, UNTIL_CLOSE, COMPLETE = range(6)

    def __init__(self, method: str = "GET") -> None:
        self.reset(method)

    def reset(self, method: str) -> None:
        """Be ready for the response to a request with this method."""
        self.status = 0
        self.keep_alive = True
        self.started = False
        self._no_body = method == "HEAD"
        self._state = self.HEAD
        self._buffer = b""
        self._left = 0

    def feed(self, data: bytes) -> bool:
        """True when the response is complete. Raises :class:`ProtocolError`."""
        self.started = True
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        while self._state == self.HEAD:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                if len(data) > MOST_HEAD:
                    raise ProtocolError("the head of the response does not end")
                self._buffer = data
                return False
            self._read_head(data[: end + 2])
            data = data[end + 4 :]
        if self._state == self.LENGTH:
            self._left -= len(data)
            if self._left <= 0:
                self.keep_alive = self.keep_alive and self._left == 0  # bytes beyond the end belong to no request
                self._state = self.COMPLETE
        elif self._state in (self.CHUNKS, self.TRAILER):
            self._read_chunks(data)
        return self._state == self.COMPLETE

    def end(self) -> bool:
        """The peer closed: True where that is how this response ends."""
        return self._state == self.UNTIL_CLOSE

    def _read_head(self, head: bytes) -> None:
        line, _, fields = head.partition(b"\r\n")
        if not line.startswith(b"HTTP/1.") or not line[9:12].isdigit():
            raise ProtocolError(f"no status line: {line[:60]!r}")
        status = int(line[9:12])
        if 100 <= status < 200:
            return  # an interim response: the real one follows
        self.status = status
        length: int | None = None
        chunked = False
        self.keep_alive = line[7:8] == b"1"
        for field in fields.lower().split(b"\r\n"):
            name, _, value = field.partition(b":")
            if name == b"content-length":
                if not value.strip().isdigit():
                    raise ProtocolError(f"Content-Length: {value[:60]!r}")
                length = int(value)
            elif name == b"transfer-encoding":
                chunked = b"chunked" in value
            elif name == b"connection":
                self.keep_alive = b"keep-alive" in value or (self.keep_alive and b"close" not in value)
        if self._no_body or status in (204, 304):
            self._state, self._left = self.LENGTH, 0
        elif chunked:
            self._state = self.CHUNKS
        elif length is not None:
            self._state, self._left = self.LENGTH, length
        else:
            self._state, self.keep_alive = self.UNTIL_CLOSE, False

    def _read_chunks(self, data: bytes) -> None:
        while True:
            if self._left >= len(data):  # within a chunk (its closing CRLF counted)
                self._left -= len(data)
                return
            data = data[self._left :]
            self._left = 0
            line, newline, rest = data.partition(b"\r\n")
            if not newline:
                if len(line) > MOST_HEAD:
                    raise ProtocolError("a chunk's size line does not end")
                self._buffer = data
                return
            data = rest
            if self._state == self.TRAILER:
                if not line:
                    self._state = self.COMPLETE
                    self.keep_alive = self.keep_alive and not data
                    return
                continue
            try:
                size = int(line.partition(b";")[0], 16)
            except ValueError:
                size = -1
            if size < 0:
                raise ProtocolError(f"no chunk size: {line[:60]!r}")
            if size:
                self._left = size + 2
            else:
                self._state = self.TRAILER
