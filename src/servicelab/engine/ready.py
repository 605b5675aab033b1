"""When is it up? A probe against a deadline, never a bare sleep."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import docker

from servicelab.errors import StartError

FIRST_PAUSE = 0.02  # seconds between two looks at first; it grows by half each time, up to
LONGEST_PAUSE = 0.5


def health_command(state: dict[str, Any]) -> list[str] | None:
    """The health check of an inspected container as an `exec` takes it; None where there is none."""
    test = (state["Config"].get("Healthcheck") or {}).get("Test") or ["NONE"]
    if test[0] == "CMD":
        return list(test[1:])
    if test[0] == "CMD-SHELL":
        return [*(state["Config"].get("Shell") or ["/bin/sh", "-c"]), test[1]]
    return None


def wait_ready(
    client: docker.DockerClient,
    container_id: str,
    service: str,
    *,
    deadline: float,
    pause: Callable[[float], None],
    settle: float = 0.3,
) -> None:
    """Return when the container's own health check passes, run here by `exec`: the engine's first run of it is an interval away.

    Without a health check: when it still runs after SETTLE seconds, or ended well. DEADLINE is of `time.monotonic`.
    PAUSE(seconds) waits between two looks, and may raise. Raises `StartError` when it ends, or is not ready in time.
    """
    state = client.api.inspect_container(container_id)
    command = health_command(state)
    if command is None:
        _wait_settled(client, container_id, service, settle)
        return
    wait, output = FIRST_PAUSE, ""
    while True:
        try:
            exit_code, output = run(client, container_id, command)
            if exit_code == 0:
                return
        except docker.errors.APIError:  # not running (any more), or not yet
            if not client.api.inspect_container(container_id)["State"]["Running"]:
                raise ended(client, container_id, service) from None
        if time.monotonic() > deadline:
            raise StartError(
                f"{service} did not get healthy in time",
                service=service,
                log=last_lines(client, container_id),
                why=f"its health check ({' '.join(command)}) still says: {output.strip()[-500:] or 'nothing'}",
                fix="read its log above; is what it needs (database, address, password) there?",
            )
        pause(wait)
        wait = min(wait * 1.5, LONGEST_PAUSE)


def _wait_settled(client: docker.DockerClient, container_id: str, service: str, settle: float) -> None:
    until = time.monotonic() + settle
    while (state := client.api.inspect_container(container_id)["State"])["Running"] and time.monotonic() < until:
        time.sleep(FIRST_PAUSE)
    if not state["Running"] and state["ExitCode"] != 0:
        raise ended(client, container_id, service)


def wait_completed(client: docker.DockerClient, container_id: str, service: str, *, pause: Callable[[float], None]) -> None:
    """Return when a job has ended with exit code 0. Raises `StartError` for any other."""
    wait = FIRST_PAUSE
    while (state := client.api.inspect_container(container_id)["State"])["Status"] in ("running", "created", "restarting"):
        pause(wait)
        wait = min(wait * 1.5, LONGEST_PAUSE)
    if state["ExitCode"] != 0:
        raise ended(client, container_id, service)


def run(client: docker.DockerClient, container_id: str, command: list[str], **options: Any) -> tuple[int, str]:
    """Run COMMAND in the container: its exit code, and stdout and stderr together."""
    created = client.api.exec_create(container_id, command, **options)
    output: bytes = client.api.exec_start(created["Id"])
    return client.api.exec_inspect(created["Id"])["ExitCode"], output.decode("utf-8", "replace")


def last_lines(client: docker.DockerClient, container_id: str, count: int = 12) -> str:
    log: bytes = client.api.logs(container_id, tail=count)
    return log.decode("utf-8", "replace").rstrip()


def ended(client: docker.DockerClient, container_id: str, service: str) -> StartError:
    """The error for a container that is no longer running, with what is known of its end."""
    found = client.api.inspect_container(container_id)
    state, limit = found["State"], found["HostConfig"]["Memory"]
    code = state["ExitCode"]
    if state.get("OOMKilled"):
        hint = "it ran out of memory: raise deploy.resources.limits.memory in its Compose file"
    elif code == 137 and limit:  # the engine can miss why: 5 of 120, with four at a time
        hint = (
            f"it was killed (SIGKILL). Likely it ran out of memory, of which it may have {limit / 2**20:.0f} MiB: raise "
            "deploy.resources.limits.memory in its Compose file. Else it was killed from outside, or took too long to stop"
        )
    else:
        hint = {
            0: "it ended by itself: a service has to keep running in the foreground",
            126: "its command may not be executed: look at the file's mode",
            127: "its command is not in the image: look at `command`, `entrypoint` and PATH",
            137: "it was killed (SIGKILL): from outside, or after it took too long to stop",
            143: "it was stopped (SIGTERM)",
        }.get(code, "the log lines above say why")
    return StartError(
        f"{service} ended with exit code {code}",
        service=service,
        exit_code=code,
        log=last_lines(client, container_id),
        why=state.get("Error", ""),
        fix=hint,
    )


def wait_all(client: docker.DockerClient, container_ids: list[str], service: str, timeout: float) -> None:
    """`wait_ready` for containers that run already, within TIMEOUT seconds for all of them."""
    deadline = time.monotonic() + timeout
    for container_id in container_ids:
        wait_ready(client, container_id, service, deadline=deadline, pause=time.sleep)
