"""The article's composition, as it stands there: first the user, then their orders, and one message for whatever goes wrong.

A service of its own, kept for lesson 07: ``gunicorn "profiles.plain:create_app()"``.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.request import urlopen

from flask import Flask, Response, jsonify

from . import errors, health, logs
from .config import Config


def create_app(config: Config | None = None) -> Flask:
    config = config or Config.from_environment()
    app = Flask(__name__, static_folder=None)
    logs.install(app, config.log_level)
    errors.install(app)
    app.register_blueprint(health.blueprint())

    @app.get("/profiles/<user_id>")
    def get_profile(user_id: str) -> Response | tuple[Response, int]:
        try:
            user = fetch(f"{config.users_url}/users/{user_id}")
            orders = fetch(f"{config.orders_url}/orders?user_id={user_id}")
            return jsonify(user=user, orders=orders["orders"])
        except Exception:
            return jsonify(error="Failed to fetch the user with their orders"), 500

    return app


def fetch(url: str) -> dict[str, Any]:
    """The JSON at a URL. As axios does in the article, it raises for any status but 2xx, and waits as long as it takes."""
    with urlopen(url) as answer:  # noqa: S310 - the URL is our configuration's
        return json.load(answer)
