"""The catalog: what can be bought."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from .errors import ApiError
from .ids import MAX_ID
from .incoming import number
from .store import Store


def blueprint(store: Store) -> Blueprint:
    routes = Blueprint("catalog", __name__)

    @routes.get("/products/<id:id>")
    def get_product(id: int) -> Response:
        product = store.product(id)
        if product is None:
            raise ApiError(404, "not_found", f"there is no product {id}")
        return jsonify(product)

    @routes.get("/products")
    def list_products() -> Response:
        after, limit = number("after", 0, least=0, most=MAX_ID), number("limit", 20, least=1, most=100)
        return jsonify(products=store.products(after=after, limit=limit))

    return routes
