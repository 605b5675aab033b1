"""What the gateway answers: everything below /api, by asking the services."""

from __future__ import annotations

from flask import Blueprint, Response, g, jsonify, request

from . import account, headers, incoming, limits
from .clients import Clients, bucket
from .config import Config
from .errors import ApiError
from .forward import Forwarder
from .limits import RateLimit
from .table import find, with_patience

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
CLIENT_PATIENCE = 30.0  # seconds for which a client may neither send nor take a byte. A thread waits with it: see lesson 04


def blueprint(config: Config, forwarder: Forwarder, limit: RateLimit) -> Blueprint:
    routes = Blueprint("api", __name__)
    clients = Clients(config.trusted_proxies)
    table = with_patience(config.patience)

    @routes.before_request
    def admit() -> None:
        """Before anything else is done for a request: is it one, and has its client one left?"""
        environ = request.environ
        g.host = incoming.host(environ)
        g.path, g.query = incoming.target(environ)
        g.client, g.chain = clients.find(environ["REMOTE_ADDR"], environ.get("HTTP_X_FORWARDED_FOR", ""))
        if wait := limit.take(bucket(g.client)):
            raise ApiError(429, "too_many_requests", f"at most {limit.rate:g} a second", retry_after=limits.retry_after(wait))
        if "gunicorn.socket" in environ:
            environ["gunicorn.socket"].settimeout(CLIENT_PATIENCE)

    @routes.route("/api/<path:rest>", methods=METHODS, provide_automatic_options=False)
    def forward(rest: str) -> Response:
        route = find(g.path, table)
        g.route = f"{route.prefix}/<rest>"
        body = incoming.Body(request.environ, config.max_body)
        target = route.to + g.path[len(route.prefix) :] + g.query
        sent = headers.onwards(request.environ, from_us(clients))
        return forwarder.forward(route, request.method, target, sent, body if body.length != 0 else None)

    @routes.get("/api/account/<int:user>")
    def account_page(user: int) -> Response:
        return jsonify(account.page(forwarder, from_us(clients), user))

    return routes


def from_us(clients: Clients) -> dict[str, str]:
    """What the services are told about a request by us alone."""
    environ = request.environ
    trusted = clients.trusts(environ["REMOTE_ADDR"])
    scheme = environ.get("HTTP_X_FORWARDED_PROTO") if trusted else None
    return {
        "x-request-id": g.request_id,
        "x-caller": str(__package__),
        "x-forwarded-for": g.chain,
        "x-forwarded-host": g.host,
        "x-forwarded-proto": scheme if scheme in ("http", "https") else environ["wsgi.url_scheme"],
    }
