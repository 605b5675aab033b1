"""The routes, and the shape of a user: what contracts/user.json promises to everyone who asks."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, request
from werkzeug.routing import IntegerConverter

from .errors import ApiError
from .incoming import body, number, numbers
from .store import EmailTakenError, MongoUsers, User

MAX_ID = 2**31 - 1


class Id(IntegerConverter):
    """Nothing else can be an id: /users/abc and /users/0 are as unknown as /users/999999."""

    regex = "[1-9][0-9]{0,8}"  # not \d, which takes the digits of every script


def present(user: User) -> dict[str, Any]:
    return {"id": user.id, "name": user.name, "email": user.email, "created_at": user.created_at}


def blueprint(users: MongoUsers) -> Blueprint:
    routes = Blueprint("users", __name__)
    routes.record_once(lambda state: state.app.url_map.converters.update(id=Id))

    @routes.get("/users/<id:id>")
    def get_user(id: int) -> Response:
        user = users.get(id)
        if user is None:
            # 404 for both, so that a caller that knows only 404 goes on; who has to tell them apart reads the code.
            if users.deleted([id]):
                raise ApiError(404, "deleted", f"user {id} has been deleted")
            raise ApiError(404, "not_found", f"there is no user {id}")
        return jsonify(present(user))

    @routes.get("/users")
    def list_users() -> Response:
        if "ids" in request.args:
            ids = numbers("ids", least=1, most=MAX_ID, limit=100)
            known = users.many(ids)
            missing = sorted(set(ids) - {user.id for user in known})
            return jsonify(users=[present(user) for user in known], deleted=users.deleted(missing) if missing else [])
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

    @routes.delete("/users/<id:id>")
    def delete_user(id: int) -> tuple[str, int]:
        if not users.delete(id) and not users.deleted([id]):  # deleted before: done as well, a retry has to see success
            raise ApiError(404, "not_found", f"there is no user {id}")
        return "", 204

    return routes
