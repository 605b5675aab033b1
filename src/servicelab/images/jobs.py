"""One piece of work on the engine, in a thread of its own, that tells how far it is and can be stopped at any moment.

The engine's answers are streams. A thread that waits for the next line of one can't be interrupted, so that `Jobs.stop`
closes its connection under it: the engine then gives up the pull or build as well.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import tempfile
import textwrap
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import docker
from docker.errors import APIError, DockerException
from docker.types.daemon import CancellableStream

from servicelab import trust
from servicelab.errors import ImageError
from servicelab.progress import Progress

Connect = Callable[[], docker.DockerClient]

_LAST_LINES = 15
_CLEANUP_SECONDS = 30
_CPU_SHARES = 128  # a container has 1024: a build that goes on behind a lesson takes what that leaves
_COLOURS = re.compile("\x1b\\[[0-9;]*m")
_PROGRESS = re.compile(r"progress: (.+)")  # what a step of a recipe may print that takes minutes
_EXIT_CODE = re.compile(r"^The command .* returned a non-zero code: (\d+)$", re.DOTALL)


class Stopped(Exception):  # noqa: N818  not an error: someone asked for it
    """The work was asked to stop, and did."""


class Job:
    """Work on one image. Each method raises `Stopped` soon after `stop` was called from another thread."""

    def __init__(self, name: str, progress: Progress, connect: Connect) -> None:
        self.name = name
        self._progress = progress
        self.listener: Callable[[str], None] | None = None  # who else is told
        self._stopping = threading.Event()
        self._response: Any = None
        self._process: subprocess.Popen[bytes] | None = None
        self.client = connect()
        self.client.api.hooks["response"].append(self._remember)

    def _remember(self, response: Any, **_: object) -> None:
        self._response = response

    def __enter__(self) -> Job:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def say(self, step: str) -> None:
        self.check()
        self._progress(self.name, step)
        if self.listener is not None:
            self.listener(step)

    def check(self) -> None:
        if self._stopping.is_set():
            raise Stopped

    def wait(self, seconds: float) -> None:
        if self._stopping.wait(seconds):
            raise Stopped

    def stop(self) -> None:
        """Called from another thread: whatever the job waits for ends now."""
        self._stopping.set()
        process = self._process
        if process is not None:
            _end(process)
        self._hang_up()

    def _hang_up(self) -> None:
        if self._response is not None:
            # An answer that was read to its end has no connection left to close.
            with contextlib.suppress(AttributeError, OSError, DockerException):
                CancellableStream(None, self._response).close()

    def _events(self, stream: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """The stream's events, until it ends or the job is stopped: then the engine gives up as well."""
        try:
            for event in stream:
                self.check()
                yield event
        except (OSError, DockerException, ValueError):
            self.check()
            raise
        finally:
            self._hang_up()
        self.check()

    def pull(self, repository: str, tag: str) -> None:
        """Pulls an image. Raises docker's `APIError` (or `OSError`) when the registry or the way to it fails."""
        layers: dict[str, tuple[int, int]] = {}
        self.say("pulling")
        for event in self._events(self.client.api.pull(repository, tag, stream=True, decode=True)):
            if "error" in event:
                raise APIError(event["error"], explanation=event["error"])
            detail = event.get("progressDetail") or {}
            if event.get("status") == "Downloading" and detail.get("total"):
                layers[event["id"]] = (detail["current"], detail["total"])
            elif event.get("status") in ("Download complete", "Pull complete") and event.get("id") in layers:
                layers[event["id"]] = (layers[event["id"]][1],) * 2
            if layers:
                done, total = (sum(column) for column in zip(*layers.values(), strict=True))
                self.say(f"pulling {100 * done // total}%")

    def build(self, tag: str, folder: Path, *, labels: Mapping[str, str]) -> None:
        """Builds a folder's Dockerfile. Raises `ImageError` with the step, its last lines and the command to try by hand."""
        old = self.image_id(tag)
        step, made, running = "", "", ""
        output: deque[str] = deque(maxlen=_LAST_LINES)
        try:
            stream = self.client.api.build(
                path=str(folder),
                tag=tag,
                rm=True,
                forcerm=True,
                decode=True,
                labels=dict(labels),
                buildargs=trust.build_args(),
                container_limits={"cpushares": _CPU_SHARES},
            )
            for event in self._events(stream):
                if "error" in event:
                    raise ImageError(
                        f"{self.name}: its recipe failed at step {step}",
                        why="\n".join([*output, _EXIT_CODE.sub(r"exit code \1", event["error"].strip())]),
                        fix=_hint("\n".join(output))
                        or f"read its Dockerfile, {folder / 'Dockerfile'}, and try: docker build {folder}",
                    )
                for line in _COLOURS.sub("", event.get("stream", "")).splitlines():
                    if match := re.match(r"Step (\d+/\d+) : (.*)", line):
                        step = textwrap.shorten(f"{match[1]}: {match[2]}", 100, placeholder=" …")
                        output.clear()
                        self.say(f"building {step}")
                    elif match := re.match(r" ---> Running in (\w+)", line):
                        running = match[1]
                    elif match := re.match(r" ---> (\w{12})$", line):
                        made, running = match[1], ""
                    elif match := _PROGRESS.match(line):
                        self.say(f"building {step.partition(':')[0]}: {match[1]}")
                    elif line.strip() and not line.startswith("Removing intermediate container"):
                        output.append(line.rstrip())
        except DockerException as error:
            self._undo(made, running)
            raise ImageError(f"{self.name}: its recipe failed", why=str(error), fix=_hint(str(error))) from error
        except BaseException:
            self._undo(made, running)
            raise
        if old and old != self.image_id(tag):
            self.remove(old)

    def load_root(self, tar: Path) -> str:
        """Makes an image of a root file system, and gives its id."""
        self.say("building 2/2: importing the root file system")

        def chunks() -> Iterator[bytes]:
            with tar.open("rb") as file:
                while chunk := file.read(1 << 20):
                    self.check()
                    yield chunk

        answer = self.client.api.import_image(src=chunks(), changes=['CMD ["bash"]'], stream_src=True)
        return str(re.findall(r"sha256:\w{64}", answer)[-1])

    def image_id(self, tag: str) -> str:
        """The id of the image with this tag; "" when there is none."""
        try:
            return str(self.client.api.inspect_image(tag)["Id"])
        except docker.errors.ImageNotFound:
            return ""

    def remove(self, image: str) -> bool:
        """Removes an image unless it has a tag, or others are built on it. False when a container still holds it."""
        try:
            if not self.client.api.inspect_image(image)["RepoTags"]:
                self.client.api.remove_image(image)
        except APIError as error:
            return "container" not in str(error.explanation)
        return True

    def _undo(self, made: str, running: str) -> None:
        """Removes what an unfinished build left: the container of its step, the layers of the steps before."""
        if running:
            with contextlib.suppress(APIError, OSError):
                self.client.api.remove_container(running, force=True)
        # The engine ends the step of a build that was given up by itself, but not at once, and holds its layer meanwhile.
        deadline = time.monotonic() + _CLEANUP_SECONDS
        while made and not self.remove(made) and time.monotonic() < deadline:
            time.sleep(0.1)

    def run(self, command: Sequence[str], *, environment: Mapping[str, str], what: str, fix: str) -> None:
        """Runs a program to its end. Raises `ImageError` with its last lines when it fails."""
        self.check()
        with tempfile.TemporaryFile() as output:
            try:
                self._process = subprocess.Popen(
                    command,
                    env={**os.environ, **environment},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # Ctrl-C reaches it through stop() alone
                )
            except OSError as error:
                raise ImageError(what, why=str(error), fix=fix) from error
            try:
                while True:
                    try:
                        code = self._process.wait(timeout=0.2)
                        break
                    except subprocess.TimeoutExpired:
                        self.check()
            finally:
                _end(self._process)
                self._process = None
            self.check()
            if code:
                output.seek(0)
                lines = output.read().decode(errors="replace").splitlines()[-_LAST_LINES:]
                raise ImageError(what, why="\n".join(lines), fix=_hint("\n".join(lines)) or fix)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends a program that was started in a session of its own, its children too, and waits until it has cleaned up."""
    if process.poll() is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


_HINTS = {
    r"No space left on device": "the disk of the Docker engine is full; `docker system df` shows what takes it",
    r"CERTIFICATE_VERIFY_FAILED|certificate verify failed|SELF_SIGNED_CERT|unable to get local issuer": (
        "a proxy here inspects TLS: set SSL_CERT_FILE to a bundle with its CA, then try again"
    ),
    r"Temporary failure (in name resolution|resolving)|Could not resolve|Could not connect|Network is unreachable"
    r"|EAI_AGAIN|ENOTFOUND|Failed to establish a new connection": (
        "containers can't reach the package archives: check the network, and http_proxy, https_proxy and no_proxy"
    ),
}


def _hint(output: str) -> str:
    """What to do about a failure whose cause is known by its words; "" for any other."""
    return next((fix for pattern, fix in _HINTS.items() if re.search(pattern, output)), "")
