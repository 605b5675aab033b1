"""Labs: generated from their solutions, and tried in every variant. A kernel runs; no Docker engine is needed."""

from pathlib import Path
from typing import Any

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from servicelab import lessons
from servicelab.errors import LessonError
from servicelab.lessons import labs, notebooks, trials

EXERCISE = """\
def largest(numbers):
    ### BEGIN SOLUTION
    return max(numbers)
    ### END SOLUTION"""
CHECK = """\
from servicelab import checks
checks.that("the largest is found", expected=3, seen=lambda: largest([1, 3, 2]))
checks.that("negative numbers count", expected=-1, seen=lambda: largest([-2, -1]))"""
SECOND = "### BEGIN SOLUTION\nanswer = largest([4, 2])\n### END SOLUTION"
WRONG = {
    "last-one": "# exercise: largest\n# mistake: takes the last one\n# fails with: the largest is found\nreturn numbers[-1]\n",
    "from-zero": """\
# exercise: largest
# mistake: starts at zero, so all below is lost
# fails with: negative numbers count

best = 0
for number in numbers:
    best = max(best, number)
return best
""",
}


def solution() -> Any:
    cells = [
        new_markdown_cell("# Lab", id="title"),
        new_code_cell(EXERCISE, id="largest"),
        new_code_cell(CHECK, id="check-largest"),
        new_code_cell(SECOND, id="second"),
        new_code_cell('checks.that("four", expected=4, seen=answer)', id="check-second"),
    ]
    return new_notebook(cells=cells)


@pytest.fixture
def lesson(tmp_path: Path) -> lessons.Lesson:
    """A lesson 07 with a lab of two exercises and two wrong answers."""
    found = lessons.Lesson("07", "07-sample", tmp_path)
    notebooks.write(new_notebook(), found.notebook)
    notebooks.write(solution(), found.solution)
    found.wrong.mkdir(parents=True)
    for name, text in WRONG.items():
        (found.wrong / f"{name}.py").write_text(text)
    return found


def test_the_lab_has_a_task_in_place_of_each_answer_and_no_outputs(lesson: lessons.Lesson, tmp_path: Path) -> None:
    notebook = solution()
    notebook.cells[2].outputs = [new_output("stream", text="ok\n")]
    notebook.cells[2].execution_count = 2
    notebooks.write(notebook, lesson.solution)
    assert labs.generate("7", root=tmp_path) == lesson.lab
    lab = notebooks.read(lesson.lab)
    assert lab.cells[1].source == ('def largest(numbers):\n    # your code here\n    raise NotImplementedError("your code here")')
    assert [cell.id for cell in lab.cells] == [cell.id for cell in notebook.cells]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in notebooks.code_cells(lab))
    assert "max(" not in lesson.lab.read_text()
    assert labs.generate("7", root=tmp_path) is None


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1\n### BEGIN SOLUTION\nx = 2", "cell a, line 2: has ### BEGIN SOLUTION without its end"),
        ("x = 1\n### END SOLUTION", "cell a, line 2: has ### END SOLUTION before any"),
        ("### BEGIN SOLUTION\n1\n### BEGIN SOLUTION\n2\n### END SOLUTION", "cell a, line 3: has a ### BEGIN SOLUTION inside"),
        ("### BEGIN SOLUTION\n1\n### END SOLUTION\n" * 2, "cell a, line 4: has a second answer"),
        ("### Begin solution\n1\n### END SOLUTION", "cell a, line 1: is not a marker: ### Begin solution"),
        ("x = 1  ### BEGIN SOLUTION\n1\n### END SOLUTION", "cell a, line 1: is not a marker"),
        ("### BEGIN SOLUTION\n\n### END SOLUTION", "cell a, line 1: has an answer that is empty"),
        ("q = '''\n### BEGIN SOLUTION\nselect 1\n### END SOLUTION\n'''", "cell a, line 2: has a marker inside a string"),
        ("x = (\n### BEGIN SOLUTION\n1\n### END SOLUTION\n)", "cell a is not Python any more"),
        ("x = 1", "a solution without an exercise"),
    ],
)
def test_bad_markers_raise_with_cell_and_line(source: str, message: str) -> None:
    with pytest.raises(LessonError, match=message):
        labs.empty(new_notebook(cells=[new_code_cell(source, id="a")]))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# exercise: largest\n# mistake: m\nreturn 1", "no fails with"),
        ("# exercise: largest\n# mistake: m\n# fails with: r\n", "no code"),
        ("# exercise: smallest\n# mistake: m\n# fails with: r\nreturn 1", "no exercise smallest"),
        ("# exercise: largest\n# mistake: m\n# fails with: the largest is found\nreturn 1", "the same reason as last-one"),
    ],
)
def test_a_wrong_answer_has_to_say_what_it_is(lesson: lessons.Lesson, text: str, message: str) -> None:
    (lesson.wrong / "other.py").write_text(text)
    with pytest.raises(LessonError, match=message):
        labs.wrong_answers(lesson)


def test_each_variant_of_a_good_lab_ends_as_it_must(lesson: lessons.Lesson, tmp_path: Path) -> None:
    rows: list[str] = []
    verdicts = trials.try_out("7", root=tmp_path, echo=rows.append)
    assert [(verdict.trial, verdict.outcome.partition(":")[0], verdict.fault) for verdict in verdicts] == [
        ("untouched", "NotImplementedError in check-largest", ""),
        ("from-zero", "CheckFailed in check-largest", ""),
        ("last-one", "CheckFailed in check-largest", ""),
        ("without second", "NotImplementedError in second", ""),
        ("solution", "passes", ""),
    ]
    assert all(row.endswith("as it must") for row in rows)


def test_a_mistake_that_cannot_be_mended_where_it_was_made_is_a_fault(lesson: lessons.Lesson, tmp_path: Path) -> None:
    """The wrong answer leaves something behind that the right one trips over: a learner would have to start anew."""
    (lesson.wrong / "last-one.py").write_text(WRONG["last-one"].replace("return", "globals()['max'] = min\nreturn"))
    verdicts = trials.try_out("7", root=tmp_path, echo=[].append)
    assert verdicts[-1].trial == "solution"
    assert verdicts[-1].fault.startswith("the solution fails: not so: the largest is found")


def test_an_answer_that_takes_the_kernel_down_ends_the_trials(lesson: lessons.Lesson, tmp_path: Path) -> None:
    (lesson.wrong / "last-one.py").write_text(WRONG["last-one"].replace("return", "import os\nos._exit(1)\nreturn"))
    verdicts = trials.try_out("7", root=tmp_path, echo=[].append)
    assert [verdict.trial for verdict in verdicts] == ["untouched", "from-zero", "last-one"]
    assert verdicts[-1].fault.startswith("it has to fail with CheckFailed, not with DeadKernel")


def failure(error: str, message: str) -> notebooks.CellError:
    return notebooks.CellError(cell_id="check-largest", position=2, error=error, message=message)


@pytest.mark.parametrize(
    ("came", "fault"),
    [
        (failure("CheckFailed", "not so: the largest is found"), ""),
        (failure("CheckFailed", "not so: negative numbers count"), "it fails for another reason"),
        (failure("NameError", "the largest is found"), "it has to fail with CheckFailed, not with NameError"),
        (None, "it passed, and has to fail"),
    ],
)
def test_a_wrong_answer_counts_only_when_it_fails_for_its_reason(came: notebooks.CellError | None, fault: str) -> None:
    trial = trials.Trial("last-one", "largest", "return 1", ("CheckFailed",), "the largest is found")
    judged = trials.judge(trial, came)
    assert fault in judged
    assert bool(judged) == bool(fault)


def test_a_solution_that_fails_is_a_fault() -> None:
    judged = trials.judge(trials.Trial("solution", "largest"), failure("CheckFailed", "not so"))
    assert judged == "the solution fails: not so"


def test_a_lab_without_wrong_answers_is_refused(lesson: lessons.Lesson) -> None:
    for path in lesson.wrong.iterdir():
        path.unlink()
    with pytest.raises(LessonError, match="lab 07 has no wrong answers"):
        trials.trials(lesson)
