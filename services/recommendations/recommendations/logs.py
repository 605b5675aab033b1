"""One JSON line a request on stdout, and the request id that ties the lines of several services together."""

from __future__ import annotations

import json
import logging
import re
import socket
import sys
import time
import uuid
from datetime import UTC, datetime

from flask import Flask, Response, g, request

log = logging.getLogger(__package__)
SAFE_ID = re.compile(r"[\w.:-]{1,64}", re.ASCII)  # an id from outside ends up in our logs: no line breaks, no novels


class JsonLines(logging.Formatter):
    """ts, level, service, instance, then what the record adds, then the message."""

    instance = socket.gethostname()

    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {
            "ts": when.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "service": __package__,
            "instance": self.instance,
            **getattr(record, "fields", {}),
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


def install(app: Flask, level: str) -> None:
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonLines())
    log.handlers = [handler]
    log.propagate = False
    log.setLevel(level)
    app.before_request(start)
    app.after_request(finish)


def start() -> None:
    given = request.headers.get("X-Request-ID", "")
    g.request_id = given if SAFE_ID.fullmatch(given) else uuid.uuid4().hex
    g.started = time.perf_counter()


def finish(response: Response) -> Response:
    response.headers["X-Request-ID"] = g.request_id
    rule = request.url_rule
    fields = {
        "request_id": g.request_id,
        "caller": request.headers.get("X-Caller"),
        "method": request.method,
        "route": re.sub(r"<\w+:", "<", rule.rule) if rule else None,
        "status": response.status_code,
        "duration_ms": round((time.perf_counter() - g.started) * 1000, 2),
    }
    # Health checks come every few seconds, for ever: they would bury the rest.
    level = logging.DEBUG if request.path == "/health" else logging.INFO
    log.log(level, f"{request.method} {request.path} {response.status_code}", extra={"fields": fields})
    return response
