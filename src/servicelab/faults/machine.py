"""Faults of a container itself: stopped, killed, frozen, starved of cpu or memory, its disk full."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import docker
from docker.models.containers import Container

from servicelab.engine import ready
from servicelab.engine.spec import CPU_PERIOD
from servicelab.errors import FaultError
from servicelab.faults.journal import Record
from servicelab.service import freeze

if TYPE_CHECKING:
    from servicelab.faults.fault import Fault
    from servicelab.stack import Stack

FILLING = ".servicelab-full"
# Bytes that no machine has. Engines refuse to take a limit of memory back (-1), and they don't hand on -1 as a limit of swap; that one
# counts memory too, and with cgroup v2 what it is more is all that may be swapped.
NO_LIMIT = 2**62
NO_SWAP_LIMIT = 2**63 - 4096


def before(container: Container, fault: Fault) -> dict[str, Any]:
    """What has to be known to undo FAULT."""
    if fault.disk is not None:
        tmpfs = [m["Target"] for m in container.attrs["HostConfig"].get("Mounts") or [] if m["Type"] == "tmpfs"]
        if fault.disk not in tmpfs:
            raise FaultError(
                f"{fault.service} has no size-limited tmpfs at {fault.disk}",
                why="only memory that belongs to the container can be filled without harm to this machine",
                fix=f"it has: {', '.join(tmpfs)}" if tmpfs else "give it one in its Compose file: `tmpfs: [/data:size=16m]`",
            )
    host = container.attrs["HostConfig"]
    return {"quota": host["CpuQuota"], "period": host["CpuPeriod"], "memory": host["Memory"], "swap": host["MemorySwap"]}


def begin(stack: Stack, record: Record, fault: Fault) -> None:
    for container_id in record.before:
        container = stack.client.containers.get(container_id)
        if fault.stop:
            container.stop()
        elif fault.kill:
            container.kill()
            container.wait(condition="not-running")
        elif fault.pause:
            freeze(container)
        elif fault.cpu is not None:
            _limit(stack.client, container_id, cpu_period=CPU_PERIOD, cpu_quota=int(fault.cpu * CPU_PERIOD))
        elif fault.memory is not None:
            _limit(stack.client, container_id, mem_limit=fault.memory, memswap_limit=fault.memory)
        elif fault.disk is not None:
            script = 'cat /dev/zero > "$0"; true'
            ready.run(stack.client, container_id, ["sh", "-c", script, f"{fault.disk}/{FILLING}"], user="0")


def end(stack: Stack, record: Record, fault: Fault) -> None:
    for container_id, state in record.before.items():
        with contextlib.suppress(docker.errors.NotFound):
            container = stack.client.containers.get(container_id)
            if fault.pause and container.status == "paused":
                container.unpause()
            if (fault.stop or fault.kill) and container.status == "exited":
                container.start()
                ready.wait_all(stack.client, [container_id], fault.service, 60.0)
            if fault.cpu is not None:
                _limit(stack.client, container_id, cpu_period=state["period"] or CPU_PERIOD, cpu_quota=state["quota"] or -1)
            if fault.memory is not None:
                swap = state["swap"] if state["swap"] > 0 else NO_SWAP_LIMIT
                _limit(stack.client, container_id, mem_limit=state["memory"] or NO_LIMIT, memswap_limit=swap)
            if fault.disk is not None and container.status == "running":
                ready.run(stack.client, container_id, ["rm", "-f", f"{fault.disk}/{FILLING}"], user="0")


def _limit(client: docker.DockerClient, container_id: str, **limits: Any) -> None:
    try:
        client.api.update_container(container_id, **limits)
    except docker.errors.APIError as error:
        raise FaultError(f"the engine refuses the limit {limits}", why=str(error.explanation)) from None
