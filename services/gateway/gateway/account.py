"""GET /api/account/<id>: what the account page of one customer shows, in one answer instead of a call for each part of it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from .errors import ApiError
from .forward import Forwarder
from .table import ROUTES

DEADLINE = 2.0  # seconds for all of it
ORDERS = 5
BY_SERVICE = {route.service: route for route in ROUTES}


def page(forwarder: Forwarder, headers: Mapping[str, str], user: int) -> dict[str, Any]:
    """The user, their first orders, and the names of what they bought. HEADERS go with each request.

    Without the user there is no page: that they are not known (404), or can't be asked for (502 to 504), is our answer too. Without
    the rest there is one, and ``missing`` names who could not be asked: nobody takes it for a customer who never bought anything.
    """
    until = time.monotonic() + DEADLINE

    def get(service: str, target: str, read: Callable[[Any], Any]) -> Any:
        """What READ takes of the JSON at TARGET. Raises ApiError where it can't be had, or READ does not find what it needs."""
        left = max(0.0, until - time.monotonic())
        answer = forwarder.forward(BY_SERVICE[service], "GET", target, headers, None, within=left)
        try:
            body = b"".join(answer.response)
        finally:
            answer.close()
        if answer.status_code == 404:
            raise ApiError(404, "not_found", f"{service} has no {target}")
        try:
            return read(json.loads(body) if answer.status_code == 200 else None)
        except (ValueError, KeyError, TypeError):
            raise ApiError(502, "backend_failed", f"{service} did not answer as it has to", why=body[:200]) from None

    known = get("users", f"/users/{user}", lambda found: found | {"id": found["id"], "name": found["name"]})
    orders, names, missing = [], {}, []
    try:
        orders = get(
            "orders",
            f"/orders?user_id={user}&limit={ORDERS}",
            lambda found: [order | {"product_id": int(order["product_id"])} for order in found["orders"]],
        )
    except ApiError:
        missing.append("orders")
    if orders:
        wanted = ",".join(map(str, sorted({order["product_id"] for order in orders})))
        try:
            names = get(
                "catalog",
                f"/products?ids={wanted}",
                lambda found: {product["id"]: product["name"] for product in found["products"]},
            )
        except ApiError:
            missing.append("catalog")
    return {
        "user": known,
        "orders": [order | {"product": names.get(order["product_id"])} for order in orders],
        "missing": missing,
    }
