"""A token bucket for each client. All workers share them, in a piece of memory of fixed size: a flood can't make it grow."""

from __future__ import annotations

import fcntl
import math
import mmap
import os
import struct
import threading
import time
import zlib
from collections.abc import Callable

SLOTS = 65536  # two clients in one slot share a bucket: rare, and harmless
SLOT = struct.Struct("d")


class RateLimit:
    """RATE tokens a second flow into a bucket that holds BURST; a request takes one.

    A bucket is kept as one number, the moment at which it will be full again (what is called GCRA): that it fills takes no work.
    """

    def __init__(self, rate: float, burst: int, path: str = "", clock: Callable[[], float] = time.monotonic) -> None:
        """PATH: a file that the workers share, in memory (/dev/shm); empty: this process counts alone. A RATE of 0 is no limit."""
        self.rate = rate
        self._refill = burst / rate if rate else 0.0  # seconds from empty to full
        self._interval = 1 / rate if rate else 0.0  # seconds for one token
        self._clock = clock  # of the machine, not of the process: workers compare their times
        self._threads = threading.Lock()
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600) if path else -1
        if path:
            os.ftruncate(self._file, SLOTS * SLOT.size)
        self._memory = mmap.mmap(self._file, SLOTS * SLOT.size)

    def take(self, client: str) -> float:
        """0 and a token is taken; or the seconds until there is one."""
        if not self.rate:
            return 0.0
        offset = zlib.crc32(client.encode()) % SLOTS * SLOT.size
        with self._threads:
            if self._file >= 0:
                fcntl.lockf(self._file, fcntl.LOCK_EX, SLOT.size, offset)
            try:
                now = self._clock()
                (full_at,) = SLOT.unpack_from(self._memory, offset)
                full_at = max(full_at, now) + self._interval
                wait = full_at - now - self._refill
                if wait > 1e-9:
                    return wait
                SLOT.pack_into(self._memory, offset, full_at)
                return 0.0
            finally:
                if self._file >= 0:
                    fcntl.lockf(self._file, fcntl.LOCK_UN, SLOT.size, offset)


def retry_after(seconds: float) -> int:
    """As Retry-After has it: whole seconds, at least one."""
    return max(1, math.ceil(seconds))
