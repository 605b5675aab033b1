"""Which process wrote something down on the engine, and whether it still lives."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from typing import Any

import psutil


def me() -> dict[str, Any]:
    """This process, as JSON can say it: a process id alone is given out again."""
    return {"host": socket.gethostname(), "pid": os.getpid(), "since": _since(os.getpid())}


def lives(owner: Mapping[str, Any]) -> bool | None:
    """Whether the process that ``me()`` described lives; None where it is on another host, so that nobody here can tell."""
    if owner["host"] != socket.gethostname():
        return None
    return bool(owner["since"] == _since(owner["pid"]))


def _since(pid: int) -> float | None:
    """When the process began, None if there is none."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:
        return None
