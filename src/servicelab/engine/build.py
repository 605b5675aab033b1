"""Images of our own services: built when their source changed, from a base that is here."""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import docker
from docker.utils.build import exclude_paths

from servicelab import trust
from servicelab.compose import Build
from servicelab.engine.spec import CONTEXT, fingerprint
from servicelab.errors import ImageError
from servicelab.progress import Progress

PREBUILT = "servicelab.local/built"  # in a bundle: an image of a service, with the hash of what it was built from as its tag


def base_images(build: Build) -> set[str]:
    """The images that BUILD's Dockerfile starts from, its ARGs filled in; without its own stages."""
    known = dict(build.args)
    stages: set[str] = set()
    found: set[str] = set()
    for line in (build.context / build.dockerfile).read_text("utf-8").splitlines():
        if match := re.match(r"ARG\s+(\w+)=(\S+)", line, re.I):
            known.setdefault(match[1], match[2])
        elif match := re.match(r"FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?", line, re.I):
            image = re.sub(r"\$\{?(\w+)\}?", lambda name: known.get(name[1], ""), match[1])
            if image not in stages and image != "scratch":
                found.add(image)
            if match[2]:
                stages.add(match[2])
    return found


def context_hash(client: docker.DockerClient, build: Build) -> str:
    """Changes when an image built from BUILD could change: its files, its arguments, its base."""
    digest = hashlib.sha256()
    for name in sorted(exclude_paths(str(build.context), _ignored(build.context), dockerfile=build.dockerfile)):
        path = build.context / name
        if path.is_file():
            digest.update(f"{name}\0{path.stat().st_mode & 0o111}\0".encode())
            digest.update(path.read_bytes())
    bases = [client.api.inspect_image(image)["Id"] for image in sorted(base_images(build))]
    return fingerprint([digest.hexdigest(), build.dockerfile, build.target, dict(build.args), bases])


def built_image(
    client: docker.DockerClient, build: Build, tag: str, labels: Mapping[str, str], progress: Progress, thing: str
) -> str:
    """The id of TAG, built now unless it is there and nothing changed. Raises `ImageError` with the step that failed."""
    wanted = context_hash(client, build)
    try:
        image = client.api.inspect_image(tag)
        if (image["Config"].get("Labels") or {}).get(CONTEXT) == wanted:
            return str(image["Id"])
    except docker.errors.ImageNotFound:
        pass
    ready = f"{PREBUILT}:{wanted}"
    with contextlib.suppress(docker.errors.ImageNotFound):
        client.api.inspect_image(ready)
        # for our labels alone: it stays, whoever removes what they built
        return _run(
            client, thing, progress, fileobj=io.BytesIO(f"FROM {ready}\n".encode()), tag=tag, labels={**labels, CONTEXT: wanted}
        )
    return _build(client, build, tag, {**labels, CONTEXT: wanted}, progress, thing)


def prebuilt_image(client: docker.DockerClient, build: Build, progress: Progress, thing: str) -> str:
    """The tag of an image for a bundle: where it is loaded, `built_image` takes it in place of a build."""
    wanted = context_hash(client, build)
    tag = f"{PREBUILT}:{wanted}"
    try:
        client.api.inspect_image(tag)
    except docker.errors.ImageNotFound:
        _build(client, build, tag, {}, progress, thing)
    return tag


def _build(client: docker.DockerClient, build: Build, tag: str, labels: Mapping[str, str], progress: Progress, thing: str) -> str:
    return _run(
        client,
        thing,
        progress,
        fix=f"mend {build.context.name}/{build.dockerfile} or what it copies, and call up() again",
        path=str(build.context),
        dockerfile=build.dockerfile,
        tag=tag,
        buildargs={**trust.build_args(), **build.args},
        target=build.target,
        labels=dict(labels),
    )


def _run(client: docker.DockerClient, thing: str, progress: Progress, *, fix: str = "", **options: Any) -> str:
    """One build, with the SDK's OPTIONS. The id of the image. Raises `ImageError` with the step that failed."""
    step = ""
    output: list[str] = []
    for event in client.api.build(**options, rm=True, forcerm=True, decode=True):
        text = event.get("stream", "").rstrip()
        if text.startswith("Step "):
            step, output = text, []
            progress(thing, "building: " + text.removeprefix("Step ")[:60])
        elif text:
            output.append(text)
        if "error" in event:
            why = f"{step}\n" + "\n".join([*output[-12:], event["error"]])
            raise ImageError(f"the image of {thing} can't be built", why=why, fix=fix)
    return str(client.api.inspect_image(options["tag"])["Id"])


def _ignored(context: Path) -> list[str]:
    try:
        lines = (context / ".dockerignore").read_text("utf-8").splitlines()
    except FileNotFoundError:
        return []
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]
