"""One thread a stack that looks at it, for all of its views, and only while one of them says that somebody is there."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

from servicelab.views.look import Look
from servicelab.views.snapshot import Snapshot

log = logging.getLogger(__name__)

PERIOD = 0.5
"""Seconds from one look to the next."""

BUSY_PERIOD = 0.15
"""The same while something is done at somebody's click: they wait to see it."""

PATIENCE = 15.0
"""Seconds without a sign of life after which a view counts as closed."""


class View(Protocol):
    """Who is shown what was seen, from the watcher's thread."""

    selected: str
    busy: list[list[str]]

    def show(self, seen: Snapshot, look: Look | None) -> None: ...


class Watcher:
    """Looks while there are views that were heard of in the last PATIENCE seconds."""

    def __init__(self, name: str, begin: Callable[[], Look], clock: Callable[[], float] = time.monotonic) -> None:
        self._name, self._begin, self._clock = name, begin, clock
        self._lock = threading.Lock()
        self._heard: dict[View, float] = {}
        self._looking = False
        self._thread: threading.Thread | None = None  # the last one: it may be closing what it had open
        self._again = threading.Event()
        self._poked = False

    def here(self, view: View) -> None:
        """VIEW is on somebody's screen. Its first sign of life is answered at once."""
        with self._lock:
            new = view not in self._heard
            self._heard[view] = self._clock()
            if not self._looking:
                self._looking = True
                self._thread = threading.Thread(target=self._run, name=f"servicelab-view-{self._name}", daemon=True)
                self._thread.start()
        if new:
            self.wake()

    def gone(self, view: View) -> None:
        """VIEW was closed."""
        with self._lock:
            self._heard.pop(view, None)
        self._again.set()

    def poke(self) -> None:
        """Something was done: look now, and quickly."""
        self._poked = True
        self._again.set()

    def wake(self) -> None:
        """Something else is wanted to be seen: look now, at everything."""
        self._again.set()

    def join(self) -> None:
        """Return when no thread is looking."""
        thread = self._thread
        if thread is not None:
            thread.join()

    def _views(self) -> list[View]:
        """Who is there. With nobody, the thread's end is settled here, so that whoever comes next starts another."""
        with self._lock:
            oldest = self._clock() - PATIENCE
            self._heard = {view: heard for view, heard in self._heard.items() if heard > oldest}
            if not self._heard:
                self._looking = False
            return list(self._heard)

    def _run(self) -> None:
        look: Look | None = None
        try:
            while views := self._views():
                started = time.monotonic()
                self._again.clear()
                quick, self._poked = self._poked, False
                try:
                    look = look or self._begin()
                    seen = look.take({view.selected for view in views if view.selected}, quick=quick)
                except Exception as error:  # whatever it is, it is shown, and the next look may be luckier
                    seen = Snapshot(trouble=f"{type(error).__name__}: {error}")
                for view in views:
                    try:
                        view.show(seen, look)
                    except Exception:  # its kernel or its front end is going: the others are still looking
                        log.exception("a view of %s can't be shown", self._name)
                        self.gone(view)
                period = BUSY_PERIOD if any(view.busy for view in views) else PERIOD
                self._again.wait(max(0.05, period - (time.monotonic() - started)))
        finally:
            if look is not None:
                look.close()


_watchers: dict[str, Watcher] = {}
_lock = threading.Lock()


def of(project: str, begin: Callable[[], Look]) -> Watcher:
    """The watcher of PROJECT; BEGIN makes the look at it."""
    with _lock:
        return _watchers.setdefault(project, Watcher(project, begin))
