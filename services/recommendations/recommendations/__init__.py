"""The recommendations service: three products for each user, and a long tail: one answer in a hundred comes late.

In a real service it is a collection of garbage, a full disk queue, a neighbour on the same core. Here it is a die, rolled for each
request, with a seed: so lesson 07 can count what it does. The answer says whether the die said slow.
"""

from __future__ import annotations

import time
from zlib import crc32

from flask import Blueprint, Flask, Response, jsonify
from werkzeug.routing import IntegerConverter

from . import errors, health, logs
from .config import Config
from .die import Die

PRODUCTS = 300  # as the catalog has


class Id(IntegerConverter):
    """Nothing else can be an id."""

    regex = "[1-9][0-9]{0,8}"


def create_app(config: Config | None = None) -> Flask:
    config = config or Config.from_environment()
    app = Flask(__name__, static_folder=None)
    app.json.sort_keys = False
    logs.install(app, config.log_level)
    errors.install(app)
    app.register_blueprint(health.blueprint())
    app.register_blueprint(routes(Die(config.slow_share, config.seed), config.slow_seconds))
    return app


def routes(die: Die, slow_seconds: float) -> Blueprint:
    routes = Blueprint("recommendations", __name__)
    routes.record_once(lambda state: state.app.url_map.converters.update(id=Id))

    @routes.get("/recommendations/<id:user_id>")
    def recommend(user_id: int) -> Response:
        slow = die.says_slow()
        if slow:
            time.sleep(slow_seconds)
        return jsonify(user_id=user_id, product_ids=chosen_for(user_id), slow=slow)

    return routes


def chosen_for(user_id: int) -> list[int]:
    """Three products, the same for the same user each time."""
    first = crc32(b"user %d" % user_id)
    return [1 + (first + step * 101) % PRODUCTS for step in range(3)]
