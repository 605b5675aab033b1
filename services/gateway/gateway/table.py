"""What is public, and where it leads. What is not in this table can't be asked for from outside."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from .errors import ApiError


@dataclass(frozen=True)
class Route:
    prefix: str  # of the path, as clients know it
    service: str
    to: str  # the same path as the service knows it
    deadline: float  # seconds that a request may wait for the service, all in all


ROUTES = (
    Route("/api/users", "users", "/users", deadline=1.0),
    Route("/api/orders", "orders", "/orders", deadline=2.0),
    Route("/api/catalog", "catalog", "/products", deadline=1.0),
)


def with_patience(factor: float) -> tuple[Route, ...]:
    """The table with deadlines that are FACTOR times as long."""
    return tuple(replace(route, deadline=factor * route.deadline) for route in ROUTES)


def find(path: str, routes: Iterable[Route] = ROUTES) -> Route:
    """The route of this path. Only whole segments count: /api/usersX is not below /api/users."""
    for route in routes:
        if path.startswith(route.prefix) and path[len(route.prefix) :][:1] in ("", "/"):
            return route
    raise ApiError(404, "not_found", f"there is no {path}")
