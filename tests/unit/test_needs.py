"""What a lesson needs is read from its notebook, so that it can be fetched before the lesson starts."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from servicelab import faults, lessons
from servicelab.errors import ComposeError
from servicelab.lessons import needs


def lesson(root: Path, *cells: str) -> lessons.Lesson:
    """A lesson with these code cells, in a workspace with one stack: postgres, and a service that is built on python."""
    for folder in ("notebooks", "compose", "app"):
        (root / folder).mkdir()
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbformat.write(notebook, root / "notebooks" / "01-first.ipynb")
    (root / "app" / "Dockerfile").write_text("ARG REGISTRY=docker.io\nFROM ${REGISTRY}/library/python:3.13-slim\n")
    (root / "compose" / "shop.yaml").write_text(
        "name: shop\nservices:\n  db:\n    image: ${REGISTRY:-docker.io}/library/postgres:17\n"
        '  app:\n    build: {context: ../app, args: {REGISTRY: "${REGISTRY:-docker.io}"}}\n'
    )
    return lessons.find("01", root)


def test_stacks_and_images_that_are_named_are_needed(tmp_path: Path) -> None:
    first = lesson(tmp_path, 'shop = Stack("shop")', 'NAME = "library/node:24-slim"', "print('library/nothing')")
    assert needs.images_of([first]) == ["library/node:24-slim", "library/postgres:17", "library/python:3.13-slim"]


def test_a_lesson_with_faults_needs_the_tools_for_them(tmp_path: Path) -> None:
    wanted = needs.images_of([lesson(tmp_path, 'with shop.fault("app", latency="1s"): ...')])
    assert wanted == sorted(faults.TOOLS)


def test_a_stack_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ComposeError):
        needs.images_of([lesson(tmp_path, "Stack('none').up()")])
