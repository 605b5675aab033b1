"""What a notebook holds in its hand: a `Stack`, and the `Service`s in it."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker

from servicelab import compose, faults, images, progress, settings
from servicelab.engine import leases, usage
from servicelab.engine.build import base_images
from servicelab.engine.client import answered, connect
from servicelab.engine.stacks import Engine
from servicelab.errors import EngineError, ServicelabError
from servicelab.service import Service

if TYPE_CHECKING:
    from servicelab.journey import Journey
    from servicelab.traffic import Run
    from servicelab.trail import Entries


class Stack:
    """The services of one Compose file, as containers of this learner's own.

    It belongs to the learner, not to this object: after a kernel restart ``Stack(name).up()`` finds what runs and goes on with it.

    NAME: a file of compose/, without ``.yaml``. Raises `ComposeError` for a file that can't be carried out.
    """

    def __init__(self, name: str) -> None:
        self._open(settings.root() / "compose" / f"{name}.yaml")

    @classmethod
    def of(cls, file: Path) -> Stack:
        """The stack of a Compose file anywhere."""
        stack = cls.__new__(cls)
        stack._open(file)
        return stack

    def _open(self, file: Path) -> None:
        self.file = file
        self.learner = settings.learner()
        self._load(settings.registry())
        self.name = self._engine.application.name
        self.project = self._engine.project
        self._client: docker.DockerClient | None = None
        self._holder: leases.Holder | None = None

    def _load(self, registry: str) -> None:
        application = compose.load(self.file, settings.variables() | {"REGISTRY": registry})
        self._engine = Engine(application, f"{self.learner}-{application.name}", self.learner)

    @property
    def client(self) -> docker.DockerClient:
        """The Docker SDK's client, connected at first use."""
        if self._client is None:
            self._client = connect()
            weakref.finalize(self, self._client.close)  # else its sockets would wait for the garbage collector
        return self._client

    @property
    def application(self) -> compose.Application:
        """What the Compose file says."""
        return self._engine.application

    def up(self, *, scale: Mapping[str, int] | None = None, remove_orphans: bool = False) -> None:
        """Start what is not running, adopt what is, replace what changed; return when all are ready.

        SCALE: replicas by service, in place of the file's. Called again it changes nothing. If it fails, nothing half-made stays.
        """
        for name in scale or {}:
            self._known(name)
        with progress.show(f"starting {self.name}", tuple(self.application.services)) as show, self._leased():
            faults.recover(self)
            self._provide_images(show)
            self._engine.up(replicas=scale, remove_orphans=remove_orphans, progress=show)

    @answered()
    def down(self, *, volumes: bool = False) -> None:
        """Stop and remove the containers and networks; with VOLUMES the data as well."""
        with progress.show(f"stopping {self.name}", tuple(self.application.services)) as show:
            mended = False
            with contextlib.suppress(docker.errors.APIError):
                faults.mend(self)
                mended = True
            if volumes and self._holder:
                self._holder.release()
                self._holder = None
            self._engine.down(volumes=volumes, progress=show)
            if not mended:  # what could not be undone went with its container, and is struck out
                faults.mend(self)

    def reset(self) -> None:
        """The first state again: data, edits and replicas as the file has them.

        The first call makes the data anew and keeps a copy; later ones begin with that, in a fraction of the time.
        """
        with progress.show(f"resetting {self.name}", tuple(self.application.services)) as show, self._leased():
            faults.mend(self)
            self._provide_images(show)
            self._engine.reset(progress=show)

    @contextmanager
    def _leased(self) -> Iterator[None]:
        """Sweep what has expired, and hold this stack from now on: it expires when its kernel is gone for SERVICELAB_LIFETIME."""
        try:
            with answered():
                leases.renew(self.client, self._engine.labels, settings.lifetime())
                leases.sweep(self.client)
                yield
        except BaseException as error:
            if self._client is not None and not isinstance(error, EngineError):
                leases.drop(self._client, self.project)
            raise
        if self._holder is None:
            self._holder = leases.Holder(self._engine.labels, settings.lifetime())
            weakref.finalize(self, self._holder.release)

    def _provide_images(self, show: progress.Progress) -> None:
        registry = settings.registry()
        self._load(registry)  # the file may have been edited since
        wanted = {s.image for s in self.application.services.values() if s.image}
        for service in self.application.services.values():
            if service.build:
                wanted |= base_images(service.build)
        names = {image.removeprefix(f"{registry}/") for image in wanted if image.startswith(f"{registry}/")}
        provided = images.ensure(names, registry=registry, progress=show)
        if provided != registry:
            settings.store({"REGISTRY": provided})
            self._load(provided)

    def __getitem__(self, name: str) -> Service:
        self._known(name)
        return Service(self, name)

    def __iter__(self) -> Iterator[Service]:
        return (Service(self, name) for name in self.application.services)

    @property
    def services(self) -> list[str]:
        """Names of the services."""
        return list(self.application.services)

    def _known(self, name: str) -> None:
        if name not in self.application.services:
            raise ServicelabError(f"{self.name} has no service {name!r}", fix=f"it has: {', '.join(self.application.services)}")

    def load(self, service: str, target: Any = "/", *, rate: float, seconds: float | None = None, **options: Any) -> Run:
        """Open-loop traffic on SERVICE at RATE requests/s for SECONDS (None: until it is stopped). Returns the run at once.

        TARGET: a path, or a scenario of weighted requests (``{"GET /users/{id}": 0.7, …}``); replicas are asked in turn.
        For OPTIONS see `servicelab.traffic.load`. ``await run`` in a notebook, else ``run.wait()``.
        """
        from servicelab.traffic import load

        return load(target, base=self[service].urls, rate=rate, seconds=seconds, **options)

    def fault(self, service: str, *, caller: str | Iterable[str] = (), **options: Any) -> faults.Active:
        """Break SERVICE for the length of a ``with`` block: ``with shop.fault("orders", latency="300ms", caller="gateway"):``.

        Over the network, for CALLER or callers (services, or "edge": what comes in by a published port; none: everybody):
        ``latency=``, ``jitter=``, ``bandwidth=`` (bytes/s), ``reset=``, ``timeout=`` (True: silence), ``partition=`` (True or names).
        The container itself: ``stop=``, ``kill=``, ``pause=``, ``cpu=`` (cores), ``memory=``, ``disk=`` (path of a tmpfs, filled);
        of one ``replica=`` or all. Undone at the end of the block; after a killed kernel, by the next call of this or up().
        Raises `FaultError` for what can't be meant, or could not begin.
        """
        self._known(service)
        for name in [caller] if isinstance(caller, str) else caller:
            if name != faults.EDGE:
                self._known(name)
        faults.recover(self)
        return faults.Active(self, faults.Fault.parse(service, caller=caller, **options))

    @property
    def faults(self) -> list[faults.Fault]:
        """The faults that are on it now."""
        return faults.active(self)

    def mend(self) -> None:
        """Undo all faults, whoever holds them."""
        faults.mend(self)

    def status(self) -> list[dict[str, Any]]:
        """A row for each container: service, number, state (running, exited, paused…), health, exit code, and whether it was edited."""
        return [row for service in self for row in service.status()]

    def stats(self) -> list[dict[str, Any]]:
        """A row for each running container: name, memory in bytes (as `docker stats` counts it) and processes."""
        return usage.read(self._engine)

    def logs(self, *, request: Any = None, since: float | None = None, tail: int | None = None) -> Entries:
        """What all services wrote, in time order; of one REQUEST alone (its id, or a response). See `servicelab.trail.collect`."""
        from servicelab import trail

        return trail.collect(self._engine, request=request, since=since, tail=tail)

    def follow(self, request: Any) -> Journey:
        """The way of one request (its id, or a response of a service) through the services, drawn from their logs."""
        from servicelab import journey

        return journey.follow(self._engine, request)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """As a cell's value: the live view; and a picture and text that are the same each time, for where nothing is live."""
        from servicelab import views

        return views.bundle(self)

    def __repr__(self) -> str:
        rows = self.status()
        if not rows:
            return f"{self.name}: not running. Services: {', '.join(self.services)}"
        lines = [f"{self.name} ({self.project})"]
        for row in rows:
            edited = ", edited" if row["edited"] else ""
            lines.append(f"  {row['name']:<20} {row['state']}{edited}")
        return "\n".join(lines)
