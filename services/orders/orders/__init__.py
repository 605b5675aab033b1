"""The orders service: what was bought. Its data is in PostgreSQL; who bought, and what it is called, it has to ask."""

from __future__ import annotations

from flask import Flask

from . import deadline, errors, health, logs, reports, routes
from .config import Config
from .database import Database
from .peers import Peer
from .store import PostgresOrders


def create_app(
    config: Config | None = None,
    orders: PostgresOrders | None = None,
    users: Peer | None = None,
    catalog: Peer | None = None,
) -> Flask:
    """Put the service together: nothing connects here, what we depend on may come up later than we do."""
    config = config or Config.from_environment()
    orders = orders or PostgresOrders(Database(config.database_url, size=4))
    users = users or Peer("users", config.users_url)
    catalog = catalog or Peer("catalog", config.catalog_url)
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = 64 * 1024
    app.json.sort_keys = False
    logs.install(app, config.log_level)
    errors.install(app)
    deadline.install(app)
    # Not our peers: were we unwell whenever they are, one dead service would look like three.
    app.register_blueprint(health.blueprint({"database": orders.ping}))
    app.register_blueprint(routes.blueprint(orders, users, catalog))
    app.register_blueprint(reports.blueprint(orders))
    return app
