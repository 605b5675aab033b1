"""What comes in: a JSON body that has to be as its contract says, and the numbers of a query string."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from flask import request
from jsonschema import Draft202012Validator, ValidationError

from .errors import ApiError

CONTRACTS = Path(__file__).parent.parent / "contracts"


def body(contract: str) -> dict[str, Any]:
    """The JSON of this request, or a 400 that names the first field which is not as contracts/``contract`` says."""
    try:
        given = json.loads(request.get_data(), parse_float=number_of)
    except (ValueError, RecursionError):
        raise ApiError(400, "invalid", "the body has to be JSON", "body") from None
    for error in VALIDATORS[contract].iter_errors(given):
        raise ApiError(400, "invalid", error.message, field(error))
    return given


def number_of(text: str) -> float:
    """JSON knows one kind of number: 2.0 and 2 are the same, and the contract's integer takes both. We go on with an int."""
    value = float(text)
    return int(value) if value.is_integer() else value


def field(error: ValidationError) -> str:
    if error.absolute_path:
        return ".".join(map(str, error.absolute_path))
    if error.validator == "required":
        return next(name for name in error.validator_value if name not in error.instance)
    if error.validator == "additionalProperties":
        return next(name for name in error.instance if name not in error.schema["properties"])
    return "body"


def number(name: str, default: int, *, least: int, most: int) -> int:
    """A whole number of the query string."""
    given = request.args.get(name, str(default))
    if given.isascii() and given.isdigit() and len(given) < 12 and least <= int(given) <= most:
        return int(given)
    raise ApiError(400, "invalid", f"{given!r} is not a whole number from {least} to {most}", name)


VALIDATORS = {path.name: Draft202012Validator(json.loads(path.read_text(encoding="utf-8"))) for path in CONTRACTS.glob("*.json")}
