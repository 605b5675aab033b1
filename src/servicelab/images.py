"""Where an image comes from: already here, else pulled, where a registry answers, else built by its recipe.

`ensure` makes images such as "library/postgres:17" available and gives the value of REGISTRY under which all of them are: the
registry's own, or ``servicelab.local`` as soon as one of them is a stand-in. A stand-in never takes an official name, since the
engine may be shared with other work.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, NamedTuple

import docker
from docker.errors import APIError, ImageNotFound

from servicelab import recipes, registries, settings, trust
from servicelab.engine.client import connect as any_engine
from servicelab.errors import ImageError
from servicelab.jobs import Connect, Job, Stopped
from servicelab.progress import Progress, silent
from servicelab.recipes import LOCAL

_REFERENCE = re.compile(r"\$\{REGISTRY[^}]*\}/([a-z0-9][\w./-]*:[\w.-]+)")


def ensure(
    names: Iterable[str],
    *,
    progress: Progress = silent,
    registry: str = "",
    connect: Connect = any_engine,
) -> str:
    """Makes images available, in parallel, and returns the value of REGISTRY under which all of them are.

    Args:
        names: images without their registry, as in "library/postgres:17".
        progress: called from several threads with an image's name and the step that it is at.
        registry: where to look, as in "docker.io" or "mirror.example:5000"; default `settings.registry()`.
        connect: makes an engine client; each thread has one of its own.

    Raises:
        ImageError: an image that is neither here, nor in the registry, nor made by a recipe; which step failed, and why.
    """
    search = _Search(registry or settings.registry(), progress, connect)
    try:
        return search.run(list(dict.fromkeys(names)))
    finally:
        search.close()


class Row(NamedTuple):
    """A line of `servicelab images`.

    ``source``: "official" or "registry" (here, from it), "official, with this machine's CA", "recipe", "recipe, out of date",
    "missing, has a recipe" or "missing"; ``size`` in bytes; ``tag`` as the engine knows it, "" where there is none.
    """

    name: str
    source: str
    size: int
    tag: str


def catalogue(names: Iterable[str] = (), *, registry: str = "", connect: Connect = any_engine) -> list[Row]:
    """What is known of each image that has a recipe, that a file in compose/ or services/ names, or that is in ``names``."""
    upstream = _upstream(registry or settings.registry())
    known, pem = recipes.load(), trust.bundle()
    with contextlib.closing(connect()) as client:
        rows = []
        for name in sorted({*names, *known, *referenced()}):
            row = Row(name, "missing, has a recipe" if name in known else "missing", 0, "")
            for tag in (f"{upstream}/{name}", f"{LOCAL}/{name}"):
                with contextlib.suppress(ImageNotFound):
                    image = client.api.inspect_image(tag)
                    row = Row(name, _source(image, name, upstream, known, pem), int(image["Size"]), tag)
                    break
            rows.append(row)
        return rows


def referenced() -> set[str]:
    """The images that compose files and services' Dockerfiles name behind ``${REGISTRY}``."""
    root = settings.root()
    files = [*root.glob("compose/*.yaml"), *root.glob("services/*/Dockerfile*")]
    return {name for file in files for name in _REFERENCE.findall(file.read_text(encoding="utf-8"))}


def _source(image: dict[str, Any], name: str, upstream: str, known: dict[str, recipes.Recipe], pem: bytes) -> str:
    labels = image["Config"].get("Labels") or {}
    if made_from := labels.get(recipes.LABEL):
        current = name in known and made_from == recipes.fingerprint(known[name], known, pem)
        return "recipe" if current else "recipe, out of date"
    origin = "official" if upstream == settings.OFFICIAL_REGISTRY else "registry"
    return f"{origin}, with this machine's CA" if trust.LABEL in labels else origin


def _upstream(registry: str) -> str:
    """The registry to pull from: stand-ins have none of their own."""
    return settings.OFFICIAL_REGISTRY if registry == LOCAL else registry


class _Search:
    """One call of `ensure`: which images are where, and the threads that get the others."""

    def __init__(self, registry: str, progress: Progress, connect: Connect) -> None:
        self.registry = registry
        self.upstream = _upstream(registry)
        self.progress = progress
        self.connect = connect
        self.known = recipes.load()
        self.pem = trust.bundle()
        self.client = connect()
        self.pool = ThreadPoolExecutor(max_workers=32, thread_name_prefix="servicelab-image")
        self.lock = threading.Lock()
        self.jobs: set[Job] = set()
        self.stopping = False
        self.builds: dict[str, Future[str]] = {}

    def close(self) -> None:
        self.pool.shutdown()
        self.client.close()

    def run(self, names: list[str]) -> str:
        tags = {name: self.here(self.client, name) for name in names}
        pending = {self.pool.submit(self.job, self.obtain, name): name for name in names if not tags[name]}
        try:
            # In short turns: on Windows, Ctrl-C does not end a wait.
            waiting = set(pending)
            while waiting:
                done, waiting = wait(waiting, timeout=0.5, return_when=FIRST_EXCEPTION)
                for future in done:
                    tags[pending[future]] = future.result()
        finally:
            self.stop()
        if all(tag == f"{self.registry}/{name}" for name, tag in tags.items()):
            return self.registry
        for name, tag in tags.items():
            if not tag.startswith(f"{LOCAL}/"):
                self.client.api.tag(tag, *f"{LOCAL}/{name}".rsplit(":", 1))
        return LOCAL

    def stop(self) -> None:
        """Ends what still runs: nothing, after a search that went well."""
        with self.lock:
            self.stopping = True
            jobs = list(self.jobs)
        for job in jobs:
            job.stop()

    def job(self, work: Callable[[str, Job], str], name: str) -> str:
        job = Job(name, self.progress, self.connect)
        with self.lock:
            self.jobs.add(job)
            if self.stopping:
                job.stop()
        try:
            with job:
                tag = work(name, job)
                job.say("ready")
                return tag
        finally:
            with self.lock:
                self.jobs.discard(job)

    def here(self, client: docker.DockerClient, name: str) -> str:
        """The tag under which a good image is here already, or the empty string."""
        wanted = trust.fingerprint(self.pem) if name in self.known and self.known[name].trust else ""
        if not wanted and self.labels(client, f"{self.upstream}/{name}") is not None:
            return f"{self.upstream}/{name}"
        labels = self.labels(client, f"{LOCAL}/{name}")
        if labels is None:
            return ""
        if recipes.LABEL in labels:
            good = name in self.known and labels[recipes.LABEL] == recipes.fingerprint(self.known[name], self.known, self.pem)
        else:
            good = labels.get(trust.LABEL, "") == wanted
        return f"{LOCAL}/{name}" if good else ""

    @staticmethod
    def labels(client: docker.DockerClient, tag: str) -> dict[str, str] | None:
        try:
            return client.api.inspect_image(tag)["Config"].get("Labels") or {}
        except ImageNotFound:
            return None

    def obtain(self, name: str, job: Job) -> str:
        """Pulls the image, or builds it. Another process that is at it already is waited for."""
        with _exclusive(name, job):
            if tag := self.here(job.client, name):
                return tag
            tag, why = self.pull(name, job)
            if tag:
                return tag
            if name not in self.known:
                raise ImageError(
                    f"{name} can't be had: it is not here, not in {self.upstream}, and no recipe makes it",
                    why=why,
                    fix="check its name and tag; or set REGISTRY to a registry that has it",
                )
            return self.build(name, job)

    def pull(self, name: str, job: Job) -> tuple[str, str]:
        """The tag of the pulled image, or the empty string and why not."""
        tag = f"{self.upstream}/{name}"
        if self.labels(job.client, tag) is None:
            job.say(f"asking {self.upstream}")
            found = registries.probe(self.upstream, name, self.connect)
            if not found.answers:
                return "", found.why
            try:
                job.pull(*tag.rsplit(":", 1))
            except (APIError, OSError) as error:
                return "", str(getattr(error, "explanation", None) or error)
        if self.pem and name in self.known and self.known[name].trust:
            job.say("adding this machine's CA")
            recipes.wrap(tag, f"{LOCAL}/{name}", self.pem, job)
            tag = f"{LOCAL}/{name}"
        return tag, ""

    def build(self, name: str, job: Job) -> str:
        recipe = self.known[name]
        if recipe.parent:
            job.say(f"waiting for {recipe.parent}")
            with self.lock:
                if recipe.parent not in self.builds:
                    self.builds[recipe.parent] = self.pool.submit(self.job, self.build_parent, recipe.parent)
                parent = self.builds[recipe.parent]
            parent.result()
        recipes.build(recipe, self.known, self.pem, job)
        return recipe.tag

    def build_parent(self, name: str, job: Job) -> str:
        with _exclusive(name, job):
            return self.here(job.client, name) or self.build(name, job)


def cache_folder() -> Path:
    """Where this library keeps what can be made again; the lock files lie there."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "servicelab"


@contextlib.contextmanager
def _exclusive(name: str, job: Job) -> Iterator[None]:
    """Holds an image's lock among all processes of this user; it goes with its process, however that ends."""
    try:
        import fcntl
    except ImportError:  # Windows: pulls are the engine's affair, and recipes need Debian
        yield
        return
    folder = cache_folder() / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / re.sub(r"\W+", "-", name)).open("w") as file:
        waited = False
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not waited:
                    job.say("waiting for another process that makes it")
                waited = True
                job.wait(0.2)
        yield


__all__ = ["LOCAL", "ImageError", "Row", "Stopped", "catalogue", "ensure"]
