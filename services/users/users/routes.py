"""The routes, and the shape of a user: what contracts/user.json promises to everyone who asks."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify
from werkzeug.routing import IntegerConverter

from .errors import ApiError
from .incoming import body, number
from .store import EmailTakenError, MongoUsers, User

MAX_ID = 2**31 - 1


class Id(IntegerConverter):
    """Nothing else can be an id: /users/abc and /users/0 are as unknown as /users/999999."""

    regex = r"[1-9]\d{0,8}"


def present(user: User) -> dict[str, Any]:
    return {"id": user.id, "name": user.name, "email": user.email, "created_at": user.created_at}


def blueprint(users: MongoUsers) -> Blueprint:
    routes = Blueprint("users", __name__)
    routes.record_once(lambda state: state.app.url_map.converters.update(id=Id))

    @routes.get("/users/<id:id>")
    def get_user(id: int) -> Response:
        user = users.get(id)
        if user is None:
            raise ApiError(404, "not_found", f"there is no user {id}")
        return jsonify(present(user))

    @routes.get("/users")
    def list_users() -> Response:
        page = users.page(after=number("after", 0, least=0, most=MAX_ID), limit=number("limit", 20, least=1, most=100))
        return jsonify(users=[present(user) for user in page])

    @routes.post("/users")
    def add_user() -> tuple[Response, int, dict[str, str]]:
        new = body("new-user.json")
        try:
            user = users.add(new["name"], new["email"])
        except EmailTakenError:
            raise ApiError(409, "email_taken", f"{new['email']} has an account already", "email") from None
        return jsonify(present(user)), 201, {"Location": f"/users/{user.id}"}

    return routes
