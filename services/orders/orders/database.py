"""Connections to PostgreSQL: a bounded number, kept open, and replaced when the database went away and came back."""

from __future__ import annotations

import select
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
from psycopg2.extensions import connection, cursor

from .errors import DatabaseUnavailableError

WAIT = 1.0  # seconds for a connection to be free
# Seconds and milliseconds that a dead database may cost: a fast 503 and not a thread.
SETTINGS: dict[str, Any] = {
    "connect_timeout": 2,
    "tcp_user_timeout": 2000,
    "application_name": __package__,
    "options": "-c timezone=UTC",
}


class Database:
    """One of these per worker: create_app makes it after gunicorn's fork, and connections can't be shared by processes."""

    def __init__(self, url: str, *, size: int) -> None:
        self._url = url
        self._free = threading.BoundedSemaphore(size)
        self._idle: list[connection] = []

    @contextmanager
    def transaction(self) -> Iterator[cursor]:
        """A cursor in a transaction, committed when the block ends, rolled back when it raises."""
        if not self._free.acquire(timeout=WAIT):
            raise DatabaseUnavailableError(f"no connection was free for {WAIT} s")
        held = None
        try:
            held = self._take()
            with held, held.cursor() as open_cursor:
                yield open_cursor
        except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
            raise DatabaseUnavailableError(error) from error
        finally:
            if held and not held.closed:
                self._idle.append(held)
            self._free.release()

    def _take(self) -> connection:
        while self._idle:
            kept = self._idle.pop()
            # A database that ended has closed its side, which makes an idle connection readable: no query needed to know.
            if not select.select([kept], [], [], 0)[0]:
                return kept
            kept.close()
        return psycopg2.connect(self._url, **SETTINGS)
