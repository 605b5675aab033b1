"""What a learner has on the engine, found by label and removed: after a run without a browser, after a test session."""

from __future__ import annotations

import contextlib

from servicelab.engine.client import connect
from servicelab.engine.removal import perhaps_gone, remove_labelled
from servicelab.engine.spec import LEARNER
from servicelab.errors import EngineError


def remove(learner: str, *, images: bool = False) -> list[str]:
    """Remove every container, network and volume of ``learner``, and with ``images`` also what was built for them.

    The layers of the images stay in the build cache. Gives the names of what is gone: none where no engine answers.
    """
    try:
        client = connect()
    except EngineError:
        return []
    with contextlib.closing(client):
        gone = remove_labelled(client, f"{LEARNER}={learner}")
        for image in client.images.list(filters={"label": f"{LEARNER}={learner}"}) if images else []:
            with perhaps_gone():
                client.images.remove(image.id, force=True, noprune=True)
            gone.append(", ".join(image.tags) or image.short_id)
    return gone
