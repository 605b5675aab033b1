"""Faults between two services, without a change to either: by two helpers in the callee's network namespace.

Toxiproxy stands before each port that the callee listens on, and a NAT rule (helper.py) leads the callers' new connections into it.
Connections that were open are reset, so that a pool can't go round it. Without a fault there is no helper and no rule: no cost.
"""

from __future__ import annotations

import contextlib
import json
import time
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import docker
from docker.models.containers import Container

from servicelab import images, settings
from servicelab.engine.ready import FIRST_PAUSE
from servicelab.engine.spec import ONEOFF, SERVICE
from servicelab.errors import FaultError
from servicelab.faults.journal import LABEL, Record

if TYPE_CHECKING:
    from servicelab.faults.fault import Fault
    from servicelab.stack import Stack

PROXY = "shopify/toxiproxy:2.12.0"
RULES = "servicelab/iptables:1"
TOOLS = (PROXY, RULES)
EDGE = "edge"  # as a caller: whoever comes in through a published port


def before(container: Container, fault: Fault) -> dict[str, Any]:
    """Which start of the container it is on: a restarted one has a new network namespace, without our rules."""
    return {"started": container.attrs["State"]["StartedAt"]}


def begin(stack: Stack, record: Record, fault: Fault) -> None:
    """Start the helpers; returns when all rules are set."""
    tools = _provide(*([RULES] if fault.partition else TOOLS))
    toxics = [] if fault.partition else _toxics(fault)
    environment = {"CALLERS": " ".join(_addresses(stack, fault)), "TOXICS": json.dumps(toxics) if toxics else ""}
    helpers = []
    for container_id in record.before:
        if toxics:
            _run(stack, record, container_id, tools[PROXY], ["-host=127.0.0.1", "-port=20000"])
        helpers.append(_run_rules(stack, record, container_id, tools[RULES], [], environment))
    for helper in helpers:
        _wait_active(helper, fault)


def _provide(*names: str) -> dict[str, str]:
    """The images of these tools, made available if they are not. Raises `ImageError`."""
    registry = images.ensure(names, registry=settings.registry())
    return {name: f"{registry}/{name}" for name in names}


def end(stack: Stack, record: Record, fault: Fault) -> None:
    """Delete the rules, then end the proxies; also where the helpers are gone."""
    label = {"label": f"{LABEL}={record.id}"}
    helpers = stack.client.containers.list(all=True, filters=label, ignore_removed=True)
    rules = [helper for helper in helpers if helper.labels[SERVICE] == "fault-rules"]
    clean = bool(rules)
    for helper in rules:
        with contextlib.suppress(docker.errors.APIError):  # it may have ended
            helper.kill(signal="SIGTERM")
    for helper in rules:
        try:
            clean &= helper.wait(condition="not-running")["StatusCode"] == 0
        except docker.errors.NotFound:
            clean = False
    for helper in helpers:
        with contextlib.suppress(docker.errors.NotFound):
            helper.remove(force=True)
    if not clean:
        _sweep(stack, record)


def _sweep(stack: Stack, record: Record) -> None:
    """Delete the rules of a helper that did not do it itself, where the callee still is what it was."""
    for container_id, state in record.before.items():
        with contextlib.suppress(docker.errors.NotFound):
            container = stack.client.containers.get(container_id)
            if container.status in ("running", "paused") and container.attrs["State"]["StartedAt"] == state["started"]:
                helper = _run_rules(stack, record, container_id, _provide(RULES)[RULES], ["undo"], {})
                helper.wait()
                helper.remove(force=True)


def _run_rules(
    stack: Stack, record: Record, container_id: str, tool: str, words: list[str], environment: dict[str, str]
) -> Container:
    command = ["python", "-c", _helper(), *words]
    options = {"environment": {"ID": record.id, **environment}, "cap_add": ["NET_ADMIN", "NET_RAW"], "user": "0"}
    return _run(stack, record, container_id, tool, command, service="fault-rules", **options)


@cache
def _helper() -> str:
    return files("servicelab.faults").joinpath("helper.py").read_text("utf-8")


def _run(
    stack: Stack,
    record: Record,
    container_id: str,
    image: str,
    command: list[str],
    *,
    service: str = "fault-proxy",
    **options: Any,
) -> Container:
    return stack.client.containers.run(
        image,
        command,
        network_mode=f"container:{container_id}",
        cap_drop=["ALL"],
        labels=stack._engine.labels | {LABEL: record.id, SERVICE: service, ONEOFF: "True"},
        detach=True,
        **options,
    )


def _wait_active(helper: Container, fault: Fault) -> None:
    while b"active\n" not in helper.logs():
        helper.reload()
        if helper.status not in ("created", "running"):
            raise FaultError(
                f"the fault could not begin: {fault}",
                why=helper.logs().decode("utf-8", "replace")[-500:],
                fix="does this engine's kernel have iptables' nat table? `servicelab doctor` looks at the engine",
            )
        time.sleep(FIRST_PAUSE)


def _toxics(fault: Fault) -> list[dict[str, Any]]:
    """As Toxiproxy's API takes them. It counts in milliseconds and in KB/s."""
    found: list[dict[str, Any]] = []
    if fault.latency is not None:
        jitter = round((fault.jitter or 0) * 1000)
        found.append({"type": "latency", "attributes": {"latency": round(fault.latency * 1000), "jitter": jitter}})
    if fault.bandwidth is not None:
        found.append({"type": "bandwidth", "attributes": {"rate": max(1, fault.bandwidth // 1024)}})
    if fault.reset is not None:
        found.append({"type": "reset_peer", "attributes": {"timeout": round(fault.reset * 1000)}})
    if fault.timeout is not None:
        # upstream: a callee that got the request would answer, and its closing the connection would be passed on
        found.append({"type": "timeout", "stream": "upstream", "attributes": {"timeout": round(fault.timeout * 1000)}})
    return found


def _addresses(stack: Stack, fault: Fault) -> list[str]:
    """Where the callers' packets come from."""
    found = []
    for name in fault.callers:
        # through a published port they come from the gateway of one of the callee's networks
        whose, key = (fault.service, "Gateway") if name == EDGE else (name, "IPAddress")
        endpoints = (e for c in stack[whose].containers for e in c.attrs["NetworkSettings"]["Networks"].values())
        found += [endpoint[key] for endpoint in endpoints if endpoint.get(key)]
    if fault.callers and not found:
        raise FaultError(f"{' and '.join(fault.callers)}: no address", why="nothing of it runs", fix="start it first")
    return sorted(set(found))
