"""How long whoever asks us still waits: X-Deadline-Ms, the milliseconds that were left to them when they asked.

What is left, and no time of day: the clocks of two machines differ. The way here, and a wait before a thread of ours was free,
are not in it: a service that cares keeps its queue short.
"""

from __future__ import annotations

import re
import time

from flask import Flask, g, has_app_context, request

from .errors import ApiError

HEADER = "X-Deadline-Ms"
MILLISECONDS = re.compile(r"-?[0-9]{1,9}")


class DeadlinePassedError(ApiError):
    def __init__(self) -> None:
        super().__init__(504, "deadline_passed", "whoever asked does not wait any more, so this was not done, or not to its end")


def install(app: Flask) -> None:
    app.before_request(start)


def start() -> None:
    """Count from now on. A request that nobody waits for ends here, before any work."""
    given = request.headers.get(HEADER)
    if given is None:
        return
    if not MILLISECONDS.fullmatch(given):
        raise ApiError(400, "invalid", f"{given!r} is not a whole number of milliseconds", HEADER)
    g.deadline = time.monotonic() + int(given) / 1000
    if passed():
        raise DeadlinePassedError


def remaining() -> float | None:
    """Seconds until the deadline of this request, below 0 when it has passed. None: it has no deadline, or this is no request."""
    deadline: float | None = g.get("deadline") if has_app_context() else None
    return None if deadline is None else deadline - time.monotonic()


def passed() -> bool:
    left_over = remaining()
    return left_over is not None and left_over <= 0


def left(most: float) -> float:
    """Seconds that something may still take, ``most`` at most. Raises DeadlinePassedError when there are none."""
    left_over = remaining()
    if left_over is None:
        return most
    if left_over <= 0:
        raise DeadlinePassedError
    return min(most, left_over)
