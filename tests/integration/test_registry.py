"""A registry of our own on loopback, Debian's: what is pulled from it, what is not, and what happens when it goes."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import docker
import pytest

from servicelab import images, settings, trust
from servicelab.engine.client import connect
from servicelab.errors import ImageError
from servicelab.images import recipes, registries
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
    with closing(connect()) as client:
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


def test_an_image_that_is_here_is_not_the_one_that_was_pinned_since(
    mirror: str, client: docker.DockerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    images.ensure([NAME], registry=mirror)
    known = recipes.load()
    pinned = {**known, NAME: recipes.Recipe(**{**vars(known[NAME]), "digest": "sha256:" + "0" * 64})}
    monkeypatch.setattr(recipes, "load", lambda: pinned)
    assert images.ensure([NAME], registry=mirror) == LOCAL


def test_replace_takes_the_official_image_where_a_stand_in_was(
    mirror: str, client: docker.DockerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mirror stands for the official registry, which became reachable after the stand-ins were made."""
    monkeypatch.setattr(settings, "OFFICIAL_REGISTRY", mirror)
    assert images.ensure([NAME], registry=mirror) == LOCAL, "a stand-in is here: nobody is asked"
    assert images.ensure([NAME], registry=mirror, replace=True) == mirror
    assert "FROM_MIRROR=yes" in variables(client, f"{mirror}/{NAME}")


def test_a_mirror_that_is_gone_leaves_the_stand_in(registry: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registries, "_probes", {})
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = f"127.0.0.1:{free.getsockname()[1]}"
    assert images.ensure([NAME], registry=nobody) == LOCAL
