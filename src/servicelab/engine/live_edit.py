"""Change a running service's source file: no rebuild, no bind mount, live in well under a second.

One command inside tells what the file was and writes what it is to be: half as long as two archives, for each of which the engine
starts a process of its own. Then gunicorn's master gets SIGHUP: it starts new workers and lets the old ones finish. What was
edited is asked of the container itself (its difference from the image), so nothing has to be remembered and nothing can be stale.
"""

from __future__ import annotations

import io
import posixpath
import tarfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import NamedTuple

import docker
from docker.models.containers import Container

from servicelab.engine.ready import FIRST_PAUSE, last_lines, run
from servicelab.engine.spec import SERVICE, SOURCE
from servicelab.errors import UpdateError

TIMEOUT = 90.0  # seconds for the new workers to start: a crash is seen at once, only a very busy machine needs so long
LONGEST = 100_000  # bytes of a source file: the kernel takes 128 KiB as one argument of a command
_NO_FILE = 3
# Prints what the file was, and makes it the second argument: whole, or not at all.
_EXCHANGE = (
    f'test -f "$0" || exit {_NO_FILE}; printf %s "$1" > "$0.new" && cat "$0" && mv "$0.new" "$0" || {{ rm -f "$0.new"; exit 1; }}'
)
_TRACEBACKS = 200  # lines: those of two workers, and that of the master, which gives up


def update(container: Container, path: str, source: str) -> None:
    """Make SOURCE the content of PATH (relative to the service's package) in CONTAINER, and reload. Raises `UpdateError`."""
    name = container.labels.get(SERVICE, container.name)
    full = _full_path(container, path, name)
    if path.endswith(".py"):
        try:
            compile(source, path, "exec")
        except SyntaxError as error:
            raise UpdateError(
                f"{path} of {name} is not changed: line {error.lineno} does not compile",
                why=str(error),
                fix="mend it and try again",
            ) from None
    if len(source.encode()) > LONGEST:
        raise UpdateError(
            f"{path} of {name} is too long to be changed while it runs",
            why=f"it has more than {LONGEST:,} bytes",
            fix="edit its files under services/ and call up(): it is built anew",
        )
    with ThreadPoolExecutor(1) as aside:  # neither has to do with the other, and both wait for the engine
        before = aside.submit(_look, container)
        code, good = run(container.client, container.id, ["sh", "-c", _EXCHANGE, full, source], user="0")
    if code == _NO_FILE:
        raise UpdateError(f"{name} has no file {path}", fix=f"it has: {', '.join(_files(container)) or 'none'}")
    if code != 0:
        raise UpdateError(
            f"{path} of {name} can't be written", why=good[-500:], fix="it is as it was; is the engine's disk full?"
        )
    if _renew(container, before.result()):
        return
    log = last_lines(container.client, container.id, _TRACEBACKS)
    _put(container, full, good.encode())
    _renew(container, _look(container))
    raise UpdateError(
        f"{path} of {name} is as it was before: no worker started with the new one",
        why=_reason(log),
        fix="the last line above says what its import or create_app() ran into",
    )


def edits(container: Container) -> dict[str, str]:
    """The edited files of CONTAINER: path relative to the package, and content."""
    root = _root(container)
    found = {}
    for full in edited_files(container):
        content = read_file(container, full)
        if content is not None:
            found[posixpath.relpath(full, root)] = content.decode()
    return found


def edited_files(container: Container) -> list[str]:
    """Absolute paths of the source files that differ from the image's."""
    root = _root(container)
    if root is None:
        return []
    changes = container.diff() or []
    return [
        c["Path"] for c in changes if c["Path"].startswith(root + "/") and c["Path"].endswith((".py", ".sql", ".json", ".html"))
    ]


def read_file(container: Container, path: str) -> bytes | None:
    """The content of the file PATH in CONTAINER, None where there is none."""
    try:
        chunks, _ = container.get_archive(path)
    except docker.errors.NotFound:
        return None
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
        member = archive.extractfile(archive.getmembers()[0])
        return member.read() if member else None


def _root(container: Container) -> str | None:
    source: str | None = (container.attrs["Config"]["Labels"] or {}).get(SOURCE)
    return source


def _full_path(container: Container, path: str, name: str) -> str:
    root = _root(container)
    if root is None:
        raise UpdateError(
            f"{name} can't be changed while it runs",
            why=f"its image does not say where its source is (the label {SOURCE}), or it can't reload",
            fix="edit its files under services/ and call up(): it is built anew",
        )
    if container.attrs["HostConfig"]["ReadonlyRootfs"]:
        raise UpdateError(
            f"{name} can't be changed while it runs",
            why="its root is read-only",
            fix="edit its files under services/ and call up()",
        )
    full = posixpath.normpath(posixpath.join(root, path))
    if not full.startswith(root + "/"):
        raise UpdateError(f"{path} is outside {name}'s package", fix=f"name a file of it: {', '.join(_files(container))}")
    return full


def _files(container: Container) -> list[str]:
    root = _root(container)
    chunks, _ = container.get_archive(root)
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
        names = (m.name.partition("/")[2] for m in archive.getmembers() if m.isfile())
        return sorted(n for n in names if not n.endswith(".pyc"))


def _put(container: Container, full: str, content: bytes) -> None:
    folder, name = posixpath.split(full)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo(name)
        info.size, info.mode, info.mtime = len(content), 0o644, int(time.time())
        archive.addfile(info, io.BytesIO(content))
    container.put_archive(folder, buffer.getvalue())


class _Look(NamedTuple):
    """A container before a reload: its workers, when it last wrote, and how many have said in that second that they are ready."""

    workers: set[str]
    at: float
    ready: int


def _look(container: Container) -> _Look:
    at = _last_logged(container)
    # the workers may be some that an earlier reload still lets finish
    return _Look(_workers(container), at, _ready_lines(container, at))


def _renew(container: Container, before: _Look) -> bool:
    """Reload, or start where it has ended: gunicorn gives up when no worker starts. Whether all of the new workers got ready.

    A master that only starts must be waited for as well: until it listens for SIGHUP, the next one would end it.
    """
    if container.status == "running":
        container.kill(signal="SIGHUP")
    else:
        container.start()
    until = time.monotonic() + TIMEOUT
    while time.monotonic() < until:
        ready = _ready_lines(container, before.at) - before.ready
        # gunicorn starts all new ones before it ends an old one, so when one is ready, all are there to be counted.
        if ready and ready >= len(_workers(container) - before.workers):
            return True
        container.reload()
        if container.status != "running":
            return False
        time.sleep(FIRST_PAUSE)
    return False


def _workers(container: Container) -> set[str]:
    """gunicorn's workers, by process id: the children of its master, which is the main process, or the one that init started.

    Empty where the container has just ended.
    """
    container.reload()
    try:
        processes = container.top(ps_args="-eo pid,ppid")["Processes"]
    except docker.errors.APIError:
        return set()
    master = str(container.attrs["State"]["Pid"])
    if container.attrs["HostConfig"]["Init"]:
        master = next((pid for pid, parent in processes if parent == master), master)
    return {pid for pid, parent in processes if parent == master}


def _last_logged(container: Container) -> float:
    """When the container last wrote a line, by the engine's clock, in seconds since the epoch."""
    line = container.logs(tail=1, timestamps=True).decode("utf-8", "replace")
    return datetime.fromisoformat(line[:19] + "+00:00").timestamp() if line else 0.0


def _ready_lines(container: Container, since: float) -> int:
    log: bytes = container.logs(since=since)
    return log.count(b'"worker ready"')


def _reason(log: str) -> str:
    """The end of the last worker's traceback in LOG; else of the last traceback; else its last lines."""
    _, worker, its_words = log.rpartition("Exception in worker process\n")
    if worker:
        log = its_words.partition("\n[")[0]  # what follows are gunicorn's words on its own end
    lines = log.splitlines()
    errors: Iterable[int] = (i for i, line in enumerate(lines) if line.startswith("Traceback"))
    start = max(errors, default=max(0, len(lines) - 6))
    return "\n".join(lines[start:][-8:])
