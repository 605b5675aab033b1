"""What an author of lessons does: execute them, export their text, take an edited text back."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from servicelab import leftovers
from servicelab.errors import LessonError
from servicelab.lessons import markdown, notebooks
from servicelab.lessons.lesson import Lesson, find


def execute(
    number: str,
    *,
    root: Path | None = None,
    timeout: int = notebooks.CELL_TIMEOUT,
    echo: Callable[[str], None] = print,
) -> list[Path]:
    """Run a lesson and its lab's solution, store their outputs, export the lesson's text; gives the files that changed.

    A notebook whose run fails stays as it is. On an unchanged tree nothing changes but cells tagged
    ``nbval-ignore-output``. The learner is ``author-NN``, on every machine: names that show up in an output stay the same.
    ``timeout`` is in seconds and for each cell. Raises CellError.
    """
    lesson = find(number, root)
    learner = f"author-{lesson.number}"
    changed = []
    for source in (lesson.notebook, lesson.solution):
        if not source.is_file():
            continue
        notebook = notebooks.read(source)
        try:
            with tempfile.TemporaryDirectory(prefix="servicelab-") as folder:
                notebooks.play(notebook, cwd=Path(folder), env={"SERVICELAB_LEARNER": learner}, timeout=timeout)
        finally:
            leftovers.remove(learner)
        notebooks.tidy(notebook)
        name = source.relative_to(lesson.root)
        if source.read_text(encoding="utf-8") == notebooks.dumps(notebook):
            echo(f"{name}: executed, nothing changed")
        else:
            notebooks.write(notebook, source)
            changed.append(source)
            echo(f"{name}: executed, stored")
    return changed + export_text(number, root=root)


def export_text(number: str, *, root: Path | None = None) -> list[Path]:
    """Write a lesson's cells to notebooks/text/; gives the file if it changed."""
    lesson = find(number, root)
    text = text_of(lesson)
    if lesson.text.is_file() and lesson.text.read_text(encoding="utf-8") == text:
        return []
    lesson.text.parent.mkdir(parents=True, exist_ok=True)
    fresh = lesson.text.with_suffix(".md.new")
    fresh.write_text(text, encoding="utf-8", newline="\n")
    os.replace(fresh, lesson.text)
    return [lesson.text]


def text_of(lesson: Lesson) -> str:
    """The text that belongs to a lesson as it is now."""
    return markdown.to_text(notebooks.read(lesson.notebook), lesson.name)


def take(number: str, *, root: Path | None = None) -> list[str]:
    """Bring the edited text of a lesson back into its notebook; gives the ids of the cells that changed.

    Changed code cells have no outputs until the next ``execute``.
    """
    lesson = find(number, root)
    if not lesson.text.is_file():
        raise LessonError(f"no text of lesson {lesson.number}", fix=f"servicelab lessons text {lesson.number}")
    notebook = notebooks.read(lesson.notebook)
    changed = markdown.take(lesson.text.read_text(encoding="utf-8"), notebook)
    before = notebooks.dumps(notebooks.read(lesson.notebook))
    if notebooks.dumps(notebook) != before:
        notebooks.write(notebook, lesson.notebook)
    export_text(number, root=root)
    return changed
