"""Where an image comes from: already here, else pulled, where a registry answers, else built by its recipe.

`ensure` makes images such as "library/postgres:17" available and gives the value of REGISTRY under which all of them are: the
registry's own, or ``servicelab.local`` as soon as one of them is a stand-in. A stand-in never takes an official name, since the
engine may be shared with other work.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, NamedTuple

import docker
from docker.errors import APIError, ImageNotFound

from servicelab import settings, trust
from servicelab.engine.client import connect as any_engine
from servicelab.errors import ImageError
from servicelab.images import locks, recipes, registries
from servicelab.images.jobs import Connect, Job
from servicelab.images.recipes import LOCAL
from servicelab.progress import Progress, silent

_REFERENCE = re.compile(r"\$\{REGISTRY[^}]*\}/([a-z0-9][\w./-]*:[\w.-]+)")


def ensure(
    names: Iterable[str],
    *,
    progress: Progress = silent,
    registry: str = "",
    replace: bool = False,
    connect: Connect = any_engine,
) -> str:
    """Makes images available, in parallel, and returns the value of REGISTRY under which all of them are.

    Args:
        names: images without their registry, as in "library/postgres:17".
        progress: called from several threads with an image's name and the step that it is at.
        registry: where to look, as in "docker.io" or "mirror.example:5000"; default `settings.registry()`.
        replace: ask the registry first, also where a stand-in is here. A registry other than the official one, named on purpose, always
            is asked first.
        connect: makes an engine client; each thread has one of its own.

    Raises:
        ImageError: an image that is neither here, nor in the registry, nor made by a recipe; which step failed, and why.
    """
    search = _Search(registry or settings.registry(), progress, connect, replace=replace)
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
    asked = upstream(registry or settings.registry())
    known = recipes.load()
    with contextlib.closing(connect()) as client:
        rows = []
        for name in sorted({*names, *known, *referenced()}):
            row = Row(name, "missing, has a recipe" if name in known else "missing", 0, "")
            for tag in (_upstream_tag(asked, known.get(name), name), f"{LOCAL}/{name}"):
                with contextlib.suppress(ImageNotFound):
                    image = client.api.inspect_image(tag)
                    row = Row(name, _source(image, name, asked, known), int(image["Size"]), tag)
                    break
            rows.append(row)
        return rows


def referenced() -> set[str]:
    """The images that compose files and services' Dockerfiles name behind ``${REGISTRY}``."""
    root = settings.root()
    files = [*root.glob("compose/*.yaml"), *root.glob("services/*/Dockerfile*")]
    return {name for file in files for name in _REFERENCE.findall(file.read_text(encoding="utf-8"))}


def _source(image: dict[str, Any], name: str, upstream: str, known: dict[str, recipes.Recipe]) -> str:
    labels = image["Config"].get("Labels") or {}
    if made_from := labels.get(recipes.LABEL):
        current = name in known and made_from == recipes.fingerprint(known[name], known)
        return "recipe" if current else "recipe, out of date"
    origin = "official" if upstream == settings.OFFICIAL_REGISTRY else "registry"
    return f"{origin}, with this machine's CA" if trust.LABEL in labels else origin


def upstream(registry: str) -> str:
    """The registry to pull from: stand-ins have none of their own."""
    return settings.OFFICIAL_REGISTRY if registry == LOCAL else registry


def _upstream_tag(upstream: str, recipe: recipes.Recipe | None, name: str) -> str:
    """The full name to pull an image by."""
    if recipe and recipe.official and upstream == settings.OFFICIAL_REGISTRY:
        return recipe.official
    return f"{upstream}/{name}"


class _Search:
    """One call of `ensure`: which images are where, and the threads that get the others."""

    def __init__(self, registry: str, progress: Progress, connect: Connect, *, replace: bool = False) -> None:
        self.registry = registry
        self.upstream = upstream(registry)
        self.registry_first = replace or self.upstream != settings.OFFICIAL_REGISTRY
        self.progress = progress
        self.connect = connect
        self.known = recipes.load()
        self.pem = trust.bundle()
        self.client = connect()
        self.pool = ThreadPoolExecutor(max_workers=32, thread_name_prefix="servicelab-image")
        self.lock = threading.Lock()
        self.jobs: set[Job] = set()
        self.stopping = False
        self.started: dict[str, Future[str]] = {}

    def close(self) -> None:
        self.pool.shutdown()
        self.client.close()

    def run(self, names: list[str]) -> str:
        tags = {name: self.here(self.client, name) for name in names}
        pending = {self.start(name): name for name in names if not tags[name]}
        try:
            # In short turns: on Windows, Ctrl-C does not end a wait.
            waiting = set(pending)
            while waiting:
                waiting = wait(waiting, timeout=0.5).not_done
            # Those that went well stay, whatever became of the others: the next call has less to do.
            for future, name in pending.items():
                tags[name] = future.result()
        finally:
            self.stop()
        if all(tag == f"{self.registry}/{name}" for name, tag in tags.items()):
            return self.registry
        for name, tag in tags.items():
            self.name_locally(self.client, name, tag)
        return LOCAL

    def stop(self) -> None:
        """Ends what still runs: nothing, after a search that went well."""
        with self.lock:
            self.stopping = True
            jobs = list(self.jobs)
        for job in jobs:
            job.stop()

    def start(self, name: str) -> Future[str]:
        """The thread that gets this image: one, whoever needs it."""
        with self.lock:
            if name not in self.started:
                self.started[name] = self.pool.submit(self.work, name)
            return self.started[name]

    def work(self, name: str) -> str:
        job = Job(name, self.progress, self.connect)
        with self.lock:
            self.jobs.add(job)
            if self.stopping:
                job.stop()
        try:
            with job, locks.exclusive(name, job):
                # Another process may have made it while this one waited.
                tag = self.here(job.client, name) or self.obtain(name, job)
                job.say("ready")
                return tag
        except ImageError:
            self.progress(name, "failed")
            raise
        finally:
            with self.lock:
                self.jobs.discard(job)

    def here(self, client: docker.DockerClient, name: str) -> str:
        """The tag under which a good image is here already, or the empty string."""
        recipe = self.known.get(name)
        # Where no CA is asked for, one that is in an image already does no harm.
        wanted = self.wanted_ca(recipe)
        official = _upstream_tag(self.upstream, recipe, name)
        if not wanted and self.pinned(client, official, recipe):
            return official
        return self.local(client, name, wanted, stand_in=not self.registry_first)

    def local(self, client: docker.DockerClient, name: str, wanted: str, *, stand_in: bool) -> str:
        """The tag of a good image of our own: with the CA that is WANTED, and made by the recipe as it is now (STAND_IN), or pulled."""
        recipe = self.known.get(name)
        labels = self.labels(client, f"{LOCAL}/{name}")
        if labels is None or (wanted and labels.get(trust.LABEL) != wanted):
            return ""
        made_from = labels.get(recipes.LABEL, "")
        if made_from and not stand_in:
            return ""
        if recipe and made_from not in ("", recipes.fingerprint(recipe, self.known)):
            return ""
        if not made_from and not self.pinned(client, f"{LOCAL}/{name}", recipe):
            return ""
        return f"{LOCAL}/{name}"

    def wanted_ca(self, recipe: recipes.Recipe | None) -> str:
        return trust.fingerprint(self.pem) if recipe and recipe.trust else ""

    @staticmethod
    def pinned(client: docker.DockerClient, tag: str, recipe: recipes.Recipe | None) -> bool:
        """Whether TAG is here, and where the recipe has a digest, is the very image that a registry gave for it."""
        try:
            image = client.api.inspect_image(tag)
        except ImageNotFound:
            return False
        if recipe is None or not recipe.digest:
            return True
        came_from = [*(image.get("RepoDigests") or []), "@" + (image["Config"].get("Labels") or {}).get(recipes.DIGEST, "")]
        return any(name.endswith(f"@{recipe.digest}") for name in came_from)

    @staticmethod
    def labels(client: docker.DockerClient, tag: str) -> dict[str, str] | None:
        try:
            return client.api.inspect_image(tag)["Config"].get("Labels") or {}
        except ImageNotFound:
            return None

    def obtain(self, name: str, job: Job) -> str:
        """Pulls the image, or builds it. Gives its tag."""
        recipe = self.known.get(name)
        why = ""
        if recipe is None or recipe.pull:
            tag = _upstream_tag(self.upstream, recipe, name)
            why = self.pull(tag, job, recipe)
            if not why:
                if not (self.pem and recipe and recipe.trust):
                    return tag
                job.say("adding this machine's CA")
                recipes.wrap(tag, recipe.tag, self.pem, job, labels={recipes.DIGEST: recipe.digest} if recipe.digest else {})
                return recipe.tag
        if recipe is None:
            raise ImageError(
                f"{name} can't be had: it is not here, not in {self.upstream}, and no recipe makes it",
                why=why,
                fix="check its name and tag; or set REGISTRY to a registry that has it",
            )
        try:
            return self.local(job.client, name, self.wanted_ca(recipe), stand_in=True) or self.build(recipe, job)
        except ImageError as error:
            if why:
                error = ImageError(error.what, why=f"{error.why}\nand it can't be pulled: {why}", fix=error.fix)
            raise error from None

    def pull(self, tag: str, job: Job, recipe: recipes.Recipe | None) -> str:
        """Why the image can't be pulled; the empty string when it is here now. With a digest, that very image: the engine checks it."""
        if self.pinned(job.client, tag, recipe):
            return ""
        digest = recipe.digest if recipe else ""
        registry, (repository, version) = tag.split("/", 1)[0], tag.rsplit(":", 1)
        job.say(f"asking {registry}")
        found = registries.probe(registry, tag, self.connect)
        if not found.answers:
            return found.why
        try:
            job.pull(repository, digest or version)
            if digest:
                job.client.api.tag(f"{repository}@{digest}", repository, version)
        except (APIError, OSError) as error:
            return str(getattr(error, "explanation", None) or error)
        return ""

    def build(self, recipe: recipes.Recipe, job: Job) -> str:
        if recipe.parent:
            job.say(f"waiting for {recipe.parent}")
            self.name_locally(job.client, recipe.parent, self.start(recipe.parent).result())
        recipes.build(recipe, self.known, self.pem, job)
        return recipe.tag

    @staticmethod
    def name_locally(client: docker.DockerClient, name: str, tag: str) -> None:
        """Gives a pulled image a stand-in's tag as well, so that one REGISTRY holds for all."""
        if tag != f"{LOCAL}/{name}":
            client.api.tag(tag, *f"{LOCAL}/{name}".rsplit(":", 1))
