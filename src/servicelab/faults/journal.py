"""Faults written down on the engine, as labels of an empty volume: it outlives this kernel, and goes with the stack's other volumes."""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import docker

from servicelab.engine import owner
from servicelab.engine.spec import PROJECT

LABEL = "servicelab.fault"
_OWNER = "servicelab.fault.owner"

held: set[str] = set()
"""Ids of the faults that a block of this process holds at this moment."""


@dataclass(frozen=True)
class Record:
    """One fault: its id, what it is (``Fault.data``), the containers it is on, and what their state was before, by container id."""

    id: str
    fault: Mapping[str, Any]
    before: Mapping[str, Any]
    owner: Mapping[str, Any]

    @property
    def abandoned(self) -> bool:
        """Whether nobody will undo it any more: its kernel is gone, or its block in this one has ended without."""
        if self.owner == owner.me():
            return self.id not in held
        return owner.lives(self.owner) is False


def write(client: docker.DockerClient, labels: Mapping[str, str], fault: Mapping[str, Any], before: Mapping[str, Any]) -> Record:
    """Write a fault down. LABELS: those of the stack."""
    record = Record(secrets.token_hex(4), fault, before, owner.me())
    held.add(record.id)
    try:
        client.api.create_volume(
            _volume(labels[PROJECT], record.id),
            labels={
                **labels,
                LABEL: json.dumps({"id": record.id, "fault": dict(fault), "before": dict(before)}),
                _OWNER: json.dumps(record.owner),
            },
        )
    except BaseException:  # an interrupt: no block will hold it, so whoever finds it may undo it
        held.discard(record.id)
        raise
    return record


def read(client: docker.DockerClient, project: str) -> list[Record]:
    """All faults of PROJECT that are written down."""
    return [record for _, record in read_all(client, f"{PROJECT}={project}")]


def read_all(client: docker.DockerClient, *labels: str) -> list[tuple[str, Record]]:
    """All faults that are written down on what has LABELS, each with its project."""
    found = client.api.volumes(filters={"label": [*labels, LABEL]})["Volumes"] or []
    told = [volume["Labels"] for volume in found]
    return [(one[PROJECT], Record(**json.loads(one[LABEL]), owner=json.loads(one[_OWNER]))) for one in told]


def erase(client: docker.DockerClient, project: str, record: Record) -> None:
    """The fault is undone. No error if somebody else has erased it already."""
    with contextlib.suppress(docker.errors.NotFound):
        client.api.remove_volume(_volume(project, record.id), force=True)
    held.discard(record.id)


def _volume(project: str, record_id: str) -> str:
    return f"{project}_fault-{record_id}"
