"""What the buttons of a view do: the same calls as a cell would make, with their progress in the view."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from servicelab import faults, progress
from servicelab.errors import ServicelabError
from servicelab.faults import journal
from servicelab.faults.fault import undo

if TYPE_CHECKING:
    from servicelab.stack import Stack

LATENCY = "300ms"

VERBS = ("kill", "stop", "start", "restart", "pause", "unpause", "more", "fewer", "latency")


def act(stack: Stack, service: str, verb: str, replica: int | None = None, show: progress.Progress = progress.silent) -> None:
    """Do VERB to SERVICE (to REPLICA of it; None: to all) and return when it is done. Any thread.

    ``more`` and ``fewer`` change the number of replicas by one; ``latency`` puts a fault on it, or takes it off again.
    Raises what the call of the stack raises.
    """
    if verb not in VERBS:
        raise ServicelabError(f"a view can't {verb!r}", fix=f"it can: {', '.join(VERBS)}")
    own = copy.copy(stack)  # with a client of its own: the SDK's are not safe to share between threads
    own._client = None
    try:
        with progress.told(show):
            _act(own, service, verb, replica)
    finally:
        if own._client is not None:
            own._client.close()


def _act(stack: Stack, service: str, verb: str, replica: int | None) -> None:
    target = stack[service]
    if verb in ("more", "fewer"):
        target.scale(max(0, len(target.containers) + (1 if verb == "more" else -1)))
    elif verb == "latency":
        toggle(stack, latency(service))
    else:
        getattr(target, verb)(replica)


def latency(service: str) -> faults.Fault:
    """The fault behind the button."""
    return faults.Fault.parse(service, latency=LATENCY)


def toggle(stack: Stack, fault: faults.Fault) -> None:
    """Undo FAULT if it is on, whoever began it; else begin it. It lasts until it is undone, or this kernel ends."""
    on = [record for record in journal.read(stack.client, stack.project) if faults.Fault.from_data(record.fault) == fault]
    for record in on:
        undo(stack, record)
    if not on:
        faults.Active(stack, fault).begin()
