"""The gateway: the one address that clients know. It finds the service, sends the request on, and keeps trouble where it is."""

from __future__ import annotations

from flask import Flask

from . import errors, health, logs, routes
from .backends import Backends, StaticBackends
from .config import Config
from .forward import Forwarder
from .limits import RateLimit
from .table import ROUTES


def create_app(config: Config | None = None, backends: Backends | None = None) -> Flask:
    """Put the service together: nothing connects here, the services may come up later than we do."""
    config = config or Config.from_environment()
    forwarder = Forwarder(backends or StaticBackends(config.backends), config.in_flight)
    app = Flask(__name__, static_folder=None)
    app.json.sort_keys = False
    app.url_map.merge_slashes = False  # a path that is not plain is refused, not mended
    logs.install(app, config.log_level)
    errors.install(app)
    app.register_blueprint(health.blueprint({route.service: forwarder.check(route) for route in ROUTES}))
    app.register_blueprint(routes.blueprint(config, forwarder, RateLimit(config.rate, config.burst, config.buckets)))
    return app
