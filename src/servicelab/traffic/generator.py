"""The generator's process: reads a plan, sends its requests when they are due, reports what became of them.

``python -m servicelab.traffic.generator``: the plan is the first line of stdin, as JSON; a second line ("stop") ends the sending,
and the end of stdin (the parent is gone) ends the process. stdout gets JSON lines:

    {"started": unix time}
    {"elapsed": s, "sent": n, "queued": n, "outcomes": [[bucket, request, outcome, count, slowest µs], …],
     "latencies": [[request, µs, count], …], "lateness": [[µs, count], …]}     every 100 ms: what is new
    {"done": {"seconds": s, "cpu": s, "retries": n, "own_errors": […]}}  or  {"failed": {"what": …, "why": …}}

A request belongs to the bucket (100 ms) in which it was *meant* to be sent, and its latency counts from that moment. A
generator that waits for a slow answer before it sends the next request would leave out just the requests that suffered
(coordinated omission).
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import queue
import random
import select
import selectors
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from servicelab.traffic.connections import Connections, Exchange, Host
from servicelab.traffic.plan import Plan
from servicelab.traffic.wire import Template

BUCKET = 0.1
BATCH = 64  # requests sent before answers are read again
STARTED_AFTER = 0.02  # the first request is due this many seconds after the start is reported


class Generator:
    """Sends one plan. ``emit`` gets each report."""

    def __init__(self, plan: Plan, emit: Callable[[dict[str, Any]], None]) -> None:
        self.plan = plan
        self.emit = emit
        self.loop = asyncio.get_running_loop()
        self.random = random.Random(plan.seed)  # noqa: S311
        hosts: dict[tuple[str, int], Host] = {}
        self.templates: list[list[tuple[Host, Template]]] = []
        for request in plan.requests:
            row = []
            for url in request.urls:
                parts = urlsplit(url)
                address = (parts.hostname or "", parts.port or 80)
                row.append((hosts.setdefault(address, Host(*address)), Template(request, url)))
            self.templates.append(row)
        self.turns = [0] * len(self.templates)
        self.weights = [request.weight for request in plan.requests]
        self.pool = Connections(
            list(hosts.values()), most=_connections_allowed(plan.connections), timeout=plan.timeout,
            keep_alive=plan.keep_alive, on_end=self._ended,
        )  # fmt: skip
        self.finished = asyncio.Event()
        self.stopping = False
        self.start = 0.0
        self.due = 0.0  # when the next request is meant to be sent
        self.sent = 0
        self.outstanding = 0
        self.outcomes: dict[tuple[int, int, str], list[int]] = {}
        self.latencies: Counter[tuple[int, int]] = Counter()
        self.lateness: Counter[int] = Counter()

    async def run(self) -> None:
        for host in self.pool.hosts:
            try:
                await host.resolve()
            except OSError as error:
                self.emit({"failed": {"what": f"the name {host.name!r} can't be looked up", "why": str(error)}})
                return
        self.start = self.due = self.loop.time() + STARTED_AFTER
        self.emit({"started": time.time() + STARTED_AFTER})
        if self.plan.arrivals == "poisson":
            self._plan_next()
        cpu = time.process_time()
        self.loop.call_at(self.due, self._send_due)
        self._sweep()
        self._report()
        await self.finished.wait()
        self._report_now()
        pool = self.pool
        self.emit({"done": {
            "seconds": self.loop.time() - self.start, "cpu": time.process_time() - cpu, "retries": pool.retries,
            "own_errors": sorted(pool.own_errors),
        }})  # fmt: skip

    def stop(self) -> None:
        """Send no more; what was sent is waited for."""
        self.stopping = True
        self._finish_when_all_ended()

    # -- sending

    def _send_due(self) -> None:
        for _ in range(BATCH):
            if self.stopping:
                return
            now = self.loop.time()
            if self.due > now:
                break
            self._send(now)
            self._plan_next()
            if self.plan.seconds is not None and self.due >= self.start + self.plan.seconds - 1e-9:
                self.stop()
                return
        if self.due > now:
            self.loop.call_at(self.due, self._send_due)
        else:
            self.loop.call_soon(self._send_due)

    def _plan_next(self) -> None:
        if self.plan.arrivals == "poisson":
            self.due += self.random.expovariate(self.plan.rate)
        else:
            self.due = self.start + self.sent / self.plan.rate

    def _send(self, now: float) -> None:
        kind = 0 if len(self.templates) == 1 else self.random.choices(range(len(self.templates)), self.weights)[0]
        row = self.templates[kind]
        host, template = row[self.turns[kind] % len(row)]
        self.turns[kind] += 1
        self.sent += 1
        self.outstanding += 1
        self.lateness[_rounded(int((now - self.due) * 1e6))] += 1
        wire = template.render(self.sent, self.random, self.plan.ids)
        exchange = Exchange(self.due, kind, host, wire)
        self.pool.submit(exchange)

    def _ended(self, exchange: Exchange, outcome: str) -> None:
        micros = int((self.loop.time() - exchange.intended) * 1e6)
        bucket = int((exchange.intended - self.start + 1e-9) / BUCKET)
        row = self.outcomes.setdefault((bucket, exchange.request, outcome), [0, 0])
        row[0] += 1
        row[1] = max(row[1], micros)
        if outcome.isdigit() or outcome == "timeout":
            self.latencies[exchange.request, _rounded(micros)] += 1
        self.outstanding -= 1
        self._finish_when_all_ended()

    def _finish_when_all_ended(self) -> None:
        if self.stopping and not self.outstanding:
            self.finished.set()

    # -- several times a second

    def _sweep(self) -> None:
        self.pool.sweep()
        self.loop.call_later(0.01, self._sweep)

    def _report(self) -> None:
        self._report_now()
        self.loop.call_later(BUCKET, self._report)

    def _report_now(self) -> None:
        self.emit({
            "elapsed": self.loop.time() - self.start,
            "sent": self.sent,
            "queued": self.pool.queued,
            "outcomes": [[*key, *row] for key, row in self.outcomes.items()],
            "latencies": [[*key, count] for key, count in self.latencies.items()],
            "lateness": list(self.lateness.items()),
        })  # fmt: skip
        self.outcomes, self.latencies, self.lateness = {}, Counter(), Counter()


def _rounded(micros: int) -> int:
    """To four digits, which is finer than the histogram: fewer distinct values to report."""
    step = 1
    while micros >= 10_000 * step:
        step *= 10
    return micros // step * step


def _connections_allowed(wanted: int) -> int:
    """As many of the wanted connections as this process may open, after raising its own limit as far as it goes."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return wanted
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + 32
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        return max(1, min(wanted, soft - 32))
    return wanted


def _new_loop() -> asyncio.AbstractEventLoop:
    """The platform's loop; on Linux with a finer clock: epoll rounds each wait up to a whole millisecond, select doesn't."""
    if not hasattr(selectors, "EpollSelector"):
        return asyncio.new_event_loop()

    class PreciseSelector(selectors.EpollSelector):
        def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
            if timeout is not None and timeout > 0:
                select.select([self.fileno()], [], [], timeout)
                timeout = 0
            return super().select(timeout)

    return asyncio.SelectorEventLoop(PreciseSelector())


def _write_lines(lines: queue.SimpleQueue[dict[str, Any] | None]) -> None:
    """In a thread: a parent that is busy and doesn't read for a while must not delay what is sent."""
    while (line := lines.get()) is not None:
        try:
            sys.stdout.write(json.dumps(line, separators=(",", ":")) + "\n")
            sys.stdout.flush()
        except OSError:  # the parent is gone
            os._exit(1)


def main() -> None:
    plan = Plan.from_json(sys.stdin.readline())
    lines: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
    writer = threading.Thread(target=_write_lines, args=(lines,), daemon=True)
    writer.start()

    async def go() -> None:
        generator = Generator(plan, lines.put)
        loop = asyncio.get_running_loop()

        def listen() -> None:
            for _ in sys.stdin:  # to stop twice is to stop
                with contextlib.suppress(RuntimeError):  # it has ended by itself
                    loop.call_soon_threadsafe(generator.stop)
            os._exit(0)

        threading.Thread(target=listen, daemon=True).start()
        await generator.run()

    gc.collect()
    gc.freeze()
    gc.disable()  # a collection would delay what is sent; what a run leaves behind has no cycles
    with asyncio.Runner(loop_factory=_new_loop) as runner:
        runner.run(go())
    lines.put(None)
    writer.join()
    os._exit(0)  # the listening thread still waits in readline


if __name__ == "__main__":
    main()
