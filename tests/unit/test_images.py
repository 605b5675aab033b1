"""Where images come from, on an engine that is made up: which are here, what a registry says, what recipes do."""

from __future__ import annotations

import hashlib
import itertools
import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from docker.errors import APIError, ImageNotFound, NotFound

from servicelab import images, trust
from servicelab.errors import ImageError
from servicelab.images import locks, recipes, registries, sources
from servicelab.images.jobs import Job

ROOT = Path(__file__).parents[2]
DIGEST = "sha256:" + 64 * "a"
NO_REGISTRY = APIError("500", explanation="dial tcp: lookup registry: no such host")
UNKNOWN = NotFound("404", explanation="manifest unknown")
RATE_LIMITED = APIError("500", explanation="toomanyrequests: you have reached your pull rate limit")


class Engine:
    """As much of a Docker engine as images are looked for in: tags with their labels, and one registry."""

    def __init__(self) -> None:
        self.images: dict[str, dict[str, Any]] = {}
        self.registry: dict[str, Exception | None] = {}  # what it says of each image that is not unknown
        self.unreachable: Exception | None = None
        self.asked: list[str] = []
        self.built: list[str] = []
        self.removed: list[str] = []
        self.build_events: dict[str, Iterator[dict[str, str]]] = {}
        self.lock = threading.Lock()
        self.numbers = itertools.count()

    # what the library calls on docker.DockerClient and its api
    hooks: dict[str, list[Any]] = {"response": []}  # noqa: RUF012
    timeout = 60

    @property
    def api(self) -> Engine:
        return self

    def close(self) -> None:
        pass

    def add(self, tag: str, **labels: str) -> str:
        with self.lock:
            image = f"sha256:{hashlib.sha256(str(next(self.numbers)).encode()).hexdigest()}"
            self.images[tag] = {"Id": image, "Config": {"Labels": labels}, "Size": 7, "RepoTags": [tag]}
            return image

    def inspect_image(self, tag: str) -> dict[str, Any]:
        if tag not in self.images:
            raise ImageNotFound("404")
        return self.images[tag]

    def inspect_distribution(self, tag: str) -> None:
        self.asked.append(tag)
        if self.unreachable:
            raise self.unreachable

    def pull(self, repository: str, tag: str, **_: Any) -> Iterator[dict[str, Any]]:
        name = f"{repository}:{tag}"
        if error := self.registry.get(name, UNKNOWN):
            raise error
        yield {"status": "Downloading", "id": "a", "progressDetail": {"current": 45, "total": 100}}
        self.add(name)

    def build(self, *, path: str, tag: str, labels: dict[str, str], **_: Any) -> Iterator[dict[str, str]]:
        self.built.append(tag)
        yield {"stream": "Step 1/1 : RUN make\n"}
        yield from self.build_events.get(tag, iter(()))
        if trust.LABEL in (dockerfile := Path(path, "Dockerfile").read_text()):
            labels = labels | {trust.LABEL: dockerfile.rsplit("=", 1)[1].strip()}
        self.add(tag, **labels)

    def tag(self, image: str, repository: str, tag: str) -> None:
        self.images[f"{repository}:{tag}"] = self.images[image]

    def remove_image(self, image: str) -> None:
        self.removed.append(image)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Engine:
    """An empty engine, no registry's answer remembered, no CA, and four recipes."""
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "REGISTRY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(registries, "_probes", {})
    for name, text in {
        "base": 'image = "base:1"\npull = false',
        "python": 'image = "library/python:3"\nparent = "base:1"\ntrust = true',
        "proxy": 'image = "shopify/proxy:2"\nofficial = "ghcr.test/shopify/proxy:2"\nparent = "base:1"',
        "postgres": 'image = "library/postgres:17"\nparent = "base:1"',
    }.items():
        folder = tmp_path / "images" / name
        folder.mkdir(parents=True)
        (folder / "recipe.toml").write_text(text)
        (folder / "Dockerfile").write_text("FROM scratch\n")
    known = recipes.load(tmp_path / "images")
    monkeypatch.setattr(recipes, "load", lambda: known)
    return Engine()


def ensure(engine: Engine, *names: str, registry: str = "docker.io", **options: Any) -> str:
    return images.ensure(names, registry=registry, connect=lambda: engine, **options)


PYTHON, POSTGRES = "library/python:3", "library/postgres:17"


def test_what_is_here_is_taken_and_no_registry_asked(engine: Engine) -> None:
    engine.add(f"docker.io/{POSTGRES}")
    assert ensure(engine, POSTGRES) == "docker.io"
    assert engine.asked == []


def test_no_registry_is_found_out_once_and_all_are_built_parents_first(engine: Engine) -> None:
    engine.unreachable = NO_REGISTRY
    assert ensure(engine, PYTHON, POSTGRES) == "servicelab.local"
    assert len(engine.asked) == 1
    assert engine.built[0] == "servicelab.local/base:1"
    assert sorted(engine.built[1:]) == [f"servicelab.local/{POSTGRES}", f"servicelab.local/{PYTHON}"]
    assert all(tag.startswith("servicelab.local/") for tag in engine.images)
    assert ensure(engine, PYTHON, POSTGRES) == "servicelab.local"
    assert len(engine.built) == 3


def test_pulled_with_progress(engine: Engine) -> None:
    engine.registry = {f"docker.io/{POSTGRES}": None}
    steps: list[tuple[str, str]] = []
    assert ensure(engine, POSTGRES, progress=lambda name, step: steps.append((name, step))) == "docker.io"
    assert (POSTGRES, "pulling 45%") in steps
    assert engine.built == []


def test_a_rate_limit_leads_to_the_recipe_and_the_others_get_its_registry_as_well(engine: Engine) -> None:
    engine.registry = {f"docker.io/{PYTHON}": None, f"docker.io/{POSTGRES}": RATE_LIMITED}
    assert ensure(engine, PYTHON, POSTGRES) == "servicelab.local"
    assert engine.images[f"servicelab.local/{PYTHON}"] is engine.images[f"docker.io/{PYTHON}"]
    assert recipes.LABEL in engine.images[f"servicelab.local/{POSTGRES}"]["Config"]["Labels"]


def test_an_official_image_of_another_registry_gets_the_name_that_compose_files_use(engine: Engine) -> None:
    engine.registry = {"ghcr.test/shopify/proxy:2": None}
    assert ensure(engine, "shopify/proxy:2") == "servicelab.local"
    assert engine.asked == ["ghcr.test/shopify/proxy:2"]
    assert "servicelab.local/shopify/proxy:2" in engine.images
    assert engine.built == []


def test_a_recipe_that_builds_on_an_image_of_a_registry(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    helper = recipes.Recipe("helper:1", recipes.load()[POSTGRES].folder, parent=PYTHON, pull=False)
    known = recipes.load() | {"helper:1": helper}
    monkeypatch.setattr(recipes, "load", lambda: known)
    engine.registry = {f"docker.io/{PYTHON}": None}
    assert ensure(engine, "helper:1") == "servicelab.local"
    assert engine.built == ["servicelab.local/helper:1"]
    assert f"servicelab.local/{PYTHON}" in engine.images


def test_a_mirror_is_asked_under_its_own_name(engine: Engine) -> None:
    engine.registry = {f"mirror.test:5000/{POSTGRES}": None}
    assert ensure(engine, POSTGRES, registry="mirror.test:5000") == "mirror.test:5000"


def test_stand_ins_in_force_still_pull_from_the_official_registry(engine: Engine) -> None:
    engine.registry = {f"docker.io/{POSTGRES}": None}
    assert ensure(engine, POSTGRES, registry="servicelab.local") == "servicelab.local"
    assert f"servicelab.local/{POSTGRES}" in engine.images


@pytest.mark.parametrize(("unreachable", "why"), [(None, "manifest unknown"), (NO_REGISTRY, "no such host")])
def test_an_image_that_is_nowhere_is_an_error(engine: Engine, unreachable: Exception | None, why: str) -> None:
    engine.unreachable = unreachable
    with pytest.raises(ImageError, match=r"library/nosuch:1 can't be had") as caught:
        ensure(engine, "library/nosuch:1")
    assert why in caught.value.why
    assert "REGISTRY" in caught.value.fix


def test_a_recipe_that_fails_says_which_step_why_and_what_to_do(engine: Engine) -> None:
    engine.unreachable = NO_REGISTRY
    engine.build_events[f"servicelab.local/{POSTGRES}"] = iter(
        [
            {"stream": "Step 2/3 : RUN apt-get update\n"},
            {"stream": "\x1b[91mTemporary failure resolving 'archive'\n"},
            {"error": "The command '/bin/sh -c apt-get update' returned a non-zero code: 100"},
        ]
    )
    with pytest.raises(ImageError) as caught:
        ensure(engine, POSTGRES, PYTHON)
    assert f"servicelab.local/{PYTHON}" in engine.images
    assert caught.value.what == f"{POSTGRES}: its recipe failed at step 2/3: RUN apt-get update"
    assert caught.value.why.splitlines()[:2] == ["Temporary failure resolving 'archive'", "exit code 100"]
    assert "no such host" in caught.value.why
    assert "http_proxy" in caught.value.fix


def test_a_step_that_takes_minutes_tells_how_far_it_is(engine: Engine) -> None:
    engine.build_events[f"servicelab.local/{POSTGRES}"] = iter([{"stream": "progress: 300 of 1900\n"}, {"stream": "a word\n"}])
    steps: list[str] = []
    ensure(engine, POSTGRES, progress=lambda _, step: steps.append(step))
    assert "building 1/1: 300 of 1900" in steps
    assert not any("a word" in step for step in steps)


def test_who_waits_for_another_process_sees_how_far_it_is(engine: Engine) -> None:
    seen: list[str] = []
    told = threading.Event()

    def listen(_: str, step: str) -> None:
        seen.append(step)
        if "300" in step:
            told.set()

    ours, theirs = (Job(POSTGRES, listener, lambda: engine) for listener in (listen, lambda *_: None))

    def wait() -> None:
        with locks.exclusive(POSTGRES, ours):
            ours.say("mine now")

    with locks.exclusive(POSTGRES, theirs):
        waiting = threading.Thread(target=wait)
        waiting.start()
        theirs.say("building 1/1: 300 of 1900")
        assert told.wait(60)
    waiting.join(60)
    assert "another process makes it: building 1/1: 300 of 1900" in seen
    assert seen[-1] == "mine now"


def test_a_changed_recipe_is_built_again_and_the_old_image_removed(engine: Engine) -> None:
    engine.unreachable = NO_REGISTRY
    ensure(engine, POSTGRES)
    old = engine.images[f"servicelab.local/{POSTGRES}"]["Id"]
    engine.images[old] = {"Id": old, "RepoTags": []}  # as the engine has it once its tag went to another
    (recipes.load()[POSTGRES].folder / "Dockerfile").write_text("FROM scratch\nLABEL new=1\n")
    ensure(engine, POSTGRES)
    assert engine.built.count(f"servicelab.local/{POSTGRES}") == 2
    assert engine.built.count("servicelab.local/base:1") == 1
    assert engine.removed == [old]


def test_what_services_are_built_on_gets_the_machines_ca(engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("certificate")
    monkeypatch.setenv("PIP_CERT", str(tmp_path / "ca.pem"))
    engine.registry = {f"docker.io/{PYTHON}": None, f"docker.io/{POSTGRES}": None}
    assert ensure(engine, PYTHON, POSTGRES) == "servicelab.local"
    labels = {name: engine.images[f"servicelab.local/{name}"]["Config"]["Labels"] for name in (PYTHON, POSTGRES)}
    assert labels == {PYTHON: {trust.LABEL: trust.fingerprint(b"certificate")}, POSTGRES: {}}
    assert ensure(engine, PYTHON) == "servicelab.local"
    assert len(engine.built) == 1
    (tmp_path / "ca.pem").write_text("another")
    ensure(engine, PYTHON)
    assert len(engine.built) == 2
    monkeypatch.delenv("PIP_CERT")
    ensure(engine, PYTHON)
    assert len(engine.built) == 2


def test_an_interrupt_ends_what_runs(engine: Engine) -> None:
    engine.unreachable = NO_REGISTRY

    def endless() -> Iterator[dict[str, str]]:
        while True:
            yield {"stream": "still at it\n"}

    engine.build_events[f"servicelab.local/{POSTGRES}"] = endless()

    def interrupt(name: str, step: str) -> None:
        if (name, step) == (POSTGRES, "building 1/1: RUN make"):
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        ensure(engine, POSTGRES, progress=interrupt)
    assert f"servicelab.local/{POSTGRES}" not in engine.images
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("servicelab-image")]


def test_the_catalogue_tells_where_each_is_from(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "referenced", lambda: {"library/nosuch:1"})
    known = recipes.load()
    engine.add(f"docker.io/{PYTHON}")
    engine.add("servicelab.local/base:1", **{recipes.LABEL: recipes.fingerprint(known["base:1"], known)})
    engine.add(f"servicelab.local/{POSTGRES}", **{recipes.LABEL: "older"})
    rows = images.catalogue(registry="servicelab.local", connect=lambda: engine)
    assert {row.name: (row.source, row.size) for row in rows} == {
        "base:1": ("recipe", 7),
        "library/nosuch:1": ("missing", 0),
        "shopify/proxy:2": ("missing, has a recipe", 0),
        POSTGRES: ("recipe, out of date", 7),
        PYTHON: ("official", 7),
    }


def test_the_hash_of_a_recipe_changes_with_its_files_their_modes_and_its_parent(engine: Engine) -> None:
    known = recipes.load()
    recipe, base = known[POSTGRES], known["base:1"]
    seen = {recipes.fingerprint(recipe, known)}
    (recipe.folder / "Dockerfile").chmod(0o755)
    seen.add(recipes.fingerprint(recipe, known))
    (base.folder / "more").touch()
    seen.add(recipes.fingerprint(recipe, known))
    assert len(seen) == 3


@pytest.mark.parametrize(
    ("file", "text"),
    [
        (
            "sources.list.d/debian.sources",
            "# a comment\nTypes: deb\nURIs: http://near.test/security\nSuites: trixie-security\n\n"
            "Types: deb deb-src\n# another\nURIs: http://near.test/debian\nSuites: trixie trixie-updates\nComponents: main\n",
        ),
        ("sources.list", "# deb http://old.test/debian trixie main\ndeb [arch=amd64] http://near.test/debian trixie main\n"),
        ("sources.list", "deb cdrom:[disc]/ trixie main\ndeb http://near.test/debian trixie main\n"),
    ],
)
def test_the_mirror_is_the_one_that_apt_uses(tmp_path: Path, file: str, text: str) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(text)
    assert recipes.debian_mirror("trixie", tmp_path) == "http://near.test/debian"
    assert recipes.debian_mirror("bookworm", tmp_path) == ""


def test_a_base_needs_debian_and_elsewhere_the_error_says_what_to_do(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    engine.unreachable = NO_REGISTRY
    (tmp_path / "images/base/recipe.toml").write_text('image = "base:1"\n[mmdebstrap]\nsuite = "trixie"\ninclude = []')
    known = recipes.Recipe(image="base:1", folder=tmp_path / "images/base", mmdebstrap={"suite": "trixie", "include": []})
    monkeypatch.setattr(recipes, "load", lambda: {"base:1": known})
    monkeypatch.setattr(recipes, "_os_release", lambda: {"ID": "fedora", "PRETTY_NAME": "Fedora Linux 43"})
    with pytest.raises(ImageError, match="Fedora Linux 43") as caught:
        ensure(engine, "base:1")
    assert "REGISTRY" in caught.value.fix
    assert "bundle" in caught.value.fix


def test_builds_get_the_machines_proxies_and_package_index() -> None:
    environment = {"HTTPS_PROXY": "http://proxy.test", "no_proxy": "localhost", "PIP_INDEX_URL": "http://index.test", "X": "1"}
    assert trust.build_args(environment) == {name: value for name, value in environment.items() if name != "X"}


def test_the_bundle_is_the_named_one_with_nodes_extra(tmp_path: Path) -> None:
    (tmp_path / "all.pem").write_text("all")
    (tmp_path / "extra.pem").write_text("extra")
    environment = {"SSL_CERT_FILE": str(tmp_path / "all.pem"), "NODE_EXTRA_CA_CERTS": str(tmp_path / "extra.pem")}
    assert trust.bundle(environment) == b"all\nextra"
    assert trust.bundle({"SSL_CERT_FILE": str(tmp_path / "gone.pem")}) == b""
    assert trust.bundle({}) == b""


def real_recipes() -> list[recipes.Recipe]:
    return list(recipes.load(ROOT / "images").values())


@pytest.mark.parametrize("recipe", real_recipes(), ids=lambda recipe: recipe.image)
def test_recipe_is_whole(recipe: recipes.Recipe) -> None:
    """It starts from its parent, its entry point can be executed, and it pins what it takes from PyPI."""
    if recipe.mmdebstrap:
        assert not recipe.parent
        return
    dockerfile = (recipe.folder / "Dockerfile").read_text()
    assert re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE) == [f"{recipes.LOCAL}/{recipe.parent}"]
    assert re.search(r"^CMD \[", dockerfile, re.MULTILINE)
    for entry in re.findall(r"^COPY (docker-entrypoint\S+)", dockerfile, re.MULTILINE):
        assert (recipe.folder / entry).stat().st_mode & 0o111
    assert not [line for line in re.findall(r"^(?:RUN| &&) pip install.*", dockerfile, re.MULTILINE) if "==" not in line]
