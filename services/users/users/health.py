"""GET /health: are we and what we depend on well? 200 or 503."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from flask import Blueprint, Response, jsonify

from .errors import ApiError


def blueprint(checks: Mapping[str, Callable[[], None]]) -> Blueprint:
    """``checks``: by name, something that raises ApiError when it is not well."""
    health = Blueprint("health", __name__)

    @health.get("/health")
    def report() -> tuple[Response, int]:
        results = {name: result(check) for name, check in checks.items()}
        well = all(value == "up" for value in results.values())
        body = {
            "service": __package__,
            "status": "healthy" if well else "unhealthy",
            "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "checks": results,
        }
        return jsonify(body), 200 if well else 503

    return health


def result(check: Callable[[], None]) -> str:
    try:
        check()
    except ApiError:
        return "down"
    return "up"
