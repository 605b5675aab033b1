"""The routes, and the shape of an order: what contracts/order.json promises to everyone who asks."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, request
from werkzeug.routing import IntegerConverter

from .errors import ApiError
from .incoming import body, number
from .peers import Peer
from .store import Order, PostgresOrders

MAX_ID = 2**31 - 1
# What we need of others, and all that we take from them: contracts/expects/ tells them.
USER = ("id", "name")
PRODUCT = ("id", "name", "price_cents")


class Id(IntegerConverter):
    """Nothing else can be an id: /orders/abc and /orders/0 are as unknown as /orders/999999."""

    regex = "[1-9][0-9]{0,8}"  # not \d, which takes the digits of every script


def present(order: Order) -> dict[str, Any]:
    return {
        "id": order.id,
        "user_id": order.user_id,
        "product_id": order.product_id,
        "quantity": order.quantity,
        "total_cents": order.total_cents,
        "status": order.status,
        "created_at": f"{order.created_at:%Y-%m-%dT%H:%M:%SZ}",
    }


def blueprint(orders: PostgresOrders, users: Peer, catalog: Peer) -> Blueprint:
    routes = Blueprint("orders", __name__)
    routes.record_once(lambda state: state.app.url_map.converters.update(id=Id))

    @routes.get("/orders/<id:id>")
    def get_order(id: int) -> Response:
        expand = wanted()
        order = orders.get(id)
        if order is None:
            raise ApiError(404, "not_found", f"there is no order {id}")
        shown = present(order)
        if "user" in expand:  # one hop: null where users does not know them (any more)
            shown["user"] = users.get(f"/users/{order.user_id}", USER)
        if "product" in expand:
            shown["product"] = catalog.get(f"/products/{order.product_id}", PRODUCT)
        return jsonify(shown)

    @routes.get("/orders")
    def list_orders() -> Response:
        page = orders.page(
            user_id=number("user_id", 0, least=1, most=MAX_ID) if "user_id" in request.args else None,
            after=number("after", 0, least=0, most=MAX_ID),
            limit=number("limit", 20, least=1, most=100),
        )
        return jsonify(orders=[present(order) for order in page])

    @routes.post("/orders")
    def add_order() -> tuple[Response, int, dict[str, str]]:
        new = body("new-order.json")
        if users.get(f"/users/{new['user_id']}", USER) is None:
            raise ApiError(400, "unknown_user", f"there is no user {new['user_id']}", "user_id")
        product = catalog.get(f"/products/{new['product_id']}", PRODUCT)
        if product is None:
            raise ApiError(400, "unknown_product", f"there is no product {new['product_id']}", "product_id")
        order = orders.add(**new, total_cents=new["quantity"] * product["price_cents"])
        return jsonify(present(order)), 201, {"Location": f"/orders/{order.id}"}

    return routes


def wanted() -> set[str]:
    """What ?expand=user,product asks for."""
    names = set(filter(None, request.args.get("expand", "").split(",")))
    if names - {"user", "product"}:
        raise ApiError(400, "invalid", "can be: user, product, or both with a comma", "expand")
    return names
