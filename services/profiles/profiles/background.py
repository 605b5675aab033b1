"""The event loop that all calls to others run in: one for each worker, in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any, TypeVar

T = TypeVar("T")


class Background:
    """Flask's threads hand their calls over and wait: so connections are shared, and a call can be cancelled half way."""

    def __init__(self) -> None:
        self._first = threading.Lock()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """What ``work`` returns or raises. It has to come to an end by itself: by its deadline."""
        with self._first:
            loop = self._loop
        return asyncio.run_coroutine_threadsafe(work, loop).result()

    @cached_property
    def _loop(self) -> asyncio.AbstractEventLoop:
        """Started at first use, which is after gunicorn's fork: a thread does not survive that."""
        loop = asyncio.new_event_loop()
        # Names are looked up in these. There are enough that one name which nobody answers for does not keep the others waiting.
        loop.set_default_executor(ThreadPoolExecutor(32, thread_name_prefix="names"))
        threading.Thread(target=loop.run_forever, name="calls", daemon=True).start()
        return loop
