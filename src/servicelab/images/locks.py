"""One at a time, among all processes of a user on this machine."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from servicelab.images.jobs import Job


def cache_folder() -> Path:
    """Where this library keeps what can be made again; the lock files lie there."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "servicelab"


@contextlib.contextmanager
def exclusive(name: str, job: Job) -> Iterator[None]:
    """Holds an image's lock among all processes of this user; it goes with its process, however that ends.

    Whoever waits for it is told how far the other is: each step of the one that works is in the file.
    """
    try:
        import fcntl
    except ImportError:  # Windows: pulls are the engine's affair, and recipes need Debian
        yield
        return
    folder = cache_folder() / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / re.sub(r"\W+", "-", name)).open("a+", encoding="utf-8") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                file.seek(0)
                job.say(f"another process makes it: {file.read() or 'beginning'}")
                job.wait(0.2)

        def tell(step: str) -> None:
            file.truncate(0)
            file.write(step)
            file.flush()

        tell("")
        job.listener = tell
        try:
            yield
        finally:
            job.listener = None
