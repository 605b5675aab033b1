"""GET /health: are we well? GET /ready: is there anything behind us to send a request to?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from flask import Blueprint, Response, jsonify


def blueprint(checks: Mapping[str, Callable[[], bool]]) -> Blueprint:
    """CHECKS: by service, whether it is up."""
    health = Blueprint("health", __name__)

    @health.get("/health")
    def report() -> tuple[Response, int]:
        # The process alone. Were we unwell whenever a service is, whoever restarts the unwell would restart us for it.
        return answer({}, well=True)

    @health.get("/ready")
    def ready() -> tuple[Response, int]:
        # One service that is up is enough: its routes work. Out of rotation for one that is down, we would take them all down.
        results = {name: check() for name, check in checks.items()}
        return answer({name: "up" if up else "down" for name, up in results.items()}, well=any(results.values()))

    return health


def answer(checks: Mapping[str, str], *, well: bool) -> tuple[Response, int]:
    body = {
        "service": __package__,
        "status": "healthy" if well else "unhealthy",
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "checks": checks,
    }
    return jsonify(body), 200 if well else 503
