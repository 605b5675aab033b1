"""The routes: what contracts/ promises to everyone who asks."""

from __future__ import annotations

import re

from flask import Blueprint, Response, g, jsonify, request
from werkzeug.routing import IntegerConverter

from . import composition
from .background import Background
from .errors import ApiError
from .peers import Ask, Peer

IDS = re.compile("[1-9][0-9]{0,8}(,[1-9][0-9]{0,8}){0,19}")  # one to twenty


class Id(IntegerConverter):
    """Nothing else can be an id: /profiles/abc and /profiles/0 are as unknown as /profiles/999999."""

    regex = "[1-9][0-9]{0,8}"  # not \d, which takes the digits of every script


def blueprint(background: Background, users: Peer, orders: Peer, recommendations: Peer) -> Blueprint:
    routes = Blueprint("profiles", __name__)
    routes.record_once(lambda state: state.app.url_map.converters.update(id=Id))

    @routes.get("/profiles/<id:user_id>")
    def get_profile(user_id: int) -> Response:
        page = background.run(composition.profile(user_id, users, orders, ask()))
        response = jsonify(page)
        if page["missing"]:
            response.headers["Cache-Control"] = "no-store"  # half a page is for now, and for nobody's cache
        return response

    @routes.get("/recommendations")
    def get_recommendations() -> Response:
        """``?user_ids=1,2,3``, and ``&spare=no`` for lesson 07: no second call for one that is late or fails."""
        user_ids, spare = request.args.get("user_ids", ""), request.args.get("spare", "yes")
        if not IDS.fullmatch(user_ids):
            raise ApiError(400, "invalid", "has to be 1 to 20 ids with commas between", "user_ids")
        if spare not in ("yes", "no"):
            raise ApiError(400, "invalid", "can be: yes, no", "spare")
        ids = [int(each) for each in user_ids.split(",")]
        return jsonify(background.run(composition.recommendations(ids, recommendations, ask(), spare=spare == "yes")))

    return routes


def ask() -> Ask:
    return Ask(g.request_id, g.deadline)
