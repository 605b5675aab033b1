"""One spare call: when the first fails, or is later than 19 of 20 were, the same once more. The first answer wins.

Only for what can be done twice. And only a tenth of the calls may have one: when a peer is slow for everybody, a second call to it is
the last thing that it needs.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeVar

SHARE = 0.1  # of a spare call is earned by each call
MOST = 10.0  # spare calls can be saved up
KNOWN = 20  # answers have to be known before we say what is late
LATE = 0.95  # of the last answers were sooner

T = TypeVar("T")


class Spare:
    """What one peer's last calls took, and how many spare calls they have earned. Belongs to one event loop."""

    def __init__(self) -> None:
        self._saved = MOST
        self._took: deque[float] = deque(maxlen=100)  # seconds

    async def first_answer(self, call: Callable[[], Awaitable[T]]) -> T:
        """What ``call()`` answers, or its spare call. Raises what the last of them raised where both failed."""
        self._saved = min(MOST, self._saved + SHARE)
        calls = {asyncio.ensure_future(self._timed(call))}
        try:
            done, _ = await asyncio.wait(calls, timeout=self.late_after())
            if all(may_do_better(each) for each in done) and self._spend():
                calls.add(asyncio.ensure_future(self._timed(call)))
            return await first_success(calls)
        finally:
            for each in calls:
                each.cancel()  # closes the loser's connection

    def late_after(self) -> float | None:
        """Seconds. None: not enough is known yet."""
        return sorted(self._took)[int(LATE * len(self._took))] if len(self._took) >= KNOWN else None

    async def _timed(self, call: Callable[[], Awaitable[T]]) -> T:
        began = time.monotonic()
        answer = await call()
        self._took.append(time.monotonic() - began)
        return answer

    def _spend(self) -> bool:
        if self._saved < 1:
            return False
        self._saved -= 1
        return True


def may_do_better(done: asyncio.Future[T]) -> bool:
    """Did it fail in a way that may pass? A 404 is an answer, and what was wrong once is wrong twice."""
    return bool(getattr(done.exception(), "may_pass", False))


async def first_success(calls: set[asyncio.Future[T]]) -> T:
    while True:
        done, calls = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
        good = [each for each in done if each.exception() is None]
        if good or not calls:
            return (good or list(done))[0].result()
