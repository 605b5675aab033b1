"""Every answer that is not the one asked for has one shape: {"error": {"code", "message", "field"?}}."""

from __future__ import annotations

from flask import Flask, Response, g, jsonify, request
from werkzeug.exceptions import HTTPException

from .logs import log


class ApiError(Exception):
    """Ends the request with this status. ``field`` names the part of the request that is to blame."""

    def __init__(self, status: int, code: str, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"code": code, "message": message} | ({"field": field} if field else {})


def answer(error: ApiError) -> tuple[Response, int]:
    return jsonify(error=error.body), error.status


def answer_http(error: HTTPException) -> Response:
    """An unknown route (404), a method that it does not have (405, which keeps its Allow header), and their like."""
    response = error.get_response()
    code = error.name.lower().replace(" ", "_")
    message = f"there is no {request.path}" if error.code == 404 else error.description
    response.data = jsonify(error={"code": code, "message": message}).data
    response.content_type = "application/json"
    return response


def answer_bug(error: Exception) -> tuple[Response, int]:
    log.error("unexpected %s", type(error).__name__, exc_info=error, extra={"fields": {"request_id": g.request_id}})
    return jsonify(error={"code": "internal_error", "message": "this is our fault; the log has it"}), 500


def install(app: Flask) -> None:
    app.register_error_handler(ApiError, answer)
    app.register_error_handler(HTTPException, answer_http)
    app.register_error_handler(Exception, answer_bug)
