"""The labs are generated from their solutions. That each tells right from wrong is the step `labs` of the test command."""

import pytest

from servicelab import lessons, settings
from servicelab.lessons import labs

LESSONS = [lesson for lesson in lessons.all_lessons() if lesson.number != "00"]
each_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=[lesson.number for lesson in LESSONS])


@each_lesson
def test_the_lab_is_what_its_solution_generates(lesson: lessons.Lesson) -> None:
    assert lesson.solution.is_file(), "each lesson from 01 on has a lab"
    assert lesson.lab.read_text(encoding="utf-8") == labs.lab_of(lesson), f"run: servicelab lessons labs {lesson.number}"


@each_lesson
def test_the_lab_gives_no_wrong_answer_away(lesson: lessons.Lesson) -> None:
    lab = lesson.lab.read_text(encoding="utf-8")
    wrong = labs.wrong_answers(lesson)
    assert wrong
    assert [answer.name for answer in wrong if answer.mistake in lab] == []


def test_every_lab_and_wrong_answer_belongs_to_a_lesson() -> None:
    root = settings.root()
    assert {path.stem for path in (root / "labs").glob("*.ipynb")} <= {lesson.name for lesson in LESSONS}
    assert {path.name for path in (root / "solutions" / "wrong").glob("*")} <= {lesson.number for lesson in LESSONS}
