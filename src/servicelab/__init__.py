"""Servicelab: what a lesson on microservices would only be cluttered by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from servicelab.stack import Stack

__all__ = ["Stack"]


def __getattr__(name: str) -> Any:
    """`Stack` at first use: the traffic generator is a process of this package too, and has no use for the Docker SDK."""
    if name == "Stack":
        from servicelab.stack import Stack

        return Stack
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
