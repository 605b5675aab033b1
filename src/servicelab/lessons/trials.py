"""Prove that a lab tells right from wrong: untouched it fails, each wrong answer fails for its own reason, the solution passes.

It is gone through as learners go through it: in one kernel, from exercise to exercise. A wrong answer is put in, its exercise and
the checks that follow are run until one turns it down, the next answer is put in. The right one comes last. So a lab is good only
if a mistake can be mended where it was made, without a new start.
"""

from __future__ import annotations

import copy
import secrets
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from servicelab import leftovers
from servicelab.errors import LessonError
from servicelab.lessons import labs, notebooks
from servicelab.lessons.lesson import Lesson, find


@dataclass(frozen=True)
class Trial:
    """An answer to an exercise (a cell's id) and what it must come to: one of ``errors`` with ``reason`` in its message.

    No ``errors``: it has to pass, with all cells from the exercise to the next one.
    """

    name: str
    exercise: str
    code: str = ""
    errors: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class Verdict:
    """What a trial came to. ``fault`` says what is wrong with the lab; it is empty where the trial ended as it must."""

    lab: str
    trial: str
    outcome: str
    fault: str = ""


def try_out(
    number: str,
    *,
    root: Path | None = None,
    timeout: int = notebooks.CELL_TIMEOUT,
    echo: Callable[[str], None] = print,
) -> list[Verdict]:
    """Try the lab of lesson ``number`` with every answer; tells each verdict through ``echo`` as it comes.

    After a solution that fails, or a cell that hangs or ends its kernel, there is no going on. ``timeout`` is in seconds and for
    each cell. Raises LessonError if solution or wrong answers are not as they have to be, CellError if the lab can't begin.
    """
    lesson = find(number, root)
    learner = f"lab-{lesson.number}-{secrets.token_hex(3)}"
    verdicts = []
    try:
        for verdict in _verdicts(lesson, learner, timeout):
            verdicts.append(verdict)
            echo(row(verdict))
    finally:
        leftovers.remove(learner, images=True)
    return verdicts


def trials(lesson: Lesson) -> list[Trial]:
    """Every answer to a lab's exercises, in the order of trying. An exercise that wrong answers try is not tried without one as well."""
    wrong = labs.wrong_answers(lesson)
    if not wrong:
        raise LessonError(f"lab {lesson.number} has no wrong answers", fix=f"write solutions/wrong/{lesson.number}/NAME.py")
    # An answer that runs inside a service shows up as what a check saw, or in its evidence.
    todo = labs.TODO, ("NotImplementedError", "CheckFailed"), "your code here"
    found: list[Trial] = []
    for exercise in labs.exercises(notebooks.read(lesson.solution)):
        answers = [answer for answer in wrong if answer.exercise == exercise]
        if not found:
            found.append(Trial("untouched", exercise, *todo))
        elif not answers:
            found.append(Trial(f"without {exercise}", exercise, *todo))
        found += [Trial(answer.name, exercise, answer.code, ("CheckFailed",), answer.reason) for answer in answers]
        found.append(Trial("solution", exercise))
    return found


def row(verdict: Verdict) -> str:
    """One line of the matrix: lab, trial, what it came to."""
    sign = "FAULT " + verdict.fault if verdict.fault else "as it must"
    return f"lab {verdict.lab}  {verdict.trial:<28}  {verdict.outcome:<60}  {sign}"


def judge(trial: Trial, failure: notebooks.CellError | None) -> str:
    """What is wrong with how a trial ended; empty: nothing."""
    if failure is None:
        return "" if not trial.errors else f"it passed, and has to fail with {trial.reason!r}"
    if not trial.errors:
        return f"the solution fails: {failure.message}"
    if failure.error not in trial.errors:
        return f"it has to fail with {' or '.join(trial.errors)}, not with {failure.error}: {failure.message}"
    if trial.reason not in failure.message:
        return f"it fails for another reason than {trial.reason!r}: {failure.message}"
    return ""


def _verdicts(lesson: Lesson, learner: str, timeout: int) -> Iterator[Verdict]:
    """A verdict for each trial, in one kernel; the solution's when its last cell has passed."""
    found = trials(lesson)
    solution = notebooks.read(lesson.solution)
    notebook = copy.deepcopy(solution)
    places = {cell.id: index for index, cell in enumerate(solution.cells)}
    starts = [places[exercise] for exercise in labs.exercises(solution)]
    with (
        tempfile.TemporaryDirectory(prefix="servicelab-") as folder,
        notebooks.kernel(notebook, cwd=Path(folder), env={"SERVICELAB_LEARNER": learner}, timeout=timeout) as run,
    ):
        for index in range(starts[0]):
            run(index)
        for trial in found:
            start = places[trial.exercise]
            end = next((later for later in starts if later > start), len(solution.cells))
            notebook.cells[start].source = solution.cells[start].source
            if trial.code:
                labs.fill(notebook.cells[start], trial.code)
            failure = _failure(run, range(start, end))
            if trial.errors or failure or end == len(solution.cells):
                outcome = f"{failure.error} in {failure.cell_id}: {failure.message.splitlines()[0]}" if failure else "passes"
                yield Verdict(lesson.number, trial.name, outcome[:60], judge(trial, failure))
            if failure and (not trial.errors or failure.error in ("Timeout", "DeadKernel")):
                return


def _failure(run: Callable[[int], None], cells: range) -> notebooks.CellError | None:
    """How the first of these cells that fails does so; None: all pass."""
    try:
        for index in cells:
            run(index)
    except notebooks.CellError as error:
        return error
    return None
