"""Recipes: how an image is built here when no registry can be reached, from Debian, PyPI and Go packages alone.

A recipe is a folder of images/ with a ``recipe.toml`` (which image it stands for, which recipe it builds on) and a
Dockerfile with its files. The first of them, ``base``, has no Dockerfile: mmdebstrap makes it from Debian packages.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from servicelab import settings, trust
from servicelab.errors import ImageError
from servicelab.images.jobs import Job

LOCAL = "servicelab.local"
"""The registry part of every stand-in's tag: no official name, and no registry's."""

LABEL = "servicelab.recipe"
"""The label of a stand-in; its value is the hash of all that went into it."""

DIGEST = "servicelab.digest"
"""The label of a pulled image with a layer of ours: the digest that it was pulled by."""

_ELSEWHERE = "set REGISTRY to a registry that answers, or load the images from a bundle of another machine"


@dataclass(frozen=True)
class Recipe:
    """One folder of images/.

    Attributes: ``image``, as in "library/postgres:17"; ``parent``, the recipe whose image it starts from ("" for none);
    ``pull``: a registry may have it; ``official``: its full name, where that is not Docker Hub's;
    ``digest``: the one image that a registry may give for it, as in "sha256:…" ("": what its tag leads to);
    ``trust``: services are built on this image, so that it gets the machine's CA also when it was pulled.
    """

    image: str
    folder: Path
    parent: str = ""
    pull: bool = True
    official: str = ""
    digest: str = ""
    trust: bool = False
    mmdebstrap: Mapping[str, Any] = field(default_factory=dict)

    @property
    def tag(self) -> str:
        """The full tag of the stand-in."""
        return f"{LOCAL}/{self.image}"

    def files(self) -> list[Path]:
        """What the image is made of, in a stable order."""
        skipped = {"recipe.toml", "__pycache__"}
        return sorted(path for path in self.folder.rglob("*") if path.is_file() and not skipped & set(path.parts))


def load(folder: Path | None = None) -> dict[str, Recipe]:
    """All recipes by the image that they stand for, parents before those that build on them; by default of images/."""
    folder = folder or settings.root() / "images"
    found = {}
    for path in sorted(folder.glob("*/recipe.toml")):
        recipe = Recipe(folder=path.parent, **tomllib.loads(path.read_text(encoding="utf-8")))
        found[recipe.image] = recipe
    for recipe in found.values():
        if recipe.parent and recipe.parent not in found:
            raise ImageError(f"{recipe.folder / 'recipe.toml'}: no recipe makes its parent {recipe.parent}")

    def depth(recipe: Recipe) -> int:
        return 1 + depth(found[recipe.parent]) if recipe.parent else 0

    return {recipe.image: recipe for recipe in sorted(found.values(), key=depth)}


def fingerprint(recipe: Recipe, known: Mapping[str, Recipe]) -> str:
    """The hash of a recipe's inputs: its files and their modes, and its parent's inputs."""
    digest = hashlib.sha256()
    digest.update(fingerprint(known[recipe.parent], known).encode() if recipe.parent else b"")
    digest.update(json.dumps(recipe.mmdebstrap, sort_keys=True).encode())
    for path in recipe.files():
        executable = "x" if os.access(path, os.X_OK) else "-"
        digest.update(f"\0{path.relative_to(recipe.folder).as_posix()}\0{executable}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def build(recipe: Recipe, known: Mapping[str, Recipe], pem: bytes, job: Job) -> None:
    """Builds the stand-in and tags it. Its parent must be there. Raises `ImageError`; leaves nothing half-made."""
    labels = {LABEL: fingerprint(recipe, known)}
    if not recipe.mmdebstrap:
        job.build(recipe.tag, recipe.folder, labels=labels)
        return
    with tempfile.TemporaryDirectory(prefix="servicelab-", dir=_memory(), ignore_cleanup_errors=True) as scratch:
        Path(scratch).chmod(0o711)  # apt steps down to a user that has to get through
        root = Path(scratch, "root.tar")
        _debian(recipe, root, Path(scratch), job)
        imported = job.load_root(root)
        try:
            wrap(imported, recipe.tag, pem, job, labels=labels)
        except BaseException:
            job.remove(imported)
            raise


def _memory(needed: int = 1 << 30) -> str | None:
    """A folder in memory, where there is plenty: dpkg syncs so often that a disk takes twice as long."""
    folder = "/dev/shm"  # noqa: S108  tempfile makes a folder of our own in it
    try:
        status = os.statvfs(folder)
        free = min(status.f_bavail * status.f_frsize, os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, OSError, ValueError):
        return None
    return folder if free > needed and not status.f_flag & os.ST_NOEXEC else None


def wrap(image: str, tag: str, pem: bytes, job: Job, labels: Mapping[str, str] | None = None) -> None:
    """Tags ``image`` anew, with the machine's CA in it where there is one."""
    with tempfile.TemporaryDirectory(prefix="servicelab-") as scratch:
        Path(scratch, "Dockerfile").write_text(trust.layer(image, pem), encoding="utf-8")
        Path(scratch, "ca.pem").write_bytes(pem)
        job.build(tag, Path(scratch), labels=dict(labels or {}))


def _debian(recipe: Recipe, target: Path, scratch: Path, job: Job) -> None:
    """A root file system of Debian packages as a tar, from the mirror that this machine itself uses."""
    system = _os_release()
    family = {system.get("ID", ""), *system.get("ID_LIKE", "").split()}
    if not family & {"debian", "ubuntu"}:
        name = system.get("PRETTY_NAME") or platform.system()
        raise ImageError(
            f"{recipe.image} can't be built on this machine",
            why=f"recipes start from Debian packages, put together by Debian or Ubuntu; this is {name}",
            fix=_ELSEWHERE,
        )
    if not shutil.which("mmdebstrap"):
        _install(recipe, job)
    mirror = debian_mirror(system.get("VERSION_CODENAME", "")) if system.get("ID") == "debian" else ""
    options = ["path-exclude=/usr/share/man/*", "path-exclude=/usr/share/doc/*", "path-exclude=/usr/share/locale/*",
               "path-exclude=/usr/lib/python3*/EXTERNALLY-MANAGED", "force-unsafe-io"]  # fmt: skip
    job.say(f"building 1/2: mmdebstrap {recipe.mmdebstrap['suite']}")
    job.run(
        [
            "mmdebstrap",
            "--variant=minbase",
            "--include=" + ",".join(recipe.mmdebstrap["include"]),
            *(f"--dpkgopt={option}" for option in options),
            f"--customize-hook={recipe.folder / 'customize.sh'}",
            recipe.mmdebstrap["suite"],
            str(target),
            *([mirror] if mirror else []),  # none: mmdebstrap knows Debian's own
        ],
        # Its new system is under our folder, so that nothing of it stays behind.
        environment={"TMPDIR": str(scratch)},
        what=f"{recipe.image}: its recipe failed at step 1/2, mmdebstrap",
        fix=f"see that apt-get update works on this machine, then try again; or {_ELSEWHERE}",
    )


def _install(recipe: Recipe, job: Job) -> None:
    packages = ["mmdebstrap", "debian-archive-keyring"]
    as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    manually = "sudo apt-get install --no-install-recommends " + " ".join(packages)
    job.say("installing mmdebstrap")
    for command in (["update", "-q"], ["install", "-q", "--yes", "--no-install-recommends", *packages]):
        job.run(
            [*as_root, "apt-get", *command],
            environment={"DEBIAN_FRONTEND": "noninteractive"},
            what=f"{recipe.image} can't be built: mmdebstrap is missing, and could not be installed",
            fix=f"run: {manually}\nor {_ELSEWHERE}",
        )


def _os_release() -> dict[str, str]:
    try:
        return platform.freedesktop_os_release()
    except OSError:
        return {}


def debian_mirror(codename: str, etc_apt: Path = Path("/etc/apt")) -> str:
    """The URI that this machine's apt has for the main archive of its own release; "" where there is none."""
    for uri, suites in _apt_sources(etc_apt):
        if codename in suites and uri.startswith(("http://", "https://")):
            return uri
    return ""


def _apt_sources(etc_apt: Path) -> Iterator[tuple[str, list[str]]]:
    """Each source's URI with its suites, from both formats that apt reads."""
    for path in sorted(etc_apt.glob("sources.list.d/*.sources")):
        text = "\n".join(line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
        for stanza in text.split("\n\n"):
            fields = dict(line.split(":", 1) for line in stanza.splitlines() if ":" in line and line[0] not in " \t")
            words = {name.strip().lower(): value.split() for name, value in fields.items()}
            if "deb" in words.get("types", []) and words.get("enabled") != ["no"]:
                for uri in words.get("uris", []):
                    yield uri, words.get("suites", [])
    for path in (etc_apt / "sources.list", *sorted(etc_apt.glob("sources.list.d/*.list"))):
        for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
            words_of_line = line.split("]", 1)[-1].split() if "[" in line else line.split()[1:]
            if line.startswith("deb ") and len(words_of_line) >= 2:
                yield words_of_line[0], [words_of_line[1]]
