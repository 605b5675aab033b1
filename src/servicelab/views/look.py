"""Looking at a running stack: cheap questions at every look, dear ones seldom, and those that may have to wait beside it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import datetime
from typing import Any

import docker
import requests

from servicelab import settings
from servicelab.engine import live_edit, ready
from servicelab.engine.client import Clients
from servicelab.engine.spec import SERVICE, SOURCE
from servicelab.engine.stacks import Engine
from servicelab.engine.usage import working_set
from servicelab.faults import Fault, journal
from servicelab.faults.network import PROXY, RULES
from servicelab.views import queues, snapshot, sockets
from servicelab.views.logs import Line, Reader
from servicelab.views.rates import Rates
from servicelab.views.snapshot import Snapshot, Usage
from servicelab.views.system import System

USAGE_EVERY = 5.0
"""Seconds between two questions for a container's memory, CPU, connections or queues: the engine takes up to a second for each."""

ASKING = 3  # threads for them

LOG_PATIENCE = 0.05
"""Seconds that a look waits for the logs. While a container starts, the engine keeps its log to itself, for a third of a second here:
whoever clicked on Start should see that it runs before that."""

Summaries = list[dict[str, Any]]


class Look:
    """One look after another at the containers of ENGINE. Not for several threads. ``close()`` leaves no thread and no socket."""

    def __init__(self, engine: Engine, system: System) -> None:
        self._engine, self._system = engine, system
        self._clients = Clients()
        self._asking = ThreadPoolExecutor(ASKING, thread_name_prefix=f"servicelab-usage-{engine.project}")
        self._reading = ThreadPoolExecutor(1, thread_name_prefix=f"servicelab-logs-{engine.project}")
        self._read: Future[dict[str, tuple[float, list[Line]]]] | None = None
        self._asked: dict[tuple[str, str], tuple[float, Future[Any]]] = {}
        self._usage: dict[str, Usage] = {}
        self._spent: dict[str, tuple[float, float]] = {}
        self._connections: dict[str, int] = {}  # by container
        self._depths: dict[str, dict[str, int]] = {}  # by container
        self._edited: dict[str, bool] = {}
        self._faults: dict[str, tuple[str, ...]] = {}
        self._readers: dict[str, Reader] = {}
        self._rates = Rates(system.nodes)
        self._count = 0
        self.no_latency = ""
        """Why a view can't add latency; empty: it can."""

    def take(self, chosen: Iterable[str] = (), *, quick: bool = False) -> Snapshot:
        """The stack now. CHOSEN: services whose last lines are wanted too. An engine that does not answer gives its trouble.

        QUICK: somebody waits to see what they did; states and faults are new, the logs wait for the next look.
        """
        self._count += not quick
        try:
            summaries = self._engine.find(self._clients.get())
            running = [s for s in summaries if s["State"] == "running"]
            if not quick:
                self._read_logs(summaries, set(chosen))
            self._take_logs(summaries, 0.0 if quick else LOG_PATIENCE)
            if quick or self._count % 2:
                self._faults = self._read_faults()
            if not quick and self._count % 20 == 1:
                self.no_latency = self._why_no_latency()
        except (docker.errors.DockerException, requests.RequestException) as error:
            return Snapshot(trouble=f"the Docker engine does not answer: {error}")
        self._ask(running)
        seen = Snapshot(
            snapshot.replicas(summaries),
            self._faults,
            self._rates.now(),
            self._connections_of(running),
            {_service(s): self._depths[s["Id"]] for s in running if s["Id"] in self._depths},
        )
        return seen.with_details(self._usage, (i for i, edited in self._edited.items() if edited))

    def lines(self, service: str) -> list[Line]:
        """The last lines of SERVICE, of its replicas in time order, as far as they were read."""
        name = f"{service}\n"
        # copies: a reading that is held up may end meanwhile, in its own thread
        found = [line for key, reader in self._readers.items() if key.startswith(name) for line in list(reader.last)]
        return sorted(found, key=lambda line: line.time)

    def close(self) -> None:
        self._asking.shutdown(cancel_futures=True)
        self._reading.shutdown(cancel_futures=True)
        self._clients.close()

    def _read_logs(self, summaries: Summaries, chosen: set[str]) -> None:
        """Each log every second look, half of them in each: a number on an arrow is an average over seconds anyway."""
        if self._read is not None:  # the last reading is held up
            return
        http = {name for name, node in self._system.nodes.items() if node.kind in ("service", "gateway")}
        there = {f"{_service(s)}\n{s['Id']}": s for s in summaries if _service(s) in http | chosen}
        due: dict[str, Reader] = {}
        for index, (key, summary) in enumerate(there.items()):
            running = summary["State"] == "running"
            if key in self._readers and ((index + self._count) % 2 or not (running or _service(summary) in chosen)):
                continue
            due[key] = self._readers.setdefault(key, Reader(summary["Id"]))
        self._readers = {key: reader for key, reader in self._readers.items() if key in there}
        self._read = self._reading.submit(self._read_all, due)

    def _read_all(self, due: Mapping[str, Reader]) -> dict[str, tuple[float, list[Line]]]:
        """When each was read, and its new lines. What can't be read is left out: a container may just have been removed."""
        found: dict[str, tuple[float, list[Line]]] = {}
        for key, reader in due.items():
            try:
                lines = reader.read(self._clients.get())
                found[key] = time.monotonic(), lines
            except (docker.errors.NotFound, requests.HTTPError):
                continue
        return found

    def _take_logs(self, summaries: Summaries, patience: float) -> None:
        """What was read by now, or is within PATIENCE seconds. An engine that does not answer raises here."""
        if self._read is None or not wait([self._read], patience).done:
            return
        future, self._read = self._read, None
        for key, (when, lines) in future.result().items():
            service, container = key.split("\n")
            self._rates.add(container, service, lines, when)
            if any('"worker ready"' in line.text for line in lines):  # a reload: its source may be another one
                self._edited.pop(container, None)
        self._rates.keep(s["Id"] for s in summaries if s["State"] == "running")

    def _read_faults(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for record in journal.read(self._clients.get(), self._engine.project):
            fault = Fault.from_data(record.fault)
            found[fault.service] = (*found.get(fault.service, ()), words(fault))
        return found

    def _why_no_latency(self) -> str:
        for name in (PROXY, RULES):
            try:
                self._clients.get().api.inspect_image(f"{settings.registry()}/{name}")
            except docker.errors.ImageNotFound:
                return f"it needs an image that is not here yet: {name}. In a cell, shop.fault(…) gets it."
        return ""

    def _ask(self, running: Summaries) -> None:
        """Start what is due of the dear questions, in other threads; the answers are there at a later look."""
        for summary in running:
            container, service = summary["Id"], _service(summary)
            self._due("usage", container, self._ask_usage, container)
            kind = self._system.nodes[service].kind if service in self._system.nodes else "service"
            if kind in ("database", "queue"):
                self._due("connections", container, self._ask_connections, container)
            if kind == "queue":
                self._due("depths", container, self._ask_depths, container)
            if summary["Labels"].get(SOURCE) and container not in self._edited:
                self._due("edited", container, self._ask_edited, container)
        ids = {s["Id"] for s in running}
        self._usage = {i: usage for i, usage in self._usage.items() if i in ids}
        self._connections = {i: count for i, count in self._connections.items() if i in ids}
        self._depths = {i: depths for i, depths in self._depths.items() if i in ids}

    def _due(self, what: str, container: str, ask: Callable[..., None], *arguments: Any) -> None:
        last, future = self._asked.get((what, container), (-USAGE_EVERY, None))
        now = time.monotonic()
        if now - last >= USAGE_EVERY and (future is None or future.done()):
            self._asked[what, container] = (now, self._asking.submit(_quietly, ask, *arguments))

    def _ask_usage(self, container: str) -> None:
        stats = self._clients.get().api.stats(container, stream=False, one_shot=True)
        spent = stats["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9
        at = datetime.fromisoformat(stats["read"][:26].rstrip("Z") + "+00:00").timestamp()
        before = self._spent.get(container)
        self._spent[container] = (at, spent)
        # a container that was started again counts from zero
        cpu = (spent - before[1]) / (at - before[0]) if before and at > before[0] and spent >= before[1] else None
        self._usage[container] = Usage(working_set(stats["memory_stats"]), cpu)

    def _ask_connections(self, container: str) -> None:
        _, table = ready.run(self._clients.get(), container, sockets.COMMAND)
        self._connections[container] = sockets.connections(table)

    def _ask_depths(self, container: str) -> None:
        code, metrics = ready.run(self._clients.get(), container, queues.COMMAND)
        if code == 0:
            self._depths[container] = queues.depths(metrics)

    def _connections_of(self, running: Summaries) -> dict[str, int]:
        """By service, where they are known: of its replicas together."""
        found: dict[str, int] = {}
        for summary in running:
            if (count := self._connections.get(summary["Id"])) is not None:
                found[_service(summary)] = found.get(_service(summary), 0) + count
        return found

    def _ask_edited(self, container: str) -> None:
        found = self._clients.get().containers.get(container)
        self._edited[container] = bool(live_edit.edited_files(found))


def words(fault: Fault) -> str:
    """A fault without the name of its service, beside which it stands."""
    return str(fault).partition(": ")[2] + (f" (replica {fault.replica})" if fault.replica else "")


def _quietly(ask: Callable[..., None], *arguments: Any) -> None:
    """A container may end while it is asked about; the next look shows that."""
    try:
        ask(*arguments)
    except (docker.errors.APIError, requests.RequestException, KeyError, ValueError):
        return


def _service(summary: Mapping[str, Any]) -> str:
    return str(summary["Labels"].get(SERVICE, ""))
