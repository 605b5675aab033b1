"""What makes a request slow: chance, with a seed."""

from __future__ import annotations

import random
import threading


class Die:
    """Says "slow" for a share of the requests, each by itself. Two dice of one seed say the same, in the order of asking."""

    def __init__(self, share: float, seed: int) -> None:
        self._share = share
        self._random = random.Random(seed)  # noqa: S311 - a die, no secret
        self._lock = threading.Lock()

    def says_slow(self) -> bool:
        with self._lock:
            return self._random.random() < self._share
