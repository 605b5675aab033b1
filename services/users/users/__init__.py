"""The users service: who our customers are. Its data is in MongoDB, and no other service looks in there."""

from __future__ import annotations

from flask import Flask

from . import deadline, errors, health, logs, routes
from .config import Config
from .store import MongoUsers


def create_app(config: Config | None = None, users: MongoUsers | None = None) -> Flask:
    """Put the service together: nothing connects here, the database may come up later than we do."""
    config = config or Config.from_environment()
    users = users or MongoUsers(config.mongo_url)
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = 64 * 1024
    app.json.sort_keys = False
    logs.install(app, config.log_level)
    errors.install(app)
    deadline.install(app)
    app.register_blueprint(health.blueprint({"database": users.ping}))
    app.register_blueprint(routes.blueprint(users))
    return app
