"""Orders."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request

from .errors import ApiError
from .ids import MAX_ID
from .incoming import body, number
from .store import Store


def blueprint(store: Store) -> Blueprint:
    routes = Blueprint("orders", __name__)

    @routes.get("/orders/<id:id>")
    def get_order(id: int) -> Response:
        order = store.order(id)
        if order is None:
            raise ApiError(404, "not_found", f"there is no order {id}")
        return jsonify(order)

    @routes.get("/orders")
    def list_orders() -> Response:
        page = store.orders(
            user_id=number("user_id", 0, least=1, most=MAX_ID) if "user_id" in request.args else None,
            after=number("after", 0, least=0, most=MAX_ID),
            limit=number("limit", 20, least=1, most=100),
        )
        return jsonify(orders=page)

    @routes.post("/orders")
    def add_order() -> tuple[Response, int, dict[str, str]]:
        new = body("new-order.json")
        if store.user(new["user_id"]) is None:
            raise ApiError(400, "unknown_user", f"there is no user {new['user_id']}", "user_id")
        product = store.product(new["product_id"])
        if product is None:
            raise ApiError(400, "unknown_product", f"there is no product {new['product_id']}", "product_id")
        order = store.add_order(**new, total_cents=new["quantity"] * product["price_cents"])
        return jsonify(order), 201, {"Location": f"/orders/{order['id']}"}

    return routes
