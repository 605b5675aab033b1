"""The gateway as one writes it first: for each prefix a service, and pass on what comes. Lesson 04 shows what that costs.

It is not what create_app() makes: start it with gunicorn "gateway.plain:create_app()".
"""

from __future__ import annotations

import os

import urllib3
from flask import Flask, Response, request

SERVICES = {"users": "/users", "orders": "/orders", "catalog": "/products"}


def create_app() -> Flask:
    app = Flask(__name__, static_folder=None)
    pool = urllib3.PoolManager(maxsize=8)

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "healthy"}

    @app.route("/api/<service>", methods=["GET", "POST"])
    @app.route("/api/<service>/<path:rest>", methods=["GET", "POST", "PUT", "DELETE"])
    def forward(service: str, rest: str = "") -> Response:
        url = os.environ[f"{service.upper()}_URL"] + SERVICES[service] + (f"/{rest}" if rest else "")
        answer = pool.request(
            request.method,
            f"{url}?{request.query_string.decode()}",
            body=request.get_data(),
            headers=dict(request.headers),
            redirect=False,
            decode_content=False,
        )
        return Response(answer.data, answer.status, answer.headers.items())

    return app
