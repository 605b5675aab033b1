"""Traffic that is on its way: started, watched, awaited, stopped."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import Future
from types import TracebackType
from typing import IO, Any, Self

from servicelab.traffic import chart, view
from servicelab.traffic.errors import TrafficError
from servicelab.traffic.plan import Plan
from servicelab.traffic.results import Results
from servicelab.traffic.summary import one_line

STARTS_WITHIN = 30.0
WAKES_AFTER = 0.2


class Run(Results):
    """One run of traffic. Its numbers are right at any time; ``await run`` or ``run.wait()`` for the last ones.

    Beside the counts of :class:`Counts` and the latencies of :class:`Tally` (ms):

    - ``timeline``: a list of :class:`Bucket`, one per 100 ms, by the time at which requests were meant to be sent
    - ``by_request``: the same numbers (:class:`Tally`) for each entry of a scenario, by its name
    - ``rate``: answers per second; ``sent``: requests sent so far; ``elapsed``: seconds since the first one was due
    - ``limited``: why the generator was the limit, as text; empty where it was not
    - ``lateness``: an HdrHistogram of how late requests were sent (µs); ``retries``: requests sent again on a new
      connection because the server closed an unused one; ``marks``: (seconds, label) pairs
    """

    def __init__(self, plan: Plan, title: str = "") -> None:
        super().__init__(plan, title)
        self._began = time.time()
        self._watchers: list[Callable[[], None]] = []
        self._live: view.LiveChart | None = None
        self._started = threading.Event()
        self._finished: Future[None] = Future()
        self._finished.set_running_or_notify_cancel()
        self._complaints: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = _start_generator(plan, self._complaints)
        threading.Thread(target=self._read, name="servicelab-traffic", daemon=True).start()
        # What the next line of a cell breaks has to be broken under traffic.
        self._started.wait(STARTS_WITHIN)
        if self._finished.done():
            self._finished.result()

    # -- waiting and stopping

    @property
    def running(self) -> bool:
        return not self._finished.done()

    def wait(self, timeout: float | None = None) -> Self:
        """Block until the last request has ended. Raises TimeoutError, and TrafficError where the generator died."""
        try:
            self._finished.result(timeout)
        except KeyboardInterrupt:
            self.end_sending()
            raise
        return self

    def __await__(self) -> Generator[Any, None, Self]:
        """As :meth:`wait`, but other things go on: in a notebook, buttons act meanwhile, and the chart grows."""
        if not self.ended and self._live is None:
            self._live = view.show_while_waiting(self)
        return self._waited_for().__await__()

    async def _waited_for(self) -> Self:
        finished = asyncio.wrap_future(self._finished)
        try:
            # A kernel's interrupt cancels this, but does not wake an event loop that has nothing to do.
            while not finished.done():
                await asyncio.wait([finished], timeout=WAKES_AFTER)
        except asyncio.CancelledError:
            self.end_sending()
            raise
        self._finished.result()
        return self

    def stop(self) -> Self:
        """Send no more, and wait for those that are on their way (up to the timeout)."""
        self.end_sending()
        return self.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def end_sending(self) -> None:
        """As :meth:`stop`, without waiting: for a button, or ahead of ``await run``."""
        pipe = self._process.stdin
        assert pipe is not None  # noqa: S101
        with contextlib.suppress(OSError, ValueError):  # it has ended by itself
            pipe.write(b"stop\n")
            pipe.flush()

    # -- results

    @property
    def elapsed(self) -> float:
        """Seconds since the first request was due; of a run that has ended: until its last one ended."""
        return self.seconds if self._finished.done() else max(0.0, time.time() - self._began)

    def mark(self, label: str) -> float:
        """Put a labelled moment on the chart: now. Returns it, in seconds since the start."""
        now = self.elapsed
        with self._lock:
            self.marks.append((now, label))
        self._tell()
        return now

    def __repr__(self) -> str:
        return one_line(self)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """The chart: of a run that goes on, as a widget that grows; of one that has ended, as SVG."""
        if not self.ended and view.kernel_shell() is not None:
            self._live = view.LiveChart(self)
            return self._live.bundle()
        if self._live is not None and self._live.cell == getattr(view.kernel_shell(), "execution_count", None):
            self._live.clear()
        return {"text/plain": repr(self), "image/svg+xml": chart.one_run(self)}

    # -- what the generator reports

    def _read(self) -> None:
        """In a thread, until the generator ends."""
        failure: Exception | None = None
        try:
            self._follow()
        except Exception as error:
            failure = error
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None  # noqa: S101
        assert stdout is not None  # noqa: S101
        for pipe in (stdin, stdout, self._complaints):
            with contextlib.suppress(OSError):
                pipe.close()
        self._process.wait()
        self.ended = True
        self._tell()
        if failure is None:
            self._finished.set_result(None)
        else:
            self._finished.set_exception(failure)
        self._started.set()

    def _follow(self) -> None:
        """Take the reports to the last. Raises TrafficError where there is none."""
        assert self._process.stdout is not None  # noqa: S101
        for line in self._process.stdout:
            report = json.loads(line)
            if "started" in report:
                self._began = report["started"]
                self._started.set()
            elif "failed" in report:
                raise TrafficError(report["failed"]["what"], why=report["failed"]["why"])
            elif "done" in report:
                self.take_end(report["done"])
                return
            else:
                self.take(report)
                self._tell()
        code = self._process.wait()
        self._complaints.seek(0)
        last = self._complaints.read()[-2000:].decode(errors="replace").strip()
        raise TrafficError(f"the traffic generator ended early (exit code {code})", why=last)

    def watch(self, changed: Callable[[], None]) -> None:
        """Call it, in the reading thread, at each report and once after the end."""
        self._watchers.append(changed)

    def unwatch(self, changed: Callable[[], None]) -> None:
        self._watchers.remove(changed)

    def _tell(self) -> None:
        for changed in list(self._watchers):
            try:
                changed()
            except Exception:  # a picture that can't be drawn is no reason to lose the numbers
                logging.getLogger(__name__).exception("this watcher of %s is called no more", self.title)
                self.unwatch(changed)


def _start_generator(plan: Plan, complaints: IO[bytes]) -> subprocess.Popen[bytes]:
    # In a session of its own: an interrupt of the kernel goes to its whole process group. The end of stdin ends it.
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "servicelab.traffic.generator"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=complaints,
        start_new_session=os.name == "posix",
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    )
    assert process.stdin is not None  # noqa: S101
    with contextlib.suppress(OSError):  # it died at once: the reader says why
        process.stdin.write(plan.to_json().encode() + b"\n")
        process.stdin.flush()
    return process
