"""A registry of our own on loopback, Debian's: what is pulled from it, what is not, and what happens when it goes."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from servicelab import cli, images, settings, trust
from servicelab.engine.client import connect
from servicelab.errors import ImageError
from servicelab.images import recipes, registries, sources
from servicelab.images.jobs import Job
from servicelab.images.recipes import LOCAL

NAME = "library/python:3.13-slim"
CONFIG = """
version: 0.1
storage: {{filesystem: {{rootdirectory: {folder}}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The registry's program, unpacked from Debian's package: nothing is installed."""
    if not shutil.which("apt-get"):
        if os.environ.get("CI"):
            pytest.fail("no apt-get to fetch docker-registry with")
        pytest.skip("docker-registry is a package of Debian and Ubuntu")
    folder = tmp_path_factory.mktemp("registry")
    fetch = ["apt-get", "download", "-q", "docker-registry"]
    if subprocess.run(fetch, cwd=folder, capture_output=True).returncode:
        subprocess.run(["apt-get", "update", "-q"], check=True, capture_output=True)
        subprocess.run(fetch, cwd=folder, check=True, capture_output=True)
    (package,) = folder.glob("*.deb")
    subprocess.run(["dpkg", "-x", package, folder], check=True)
    return folder / "usr/bin/docker-registry"


@pytest.fixture(scope="module")
def server(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry that answers; its address, as REGISTRY takes it."""
    folder = tmp_path_factory.mktemp("server")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = folder / "config.yml"
    config.write_text(CONFIG.format(folder=folder / "store", port=port), "utf-8")
    with (folder / "registry.log").open("wb") as log:
        process = subprocess.Popen([program, "serve", config], stdout=log, stderr=log)
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            assert time.monotonic() < deadline, (folder / "registry.log").read_text("utf-8")
            time.sleep(0.05)
    yield f"127.0.0.1:{port}"
    process.terminate()
    process.wait(30)


@pytest.fixture(scope="module")
def filled(server: str, registry: str) -> str:
    """That registry with python:3.13-slim (a recognisable one) in it."""
    with contextlib.closing(connect()) as client:
        container = client.containers.create(f"{registry}/{NAME}", labels={"servicelab-dev": "registry"})
        repository, tag = f"{server}/{NAME}".rsplit(":", 1)
        # without our labels: what a registry has was not made by a recipe
        made_here = client.images.get(f"{registry}/{NAME}").labels
        changes = ["ENV FROM_MIRROR=yes", *(f'LABEL {name}=""' for name in made_here)]
        container.commit(repository, tag, changes=changes)
        container.remove()
        answer = client.images.push(repository, tag)
        client.images.remove(f"{repository}:{tag}")
    assert "error" not in answer, answer
    return server


@pytest.fixture
def mirror(filled: str, client: docker.DockerClient, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A workshop's mirror of which nothing was pulled yet, for a machine without a CA of its own."""
    monkeypatch.setattr(trust, "bundle", lambda: b"")
    monkeypatch.setattr(registries, "_probes", {})
    yield filled
    for image in client.api.images():  # images.list() looks at each again, and stumbles over one that is removed meanwhile
        for name in image["RepoTags"] or []:
            if name.startswith(filled):
                client.images.remove(name)


def variables(client: docker.DockerClient, tag: str) -> list[str]:
    found: list[str] = client.images.get(tag).attrs["Config"]["Env"]
    return found


def test_a_mirror_that_is_named_is_asked_first(mirror: str, client: docker.DockerClient) -> None:
    """A stand-in is here already; who names a mirror wants its images."""
    assert images.ensure([NAME], registry=mirror) == mirror
    assert "FROM_MIRROR=yes" in variables(client, f"{mirror}/{NAME}")
    assert "FROM_MIRROR=yes" not in variables(client, f"{LOCAL}/{NAME}"), "the stand-in is not touched"


def test_what_the_mirror_lacks_is_a_stand_in_and_one_name_holds_for_all(mirror: str, client: docker.DockerClient) -> None:
    before = client.images.get(f"{LOCAL}/{NAME}")
    try:
        assert images.ensure([NAME, "library/node:24-slim"], registry=mirror) == LOCAL
        assert "FROM_MIRROR=yes" in variables(client, f"{LOCAL}/{NAME}")
    finally:
        before.tag(f"{LOCAL}/{NAME}")


def test_an_image_that_nobody_has(mirror: str) -> None:
    with pytest.raises(ImageError, match="not here, not in 127") as caught:
        images.ensure(["library/none:1"], registry=mirror)
    assert "unknown" in str(caught.value)


@pytest.mark.parametrize("pinned", ["the mirror's", "another"])
def test_a_pinned_digest_is_checked(
    pinned: str, mirror: str, client: docker.DockerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = client.api.inspect_distribution(f"{mirror}/{NAME}")["Descriptor"]["digest"]
    if pinned == "another":
        digest = "sha256:" + "0" * 64
    recipe = recipes.load()[NAME]
    known = {**recipes.load(), NAME: recipes.Recipe(**{**vars(recipe), "digest": digest})}
    monkeypatch.setattr(recipes, "load", lambda: known)
    provided = images.ensure([NAME], registry=mirror)
    if pinned == "another":
        assert provided == LOCAL, "the mirror's image is not the one that is wanted: the recipe makes it"
        assert "FROM_MIRROR=yes" not in variables(client, f"{LOCAL}/{NAME}")
    else:
        assert provided == mirror
        assert client.images.get(f"{mirror}/{NAME}").attrs["RepoDigests"] == [f"{mirror}/library/python@{digest}"]


def test_an_image_that_is_here_and_not_the_pinned_one_is_not_taken(
    mirror: str, registry: str, client: docker.DockerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pinned one is pulled in its place, once; with a layer of this machine's CA on it, it is known again."""
    name, tag = "library/pinned:1", f"{mirror}/library/pinned"
    client.images.pull(f"{mirror}/{NAME}").tag(tag, "1")
    client.images.push(tag, "1")
    digest = client.api.inspect_distribution(f"{tag}:1")["Descriptor"]["digest"]
    recipe = dataclasses.replace(recipes.load()[NAME], image=name, parent="", digest=digest)
    known = {name: recipe}
    monkeypatch.setattr(recipes, "load", lambda: known)
    client.images.get(f"{registry}/{NAME}").tag(tag, "1")  # somebody gave another one its name
    pulls: list[str] = []
    pull = Job.pull
    monkeypatch.setattr(Job, "pull", lambda job, *what: pulls.append(job.name) or pull(job, *what))
    for _ in range(2):
        assert images.ensure([name], registry=mirror) == mirror
        assert "FROM_MIRROR=yes" in variables(client, f"{tag}:1")
    assert pulls == [name]
    monkeypatch.setattr(trust, "bundle", lambda: b"a CA")
    try:
        assert images.ensure([name], registry=mirror) == LOCAL
        assert pulls == [name]
        for pin, here in ((digest, f"{LOCAL}/{name}"), ("sha256:" + "0" * 64, "")):
            known[name] = dataclasses.replace(recipe, digest=pin)
            with contextlib.closing(sources._Search(mirror, lambda *_: None, connect)) as search:
                assert search.here(client, name) == here
        print("pinned: 1 other image of that name not taken, pulled once in 3 calls; another pin: neither of 2 taken")
    finally:
        client.images.remove(f"{LOCAL}/{name}")


def test_stand_ins_are_replaced_on_request_once_the_registry_is_reached(
    mirror: str, client: docker.DockerClient, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`servicelab images ensure --replace`, with this mirror as the official registry."""
    stored: dict[str, str] = {}
    monkeypatch.setattr(settings, "OFFICIAL_REGISTRY", mirror)
    monkeypatch.setattr(settings, "store", stored.update)
    monkeypatch.setenv("REGISTRY", LOCAL)
    assert cli.main(["images", "ensure", NAME]) == 0
    assert capsys.readouterr().out.strip() == LOCAL, "a stand-in that is here is enough"
    assert stored == {}
    assert cli.main(["images", "ensure", "--replace", NAME]) == 0
    assert capsys.readouterr().out.strip() == mirror
    assert stored == {"REGISTRY": mirror}
    assert "FROM_MIRROR=yes" in variables(client, f"{mirror}/{NAME}")
    assert "FROM_MIRROR=yes" not in variables(client, f"{LOCAL}/{NAME}"), "the stand-in is not touched"
    (row,) = [row for row in images.catalogue(registry=mirror) if row.name == NAME]
    assert row.source.startswith("official")
    assert row.tag == f"{mirror}/{NAME}"
    print(f"{NAME}: 1 stand-in kept without --replace, 1 replaced by the registry's with it")


def test_a_mirror_that_is_gone_leaves_the_stand_in(registry: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registries, "_probes", {})
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = f"127.0.0.1:{free.getsockname()[1]}"
    assert images.ensure([NAME], registry=nobody) == LOCAL
