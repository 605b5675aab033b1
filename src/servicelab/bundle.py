"""A bundle: all that chosen lessons need, in one file, for a room without a network.

A zip of ``manifest.json``, the wheels of requirements.lock, and ``images.tar`` as `docker save` writes it: the images that the
lessons' stacks name, and those of our own services, built, so that the room needs no package index. What a lesson builds by itself
in its cells (lesson 03) does need one.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import docker

from servicelab import compose, images, settings, trust
from servicelab.engine.build import prebuilt_image
from servicelab.engine.client import connect
from servicelab.errors import ImageError, ServicelabError
from servicelab.lessons import Lesson, needs
from servicelab.progress import Progress, silent
from servicelab_start.offline import here

CHUNK = 1 << 20  # bytes


@dataclass(frozen=True)
class Contents:
    """What a bundle holds. ``with_ca``: images that carry the CA bundle of the machine that made them."""

    lessons: list[str]
    images: list[str]
    with_ca: list[str]
    size: int = 0  # bytes of the file


def save(file: Path, lessons: Sequence[Lesson], *, progress: Progress = silent) -> Contents:
    """Write FILE with what LESSONS need, on an engine and a Python like this one's. An old FILE stays until the new one is whole.

    Raises `ImageError` for an image that can't be had, `ServicelabError` where the wheels can't be.
    """
    registry = images.ensure(needs.images_of(lessons), registry=settings.registry(), progress=progress)
    settings.store({"REGISTRY": registry})
    part = file.with_name(f".{file.name}.part")
    with contextlib.closing(connect()) as client:
        tags = [f"{registry}/{name}" for name in needs.images_of(lessons)]
        with_ca = [tag for tag in tags if _label(client, tag, trust.LABEL)]
        built = _built(client, lessons, registry, progress)
        tags += built
        manifest: dict[str, Any] = {
            "python": here(),
            "engine": _architecture(client),
            "registry": registry,
            "lessons": [lesson.number for lesson in lessons],
            "images": tags,
            "with_ca": with_ca,
        }
        try:
            with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as bundle:
                bundle.writestr("manifest.json", json.dumps(manifest, indent=1))
                progress("wheels", "fetching those of requirements.lock")
                with tempfile.TemporaryDirectory() as scratch:
                    _fetch_wheels(Path(scratch))
                    for wheel in sorted(Path(scratch).iterdir()):
                        bundle.write(wheel, f"wheels/{wheel.name}")
                progress("wheels", "ready")
                with bundle.open(zipfile.ZipInfo("images.tar"), "w", force_zip64=True) as target:
                    for written, chunk in _saved(client, tags):
                        target.write(chunk)
                        progress("images", _hundreds(written))
            part.replace(file)
        finally:
            part.unlink(missing_ok=True)
            for tag in built:  # here they are built when they are needed; the layers stay in the build cache
                client.api.remove_image(tag, noprune=True)
    return Contents(manifest["lessons"], tags, with_ca, file.stat().st_size)


def load(file: Path, *, progress: Progress = silent) -> Contents:
    """Bring the images of FILE onto the engine, and make the Compose files name them. (Its wheels are start.py's.)

    Raises `ServicelabError` where FILE is no whole bundle, or is made for another kind of engine.
    """
    try:
        with zipfile.ZipFile(file) as bundle, contextlib.closing(connect()) as client:
            manifest = json.loads(bundle.read("manifest.json"))
            if manifest["engine"] != _architecture(client):
                raise ServicelabError(
                    f"{file.name} is for an engine on {manifest['engine']}; this one is on {_architecture(client)}",
                    fix="make a bundle on a machine of the same kind: servicelab bundle save FILE",
                )
            with bundle.open("images.tar") as source:
                for event in client.api.load_image(_chunks(source, progress)):
                    if "error" in event:
                        raise ServicelabError("the engine does not take the bundle's images", why=event["error"])
            missing = [tag for tag in manifest["images"] if _label(client, tag, "") is None]
    except FileNotFoundError:
        raise ServicelabError(f"there is no file {file}", fix="name what `servicelab bundle save FILE` wrote") from None
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise ServicelabError(f"{file.name} is not a whole bundle", why=str(error), fix="copy it again") from None
    if missing:
        raise ImageError(f"after loading {file.name} the engine has no {missing[0]}", fix="make room for it, and load it again")
    settings.store({"REGISTRY": manifest["registry"]})
    return Contents(manifest["lessons"], manifest["images"], manifest["with_ca"], file.stat().st_size)


def _built(client: docker.DockerClient, lessons: Sequence[Lesson], registry: str, progress: Progress) -> list[str]:
    """The images of the services of these lessons' stacks, built. Returns their tags."""
    variables = settings.variables() | {"REGISTRY": registry}
    tags: dict[str, None] = {}
    for file in sorted({file for lesson in lessons for file in needs.stacks_of(lesson)}):
        for service in compose.load(file, variables).services.values():
            if service.build:
                tags[prebuilt_image(client, service.build, progress, service.name)] = None
    return list(tags)


def _fetch_wheels(folder: Path) -> None:
    lock = settings.root() / "requirements.lock"
    command = ["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:", "--require-hashes"]
    command += ["--requirement", str(lock), "--dest", str(folder)]
    why = ""
    for python in dict.fromkeys([sys.executable, getattr(sys, "_base_executable", sys.executable)]):  # uv's .venv has no pip
        done = subprocess.run([python, *command], capture_output=True, text=True)
        if done.returncode == 0:
            return
        why = "\n".join(done.stderr.splitlines()[-5:])
    raise ServicelabError("the wheels of requirements.lock can't be fetched", why=why, fix="pip and a package index are needed")


def _saved(client: docker.DockerClient, tags: Sequence[str]) -> Iterator[tuple[int, bytes]]:
    """What `docker save` of several images gives (layers that they share come once), and how many bytes it were so far."""
    # the SDK saves one image at a time; its client is a requests session, so the engine's own address can be asked
    url = f"{client.api.base_url}/v{client.api.api_version}/images/get"
    with client.api.get(url, params={"names": list(tags)}, stream=True, timeout=600) as answer:
        answer.raise_for_status()
        written = 0
        for chunk in answer.iter_content(CHUNK):
            written += len(chunk)
            yield written, chunk


def _chunks(source: IO[bytes], progress: Progress) -> Iterator[bytes]:
    read = 0
    while chunk := source.read(CHUNK):
        read += len(chunk)
        progress("images", _hundreds(read))
        yield chunk


def _hundreds(count: int) -> str:
    return f"{count // 100_000_000 * 100} MB"


def _label(client: docker.DockerClient, tag: str, name: str) -> str | None:
    """The value of a label of an image, "" where it has none; None where there is no such image."""
    try:
        labels: dict[str, Any] = client.api.inspect_image(tag)["Config"].get("Labels") or {}
    except docker.errors.ImageNotFound:
        return None
    return str(labels.get(name, ""))


def _architecture(client: docker.DockerClient) -> str:
    version = client.version()
    return f"{version['Os']}/{version['Arch']}"
