"""What can be asked for, and the block that begins and ends it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any

import docker

from servicelab.compose.values import duration, size
from servicelab.errors import FaultError, ServicelabError
from servicelab.faults import journal, machine, network

if TYPE_CHECKING:
    from servicelab.stack import Stack

NETWORK = ("latency", "jitter", "bandwidth", "reset", "timeout")
MACHINE = ("stop", "kill", "pause", "disk", "cpu", "memory")
EDGE = network.EDGE


@dataclass(frozen=True)
class Fault:
    """One fault of one service. Times in seconds, sizes in bytes.

    ``callers``: only what these services ask of it is hurt; none: all that reaches it over the network.
    """

    service: str
    callers: tuple[str, ...] = ()
    latency: float | None = None
    jitter: float | None = None
    bandwidth: int | None = None  # bytes per second
    reset: float | None = None  # connections are reset after so many seconds
    timeout: float | None = None  # nothing comes back; 0: for ever, else the connection is closed after so many seconds
    partition: bool = False  # every packet from and to the callers is lost
    stop: bool = False
    kill: bool = False
    pause: bool = False
    disk: str | None = None  # the path of a size-limited tmpfs of the service, to be filled
    cpu: float | None = None  # of one core
    memory: int | None = None  # bytes
    replica: int | None = None  # None: all of them

    @classmethod
    def parse(cls, service: str, *, caller: str | Iterable[str] = (), **options: Any) -> Fault:
        """From what a person writes: ``latency="300ms"``, ``bandwidth="100k"``, ``partition=["users"]``, ``timeout=True``…

        Raises `FaultError` for what can't be meant.
        """
        callers = (caller,) if isinstance(caller, str) else tuple(caller)
        known = set(cls.__dataclass_fields__) - {"service", "callers"}
        for name in options:
            if name not in known:
                raise FaultError(f"there is no fault {name!r}", fix=f"there are: {', '.join(sorted(known - {'replica'}))}")
        wanted = {name: value for name, value in options.items() if value is not None and value is not False}
        partition = wanted.get("partition")
        if partition is not None and partition is not True:
            callers += (partition,) if isinstance(partition, str) else tuple(partition)
            wanted["partition"] = True
        try:
            for name in ("latency", "jitter", "reset", "timeout"):
                if name in wanted:
                    wanted[name] = 0.0 if wanted[name] is True else duration(wanted[name])
            for name in ("bandwidth", "memory"):
                if name in wanted:
                    wanted[name] = size(wanted[name])
        except ValueError as error:
            what, _, fix = str(error).partition("; ")
            raise FaultError(f"the fault {name} of {service}: {what}", fix=fix) from None
        fault = cls(service, callers, **wanted)
        fault._check()
        return fault

    def _check(self) -> None:
        asked = [name for name in (*NETWORK, "partition", *MACHINE) if _given(getattr(self, name))]
        if not asked:
            raise FaultError(f"no fault of {self.service} is named", fix='for example latency="300ms", or kill=True')
        kinds = {"machine" if n in MACHINE else "partition" if n == "partition" else "network" for n in asked}
        if len(kinds) > 1 or ("machine" in kinds and len(asked) > 1):
            raise FaultError(
                f"{' and '.join(asked)} of {self.service} can't be one fault",
                fix="nest two blocks: with shop.fault(…), shop.fault(…):",
            )
        if self.jitter is not None and self.latency is None:
            raise FaultError("jitter is jitter of a latency", fix='latency="300ms", jitter="50ms"')
        if self.callers and "machine" in kinds:
            raise FaultError(f"{asked[0]} hits all callers of {self.service} alike", fix="leave `caller` out")

    @property
    def data(self) -> dict[str, Any]:
        """As JSON can hold it: what differs from the defaults."""
        return {name: value for name, value in asdict(self).items() if _given(value)}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Fault:
        return cls(**{**data, "callers": tuple(data.get("callers", ()))})

    def __str__(self) -> str:
        words = []
        for name in (*NETWORK, "partition", *MACHINE):
            value = getattr(self, name)
            if not _given(value):
                continue
            if name in ("latency", "jitter", "reset", "timeout"):
                words.append(f"{name} {value * 1000:g} ms" if value else name)
            elif name in ("bandwidth", "memory"):
                words.append(f"{name} {value / 1024:g} KiB" + ("/s" if name == "bandwidth" else ""))
            else:
                words.append(name if value is True else f"{name} {value}")
        whom = f"{self.service}-{self.replica}" if self.replica else self.service
        return f"{whom}: {', '.join(words)}" + (f", from {', '.join(self.callers)}" if self.callers else "")

    @property
    def _way(self) -> Any:
        """The module that carries it out: ``before``, ``begin``, ``end``."""
        return machine if any(_given(getattr(self, name)) for name in MACHINE) else network


def _given(value: object) -> bool:
    """Whether it was asked for: 0.0 is, and equals False."""
    return value is not None and value is not False and value != ()


class Active:
    """A fault on a stack: a context manager, or ``begin()`` and ``end()`` by hand."""

    def __init__(self, stack: Stack, fault: Fault) -> None:
        self.fault = fault
        self._stack = stack
        self._record: journal.Record | None = None

    def begin(self) -> Active:
        """Break it. If that fails or is interrupted, it is undone."""
        client = self._stack.client
        targets = self._stack[self.fault.service]._chosen(self.fault.replica, "running")
        before = {container.id: self.fault._way.before(container, self.fault) for container in targets}
        record = journal.write(client, self._stack._engine.labels, self.fault.data, before)
        self._record = record
        try:
            self.fault._way.begin(self._stack, record, self.fault)
        except BaseException:
            self.end()
            raise
        return self

    def end(self) -> None:
        """Mend it. Again: nothing happens."""
        if self._record is not None:
            undo(self._stack, self._record)
            self._record = None

    def __enter__(self) -> Active:
        return self.begin()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.end()

    def __repr__(self) -> str:
        return f"{self.fault} ({'active' if self._record else 'not active'})"


def undo(stack: Stack, record: journal.Record) -> None:
    """Undo a written fault, as far as its containers are still there."""
    fault = Fault.from_data(record.fault)
    try:
        fault._way.end(stack, record, fault)
    except BaseException:
        journal.held.discard(record.id)  # so that the next call tries again
        raise
    journal.erase(stack.client, stack.project, record)


def recover(stack: Stack) -> list[Fault]:
    """Undo what a killed kernel or an interrupted block left. Returns what was found."""
    return _undo_all(stack, [record for record in journal.read(stack.client, stack.project) if record.abandoned])


def active(stack: Stack) -> list[Fault]:
    """The faults that are written down for STACK."""
    return [Fault.from_data(record.fault) for record in journal.read(stack.client, stack.project)]


def mend(stack: Stack) -> list[Fault]:
    """Undo all faults of STACK, whoever holds them. Returns what there was."""
    return _undo_all(stack, journal.read(stack.client, stack.project))


def _undo_all(stack: Stack, found: list[journal.Record]) -> list[Fault]:
    """One that can't be undone keeps none of the others; its error comes at the end."""
    failed: Exception | None = None
    for record in found:
        try:
            undo(stack, record)
        except docker.errors.NotFound:  # its container went meanwhile
            continue
        except (ServicelabError, docker.errors.APIError) as error:
            failed = failed or error
    if failed:
        raise failed
    return [Fault.from_data(record.fault) for record in found]
