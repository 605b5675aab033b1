"""Users, and the view that puts users, orders and products together."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from .errors import ApiError
from .ids import MAX_ID
from .incoming import body, number
from .store import EmailTakenError, Store


def blueprint(store: Store) -> Blueprint:
    routes = Blueprint("users", __name__)

    @routes.get("/users/<id:id>")
    def get_user(id: int) -> Response:
        user = store.user(id)
        if user is None:
            raise ApiError(404, "not_found", f"there is no user {id}")
        return jsonify(user)

    @routes.get("/users/<id:id>/orders")
    def get_user_with_orders(id: int) -> Response:
        view = store.user_with_orders(id)
        if view is None:
            raise ApiError(404, "not_found", f"there is no user {id}")
        return jsonify(view)

    @routes.get("/users")
    def list_users() -> Response:
        after, limit = number("after", 0, least=0, most=MAX_ID), number("limit", 20, least=1, most=100)
        return jsonify(users=store.users(after=after, limit=limit))

    @routes.post("/users")
    def add_user() -> tuple[Response, int, dict[str, str]]:
        new = body("new-user.json")
        try:
            user = store.add_user(new["name"], new["email"])
        except EmailTakenError:
            raise ApiError(409, "email_taken", f"{new['email']} has an account already", "email") from None
        return jsonify(user), 201, {"Location": f"/users/{user['id']}"}

    return routes
