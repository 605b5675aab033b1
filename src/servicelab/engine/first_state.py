"""The first state of a stack's data, kept beside it on the engine: ``reset()`` need not make it anew.

A volume's copy is another volume, ``VOLUME.first``. A seal, an empty volume, says by its label what the copies belong to; it is
written when all of them are whole. A reset leaves its mark, another empty volume, until it is done: where one was cut short, the
next ``up()`` finds the mark and does it again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial

import docker

from servicelab.engine import spec as c
from servicelab.engine.client import Clients
from servicelab.engine.graph import Tasks
from servicelab.engine.removal import remove_container
from servicelab.errors import EngineError

COPY_OF = "servicelab.copy-of"
_SEAL, _MARK = "servicelab.first-state", "servicelab.resetting"


class FirstState:
    """The copies of one project's volumes. LABELS: those of the stack."""

    def __init__(self, pool: Clients, project: str, labels: Mapping[str, str]) -> None:
        self.pool, self.project, self.labels = pool, project, labels

    @property
    def interrupted(self) -> bool:
        """Whether a reset began and did not end."""
        return bool(self._volumes(_MARK))

    def mark(self) -> None:
        """A reset begins."""
        self.pool.get().api.create_volume(f"{self.project}_resetting", labels={**self.labels, _MARK: ""})

    def unmark(self) -> None:
        """The reset is done."""
        for name in self._volumes(_MARK):
            self.remove(name)

    def belongs_to(self, state: str) -> bool:
        """Whether whole copies are there, and of the data that STATE (a hash of the services) makes."""
        return bool(self._volumes(f"{_SEAL}={state}"))

    def forget(self) -> None:
        """Remove the copies, the seal first: without it they are nothing."""
        for name in [*self._volumes(_SEAL), *self._volumes(COPY_OF)]:
            self.remove(name)

    def keep(self, state: str, images: Mapping[str, str]) -> None:
        """Copy the data of STATE as it is now. IMAGES: by volume, the image that has it mounted, whose tools do the work.

        The containers that write to a volume stand still meanwhile, so that the copy is of one moment: a database that starts from it
        recovers as after a power cut. Where an image has no such tools, no copy is kept.
        """
        self.forget()
        tasks = Tasks()
        for volume, image in images.items():
            tasks.add(volume, partial(self._keep, volume, image))
        try:
            tasks.run()
        except (docker.errors.APIError, EngineError):
            self.forget()
            return
        self.pool.get().api.create_volume(f"{self.project}_first-state", labels={**self.labels, _SEAL: state})

    def give_back(self, volume: str, image: str) -> None:
        """Put in VOLUME what its copy has, and nothing else. Raises `EngineError` where that fails: then the copies are gone."""
        try:
            self._copy(f"{volume}.first", volume, image)
        except EngineError:
            self.forget()
            raise

    def _keep(self, volume: str, image: str) -> None:
        client = self.pool.get()
        client.api.create_volume(f"{volume}.first", labels={**self.labels, COPY_OF: volume})
        with _standing_still(client, volume):
            self._copy(volume, f"{volume}.first", image)

    def _copy(self, source: str, target: str, image: str) -> None:
        client = self.pool.get()
        container = client.containers.create(
            image,
            ["-c", "find /to -mindepth 1 -delete && cp -a /from/. /to/"],
            entrypoint="sh",
            user="0",
            network_mode="none",
            mounts=[docker.types.Mount("/from", source, read_only=True), docker.types.Mount("/to", target)],
            labels={**self.labels, c.ONEOFF: "True"},
        )
        try:
            container.start()
            if container.wait()["StatusCode"]:
                said = container.logs().decode("utf-8", "replace")
                raise EngineError(
                    f"the data of {source} can't be copied",
                    why=said,
                    fix="call reset() again; `servicelab doctor` looks at the disk",
                )
        finally:
            remove_container(client, container.id)  # with the volumes that its image declares

    def _volumes(self, label: str) -> list[str]:
        found = self.pool.get().api.volumes(filters={"label": [f"{c.PROJECT}={self.project}", label]})["Volumes"] or []
        return [volume["Name"] for volume in found]

    def remove(self, name: str) -> None:
        """Remove a volume, if it is there, and what still has it mounted: a killed kernel's last copy, say."""
        api = self.pool.get().api
        for summary in api.containers(all=True, filters={"volume": name}):
            remove_container(self.pool.get(), summary["Id"])
        with contextlib.suppress(docker.errors.NotFound):
            api.remove_volume(name, force=True)


@contextmanager
def _standing_still(client: docker.DockerClient, volume: str) -> Iterator[None]:
    """Pause what has VOLUME mounted. After a kill in here, the next up() lets it go on."""
    users = [s["Id"] for s in client.api.containers(filters={"volume": volume, "status": "running"})]
    paused: list[str] = []
    try:
        for container in users:
            client.api.pause(container)
            paused.append(container)
        yield
    finally:
        for container in paused:
            with contextlib.suppress(docker.errors.APIError):  # gone meanwhile
                client.api.unpause(container)
