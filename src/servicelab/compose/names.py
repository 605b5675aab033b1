"""Whether everything that a file names is there."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from graphlib import CycleError
from typing import Any

from servicelab.compose.document import Document, Key
from servicelab.compose.model import Application


def check_names(own: Application, application: Application, document: Document) -> None:
    """Every service, network and volume that DOCUMENT's OWN services name has to be there, and nothing may wait for itself."""

    def check(kind: str, name: str, known: Mapping[str, Any], key: Key) -> None:
        if name not in known:
            close = get_close_matches(name, known, 1)
            raise document.error(
                f"{key[1]} names the {kind} {name!r}, which is not in this file",
                key,
                fix=f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(known) or 'none'}",
            )

    for service in own.services.values():
        key: Key = ("services", service.name)
        for index, name in enumerate(service.depends_on):
            raw = document.data["services"][service.name]["depends_on"]
            check("service", name, application.services, (*key, "depends_on", name if isinstance(raw, dict) else index))
        for name in service.networks:
            check("network", name, application.networks, (*key, "networks", name))
        for mount in service.mounts:
            if mount.source is not None:
                check("volume", mount.source, application.volumes, (*key, "volumes"))
    try:
        _ = application.order
    except CycleError as error:
        circle = error.args[1]
        raise document.error(
            "services wait for each other in a circle: " + " → ".join(reversed(circle)),
            ("services", circle[0], "depends_on"),
            fix="take one of these depends_on away",
        ) from None
