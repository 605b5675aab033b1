"""Keep-alive connections to one or more hosts, at most so many of them, and what becomes of each exchange on them."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections import deque
from collections.abc import Callable
from typing import cast

from servicelab.traffic.response import ProtocolError, ResponseReader

MOST_IDLE = 1.0
"""Seconds after which an unused connection is closed: sooner than servers do (gunicorn: 2 s), so that they rarely meet."""

IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})

# errors of this machine, not of the service under test
OWN_ERRORS = {
    errno.EADDRNOTAVAIL: "no local port was free",
    errno.EMFILE: "the limit of open files was reached",
    errno.ENFILE: "the limit of open files was reached",
}


class Exchange:
    """One request and what becomes of it. Times are the loop's seconds."""

    __slots__ = ("concluded", "connection", "deadline", "host", "intended", "request", "retried", "wire")

    def __init__(self, intended: float, request: int, host: Host, wire: tuple[str, bytes]) -> None:
        self.intended = intended
        self.request = request
        self.host = host
        self.wire = wire
        self.deadline = 0.0
        self.connection: Connection | asyncio.Task[None] | None = None
        self.concluded = False
        self.retried = False


class Host:
    """An address with its idle connections, the last used one on top, and the exchanges that wait for one."""

    def __init__(self, name: str, port: int) -> None:
        self.name = name
        self.port = port
        self.address = name
        self.open = 0
        self.idle: list[Connection] = []
        self.backlog: deque[Exchange] = deque()

    async def resolve(self) -> None:
        """Look the name up, once; IPv4 first. Raises OSError."""
        found = await asyncio.get_running_loop().getaddrinfo(self.name, self.port, type=socket.SOCK_STREAM)
        found.sort(key=lambda entry: entry[0] != socket.AF_INET)
        self.address = str(found[0][4][0])


class Connection(asyncio.Protocol):
    """One connection, with one exchange on it at a time."""

    def __init__(self, pool: Connections, exchange: Exchange) -> None:
        self.pool = pool
        self.host = exchange.host
        self.exchange: Exchange | None = exchange
        self.made = False
        self.used = False
        self.idle_since = 0.0
        self.reader = ResponseReader()
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.made = True
        exchange = self.exchange
        assert exchange is not None  # noqa: S101
        if exchange.concluded:  # it timed out in this very moment
            self.exchange = None
            self.transport.abort()
        else:
            self.send(exchange)

    def send(self, exchange: Exchange) -> None:
        self.exchange = exchange
        exchange.connection = self
        method, data = exchange.wire
        self.reader.reset(method)
        self.transport.write(data)

    def data_received(self, data: bytes) -> None:
        exchange = self.exchange
        if exchange is None:  # nobody asked
            self.transport.abort()
            return
        try:
            complete = self.reader.feed(data)
        except ProtocolError:
            self._conclude("protocol")
            self.transport.abort()
            return
        if complete:
            self._conclude(str(self.reader.status))
            if self.reader.keep_alive and self.pool.keep_alive and not self.transport.is_closing():
                self.used = True
                self.pool.release(self)
            else:
                self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        exchange = self.exchange
        if exchange is not None:
            if exc is None and self.reader.end():
                self._conclude(str(self.reader.status))
            elif self.used and not self.reader.started and not exchange.retried and exchange.wire[0] in IDEMPOTENT:
                # The server was closing a connection that it took to be unused while the request was on its way: send it
                # again, once, on a new one, as RFC 9112 9.3.1 allows and HTTP clients do.
                self.exchange = None
                exchange.retried = True
                self.pool.retries += 1
                self.host.backlog.appendleft(exchange)
            else:
                self._conclude("closed" if exc is None else kind_of(exc))
        self.pool.lost(self)

    def _conclude(self, outcome: str) -> None:
        exchange, self.exchange = self.exchange, None
        assert exchange is not None  # noqa: S101
        exchange.connection = None
        self.pool.conclude(exchange, outcome)


class Connections:
    """The pool. ``on_end(exchange, outcome)`` is called once for each exchange: with a status ("200") or a kind of error."""

    def __init__(
        self, hosts: list[Host], *, most: int, timeout: float, keep_alive: bool, on_end: Callable[[Exchange, str], None]
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.hosts = hosts
        self.most_per_host = max(1, most // len(hosts))
        self.timeout = timeout
        self.keep_alive = keep_alive
        self.on_end = on_end
        self.waiting: deque[Exchange] = deque()  # sent, in the order of their deadlines
        self.retries = 0
        self.queued = 0
        self.own_errors: set[str] = set()

    def submit(self, exchange: Exchange) -> None:
        """Send it on an idle connection, else a new one, else as soon as one is free."""
        host = exchange.host
        while host.idle:
            connection = host.idle.pop()
            if not connection.transport.is_closing():
                self._sent(exchange)
                connection.send(exchange)
                return
        if host.open < self.most_per_host:
            self._connect(exchange)
        else:
            self.queued += 1
            host.backlog.append(exchange)

    def release(self, connection: Connection) -> None:
        exchange = self._next(connection.host)
        if exchange is None:
            connection.idle_since = self.loop.time()
            connection.host.idle.append(connection)
        else:
            connection.send(exchange)

    def lost(self, connection: Connection) -> None:
        host = connection.host
        host.open -= 1
        if connection in host.idle:
            host.idle.remove(connection)
        self._refill(host)

    def conclude(self, exchange: Exchange, outcome: str) -> None:
        if not exchange.concluded:
            exchange.concluded = True
            self.on_end(exchange, outcome)

    def sweep(self) -> None:
        """End what has waited for too long, and close connections that nobody uses. To be called a hundred times a second."""
        now = self.loop.time()
        waiting = self.waiting
        while waiting and (waiting[0].concluded or waiting[0].deadline <= now):
            exchange = waiting.popleft()
            if not exchange.concluded:
                held = exchange.connection
                self.conclude(exchange, "timeout")
                if isinstance(held, Connection):
                    held.exchange = None
                    held.transport.abort()
                elif held is not None:
                    held.cancel()
        for host in self.hosts:
            while host.backlog and host.backlog[0].intended + self.timeout <= now:
                self.conclude(host.backlog.popleft(), "unsent")
            while host.idle and host.idle[0].idle_since + MOST_IDLE <= now:
                host.idle.pop(0).transport.close()

    def _next(self, host: Host) -> Exchange | None:
        while host.backlog:
            exchange = host.backlog.popleft()
            if not exchange.concluded:
                self._sent(exchange)
                return exchange
        return None

    def _sent(self, exchange: Exchange) -> None:
        if not exchange.deadline:  # one that is sent again keeps its deadline, and its place
            exchange.deadline = self.loop.time() + self.timeout
            self.waiting.append(exchange)

    def _refill(self, host: Host) -> None:
        if host.open < self.most_per_host and (exchange := self._next(host)) is not None:
            self._connect(exchange)

    def _connect(self, exchange: Exchange) -> None:
        self._sent(exchange)
        exchange.host.open += 1
        exchange.connection = self.loop.create_task(self._open(exchange))

    async def _open(self, exchange: Exchange) -> None:
        host = exchange.host
        connection = Connection(self, exchange)
        try:
            await self.loop.create_connection(lambda: connection, host.address, host.port)
        except asyncio.CancelledError:  # it timed out
            pass
        except OSError as error:
            exchange.connection = None
            if error.errno in OWN_ERRORS:
                self.own_errors.add(OWN_ERRORS[error.errno])
                self.conclude(exchange, "unsent")
            else:
                self.conclude(exchange, kind_of(error))
        if not connection.made:  # else connection_lost gives the place back
            host.open -= 1
            self._refill(host)


def kind_of(error: Exception) -> str:
    """The kind of error, as results name it."""
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(error, ConnectionResetError | BrokenPipeError | ConnectionAbortedError):
        return "reset"
    if isinstance(error, TimeoutError):
        return "timeout"
    return "unreachable"
