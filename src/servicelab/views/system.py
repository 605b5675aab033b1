"""What a stack is made of, and who calls whom: read from its Compose file alone, so the same each time."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from servicelab.compose import Application, Service

Kind = Literal["gateway", "service", "database", "queue"]

OUTSIDE = "outside"
"""Whoever calls without saying its name: a browser, a load generator, a notebook."""

# By the last part of an image's name.
TECHNOLOGIES: Mapping[str, tuple[Kind, str]] = {
    "postgres": ("database", "PostgreSQL"),
    "mongo": ("database", "MongoDB"),
    "redis": ("database", "Redis"),
    "rabbitmq": ("queue", "RabbitMQ"),
    "nginx": ("gateway", "nginx"),
}

# A host in a URL: after the scheme, after a user's password, or one more of several: mongodb://a:1,b:2
HOST = re.compile(r"(?:://|[@,])([A-Za-z0-9][A-Za-z0-9_.-]*)(?=[:/,?]|$)")


@dataclass(frozen=True)
class Node:
    """A service of the stack. ``technology``: what it runs on, where its image says so. ``published``: it can be called from outside."""

    name: str
    kind: Kind
    technology: str = ""
    replicas: int = 1
    published: bool = False

    @property
    def role(self) -> str:
        """In words: "service", "PostgreSQL database"."""
        return f"{self.technology} {self.kind}".strip()


@dataclass(frozen=True)
class Arrow:
    """``caller`` calls ``callee``. ``http``: its traffic is in the callee's log."""

    caller: str
    callee: str
    http: bool = True


Slot = str | Arrow
"""A place in a layer: a node's name, or an arrow that passes through on its way to a later layer."""


@dataclass(frozen=True)
class System:
    """Nodes by name in the file's order, arrows, and layers from the callers to the called (the first one is OUTSIDE alone)."""

    name: str
    nodes: Mapping[str, Node]
    arrows: tuple[Arrow, ...]
    layers: tuple[tuple[Slot, ...], ...]


def read(application: Application) -> System:
    """The system of a Compose file. Jobs, which end, are left out."""
    services = [s for s in application.services.values() if s.name not in application.jobs]
    nodes = {service.name: _node(service) for service in services}
    arrows = [Arrow(OUTSIDE, node.name) for node in nodes.values() if node.published]
    for service in services:
        for name in _called(service, nodes):
            arrows.append(Arrow(service.name, name, nodes[name].kind in ("service", "gateway")))
    return System(application.name, nodes, tuple(arrows), _layers([OUTSIDE, *nodes], arrows))


def _node(service: Service) -> Node:
    image = (service.image or "").rpartition("/")[2].partition(":")[0]
    kind, technology = TECHNOLOGIES.get(image, ("service", ""))
    if not technology and "gateway" in service.name:
        kind = "gateway"
    return Node(service.name, kind, technology, service.replicas, bool(service.ports))


def _called(service: Service, nodes: Mapping[str, Node]) -> list[str]:
    """Names of nodes that the service's environment has as hosts of URLs."""
    hosts = {host for value in service.environment.values() if "://" in value for host in HOST.findall(value)}
    return [name for name in nodes if name in hosts and name != service.name]


def _layers(names: Sequence[str], arrows: Sequence[Arrow]) -> tuple[tuple[Slot, ...], ...]:
    """Each node one layer after its last caller; long arrows get a slot in every layer between, so that they go round the nodes."""
    depth = _depths(names, arrows)
    layers: list[list[Slot]] = [[] for _ in range(max(depth.values()) + 1)]
    for name in names:
        layers[depth[name]].append(name)
    for arrow in arrows:
        for between in range(depth[arrow.caller] + 1, depth[arrow.callee]):
            layers[between].append(arrow)
    for _ in range(4):  # a few sweeps; more change nothing in systems of this size
        for index in range(1, len(layers)):
            _sort(layers[index], layers[index - 1], arrows, forward=True)
        for index in range(len(layers) - 2, 0, -1):
            _sort(layers[index], layers[index + 1], arrows, forward=False)
    return tuple(tuple(layer) for layer in layers)


def _depths(names: Sequence[str], arrows: Sequence[Arrow]) -> dict[str, int]:
    """The longest way from a node that nobody calls. In a circle of calls, the arrow that closes it does not count."""
    callees: dict[str, list[str]] = {name: [] for name in names}
    for arrow in arrows:
        callees[arrow.caller].append(arrow.callee)
    order: list[str] = []
    seen: set[str] = set()
    closing: set[tuple[str, str]] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        seen.add(name)
        for callee in callees[name]:
            if callee in (*path, name):
                closing.add((name, callee))
            elif callee not in seen:
                visit(callee, (*path, name))
        order.append(name)

    for name in names:
        if name not in seen:
            visit(name, ())
    depth = {name: 0 if name == OUTSIDE else 1 for name in names}
    for name in reversed(order):
        for callee in callees[name]:
            if (name, callee) not in closing:
                depth[callee] = max(depth[callee], depth[name] + 1)
    return depth


def _sort(layer: list[Slot], other: Sequence[Slot], arrows: Sequence[Arrow], *, forward: bool) -> None:
    """Order LAYER by the middle of what each slot is tied to in the layer beside it, so that arrows cross little."""
    position = {slot: index for index, slot in enumerate(other)}

    def middle(slot: Slot) -> float:
        own = [slot] if isinstance(slot, Arrow) else [a for a in arrows if slot == (a.callee if forward else a.caller)]
        ties = [position.get(a, position.get(a.caller if forward else a.callee)) for a in own]
        found = [index for index in ties if index is not None]
        return sum(found) / len(found) if found else layer.index(slot)

    weights = {slot: middle(slot) for slot in layer}
    layer.sort(key=lambda slot: weights[slot])
