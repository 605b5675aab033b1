"""One service of a stack: where it answers, its containers, and what can be done to them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import docker
from docker.models.containers import Container

from servicelab import progress
from servicelab.engine import live_edit, ready, usage
from servicelab.engine import spec as labels
from servicelab.engine.client import answered, reachable_address
from servicelab.errors import ServicelabError

if TYPE_CHECKING:
    from servicelab.stack import Stack


class Service:
    """A service of a `Stack`. Every answer is asked of the engine anew: containers come, go and change their ports."""

    def __init__(self, stack: Stack, name: str) -> None:
        self._stack = stack
        self.name = name

    @property
    def client(self) -> docker.DockerClient:
        return self._stack.client

    @property
    def containers(self) -> list[Container]:
        """The replicas, running or not, as objects of the Docker SDK, by number."""
        return [self.client.containers.get(s["Id"]) for s in self._stack._engine.find(self.client, self.name)]

    @property
    def container(self) -> Container:
        """The first replica. Raises `ServicelabError` where there is none."""
        return self.replica(None)

    def replica(self, number: int | None) -> Container:
        """Replica NUMBER (None: the first one there is)."""
        there = self.containers
        for container in there:
            if number is None or container.labels[labels.NUMBER] == str(number):
                return container
        what = f"{self.name} has no container" if number is None else f"{self.name} has no replica {number}"
        numbers = ", ".join(c.labels[labels.NUMBER] for c in there)
        raise ServicelabError(what, fix=f"it has: {numbers}" if there else "start the stack: up()")

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT`` of the first running replica's first published port."""
        return self._urls(only_first=True)[0]

    @property
    def urls(self) -> list[str]:
        """The same for each running replica."""
        return self._urls(only_first=False)

    def port(self, target: int) -> int:
        """The outer port under which the first running replica's port TARGET is published. It changes at each restart."""
        for summary in self._running():
            for entry in summary["Ports"]:
                if entry["PrivatePort"] == target and "PublicPort" in entry:
                    return int(entry["PublicPort"])
        raise ServicelabError(f"port {target} of {self.name} is not published", fix=f'under `ports:` write "127.0.0.1::{target}"')

    def _urls(self, *, only_first: bool) -> list[str]:
        ports = self._stack.application.services[self.name].ports
        if not ports:
            raise ServicelabError(
                f"{self.name} publishes no port",
                why="only services of its own networks reach it",
                fix=f"ask from inside: stack[{self.name!r}].exec([…])",
            )
        running = self._running()
        if not running:
            raise ServicelabError(f"{self.name} is not running, so it has no address", fix="start it: up(), start() or restart()")
        address, target = reachable_address(self.client), ports[0].target
        found = [
            f"http://{address}:{entry['PublicPort']}"
            for summary in (running[:1] if only_first else running)
            for entry in summary["Ports"][:]
            if entry["PrivatePort"] == target and "PublicPort" in entry
        ]
        if not found:
            raise ServicelabError(f"{self.name} has no published port at the moment", fix="is it just stopping? try again")
        return found

    def _running(self) -> list[dict[str, Any]]:
        return [s for s in self._stack._engine.find(self.client, self.name) if s["State"] in ("running", "paused")]

    def status(self) -> list[dict[str, Any]]:
        """A row for each replica: name, service, number, state, health (None: no check), exit_code (None: it runs), edited."""
        rows = []
        for container in self.containers:
            state = container.attrs["State"]
            number = int(container.labels[labels.NUMBER])
            health = (state.get("Health") or {}).get("Status")
            rows.append(
                {
                    "name": f"{self.name}-{number}",
                    "service": self.name,
                    "number": number,
                    "state": state["Status"],
                    "health": health,
                    "exit_code": None if state["Running"] else state["ExitCode"],
                    "edited": bool(live_edit.edited_files(container)),
                }
            )
        return rows

    @answered()
    def scale(self, count: int) -> None:
        """COUNT replicas; new ones get the edits that the others have. Returns when they are ready."""
        if count < 0:
            raise ServicelabError(f"{self.name} can't have {count} replicas", fix="0 or more")
        edits = live_edit.edits(self.container) if self.containers else {}
        before = {c.id for c in self.containers}
        with progress.show(f"scaling {self.name} to {count}", (self.name,)) as show:
            self._stack._engine.scale(self.name, count, show)
        for container in self.containers:
            if edits and container.id not in before:
                for path, source in edits.items():
                    live_edit.update(container, path, source)

    def kill(self, replica: int | None = None, signal: str = "SIGKILL") -> None:
        """End it at once, as a crash would. REPLICA: its number; None: all of them."""
        for container in self._chosen(replica, "running"):
            container.kill(signal=signal)
            if signal in ("SIGKILL", "KILL"):
                container.wait(condition="not-running")

    def pause(self, replica: int | None = None) -> None:
        """Freeze it: it holds its connections and answers nothing."""
        for container in self._chosen(replica, "running"):
            freeze(container)

    def unpause(self, replica: int | None = None) -> None:
        for container in self._chosen(replica, "paused"):
            container.unpause()

    def stop(self, replica: int | None = None) -> None:
        """Ask it to end (SIGTERM), and wait; what has not ended after its grace period is killed."""
        for container in self._chosen(replica, "running"):
            container.stop()

    @answered()
    def start(self, replica: int | None = None) -> None:
        """Start what was stopped or killed, and return when it is ready."""
        for container in self._chosen(replica, "exited"):
            container.start()
        self.ready()

    @answered()
    def restart(self, replica: int | None = None) -> None:
        """Stop and start, and return when it is ready. An ephemeral port is another one afterwards."""
        for container in self._chosen(replica):
            container.restart()
        self.ready()

    def ready(self, timeout: float = 120.0) -> None:
        """Return when every running replica's health check passes. TIMEOUT in seconds. Raises `StartError`."""
        ready.wait_all(self.client, [c.id for c in self.containers if c.status == "running"], self.name, timeout)

    def reset(self) -> None:
        """New containers from the image: edits are gone. Its volumes stay."""
        with progress.show(f"resetting {self.name}", (self.name,)) as show:
            self._stack._engine.replace(self.name, show)

    def logs(self, *, tail: int | None = None, since: float | None = None, replica: int | None = None) -> str:
        """What it wrote, of each replica in turn (or REPLICA alone). SINCE: seconds since the epoch."""
        chosen = self.containers if replica is None else [self.replica(replica)]
        options: dict[str, Any] = {"tail": "all" if tail is None else tail}
        if since is not None:
            options["since"] = since
        return "".join(c.logs(**options).decode("utf-8", "replace") for c in chosen)

    def follow(self, *, replica: int | None = None, since: float | None = None) -> Iterator[str]:
        """Its log's lines as they come, until it ends: of REPLICA, or of the first. SINCE: seconds since the epoch; None: from now on."""
        options: dict[str, Any] = {"tail": 0} if since is None else {"since": since}
        rest = ""
        chunks = self.replica(replica).logs(stream=True, follow=True, **options)
        try:
            for chunk in chunks:
                *lines, rest = (rest + chunk.decode("utf-8", "replace")).split("\n")
                yield from lines
        finally:
            chunks.close()
            chunks._response.close()  # the SDK leaves the file open that it reads the socket through

    def exec(self, command: list[str], *, replica: int | None = None, user: str = "") -> tuple[int, str]:
        """Run COMMAND inside, and return its exit code and what it printed."""
        return ready.run(self.client, self.replica(replica).id, command, user=user)

    def stats(self) -> list[dict[str, Any]]:
        """For each running replica: name, memory in bytes (as `docker stats` counts it) and processes."""
        return usage.read(self._stack._engine, self.name)

    def update(self, path: str, source: str) -> None:
        """Put SOURCE in place of the service's file PATH and make it live, in every replica, without a rebuild.

        Raises `UpdateError` where it does not compile or its workers do not start (the last good file is put back), or where
        this service can't be changed while it runs (read-only root, or no reload).
        """
        for container in self._chosen(None, "running"):
            live_edit.update(container, path, source)

    def _chosen(self, replica: int | None, state: str | None = None) -> list[Container]:
        """The replicas that are meant. Raises `ServicelabError` when none of them is in STATE."""
        chosen = self.containers if replica is None else [self.replica(replica)]
        fitting = [c for c in chosen if state in (None, c.status)]
        if not fitting:
            seen = ", ".join(f"replica {c.labels[labels.NUMBER]} is {c.status}" for c in chosen) or "it has no container"
            raise ServicelabError(f"nothing of {self.name} is {state or 'there'}: {seen}", fix="stack.status() shows what is")
        return fitting

    def __repr__(self) -> str:
        return "\n".join(f"{row['name']}: {row['state']}" for row in self.status()) or f"{self.name}: not running"


def freeze(container: Container, patience: float = 30.0) -> None:
    """Pause it. On a busy machine with cgroup v1 the kernel may need several tries to stop all its threads (PATIENCE: s)."""
    until = time.monotonic() + patience
    while True:
        try:
            container.pause()
            return
        except docker.errors.APIError as error:
            if "unable to freeze" not in str(error.explanation) or time.monotonic() > until:
                raise
            time.sleep(0.1)
