"""Prove that a lab tells right from wrong: untouched it fails, each wrong answer fails for its own reason, the solution passes.

The stack of a lab belongs to a learner, not to a process: each trial has a fresh kernel, and adopts what the one before left
running, reset. The solution comes last, since it alone reaches the cell that takes the stack down.
"""

from __future__ import annotations

import copy
import secrets
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

from servicelab import leftovers, settings
from servicelab.engine.client import connect
from servicelab.engine.spec import LEARNER, STACK
from servicelab.errors import EngineError, LessonError
from servicelab.lessons import labs, notebooks
from servicelab.lessons.lesson import Lesson, find
from servicelab.stack import Stack

_RESET = """\
from servicelab.lessons.trials import reset_stacks
reset_stacks()
"""


@dataclass(frozen=True)
class Trial:
    """One variant of a lab and what it must come to: one of ``errors`` with ``reason`` in its message, or (none) to pass."""

    name: str
    notebook: Any
    errors: tuple[str, ...] = ()
    reason: str = ""
    exercise: str = ""


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
    solution: bool = True,
    timeout: int = notebooks.CELL_TIMEOUT,
    echo: Callable[[str], None] = print,
) -> list[Verdict]:
    """Try the lab of lesson ``number`` in every variant; tells each verdict through ``echo`` as it comes.

    Without ``solution`` only what has to fail. ``timeout`` is in seconds and for each cell.
    Raises LessonError if solution or wrong answers are not as they have to be.
    """
    lesson = find(number, root)
    learner = f"lab-{lesson.number}-{secrets.token_hex(3)}"
    verdicts = []
    try:
        for trial in [trial for trial in trials(lesson) if solution or trial.errors]:
            verdict = _try(lesson, trial, learner, timeout)
            verdicts.append(verdict)
            echo(row(verdict))
    finally:
        leftovers.remove(learner, images=True)
    return verdicts


def trials(lesson: Lesson) -> list[Trial]:
    """Every variant of a lab, the solution last. An exercise that wrong answers try is not tried without an answer as well."""
    solution = notebooks.read(lesson.solution)
    wrong = labs.wrong_answers(lesson)
    if not wrong:
        raise LessonError(f"lab {lesson.number} has no wrong answers", fix=f"write solutions/wrong/{lesson.number}/NAME.py")
    first, *later = labs.exercises(solution)
    untried = [exercise for exercise in later if exercise not in {answer.exercise for answer in wrong}]
    # An answer that runs inside a service shows up as what a check saw, or in its evidence.
    todo = (("NotImplementedError", "CheckFailed"), "your code here")
    return [
        Trial("untouched", labs.empty(copy.deepcopy(solution)), *todo, first),
        *(Trial(f"without {exercise}", _variant(solution, exercise, labs.TODO), *todo, exercise) for exercise in untried),
        *(Trial(w.name, _variant(solution, w.exercise, w.code), ("CheckFailed",), w.reason, w.exercise) for w in wrong),
        Trial("solution", solution),
    ]


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
    ids = [cell.id for cell in trial.notebook.cells]
    if ids.index(failure.cell_id) < ids.index(trial.exercise):
        return f"cell {failure.cell_id} fails before exercise {trial.exercise} is reached"
    return ""


def reset_stacks() -> None:
    """Bring each stack of this learner back to its first state, data included; runs in the kernel of a trial, before its cells."""
    try:
        client = connect()
    except EngineError:
        return  # no engine, no stacks; a lab that needs one says so itself
    try:
        mine = {"label": f"{LEARNER}={settings.learner()}"}
        running = client.containers.list(all=True, filters=mine, ignore_removed=True)
        for container in running:
            if STACK not in container.labels:
                container.remove(force=True, v=True)
        up = {container.labels[STACK] for container in running if STACK in container.labels}
        labels = [volume.attrs["Labels"] for volume in client.volumes.list(filters=mine)]
        kept = {label[STACK] for label in labels if STACK in label}
    finally:
        client.close()
    for name in sorted(up):
        Stack(name).reset()
    for name in sorted(kept - up):
        Stack(name).down(volumes=True)


def _variant(solution: Any, exercise: str, code: str) -> Any:
    variant = copy.deepcopy(solution)
    labs.fill(next(cell for cell in variant.cells if cell.id == exercise), code)
    return variant


def _try(lesson: Lesson, trial: Trial, learner: str, timeout: int) -> Verdict:
    notebook = copy.deepcopy(trial.notebook)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(_RESET, id="reset-before-trial"))
    failure = None
    try:
        with tempfile.TemporaryDirectory(prefix="servicelab-") as folder:
            notebooks.play(notebook, cwd=Path(folder), env={"SERVICELAB_LEARNER": learner}, timeout=timeout)
    except notebooks.CellError as error:
        if error.cell_id == "reset-before-trial":
            raise
        failure = error
    outcome = f"{failure.error} in {failure.cell_id}: {failure.message.splitlines()[0]}" if failure else "passes"
    return Verdict(lesson.number, trial.name, outcome[:60], judge(trial, failure))
