"""How long whoever asks us still waits: X-Deadline-Ms, the milliseconds that were left to them when they asked.

A page is put together by us and nobody else, so here every request has a deadline, and a little of it is kept for the way back:
an answer that is complete at the moment when its caller gives up was work for nothing.
"""

from __future__ import annotations

import re
import time

from flask import Flask, g, request

from .errors import ApiError

HEADER = "X-Deadline-Ms"
MOST = 2.0  # seconds for a request that names no deadline, and for one that names a longer one
RESERVE = 0.1  # seconds to put the answer together and send it
MILLISECONDS = re.compile(r"-?[0-9]{1,9}")


class DeadlinePassedError(ApiError):
    def __init__(self) -> None:
        super().__init__(504, "deadline_passed", "whoever asked does not wait any more, so this was not done, or not to its end")


def install(app: Flask) -> None:
    app.before_request(start)


def start() -> None:
    """Count from now on. A request that nobody waits for ends here, before any work."""
    given = request.headers.get(HEADER, str(round(1000 * MOST)))
    if not MILLISECONDS.fullmatch(given):
        raise ApiError(400, "invalid", f"{given!r} is not a whole number of milliseconds", HEADER)
    patience = min(MOST, int(given) / 1000) - RESERVE
    if patience <= 0:
        raise DeadlinePassedError
    g.deadline = time.monotonic() + patience
