"""The gateway: the one address that clients know. It finds the service, sends the request on, and keeps trouble where it is."""

from __future__ import annotations

from flask import Flask

from . import errors, health, logs, routes
from .backends import Backends, StaticBackends
from .config import SERVICES, Config
from .consul import Consul
from .discovery import DiscoveredBackends
from .forward import Forwarder
from .limits import RateLimit
from .table import ROUTES


def create_app(config: Config | None = None, backends: Backends | None = None) -> Flask:
    """Put the service together: nothing connects to a service here, they may come up later than we do."""
    config = config or Config.from_environment()
    app = Flask(__name__, static_folder=None)
    app.json.sort_keys = False
    app.url_map.merge_slashes = False  # a path that is not plain is refused, not mended
    logs.install(app, config.log_level)
    errors.install(app)
    forwarder = Forwarder(backends or find_backends(config), config.in_flight)
    app.register_blueprint(health.blueprint({route.service: forwarder.check(route) for route in ROUTES}))
    app.register_blueprint(routes.blueprint(config, forwarder, RateLimit(config.rate, config.burst, config.buckets)))
    return app


def find_backends(config: Config) -> Backends:
    """At the URLs that are set; through Consul, if there is one, where none is."""
    static = StaticBackends(config.backends)
    if not config.consul_url:
        return static
    looked_up = [service for service in SERVICES if service not in config.backends]
    return DiscoveredBackends(Consul(config.consul_url), looked_up, static).start()
