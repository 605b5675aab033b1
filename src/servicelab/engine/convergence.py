"""From what is there to what the Compose file says: adopt, start, replace, create, in parallel; or all of it undone."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Hashable
from functools import partial
from typing import TYPE_CHECKING, Any

import docker

from servicelab.compose import Build, Network, Service, Volume
from servicelab.engine import networks, ready
from servicelab.engine import spec as c
from servicelab.engine.build import built_image
from servicelab.engine.client import Clients, reachable_address
from servicelab.engine.graph import Tasks
from servicelab.engine.removal import number_of, remove, remove_container
from servicelab.errors import ServicelabError, StartError
from servicelab.progress import Progress

if TYPE_CHECKING:
    from servicelab.engine.stacks import Engine

START_TIMEOUT = 120.0  # seconds that a service may take to get ready
DATA = "data"  # the task that a reset puts before the volumes


class Convergence:
    """One call of `Engine.up` or `scale`: what has to be done, in what order, and how to undo it."""

    def __init__(
        self,
        engine: Engine,
        pool: Clients,
        replicas: dict[str, int],
        remove_orphans: bool,
        progress: Progress,
        only: str | None = None,
    ) -> None:
        self.engine, self.pool, self.progress, self.remove_orphans = engine, pool, progress, remove_orphans
        self.application, self.project = engine.application, engine.project
        self.replicas = {n: replicas.get(n, s.replicas) for n, s in self.application.services.items() if only in (None, n)}
        self.address = reachable_address(pool.get())
        self.tasks = Tasks()
        self.images: dict[str, str] = {}
        self.networks: dict[str, str] = {}
        self.found: dict[str, dict[int, dict[str, Any]]] = {}
        self.orphans: list[dict[str, Any]] = []
        self.created: list[tuple[str, str]] = []  # (kind, id or name), to be removed again if this fails
        self.replaced_images: set[str] = set()
        self.lock = threading.Lock()

    def run(self) -> None:
        client = self.pool.get()
        for summary in self.engine.find(client):
            name = summary["Labels"].get(c.SERVICE, "")
            if name in self.replicas:
                self.found.setdefault(name, {})[number_of(summary)] = summary
            elif name not in self.application.services:
                self.orphans.append(summary)
        self._plan(client)
        try:
            self.tasks.run()
            self._check_running(client)
        except BaseException:
            self._undo(client)
            raise

    def _plan(self, client: docker.DockerClient) -> None:
        filters = {"label": f"{c.PROJECT}={self.project}"}
        found = networks.settle(client, self.project)
        self.networks = {name: there["Id"] for name, there in found.items()}
        for name, network in self.application.networks.items():
            there = found.get(f"{self.project}_{name}")
            if there is None or (networks.differs(there, network) and self._users_of(name) <= self.replicas.keys()):
                self.tasks.add(("network", name), partial(self._make_network, name, network, there))
        volumes = {v["Name"]: v for v in client.api.volumes(filters=filters)["Volumes"] or []}
        for name, volume in self.application.volumes.items():
            there = volumes.get(f"{self.project}_{name}")
            self.tasks.add(("volume", name), partial(self._prepare_volume, name, volume, there), {DATA})
        images: dict[str, list[Service]] = {}
        for name in self.replicas:
            service = self.application.services[name]
            key = c.fingerprint(vars(service.build)) if service.build else str(service.image)
            images.setdefault(key, []).append(service)
        for key, same in images.items():
            self.tasks.add(("image", key), partial(self._prepare_image, same))
            for service in same:
                self._plan_service(service, ("image", key))
        if self.remove_orphans:
            for orphan in self.orphans:
                thing = orphan["Labels"].get(c.SERVICE, "?")
                self.tasks.add(orphan["Id"], partial(remove, self.pool, orphan, thing, self.progress))

    def _plan_service(self, service: Service, image: tuple[str, str]) -> None:
        name, wanted = service.name, self.replicas[service.name]
        before: set[Hashable] = {image, DATA}
        before |= {("network", n) for n in service.networks}
        before |= {("volume", m.source) for m in service.mounts if m.source}
        for dependency, how in service.depends_on.items():
            before.add(("started" if how.condition == "service_started" else "ready", dependency))
        for number in range(1, wanted + 1):
            self.tasks.add(("start", name, number), partial(self._start, service, number), before)
            self.tasks.add(("up", name, number), partial(self._wait, service, number), {("start", name, number)})
        self.tasks.add(("started", name), lambda: None, {("start", name, n) for n in range(1, wanted + 1)})
        self.tasks.add(("ready", name), lambda: None, {("up", name, n) for n in range(1, wanted + 1)})
        for number, summary in self.found.get(name, {}).items():
            if number > wanted:
                extra = f"{name}-{number}"
                self.tasks.add(summary["Id"], partial(remove, self.pool, summary, extra, self.progress))

    def _users_of(self, network: str) -> set[str]:
        return {service.name for service in self.application.services.values() if network in service.networks}

    def _make_network(self, name: str, network: Network, there: dict[str, Any] | None) -> None:
        """Whoever is on the one that is THERE is made anew afterwards, because he is on none of the stack's networks."""
        client, full = self.pool.get(), f"{self.project}_{name}"
        if there is not None:
            networks.remove(client, there["Id"])
        self.networks[full] = networks.create(client, full, network, {**self.engine.labels, c.NETWORK: name})
        self._made("network", self.networks[full])

    def _prepare_volume(self, name: str, volume: Volume, there: dict[str, Any] | None) -> None:
        """A database keeps the password that its data was made with: data of another checkout's passwords is of no use here."""
        users = [s for s in self.application.services.values() if any(m.source == name for m in s.mounts)]
        passwords = c.fingerprint([{n: v for n, v in s.environment.items() if n.endswith("PASSWORD")} for s in users])
        full, api = f"{self.project}_{name}", self.pool.get().api
        if there is not None:
            # docker compose does not say: it reads compose/.env as well
            made_with = (there["Labels"] or {}).get(c.PASSWORDS, passwords)
            if made_with == passwords:
                return
            self.progress(name, "made with other passwords: starting afresh")
            for service in users:
                for summary in self.found.pop(service.name, {}).values():
                    remove(self.pool, summary, service.name, self.progress)
            api.remove_volume(full, force=True)
        all_labels = {**self.engine.labels, **volume.labels, c.VOLUME: name, c.PASSWORDS: passwords}
        api.create_volume(full, labels=all_labels)
        self._made("volume", full)

    def _prepare_image(self, services: list[Service]) -> None:
        client, first = self.pool.get(), services[0]
        if first.build is None:
            try:
                image = client.api.inspect_image(first.image)["Id"]
            except docker.errors.ImageNotFound:
                raise StartError(
                    f"{first.name} has no image: {first.image} is not on this engine",
                    service=first.name,
                    fix="name it behind ${REGISTRY:-docker.io}/… so that it can be pulled or built; `servicelab images` lists them",
                ) from None
        else:
            image = self._build(client, first.build, services)
        for service in services:
            self.images[service.name] = image

    def _build(self, client: docker.DockerClient, build: Build, services: list[Service]) -> str:
        """One build for all SERVICES that are made from the same source."""
        image = ""
        for service in services:
            tag = f"{self.project}-{service.name}"
            before = [i["Id"] for i in client.api.images(tag)]
            if not image:
                image = built_image(client, build, tag, self.engine.image_labels, self.progress, service.name)
            elif before != [image]:
                client.api.tag(image, tag)
            self.replaced_images |= {i for i in before if i != image}
        return image

    def _start(self, service: Service, number: int) -> None:
        client, thing = self.pool.get(), _thing(service, number, self.replicas[service.name])
        wanted = c.config_hash(service, self.images[service.name])
        there = self.found.get(service.name, {}).get(number)
        if there is not None and not self._is_good(there, service, wanted):
            self.progress(thing, "replacing")
            remove(self.pool, there, thing, self.progress)
            there = None
        if there is not None and there["State"] == "running":
            if not _was_healthy(there):
                client.api.start(there["Id"])  # nothing, unless it ended and the engine's list did not know yet
            return
        if there is not None and there["State"] == "paused":
            client.api.unpause(there["Id"])
            return
        if there is not None and service.name in self.application.jobs and there["Status"].startswith("Exited (0)"):
            return
        container = there["Id"] if there else self._create(client, service, number)
        self.progress(thing, "starting")
        try:
            self._once_more(partial(client.api.start, container))
        except docker.errors.APIError as error:
            raise _not_started(service, error) from None

    def _is_good(self, there: dict[str, Any], service: Service, wanted: str) -> bool:
        """Whether a container can be kept: made for what the file says, whole, and on the networks that are there now."""
        now = {self.networks.get(f"{self.project}_{name}") for name in service.networks}
        made_for_this = there["Labels"].get(c.CONFIG_HASH) == wanted
        return made_for_this and there["State"] not in ("created", "dead", "removing") and now <= networks.attached(there)

    def _once_more(self, act: Callable[[], Any]) -> Any:
        """ACT; where two networks have one name, after making it one."""
        try:
            return act()
        except docker.errors.APIError as error:
            if not networks.is_ambiguous(error):
                raise
            networks.settle(self.pool.get(), self.project)
            return act()

    def _create(self, client: docker.DockerClient, service: Service, number: int) -> str:
        make = partial(
            c.create,
            client,
            service,
            number,
            project=self.project,
            image_id=self.images[service.name],
            labels=self.engine.labels,
            address=self.address,
        )
        try:
            try:
                container = make()
            except docker.errors.APIError as error:
                if error.status_code != 409:
                    raise
                # a killed kernel's last request can still have been carried out after we looked
                remove_container(client, c.container_name(self.project, service.name, number))
                container = make()
            self._made("container", container)
            for network in list(service.networks)[1:]:  # before start; API 1.41 takes one network only at create
                self._once_more(partial(c.connect, client, container, service, network, project=self.project))
        except docker.errors.APIError as error:
            raise _not_started(service, error) from None
        summary = {"Id": container, "State": "created", "Status": "", "Labels": {c.NUMBER: str(number)}}
        self.found.setdefault(service.name, {})[number] = summary
        return container

    def _wait(self, service: Service, number: int) -> None:
        summary, thing = self.found[service.name][number], _thing(service, number, self.replicas[service.name])
        client = self.pool.get()
        if service.name in self.application.jobs:
            self.progress(thing, "running")
            ready.wait_completed(client, summary["Id"], service.name, pause=self.tasks.pause)
            self.progress(thing, "completed")
            return
        if _was_healthy(summary):
            self.progress(thing, "healthy, was running")
            return
        self.progress(thing, "waiting until healthy")
        self._wait_ready(client, summary["Id"], service.name)
        self.progress(thing, "ready")

    def _wait_ready(self, client: docker.DockerClient, container: str, service: str) -> None:
        ready.wait_ready(client, container, service, deadline=time.monotonic() + START_TIMEOUT, pause=self.tasks.pause)

    def _check_running(self, client: docker.DockerClient) -> None:
        """Whatever ended while the others started, and what came late from a kernel that was killed."""
        networks.settle(client, self.project)
        running = {s["Id"]: s["State"] for s in self.engine.find(client)}
        for name, numbers in self.found.items():
            for number, summary in numbers.items():
                if number <= self.replicas[name] and name not in self.application.jobs and running.get(summary["Id"]) == "exited":
                    if _was_healthy(summary):  # it ended before we came, and the engine's list did not know yet
                        client.api.start(summary["Id"])
                        self._wait_ready(client, summary["Id"], name)
                        continue
                    error = ready.ended(client, summary["Id"], name)
                    if error.exit_code != 0 or self.application.services[name].healthcheck:
                        raise error
        for image in self.replaced_images:
            with contextlib.suppress(docker.errors.APIError):  # still in use, by a stopped container or another tag
                client.api.remove_image(image)

    def _made(self, kind: str, name: str) -> None:
        with self.lock:
            self.created.append((kind, name))

    def _undo(self, client: docker.DockerClient) -> None:
        remove: dict[str, Callable[[str], Any]] = {
            "container": lambda i: remove_container(client, i),
            "network": client.api.remove_network,
            "volume": lambda name: client.api.remove_volume(name, force=True),
        }
        for kind in remove:
            for created, name in self.created:
                if created == kind:
                    with contextlib.suppress(docker.errors.APIError):  # the first failure is the one to report
                        remove[kind](name)


def _was_healthy(summary: dict[str, Any]) -> bool:
    return summary["State"] == "running" and str(summary["Status"]).endswith("(healthy)")


def _thing(service: Service, number: int, replicas: int) -> str:
    return service.name if replicas == 1 else f"{service.name}-{number}"


def _not_started(service: Service, error: docker.errors.APIError) -> ServicelabError:
    why = str(error.explanation)
    if "port is already allocated" in why or "address already in use" in why:
        fix = "another program has the port: publish without a fixed one (127.0.0.1::3001), and ask shop[…].url for it"
    elif "executable file not found" in why or "no such file or directory" in why:
        fix = "its command is not in the image: look at `command` and `entrypoint`"
    elif "network" in why:
        fix = "a network is gone: call up() again"
    else:
        fix = "`servicelab doctor` looks at the engine"
    return StartError(f"{service.name} could not be started", service=service.name, why=why, fix=fix)
