"""Back to the first state: containers made anew, data from the copy that is kept of it, or made anew as well."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import docker

from servicelab.compose import Volume
from servicelab.engine import spec as c
from servicelab.engine.client import Clients
from servicelab.engine.convergence import DATA, Convergence
from servicelab.engine.first_state import FirstState
from servicelab.engine.graph import Tasks
from servicelab.engine.removal import remove_container
from servicelab.progress import Progress

if TYPE_CHECKING:
    from servicelab.engine.stacks import Engine


class Reset(Convergence):
    """An `up` that keeps nothing but networks, images, and the jobs that filled the data that it gives back."""

    def __init__(self, engine: Engine, pool: Clients, replicas: dict[str, int], progress: Progress) -> None:
        super().__init__(engine, pool, replicas, remove_orphans=True, progress=progress)
        self.first = FirstState(pool, self.project, engine.labels)
        self.state = ""
        self.given_back = False

    def run(self) -> None:
        self.first.mark()
        tasks = Tasks()
        for summary in self.engine.find(self.pool.get(), helpers=True):
            job = summary["Labels"].get(c.SERVICE, "") in self.application.jobs
            if not (job and summary["Status"].startswith("Exited (0)")):
                tasks.add(summary["Id"], partial(self._remove, summary))
        tasks.run()
        super().run()
        if not self.given_back:
            self.first.keep(self.state, {f"{self.project}_{name}": image for name, image in self._mounted_by().items()})
        self.first.unmark()

    def _remove(self, summary: dict[str, Any]) -> None:
        remove_container(self.pool.get(), summary["Id"])
        self.progress(summary["Labels"].get(c.SERVICE, ""), "removed")

    def _plan(self, client: docker.DockerClient) -> None:
        super()._plan(client)
        self.tasks.add(DATA, self._choose_data, self.tasks.named("image"))

    def _choose_data(self) -> None:
        """Once the images are known: is the copy that is kept what these services would make?"""
        services = self.application.services.values()
        self.state = c.fingerprint({service.name: c.config_hash(service, self.images[service.name]) for service in services})
        self.given_back = self.first.belongs_to(self.state)
        if self.given_back:
            return
        self.first.forget()
        for job in self.application.jobs:
            for summary in self.found.pop(job, {}).values():
                self._remove(summary)

    def _prepare_volume(self, name: str, volume: Volume, there: dict[str, Any] | None) -> None:
        full, image = f"{self.project}_{name}", self._mounted_by().get(name)
        if there is not None and not self.given_back:
            self.first.remove(full)
            there = None
        super()._prepare_volume(name, volume, there)
        if self.given_back and image is not None:
            self.first.give_back(full, image)

    def _mounted_by(self) -> dict[str, str]:
        """By volume, an image that has it mounted."""
        services = self.application.services.values()
        return {mount.source: self.images[s.name] for s in services for mount in s.mounts if mount.source is not None}
