"""Run tasks in parallel, each as soon as those before it are done."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from graphlib import TopologicalSorter


class Cancelled(Exception):  # noqa: N818 (it is no error: another task's is the one to report)
    """Raised inside a task when another one failed."""


class Tasks:
    """Named tasks and what each waits for. ``run()`` stops at the first failure, when all that were running have ended."""

    def __init__(self) -> None:
        self._work: dict[Hashable, Callable[[], None]] = {}
        self._after: dict[Hashable, set[Hashable]] = {}
        self._stop = threading.Event()

    def add(self, name: Hashable, work: Callable[[], None], after: Iterable[Hashable] = ()) -> None:
        """WORK, to be run when all of AFTER are done. Names in AFTER that are never added count as done."""
        self._work[name] = work
        self._after[name] = set(after)

    def named(self, kind: str) -> set[Hashable]:
        """The names of the form (KIND, …) that were added."""
        return {name for name in self._work if isinstance(name, tuple) and name[0] == kind}

    def pause(self, seconds: float) -> None:
        """For polling inside a task: wait, but raise `Cancelled` at once when another task has failed."""
        if self._stop.wait(seconds):
            raise Cancelled

    def run(self, workers: int = 32) -> None:
        """Run all. Raises the first task's exception; after an interrupt, too, no task runs any more when this returns."""
        sorter = TopologicalSorter(self._after)
        sorter.prepare()
        running: dict[Future[None], Hashable] = {}
        with ThreadPoolExecutor(workers, thread_name_prefix="servicelab") as pool:
            try:
                while sorter.is_active():
                    for name in sorter.get_ready():
                        if name in self._work:
                            running[pool.submit(self._work[name])] = name
                        else:
                            sorter.done(name)
                    if not running:
                        continue
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        sorter.done(running.pop(future))
                        future.result()
            except BaseException:
                self._stop.set()
                raise
