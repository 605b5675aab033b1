"""What is public, and where it leads. What is not in this table can't be asked for from outside."""

from __future__ import annotations

from dataclasses import dataclass

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


def find(path: str) -> Route:
    """The route of this path. Only whole segments count: /api/usersX is not below /api/users."""
    for route in ROUTES:
        if path.startswith(route.prefix) and path[len(route.prefix) :][:1] in ("", "/"):
            return route
    raise ApiError(404, "not_found", f"there is no {path}")
