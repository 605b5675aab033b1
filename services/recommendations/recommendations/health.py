"""GET /health: 200 as long as we run. There is nothing of ours that could be down: what others are asked for is theirs."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Blueprint, Response, jsonify


def blueprint() -> Blueprint:
    health = Blueprint("health", __name__)

    @health.get("/health")
    def report() -> Response:
        timestamp = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return jsonify(service=__package__, status="healthy", timestamp=timestamp, checks={})

    return health
