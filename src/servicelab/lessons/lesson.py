"""The lessons by number: found, run without a browser, copied for a learner.

``root`` is everywhere the workspace (default: the one that this package is installed from).

A learner works on ``work/NN-name.ipynb``, so that an update of the repository never meets their edits.
"""

from __future__ import annotations

import ast
import os
import re
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from servicelab import leftovers, settings
from servicelab.errors import LessonError
from servicelab.lessons import notebooks

_NAME = re.compile(r"\d\d-[a-z0-9-]+")
_LINES_SHOWN = 12


@dataclass(frozen=True)
class Lesson:
    """Where the parts of one lesson are. Only ``notebook`` has to exist."""

    number: str
    name: str
    root: Path

    @property
    def notebook(self) -> Path:
        """The lesson itself, executed."""
        return self.root / "notebooks" / f"{self.name}.ipynb"

    @property
    def text(self) -> Path:
        """Its cells as text, for review."""
        return self.root / "notebooks" / "text" / f"{self.name}.md"

    @property
    def solution(self) -> Path:
        """The lab with its answers: the source of ``lab``."""
        return self.root / "solutions" / f"{self.name}.ipynb"

    @property
    def lab(self) -> Path:
        """The lab as learners get it: generated."""
        return self.root / "labs" / f"{self.name}.ipynb"

    @property
    def wrong(self) -> Path:
        """The folder of the lab's wrong answers."""
        return self.root / "solutions" / "wrong" / self.number

    @property
    def work(self) -> Path:
        """The learner's own copy of ``notebook``."""
        return self.root / "work" / f"{self.name}.ipynb"

    @property
    def lab_work(self) -> Path:
        """The learner's own copy of ``lab``."""
        return self.root / "work" / f"{self.name}-lab.ipynb"


@dataclass(frozen=True)
class Run:
    """How a run ended: its code cells, its seconds, and the ``error`` that stopped it (None: it passed)."""

    name: str
    cells: int
    seconds: float
    error: notebooks.CellError | None = None

    @property
    def passed(self) -> bool:
        """Whether the last cell was reached."""
        return self.error is None


def all_lessons(root: Path | None = None) -> list[Lesson]:
    """Every lesson there is, in the order of their numbers."""
    root = root or settings.root()
    names = sorted(path.stem for path in (root / "notebooks").glob("[0-9][0-9]-*.ipynb"))
    return [Lesson(name[:2], name, root) for name in names if _NAME.fullmatch(name)]


def find(number: str, root: Path | None = None) -> Lesson:
    """The lesson ``number``: "2", "02" or its whole name."""
    wanted = number.removesuffix(".ipynb").zfill(2)
    there = all_lessons(root)
    for lesson in there:
        if wanted in (lesson.number, lesson.name):
            return lesson
    raise LessonError(
        f"no lesson {number}",
        why="notebooks/ has " + (", ".join(lesson.name for lesson in there) or "none"),
        fix="name one of these by its number",
    )


def run(
    number: str,
    *,
    root: Path | None = None,
    solution: bool = False,
    keep: bool = False,
    timeout: int = notebooks.CELL_TIMEOUT,
    echo: Callable[[str], None] = print,
) -> Run:
    """Run a lesson (or its lab's solution) from its first cell to its last, without a browser, and tell what it shows.

    The run works on a temporary copy and as a learner of its own, ``NAME-run``: what the person has open is not touched. Its
    containers, networks and volumes are removed at the end, unless ``keep``; its images stay, so the next run is warm.
    ``timeout`` is in seconds and for each cell. A cell that fails is told through ``echo`` and stands in ``Run.error``.
    """
    lesson = find(number, root)
    notebook = notebooks.read(lesson.solution if solution else lesson.notebook)
    what = f"{'solution' if solution else 'lesson'} {lesson.number}"
    cells = len(notebooks.code_cells(notebook))
    learner = f"{settings.learner()}-run"
    error = None
    started = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="servicelab-") as folder:
            notebooks.play(
                notebook,
                cwd=Path(folder),
                env={"SERVICELAB_LEARNER": learner},
                timeout=timeout,
                watch=lambda cell: _tell(cell, echo),
            )
    except notebooks.CellError as failure:
        error = failure
    finally:
        if not keep:
            leftovers.remove(learner)
    seconds = time.monotonic() - started
    if error is None:
        echo(f"\n{what}: passed in {seconds:.0f} s, {cells} cells")
    else:
        echo(f"\n{error}\n\n{what}: failed in {seconds:.0f} s, at cell {error.position} of {cells}")
    return Run(lesson.name, cells, seconds, error)


def learner_copy(number: str, *, lab: bool = False, root: Path | None = None) -> Path:
    """The learner's own copy of a lesson or its lab in work/, made on the first call and never overwritten."""
    lesson = find(number, root)
    source, copy = (lesson.lab, lesson.lab_work) if lab else (lesson.notebook, lesson.work)
    if not source.is_file():
        raise LessonError(f"lesson {lesson.number} has no lab", why=f"labs/{lesson.name}.ipynb is not there")
    if not copy.exists():
        _copy(source, copy)
    return copy


def restore(number: str, *, lab: bool = False, root: Path | None = None) -> Path:
    """Bring the original back into work/. The learner's version is kept beside it as ``.bak``, ``.bak2`` and so on."""
    copy = learner_copy(number, lab=lab, root=root)
    lesson = find(number, root)
    source = lesson.lab if lab else lesson.notebook
    if copy.read_bytes() != source.read_bytes():
        backup, n = copy.with_suffix(".ipynb.bak"), 1
        while backup.exists():
            n += 1
            backup = copy.with_suffix(f".ipynb.bak{n}")
        os.replace(copy, backup)
        _copy(source, copy)
    return copy


def _copy(source: Path, copy: Path) -> None:
    copy.parent.mkdir(parents=True, exist_ok=True)
    fresh = copy.with_suffix(".ipynb.new")
    fresh.write_bytes(source.read_bytes())
    os.replace(fresh, copy)
    notebooks.trust(copy)


def _tell(cell: Any, echo: Callable[[str], None]) -> None:
    """One passed cell: its heading, or what it printed and how many of its assertions held."""
    if cell.cell_type != "code":
        heading = re.match(r"#+ .*", cell.source)
        if heading:
            echo(f"\n{heading[0]}")
        return
    for output in cell.outputs:
        text = output.text if output.output_type == "stream" else output.get("data", {}).get("text/plain", "")
        lines = text.rstrip().splitlines()
        for line in lines[:_LINES_SHOWN]:
            echo(f"    {line[:160]}")
        if len(lines) > _LINES_SHOWN:
            echo(f"    … {len(lines) - _LINES_SHOWN} more lines")
    held = asserts(cell.source)
    if held:
        echo(f"    [{cell.execution_count}] {held} assertion{'s' if held > 1 else ''} held")


def asserts(source: str) -> int:
    """How many ``assert`` statements and lab checks (``checks.that``) a cell has."""
    try:
        tree = ast.parse(re.sub(r"^\s*[%!].*$", "pass", source, flags=re.MULTILINE))
    except SyntaxError:
        return 0
    return sum(isinstance(node, ast.Assert) or _is_check(node) for node in ast.walk(tree))


def _is_check(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and (node.func.value.id, node.func.attr) == ("checks", "that")
    )
