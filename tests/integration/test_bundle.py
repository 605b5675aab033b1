"""A bundle: what it holds, what it does to an engine, and what is said of one that is no good. Rooms without a network: tests/soak."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import docker
import pytest

from servicelab import bundle, compose, lessons, settings
from servicelab.compose import Build
from servicelab.engine.build import PREBUILT, built_image, context_hash
from servicelab.errors import ServicelabError
from servicelab.progress import silent


@pytest.fixture
def no_wheels(monkeypatch: pytest.MonkeyPatch) -> None:
    """130 MB less: tests/soak takes them, and makes an environment of them."""
    monkeypatch.setattr(bundle, "_fetch_wheels", lambda folder: (folder / "a-1-py3-none-any.whl").touch())


@pytest.mark.usefixtures("no_wheels")
def test_what_was_saved_is_there_after_loading(tmp_path: Path, client: docker.DockerClient, learner: str) -> None:
    file = tmp_path / "bundle.zip"
    saved = bundle.save(file, [lessons.find("01")])
    built = [tag for tag in saved.images if tag.startswith(PREBUILT)]
    assert len(built) == 1, "the monolith, once, though two services are made of it"
    with zipfile.ZipFile(file) as found:
        assert set(found.namelist()) == {"manifest.json", "images.tar", "wheels/a-1-py3-none-any.whl"}
        passwords = [value for name, value in settings.variables().items() if name in settings.PASSWORDS]
        assert not any(password.encode() in found.read("images.tar") for password in passwords)
    with pytest.raises(docker.errors.ImageNotFound):
        client.images.get(built[0])
    assert bundle.load(file) == bundle.Contents(saved.lessons, saved.images, saved.with_ca, file.stat().st_size)

    # the service's image now comes from it: its Dockerfile is not run
    service = compose.load(settings.root() / "compose/monolith.yaml", settings.variables()).services["monolith"]
    assert service.build is not None
    said: list[str] = []
    image = built_image(client, service.build, f"{learner}-x", {"servicelab.learner": learner}, lambda _, s: said.append(s), "x")
    assert client.images.get(image).labels["servicelab.learner"] == learner
    assert not any("pip" in line for line in said)
    client.images.remove(built[0], noprune=True)


def test_a_changed_source_is_built(tmp_path: Path, client: docker.DockerClient, registry: str, learner: str) -> None:
    def make(text: str) -> Build:
        (tmp_path / "Dockerfile").write_text(f"FROM {registry}/library/python:3.13-slim\nENV SAYS={text}\n", "utf-8")
        return Build(tmp_path)

    ready = bundle.prebuilt_image(client, make("one"), silent, "x")
    try:
        assert ready.endswith(context_hash(client, make("one")))
        image = built_image(client, make("two"), f"{learner}-x", {"servicelab.learner": learner}, silent, "x")
        assert "SAYS=two" in client.images.get(image).attrs["Config"]["Env"]
    finally:
        client.images.remove(ready)


def cut(file: Path) -> None:
    file.write_bytes(b"PK\x03\x04 and no more")


def elsewhere(file: Path) -> None:
    with zipfile.ZipFile(file, "w") as bundle_file:
        bundle_file.writestr("manifest.json", json.dumps({"engine": "linux/s390x"}))


@pytest.mark.parametrize(
    ("make", "what"),
    [(lambda _: None, "there is no file"), (cut, "is not a whole bundle"), (elsewhere, "for an engine on linux/s390x")],
)
def test_a_file_that_is_no_good(make: Callable[[Path], None], what: str, tmp_path: Path) -> None:
    make(tmp_path / "bundle.zip")
    with pytest.raises(ServicelabError, match=what):
        bundle.load(tmp_path / "bundle.zip")
