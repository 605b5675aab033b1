"""The profiles service: a user and their orders as one page. It has no data of its own, and asks those who have."""

from __future__ import annotations

from flask import Flask

from . import deadline, errors, health, logs, routes
from .background import Background
from .config import Config
from .peers import Peer
from .transport import Http, Transport


def create_app(config: Config | None = None, transport: Transport | None = None) -> Flask:
    """Put the service together: nothing connects here. ``transport``: what carries its calls in tests, in place of sockets."""
    config = config or Config.from_environment()
    transport = transport or Http()
    users, orders, recommendations = (
        Peer(name, url, transport)
        for name, url in [
            ("users", config.users_url),
            ("orders", config.orders_url),
            ("recommendations", config.recommendations_url),
        ]
    )
    app = Flask(__name__, static_folder=None)
    app.json.sort_keys = False
    logs.install(app, config.log_level)
    errors.install(app)
    deadline.install(app)
    app.register_blueprint(health.blueprint())
    app.register_blueprint(routes.blueprint(Background(), users, orders, recommendations))
    return app
