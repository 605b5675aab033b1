"""Which images a lesson needs, read from its notebook: the stacks that it starts, and the images that it names itself."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from servicelab import compose, faults, settings
from servicelab.engine.build import base_images
from servicelab.lessons import notebooks
from servicelab.lessons.lesson import Lesson

FIRST = 2  # lessons whose images start.py fetches before it opens the first of them; the others are made meanwhile

_STACK = re.compile(r"""\bStack\(\s*["']([\w-]+)["']""")
_FAULT = re.compile(r"\.fault\(")
_IMAGE = re.compile(r"\blibrary/[a-z0-9][\w.-]*:[\w.-]+")


def images_of(lessons: Iterable[Lesson]) -> list[str]:
    """The names, as in "library/postgres:17", for these lessons and their labs. Raises `ComposeError` for a stack that isn't there."""
    names: set[str] = set()
    for lesson in lessons:
        code = _code(lesson)
        names.update(_IMAGE.findall(code))
        if _FAULT.search(code):
            names |= set(faults.TOOLS)
        for file in stacks_of(lesson):
            names |= images_of_stack(file)
    return sorted(names)


def stacks_of(lesson: Lesson) -> list[Path]:
    """The Compose files of the stacks that a lesson and its lab start."""
    return [lesson.root / "compose" / f"{name}.yaml" for name in sorted({*_STACK.findall(_code(lesson))})]


def _code(lesson: Lesson) -> str:
    there = [path for path in (lesson.notebook, lesson.solution) if path.is_file()]
    return "\n".join(cell.source for path in there for cell in notebooks.code_cells(notebooks.read(path)))


def images_of_stack(file: Path) -> set[str]:
    """What the services of a Compose file run on or are built from, as far as REGISTRY stands before it."""
    registry = settings.registry()
    application = compose.load(file, settings.variables() | {"REGISTRY": registry})
    found: set[str] = set()
    for service in application.services.values():
        found |= {service.image} if service.image else set()
        found |= base_images(service.build) if service.build else set()
    return {image.removeprefix(f"{registry}/") for image in found if image.startswith(f"{registry}/")}
