"""The stored lessons and solutions are what a reader can trust and nbval compares."""

from pathlib import Path

import pytest

from servicelab import lessons, settings
from servicelab.lessons import authoring, hygiene, notebooks

LESSONS = lessons.all_lessons()
STORED = [path for folder in ("notebooks", "solutions") for path in sorted((settings.root() / folder).glob("*.ipynb"))]


@pytest.mark.parametrize("path", STORED, ids=[f"{path.parent.name}/{path.stem}" for path in STORED])
def test_a_stored_notebook_has_no_problems(path: Path) -> None:
    assert hygiene.problems(notebooks.read(path)) == []


@pytest.mark.parametrize("lesson", LESSONS, ids=[lesson.number for lesson in LESSONS])
def test_the_text_is_in_step_with_its_notebook(lesson: lessons.Lesson) -> None:
    assert lesson.text.read_text(encoding="utf-8") == authoring.text_of(lesson), f"run: servicelab lessons text {lesson.number}"


def test_every_notebook_and_text_belongs_to_a_lesson() -> None:
    """A misnamed file would be left out of every other test."""
    root = settings.root()
    names = {lesson.name for lesson in LESSONS}
    found = {
        path.stem for pattern in ("notebooks/*.ipynb", "notebooks/text/*.md", "solutions/*.ipynb") for path in root.glob(pattern)
    }
    assert found == names
