"""A Compose application onto Docker: create, start, adopt, replace, remove."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from functools import partial
from typing import Any

import docker

from servicelab.compose import Application
from servicelab.engine import spec as c
from servicelab.engine.client import Clients, clients
from servicelab.engine.convergence import Convergence
from servicelab.engine.first_state import FirstState
from servicelab.engine.graph import Tasks
from servicelab.engine.removal import number_of, remove
from servicelab.engine.reset import Reset
from servicelab.errors import EngineError
from servicelab.progress import Progress, silent


class Engine:
    """The containers, networks and volumes of one application, under one project name.

    What is there is read from the engine each time: nothing is remembered here, so a new kernel finds a stack as the last one left it.
    """

    def __init__(self, application: Application, project: str, learner: str) -> None:
        self.application = application
        self.project = project
        self.labels = c.stack_labels(application, project, learner)
        self.image_labels = {c.LEARNER: learner}  # no more: each label is a step of the build

    def find(self, client: docker.DockerClient, service: str | None = None, *, helpers: bool = False) -> list[dict[str, Any]]:
        """The project's containers as the engine lists them, by service and number, in whatever state; HELPERS: those of faults too."""
        labels = [f"{c.PROJECT}={self.project}"] + ([f"{c.SERVICE}={service}"] if service else [])
        labels += [] if helpers else [f"{c.ONEOFF}=False"]
        found = client.api.containers(all=True, filters={"label": labels})
        return sorted(found, key=lambda s: (s["Labels"].get(c.SERVICE, ""), number_of(s)))

    def up(self, *, replicas: Mapping[str, int] | None = None, remove_orphans: bool = False, progress: Progress = silent) -> None:
        """Make it be as the file says: adopt what runs and is unchanged, start what stopped, replace what changed, create the rest.

        REPLICAS overrides the file's number by service. If this fails or is interrupted, what it created is removed again.
        Raises `StartError`, `ImageError` or `EngineError`.
        """
        with clients() as pool:
            if FirstState(pool, self.project, self.labels).interrupted:
                Reset(self, pool, dict(replicas or {}), progress).run()
            else:
                Convergence(self, pool, dict(replicas or {}), remove_orphans, progress).run()

    def reset(self, progress: Progress = silent) -> None:
        """As `up` leaves it where nothing was: the first state of data, containers and replicas. What is not in the file goes."""
        with clients() as pool:
            Reset(self, pool, {}, progress).run()

    def scale(self, service: str, count: int, progress: Progress = silent) -> None:
        """COUNT replicas of SERVICE; the rest of the stack is left alone."""
        with clients() as pool:
            Convergence(self, pool, {service: count}, False, progress, only=service).run()

    def replace(self, service: str, progress: Progress = silent) -> None:
        """New containers for all replicas of SERVICE, as many as there are."""
        with clients() as pool:
            found = self.find(pool.get(), service)
            self._remove_all(pool, found)
            Convergence(self, pool, {service: max(1, len(found))}, False, progress, only=service).run()

    def down(self, *, volumes: bool = False, progress: Progress = silent) -> None:
        """Stop and remove containers and networks, with VOLUMES the data too. What depends on something stops before it."""
        with clients() as pool:
            client = pool.get()
            tasks = Tasks()
            found = self.find(client, helpers=True)
            needed_by: dict[str, set[str]] = {}
            for service in self.application.services.values():
                for name in service.depends_on:
                    needed_by.setdefault(name, set()).add(service.name)
            present = {s["Labels"].get(c.SERVICE, "") for s in found}
            for name in present:
                own = [s for s in found if s["Labels"].get(c.SERVICE, "") == name]
                for summary in own:
                    tasks.add(summary["Id"], partial(remove, pool, summary, name, progress), {("after", name)})
                tasks.add(("gone", name), lambda: None, {s["Id"] for s in own})
                tasks.add(("after", name), lambda: None, {("gone", user) for user in needed_by.get(name, ()) if user in present})
            tasks.run()
            self._remove_networks(client)
            if volumes:
                for volume in client.volumes.list(filters={"label": f"{c.PROJECT}={self.project}"}):
                    with contextlib.suppress(docker.errors.NotFound):
                        volume.remove(force=True)

    def _remove_all(self, pool: Clients, found: list[dict[str, Any]]) -> None:
        tasks = Tasks()
        for summary in found:
            tasks.add(summary["Id"], partial(remove, pool, summary, "", silent))
        tasks.run()

    def _remove_networks(self, client: docker.DockerClient) -> None:
        for network in client.api.networks(filters={"label": f"{c.PROJECT}={self.project}"}):
            try:
                client.api.remove_network(network["Id"])
            except docker.errors.NotFound:
                pass
            except docker.errors.APIError as error:  # something that is not ours is connected to it
                raise EngineError(
                    f"the network {network['Name']} can't be removed",
                    why=error.explanation,
                    fix=f"docker network inspect {network['Name']} shows what is connected",
                ) from None
