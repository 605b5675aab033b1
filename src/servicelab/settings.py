"""Whose stacks these are, where the workspace lies, and the variables that its Compose files see."""

from __future__ import annotations

import getpass
import hashlib
import os
import re
import secrets
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from servicelab.compose.values import duration
from servicelab.errors import ServicelabError

PASSWORDS = ("POSTGRES_PASSWORD", "MONGO_PASSWORD", "RABBITMQ_PASSWORD")
OFFICIAL_REGISTRY = "docker.io"


@cache
def root() -> Path:
    """The workspace: SERVICELAB_HOME, else the checkout that this package is installed from, else one at or above here."""
    named = os.environ.get("SERVICELAB_HOME")
    places = [Path(named)] if named else [Path(__file__).resolve().parents[2], Path.cwd(), *Path.cwd().parents]
    for place in places:
        if (place / "compose").is_dir() and (place / "services").is_dir():
            return place.resolve()
    raise ServicelabError(
        "the Servicelab workspace is not to be found",
        why=f"no compose/ and services/ in {named or 'this folder or one above it'}",
        fix="start in the checkout, or set SERVICELAB_HOME to it",
    )


def learner() -> str:
    """Whose stacks: SERVICELAB_LEARNER, else JUPYTERHUB_USER, else the user's name; as Docker allows it in a project's name.

    A name that had to be changed for that gets a mark of its own: a.b and a-b are two learners, and so are 王 and 李.
    """
    name = os.environ.get("SERVICELAB_LEARNER") or os.environ.get("JUPYTERHUB_USER")
    if not name:
        try:
            name = getpass.getuser()
        except (KeyError, OSError):  # a user id without a name, as in some containers
            name = "learner"
    slug = re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-_") or "learner"
    return slug if slug == name else f"{slug}-{hashlib.sha256(name.encode()).hexdigest()[:4]}"


def publish_address() -> str:
    """Where published ports listen: 127.0.0.1, unless SERVICELAB_PUBLISH names another (a remote engine needs one)."""
    return os.environ.get("SERVICELAB_PUBLISH") or "127.0.0.1"


def lifetime() -> float:
    """Seconds that a stack may stay after the last kernel that held it: SERVICELAB_LIFETIME ("8h"), else a day."""
    named = os.environ.get("SERVICELAB_LIFETIME") or "24h"
    try:
        return duration(named)
    except ValueError as error:
        raise ServicelabError(f"SERVICELAB_LIFETIME is {named!r}", why=str(error), fix="write it as 8h, or 90m") from None


def variables() -> dict[str, str]:
    """What ``${…}`` in a Compose file sees: compose/.env, and the environment over it, as docker compose has it.

    Passwords that are not there yet are made, once, into compose/.env.
    """
    stored = _read_env()
    missing = {name: secrets.token_hex(16) for name in PASSWORDS if not stored.get(name)}
    if missing:
        stored = store(missing)
    return stored | dict(os.environ)


def store(values: Mapping[str, str]) -> dict[str, str]:
    """Write VALUES into compose/.env, beside what is there. Returns all of it."""
    path = _env_file()
    merged = _read_env() | dict(values)
    text = "# Made by Servicelab for this machine alone; docker compose reads it too. Never commit it.\n"
    text += "".join(f"{name}={value}\n" for name, value in sorted(merged.items()))
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".env-")  # mode 0600
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(temporary, path)
    return merged


def registry() -> str:
    """The REGISTRY in force: the environment's, else the one that compose/.env remembers, else the official one."""
    return os.environ.get("REGISTRY") or _read_env().get("REGISTRY") or OFFICIAL_REGISTRY


def _env_file() -> Path:
    return root() / "compose" / ".env"


def _read_env() -> dict[str, str]:
    try:
        lines = _env_file().read_text("utf-8").splitlines()
    except FileNotFoundError:
        return {}
    pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
    return {name.strip(): value.strip() for name, _, value in pairs}
