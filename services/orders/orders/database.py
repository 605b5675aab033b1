"""Connections to PostgreSQL: a bounded number, kept open, and replaced when the database went away and came back.

Nothing here takes longer than whoever asks us waits: PostgreSQL itself ends a query at that moment.
"""

from __future__ import annotations

import math
import select
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2.extensions
from psycopg2.extensions import POLL_OK, POLL_READ, connection, cursor

from . import deadline
from .errors import DatabaseUnavailableError

WAIT = 1.0  # seconds for a connection to be free
ANSWER = 5.0  # seconds for an answer, to a query or to a new connection
MERCY = 0.5  # seconds after a deadline for PostgreSQL to say that it has cancelled, and to roll back
SETTINGS = {"application_name": __package__, "options": "-c timezone=UTC"}


def answer_in_time(held: connection) -> None:
    """Wait for the database, but not for ever: one that is frozen costs a 503, and not a thread of ours each time."""
    waits = deadline.remaining()
    patience = ANSWER if waits is None else min(ANSWER, max(waits, 0.0) + MERCY)
    end = time.monotonic() + patience
    while (state := held.poll()) != POLL_OK:
        reading, writing = ([held], []) if state == POLL_READ else ([], [held])
        if not any(select.select(reading, writing, [], max(0.0, end - time.monotonic()))):
            raise psycopg2.OperationalError(f"no answer within {patience:.1f} s")


def limit(open_cursor: cursor) -> None:
    """Let PostgreSQL cancel what this transaction still does when nobody waits for it any more."""
    if deadline.remaining() is not None:
        milliseconds = math.ceil(1000 * deadline.left(ANSWER))  # rounded up: when it cancels, the deadline has passed
        open_cursor.execute("SET LOCAL statement_timeout = %s", [milliseconds])


class Database:
    """One of these per worker: create_app makes it after gunicorn's fork, and connections can't be shared by processes."""

    def __init__(self, url: str, *, size: int) -> None:
        self._url = url
        self._free = threading.BoundedSemaphore(size)
        self._idle: list[connection] = []
        psycopg2.extensions.set_wait_callback(answer_in_time)  # for all connections of this process

    @contextmanager
    def transaction(self) -> Iterator[cursor]:
        """A cursor in a transaction, committed when the block ends, rolled back when it raises.

        Raises DatabaseUnavailableError, and DeadlinePassedError where whoever asked does not wait any more.
        """
        if not self._free.acquire(timeout=deadline.left(WAIT)):
            deadline.left(WAIT)  # raises where it was not our patience that ended
            raise DatabaseUnavailableError(f"no connection was free for {WAIT} s")
        held = None
        try:
            held = self._take()
            with held, held.cursor() as open_cursor:
                limit(open_cursor)
                yield open_cursor
        except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
            if deadline.passed():  # a query that was cancelled is one of these errors
                raise deadline.DeadlinePassedError from error
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
