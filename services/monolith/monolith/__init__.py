"""The whole shop in one program: users, orders, catalog and reports, with one database and one schema."""

from __future__ import annotations

from flask import Flask

from . import catalog, errors, health, logs, orders, reports, users
from .config import Config
from .database import Database
from .ids import Id
from .store import Store


def create_app(config: Config | None = None, store: Store | None = None) -> Flask:
    """Put the program together: nothing connects here, the database may come up later than we do."""
    config = config or Config.from_environment()
    store = store or Store(Database(config.database_url, size=4))
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = 64 * 1024
    app.json.sort_keys = False
    app.url_map.converters["id"] = Id
    logs.install(app, config.log_level)
    errors.install(app)
    app.register_blueprint(health.blueprint({"database": store.ping}))
    for capability in (users, orders, catalog, reports):
        app.register_blueprint(capability.blueprint(store))
    return app
