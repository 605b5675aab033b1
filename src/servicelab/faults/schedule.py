"""Faults over time, as data: seeded, replayable, printable."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any

from servicelab.faults.fault import Active, Fault

if TYPE_CHECKING:
    from servicelab.stack import Stack


@dataclass(frozen=True)
class Entry:
    """A fault that begins ``at`` seconds after the schedule and lasts ``seconds``."""

    at: float
    seconds: float
    fault: Fault


@dataclass(frozen=True)
class Schedule:
    """Entries by their time. ``print`` it; play it with ``with schedule.play(shop):``."""

    entries: tuple[Entry, ...]

    @classmethod
    def random(
        cls, seed: int, *, seconds: float, faults: Sequence[tuple[str, Mapping[str, Any]]], count: int, lasting: float = 5.0
    ) -> Schedule:
        """COUNT of FAULTS, (service, options) each, at moments within SECONDS, one after another: the same for the same SEED."""
        chance = random.Random(seed)  # noqa: S311 (a schedule, not a secret)
        slot = seconds / count
        lasting = min(lasting, slot)
        entries = []
        for number in range(count):
            service, options = chance.choice(list(faults))
            at = round(number * slot + chance.uniform(0.0, slot - lasting), 1)
            entries.append(Entry(at, round(lasting, 1), Fault.parse(service, **options)))
        return cls(tuple(entries))

    def __str__(self) -> str:
        return "\n".join(f"{e.at:6.1f} s  for {e.seconds:4.1f} s  {e.fault}" for e in sorted(self.entries, key=lambda e: e.at))

    def play(self, stack: Stack) -> Playing:
        """A context manager that begins and ends the faults at their times, beside whatever its block does."""
        return Playing(self, stack)


class Playing:
    """A schedule under way. At the end of its block what is active is undone and what was to come is left out."""

    def __init__(self, schedule: Schedule, stack: Stack) -> None:
        self._schedule, self._stack = schedule, stack
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self.played: list[Entry] = []
        """What has begun, in order."""
        self.failed: list[Exception] = []
        """What could not be begun or ended."""

    def __enter__(self) -> Playing:
        started = time.monotonic()
        for entry in self._schedule.entries:
            thread = threading.Thread(target=self._one, args=(entry, started), name=f"fault {entry.fault}", daemon=True)
            self._threads.append(thread)
            thread.start()
        return self

    def _one(self, entry: Entry, started: float) -> None:
        if self._stop.wait(max(0.0, started + entry.at - time.monotonic())):
            return
        from servicelab.stack import Stack

        try:
            # a stack of its own: the SDK's clients are not safe to share between threads
            with Active(Stack.of(self._stack.file), entry.fault):
                self.played.append(entry)
                self._stop.wait(max(0.0, started + entry.at + entry.seconds - time.monotonic()))
        except Exception as error:
            self.failed.append(error)

    def wait(self) -> None:
        """Return when the last fault is over."""
        for thread in self._threads:
            thread.join()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        self.wait()
