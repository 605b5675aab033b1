"""Labs: generated from their solutions, with the mistakes that people really make kept beside.

In a solution, the answer of an exercise stands between two lines of its code cell (one pair a cell):

    def place(order):
        ### BEGIN SOLUTION
        return requests.post(shop["orders"].url + "/orders", json=order, timeout=1)
        ### END SOLUTION

The lab has ``# your code here`` and ``raise NotImplementedError(…)`` in its place, so that running all cells stops at the first
exercise that is still to be done. A wrong answer is a file ``solutions/wrong/NN/NAME.py``: comments that say for which exercise
it is (the id of its cell) and with which words the check turns it down, then the code that goes in the place of the answer:

    # exercise: place-order
    # mistake: no timeout, so a hung orders service hangs its caller
    # fails with: an order answers within 2 s
    return requests.post(shop["orders"].url + "/orders", json=order)
"""

from __future__ import annotations

import ast
import io
import re
import textwrap
import tokenize
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from servicelab.errors import LessonError
from servicelab.lessons import notebooks
from servicelab.lessons.lesson import Lesson, find

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
TODO = '# your code here\nraise NotImplementedError("your code here")'

_MARK = re.compile(r"#+\s*(begin|end)\s+solution", re.IGNORECASE)
_HEADER = re.compile(r"# (exercise|mistake|fails with): (\S.*)")


@dataclass(frozen=True)
class WrongAnswer:
    """A mistake: ``code`` in place of the answer of ``exercise`` (a cell's id) has to fail with ``reason`` in the message."""

    name: str
    exercise: str
    mistake: str
    reason: str
    code: str


def generate(number: str, *, root: Path | None = None) -> Path | None:
    """Write labs/NN-name.ipynb from the solution; gives the path if it changed. Raises LessonError with the cell at fault."""
    lesson = find(number, root)
    text = lab_of(lesson)
    if lesson.lab.is_file() and lesson.lab.read_text(encoding="utf-8") == text:
        return None
    notebooks.write(empty(notebooks.read(lesson.solution)), lesson.lab)
    return lesson.lab


def lab_of(lesson: Lesson) -> str:
    """The stored text of the lab that belongs to a solution as it is now."""
    return notebooks.dumps(empty(notebooks.read(lesson.solution)))


def empty(solution: Any) -> Any:
    """The lab of a solution: each answer taken out, and all outputs. Changes and returns ``solution``."""
    if not exercises(solution):
        raise LessonError("a solution without an exercise", why=f"no cell has a line {BEGIN}")
    for cell in notebooks.code_cells(solution):
        if answer_lines(cell) is not None:
            fill(cell, TODO)
    notebooks.clear(solution)
    notebooks.tidy(solution)
    return solution


def exercises(solution: Any) -> list[str]:
    """The ids of the cells that have an answer, in order."""
    return [cell.id for cell in notebooks.code_cells(solution) if answer_lines(cell) is not None]


def answer_lines(cell: Any) -> tuple[int, int] | None:
    """The lines (from 0) of the two markers of a cell, or None where it has no answer.

    Raises LessonError for a marker that is misspelt, nested, unopened, unclosed, a second one, or inside a string.
    """
    lines = cell.source.split("\n")
    marks = [n for n, line in enumerate(lines) if _MARK.search(line)]
    if not marks:
        return None
    comments = _comment_lines(cell)
    for n in marks:
        if lines[n].strip() not in (BEGIN, END):
            raise _at(cell, n, f"is not a marker: {lines[n].strip()}", f"write {BEGIN} or {END}, alone on its line")
        if n not in comments:
            raise _at(cell, n, "has a marker inside a string", "put the markers around the whole statement")
    kinds = [lines[n].strip() for n in marks]
    if kinds[0] == END:
        raise _at(cell, marks[0], f"has {END} before any {BEGIN}", "put the beginning above it")
    if len(kinds) == 1:
        raise _at(cell, marks[0], f"has {BEGIN} without its end", f"close it with {END} in the same cell")
    if kinds[1] == BEGIN:
        raise _at(cell, marks[1], f"has a {BEGIN} inside another", "close the first one before")
    if len(kinds) > 2:
        raise _at(cell, marks[2], "has a second answer", "split the cell: one exercise a cell")
    if not any(line.strip() for line in lines[marks[0] + 1 : marks[1]]):
        raise _at(cell, marks[0], "has an answer that is empty", "write the solution between the markers")
    return marks[0], marks[1]


def fill(cell: Any, code: str) -> None:
    """Put ``code`` in place of a cell's answer and its markers, indented as they are. Raises LessonError if it can't be Python."""
    found = answer_lines(cell)
    if found is None:
        raise LessonError(f"cell {cell.id} has no answer to replace", fix=f"it needs {BEGIN} and {END}")
    lines = cell.source.split("\n")
    indent = lines[found[0]][: -len(lines[found[0]].lstrip())]
    lines[found[0] : found[1] + 1] = textwrap.indent(textwrap.dedent(code).strip("\n"), indent).split("\n")
    cell.source = "\n".join(lines)
    try:
        ast.parse(re.sub(r"^(\s*)[%!].*$", r"\1pass", cell.source, flags=re.MULTILINE))
    except SyntaxError as error:
        raise LessonError(
            f"cell {cell.id} is not Python any more with {code.splitlines()[0]!r} in place of its answer",
            why=f"line {error.lineno}: {error.msg}",
            fix="put the markers around whole statements",
        ) from None


def wrong_answers(lesson: Lesson) -> list[WrongAnswer]:
    """The wrong answers of a lab, by name. Raises LessonError for a file that does not say what it must."""
    known = exercises(notebooks.read(lesson.solution))
    answers = [read_wrong_answer(path) for path in sorted(lesson.wrong.glob("*.py"))]
    reasons: dict[str, str] = {}
    for answer in answers:
        place = f"solutions/wrong/{lesson.number}/{answer.name}.py"
        if answer.exercise not in known:
            raise LessonError(f"{place}: no exercise {answer.exercise}", why=f"the solution has {', '.join(known)}")
        if answer.reason in reasons:
            raise LessonError(
                f"{place}: the same reason as {reasons[answer.reason]}",
                why="a learner could not tell the two mistakes apart",
                fix="let the checks say more",
            )
        reasons[answer.reason] = answer.name
    return answers


def read_wrong_answer(path: Path) -> WrongAnswer:
    """One file of solutions/wrong/NN/."""
    header: dict[str, str] = {}
    code: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        match = _HEADER.fullmatch(line)
        if match and not code:
            header[match[1]] = match[2].strip()
        elif line.strip() or code:
            code.append(line)
    missing = [key for key in ("exercise", "mistake", "fails with") if key not in header]
    if missing or not code:
        raise LessonError(
            f"{path.name}: no {' and no '.join(missing) or 'code'}",
            fix="start the file with `# exercise: CELL-ID`, `# mistake: …`, `# fails with: WORDS OF THE CHECK`, then the code",
        )
    return WrongAnswer(path.stem, header["exercise"], header["mistake"], header["fails with"], "\n".join(code))


def _comment_lines(cell: Any) -> set[int]:
    """The lines (from 0) of a cell that are comments, as Python's tokenizer sees them."""
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(cell.source).readline))
    except (tokenize.TokenError, SyntaxError) as error:
        raise LessonError(f"cell {cell.id} can't be read as Python", why=str(error)) from None
    return {token.start[0] - 1 for token in tokens if token.type == tokenize.COMMENT}


def _at(cell: Any, line: int, what: str, fix: str) -> LessonError:
    return LessonError(f"cell {cell.id}, line {line + 1}: {what}", fix=fix)
