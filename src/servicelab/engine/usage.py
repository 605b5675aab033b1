"""What running containers take of their machine."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import docker

from servicelab.engine.client import Clients, clients
from servicelab.engine.removal import number_of
from servicelab.engine.spec import SERVICE

if TYPE_CHECKING:
    from servicelab.engine.stacks import Engine


def read(engine: Engine, service: str | None = None) -> list[dict[str, Any]]:
    """For each running container (of SERVICE alone): name, memory in bytes (as `docker stats` counts it) and processes.

    All are asked at one time: the engine measures once a second, and whoever asks waits for it.
    """
    with clients() as pool:
        running = [summary for summary in engine.find(pool.get(), service) if summary["State"] == "running"]
        with ThreadPoolExecutor(max(1, len(running))) as threads:
            rows = threads.map(lambda summary: _row(pool, summary), running)
            return [row for row in rows if row]


def working_set(memory: Mapping[str, Any]) -> int:
    """Bytes in use without what the kernel could drop at once (cgroup v1 and v2 name it differently)."""
    detail = memory.get("stats", {})
    return int(memory.get("usage", 0)) - int(detail.get("total_inactive_file", detail.get("inactive_file", 0)))


def _row(pool: Clients, summary: dict[str, Any]) -> dict[str, Any] | None:
    try:
        stats = pool.get().api.stats(summary["Id"], stream=False, one_shot=True)
    except docker.errors.NotFound:  # removed a moment ago
        return None
    return {
        "name": f"{summary['Labels'][SERVICE]}-{number_of(summary)}",
        "memory": working_set(stats["memory_stats"]),
        "processes": stats.get("pids_stats", {}).get("current", 0),
    }
