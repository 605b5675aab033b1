"""The composition: what is needed is asked for at once, and what can't be had is named."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any

from .errors import ApiError
from .peers import Ask, Peer, reduced

# What we need of others, and all that we take from them: contracts/expects/ tells them.
USER = ("id", "name")
ORDERS = ("orders",)
ORDER = ("id", "total_cents", "status")
RECOMMENDATION = ("product_ids", "slow")

Part = dict[str, Any] | ApiError | None


async def profile(user_id: int, users: Peer, orders: Peer, ask: Ask) -> dict[str, Any]:
    """A user with their orders. There is no page without the user: their error is the page's. Without the orders there is one."""
    asked_orders = asyncio.ensure_future(part(orders.get(f"/orders?user_id={user_id}", ORDERS, ask)))
    try:
        user = await users.get(f"/users/{user_id}", USER, ask)
        if user is None:
            raise ApiError(404, "not_found", f"there is no user {user_id}")
        found = await asked_orders
    finally:
        asked_orders.cancel()  # without a user, nobody wants them
    if isinstance(found, dict):
        return {"user": user, "orders": [reduced(order, ORDER) for order in found["orders"]], "missing": {}}
    return {"user": user, "orders": None, "missing": {"orders": why(found)}}


async def recommendations(user_ids: Sequence[int], peer: Peer, ask: Ask, *, spare: bool) -> dict[str, Any]:
    """What several users may like: one call each, all at once, so it takes as long as the slowest of them."""
    calls = (part(peer.get(f"/recommendations/{user_id}", RECOMMENDATION, ask, spare=spare)) for user_id in user_ids)
    found = dict(zip(map(str, user_ids), await asyncio.gather(*calls), strict=True))
    answers = {user_id: each for user_id, each in found.items() if isinstance(each, dict)}
    return {
        "recommendations": {user_id: each["product_ids"] for user_id, each in answers.items()},
        "missing": {user_id: why(each) for user_id, each in found.items() if not isinstance(each, dict)},
        "slow": sum(each["slow"] for each in answers.values()),
    }


async def part(call: Awaitable[dict[str, Any] | None]) -> Part:
    """Something that the page can do without: its error is a value."""
    try:
        return await call
    except ApiError as error:
        return error


def why(missing: Part) -> str:
    return str(missing.body["code"]) if isinstance(missing, ApiError) else "not_found"
