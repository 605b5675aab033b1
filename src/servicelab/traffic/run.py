"""Traffic that is on its way: started, watched, awaited, stopped."""

from __future__ import annotations

import asyncio
import contextlib
import json
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

from servicelab.traffic.errors import TrafficError
from servicelab.traffic.plan import Plan
from servicelab.traffic.tally import BUCKET, Bucket, Tally, new_histogram

LATE = 0.010
"""Seconds behind its time from which a request counts as sent late."""

LATE_SHARE = 0.01
"""Share of late requests from which the generator, and not the service, was the limit."""

STARTS_WITHIN = 30.0


class Run(Tally):
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
        super().__init__()
        self.plan = plan
        self.title = title or plan.requests[0].name
        self.lateness = new_histogram()
        self.marks: list[tuple[float, str]] = []
        self.sent = 0
        self.retries = 0
        self.generator_cpu = 0.0
        self._lock = threading.RLock()
        self._timeline: list[Bucket] = []
        self._tallies = [Tally() for _ in plan.requests]
        self._began = time.time()
        self._seconds = 0.0
        self._late = 0
        self._queued = 0
        self._own_errors: list[str] = []
        self._watchers: list[Callable[[], None]] = []
        self._started = threading.Event()
        self._ended: Future[None] = Future()
        self._ended.set_running_or_notify_cancel()
        self._complaints: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = _start_generator(plan, self._complaints)
        threading.Thread(target=self._read, name="servicelab-traffic", daemon=True).start()
        # What the next line of a cell breaks has to be broken under traffic.
        self._started.wait(STARTS_WITHIN)
        if self._ended.done():
            self._ended.result()

    # -- waiting and stopping

    @property
    def running(self) -> bool:
        return not self._ended.done()

    def wait(self, timeout: float | None = None) -> Self:
        """Block until the last request has ended. Raises TimeoutError, and TrafficError where the generator died."""
        try:
            self._ended.result(timeout)
        except KeyboardInterrupt:
            self._end_sending()
            raise
        return self

    def __await__(self) -> Generator[Any, None, Self]:
        """As :meth:`wait`, but other things go on: in a notebook, buttons act meanwhile."""
        try:
            yield from asyncio.shield(asyncio.wrap_future(self._ended)).__await__()
        except asyncio.CancelledError:
            self._end_sending()
            raise
        return self

    def stop(self) -> Self:
        """Send no more, and wait for those that are on their way (up to the timeout)."""
        self._end_sending()
        return self.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def _end_sending(self) -> None:
        pipe = self._process.stdin
        assert pipe is not None  # noqa: S101
        with contextlib.suppress(OSError, ValueError):  # it has ended by itself
            pipe.write(b"stop\n")
            pipe.flush()

    # -- results

    @property
    def elapsed(self) -> float:
        """Seconds since the first request was due; of a run that has ended: until its last one ended."""
        return self._seconds if self._ended.done() else max(0.0, time.time() - self._began)

    @property
    def rate(self) -> float:
        """Answers per second."""
        with self._lock:
            return (self.requests - self.errors) / self._seconds if self._seconds else 0.0

    @property
    def timeline(self) -> list[Bucket]:
        with self._lock:
            return list(self._timeline)

    @property
    def by_request(self) -> dict[str, Tally]:
        return dict(zip((request.name for request in self.plan.requests), self._tallies, strict=True))

    def mark(self, label: str) -> float:
        """Put a labelled moment on the chart: now. Returns it, in seconds since the start."""
        now = self.elapsed
        with self._lock:
            self.marks.append((now, label))
        self._tell()
        return now

    def failed_between(self, start: float, end: float) -> int:
        """How many requests failed of those meant to be sent from start to end (s since the run's start; to 0.1 s)."""
        first, last = int(start / BUCKET + 1e-9), int(end / BUCKET + 1e-9)
        return sum(bucket.failed for bucket in self.timeline[max(0, first) : last + 1])

    @property
    def limited(self) -> str:
        """Why the generator, and not the service, was the limit; empty where it was not."""
        reasons = []
        with self._lock:
            if self._late > LATE_SHARE * max(1, self.sent):
                reasons.append(f"{self._late:,} of {self.sent:,} requests were sent more than {LATE * 1000:.0f} ms late")
            if self._queued:
                reasons.append(f"{self._queued:,} had to wait for one of {self.plan.connections:,} connections")
            reasons += self._own_errors
        return "; ".join(reasons)

    def __repr__(self) -> str:
        from servicelab.traffic.summary import one_line

        return one_line(self)

    # -- what the generator reports

    def _read(self) -> None:
        """In a thread, until the generator ends."""
        stdout, failure = self._process.stdout, None
        assert stdout is not None  # noqa: S101
        done = False
        for line in stdout:
            report = json.loads(line)
            if "started" in report:
                self._began = report["started"]
                self._started.set()
            elif "failed" in report:
                failure = TrafficError(report["failed"]["what"], why=report["failed"]["why"])
            elif "done" in report:
                self._take_end(report["done"])
                done = True
            else:
                self._take(report)
                self._tell()
        code = self._process.wait()
        if not done and failure is None:
            self._complaints.seek(0)
            last = self._complaints.read()[-2000:].decode(errors="replace").strip()
            failure = TrafficError(f"the traffic generator ended early (exit code {code})", why=last)
        for pipe in (self._process.stdin, stdout, self._complaints):
            with contextlib.suppress(OSError):
                pipe.close()  # type: ignore[union-attr]
        if failure is None:
            self._ended.set_result(None)
        else:
            self._ended.set_exception(failure)
        self._started.set()
        self._tell()

    def _take(self, report: dict[str, Any]) -> None:
        with self._lock:
            self.sent = report["sent"]
            self._seconds = max(report["elapsed"], 0.0)
            for index, request, outcome, count, slowest in report["outcomes"]:
                while len(self._timeline) <= index:
                    self._timeline.append(Bucket(start=round(len(self._timeline) * BUCKET, 3)))
                bucket = self._timeline[index]
                bucket.slowest = max(bucket.slowest, slowest / 1000)
                for counts in (self, bucket, self._tallies[request]):
                    counts.outcomes[outcome] += count
            for request, micros, count in report["latencies"]:
                self.histogram.record_value(max(1, micros), count)
                self._tallies[request].histogram.record_value(max(1, micros), count)
            for micros, count in report["lateness"]:
                self.lateness.record_value(max(1, micros), count)
                self._late += count if micros > LATE * 1e6 else 0

    def _take_end(self, end: dict[str, Any]) -> None:
        with self._lock:
            self._seconds = end["seconds"]
            self.generator_cpu = end["cpu"]
            self.retries = end["retries"]
            self._queued = end["queued"]
            self._own_errors = end["own_errors"]

    def watch(self, changed: Callable[[], None]) -> None:
        """Call it, in the reading thread, at each report and once after the end."""
        self._watchers.append(changed)

    def _tell(self) -> None:
        for changed in list(self._watchers):
            changed()


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
