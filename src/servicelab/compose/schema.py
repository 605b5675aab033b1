"""Is it a Compose file, and one that our engine carries out in full?"""

from __future__ import annotations

import json
import sys
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Any

from servicelab.compose.document import Document, Key

# What the engine carries out. Every other key is refused: one ignored in silence would make a stack other than its file says.
SERVICE_KEYS = frozenset(
    {
        "build",
        "cap_add",
        "cap_drop",
        "command",
        "cpus",
        "depends_on",
        "deploy",
        "entrypoint",
        "env_file",
        "environment",
        "expose",
        "healthcheck",
        "hostname",
        "image",
        "init",
        "labels",
        "mem_limit",
        "networks",
        "ports",
        "read_only",
        "restart",
        "security_opt",
        "stop_grace_period",
        "stop_signal",
        "tmpfs",
        "user",
        "volumes",
        "working_dir",
    }
)
# By place; "*" is any name, or any item of a list.
SUPPORTED: dict[tuple[str, ...], frozenset[str]] = {
    (): frozenset({"name", "include", "services", "networks", "volumes"}),
    ("services", "*"): SERVICE_KEYS,
    ("services", "*", "build"): frozenset({"context", "dockerfile", "args", "target"}),
    ("services", "*", "deploy"): frozenset({"replicas", "resources"}),
    ("services", "*", "deploy", "resources"): frozenset({"limits"}),
    ("services", "*", "deploy", "resources", "limits"): frozenset({"cpus", "memory"}),
    ("services", "*", "healthcheck"): frozenset({"test", "interval", "timeout", "start_period", "retries", "disable"}),
    ("services", "*", "networks", "*"): frozenset({"aliases"}),
    ("services", "*", "depends_on", "*"): frozenset({"condition", "required"}),
    ("services", "*", "env_file", "*"): frozenset({"path", "required"}),
    ("services", "*", "ports", "*"): frozenset({"target", "published", "host_ip", "protocol"}),
    ("services", "*", "volumes", "*"): frozenset({"type", "source", "target", "read_only", "tmpfs"}),
    ("services", "*", "volumes", "*", "tmpfs"): frozenset({"size"}),
    ("networks", "*"): frozenset({"internal", "labels"}),
    ("volumes", "*"): frozenset({"labels"}),
}


@cache
def _validator() -> Any:
    # jsonschema's import compiles the grammar of a string format that no Compose file has (rfc3987_syntax: 1.3 s of a lesson's
    # first cell), if that package is there. With None in its place the import is skipped, as if it were not.
    hidden = "rfc3987_syntax" not in sys.modules
    if hidden:
        sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]
    try:
        from jsonschema import Draft7Validator
    finally:
        if hidden:
            del sys.modules["rfc3987_syntax"]
    return Draft7Validator(json.loads(files("servicelab.compose").joinpath("compose-spec.json").read_text("utf-8")))


def validate(document: Document) -> None:
    """Raise `ComposeError` for the first thing in DOCUMENT that is not in the specification, or that we don't carry out."""
    _refuse_unknown_keys(document)
    from jsonschema.exceptions import best_match

    error = best_match(_validator().iter_errors(document.data))
    if error is None:
        return
    where: Key = tuple(error.absolute_path)
    name = ".".join(str(part) for part in where) or "the file"
    raise document.error(f"{name}: {error.message}", where, fix="see the Compose Specification for what may stand here")


def _refuse_unknown_keys(document: Document) -> None:
    known = {name for node in _definitions() for name in node}

    def walk(data: Any, key: Key, pattern: tuple[str, ...]) -> None:
        if isinstance(data, list):
            for index, item in enumerate(data):
                walk(item, (*key, index), (*pattern, "*"))
        if not isinstance(data, dict):
            return
        allowed = SUPPORTED.get(pattern)
        for name, value in data.items():
            here = (*key, name)
            if allowed is not None and name not in allowed and not name.startswith("x-"):
                place = ".".join(str(part) for part in key) or "the file"
                if name in known:
                    raise document.error(
                        f"`{name}` in {place} is not carried out by Servicelab",
                        here,
                        fix="take it out; supported here: " + ", ".join(sorted(allowed)),
                    )
                close = get_close_matches(name, allowed, 1)
                meant = f"did you mean `{close[0]}`?" if close else "known here: " + ", ".join(sorted(allowed))
                raise document.error(f"`{name}` in {place} is not a key of the Compose Specification", here, fix=meant)
            for deeper in ((*pattern, name), (*pattern, "*")):
                if any(p[: len(deeper)] == deeper for p in SUPPORTED):
                    walk(value, here, deeper)
                    break

    walk(document.data, (), ())


def _definitions() -> list[dict[str, Any]]:
    schema = _validator().schema
    found = [schema["properties"]]

    def collect(node: Any) -> None:
        if isinstance(node, dict):
            if isinstance(node.get("properties"), dict):
                found.append(node["properties"])
            for value in node.values():
                collect(value)
        elif isinstance(node, list):
            for value in node:
                collect(value)

    collect(schema["definitions"])
    return found
