"""A notebook's cells as Markdown, for review and for editing in a text editor, and back.

Each cell starts with a comment that names its kind, its id and its tags; code stands in a fence. Outputs stay in the
notebook: the text has none.

    <!-- markdown title -->
    # Monolith first

    <!-- code load nbval-ignore-output -->
    ```python
    run = shop.load("shop", "/orders/1", rate=100, seconds=5)
    ```
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import nbformat

from servicelab.errors import LessonError

_MARK = re.compile(r"<!-- (markdown|code)((?: [^\s>]+)*) -->")
_FENCE = re.compile(r"(`{3,})python")
_ID = re.compile(r"[a-zA-Z0-9-_]{1,64}")


@dataclass(frozen=True)
class Cell:
    """One cell of a text, and the line of its mark (from 1)."""

    kind: str
    id: str
    tags: tuple[str, ...]
    source: str
    line: int


def to_text(notebook: Any, name: str) -> str:
    """The text of ``notebook``. Raises LessonError where a source would not come back as it is."""
    parts = [f"<!-- {name}: exported for review. `servicelab lessons take {name[:2]}` brings edits back. -->\n"]
    for cell in notebook.cells:
        if cell.cell_type not in ("markdown", "code"):
            raise LessonError(f"cell {cell.id} is of type {cell.cell_type}", why="a lesson has Markdown and code cells")
        source = _body(cell)
        if cell.cell_type == "markdown" and any(_MARK.fullmatch(line) for line in source.splitlines()):
            raise LessonError(f"cell {cell.id} has a line that looks like the mark of a cell", fix="write it otherwise")
        mark = " ".join([cell.cell_type, cell.id, *cell.metadata.get("tags", [])])
        if cell.cell_type == "code":
            fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", source)), default=0))
            source = f"{fence}python\n{source}\n{fence}"
        parts.append(f"<!-- {mark} -->\n{source}\n")
    return "\n".join(parts)


def take(text: str, notebook: Any) -> list[str]:
    """Bring an edited text into ``notebook``, in place; gives the ids of the cells that changed.

    The text says which cells there are, and in which order. A code cell whose source changed loses its outputs, which
    would be those of another program; a cell that did not change keeps all it has, its outputs among it. A mark without
    an id makes a new cell. Raises LessonError with the line of what can't be read.
    """
    old = {cell.id: cell for cell in notebook.cells}
    fresh, changed, seen = [], [], set()
    for part in parse(text):
        if part.id in seen:
            raise LessonError(f"line {part.line}: a second cell with the id {part.id}", fix="leave the id of a new cell out")
        seen.add(part.id)
        cell = old.get(part.id)
        if cell is None or cell.cell_type != part.kind:
            make = nbformat.v4.new_code_cell if part.kind == "code" else nbformat.v4.new_markdown_cell
            cell = make(part.source)
            if part.id:
                cell.id = part.id
            changed.append(cell.id)
        elif part.source != _body(cell):
            cell.source = part.source
            if part.kind == "code":
                cell.outputs, cell.execution_count = [], None
            changed.append(cell.id)
        if list(part.tags) != cell.metadata.get("tags", []):
            cell.metadata["tags"] = list(part.tags)
            changed.append(cell.id)
        fresh.append(cell)
    notebook.cells = fresh
    gone = [cell_id for cell_id in old if cell_id not in {cell.id for cell in fresh}]
    return list(dict.fromkeys(changed + gone))


def parse(text: str) -> list[Cell]:
    """The cells of a text."""
    lines = text.replace("\r\n", "\n").split("\n")
    marks: list[int] = []
    fence = ""
    for n, line in enumerate(lines):
        # A mark inside a fence is part of the code that is shown there.
        if fence:
            fence = "" if line == fence else fence
        elif marks and n == marks[-1] + 1 and (opened := _FENCE.fullmatch(line)):
            fence = opened[1]
        elif _MARK.fullmatch(line):
            marks.append(n)
    if fence:
        raise LessonError(f"line {marks[-1] + 2}: the code fence is never closed", fix=f"end the cell with {fence}")
    if not marks:
        raise LessonError("the text has no cells", why="no line such as <!-- code load -->")
    ends = [*marks[1:], len(lines)]
    return [_cell(lines[start:end], start + 1) for start, end in zip(marks, ends, strict=True)]


def _cell(lines: list[str], line: int) -> Cell:
    mark = _MARK.fullmatch(lines[0])
    assert mark is not None  # noqa: S101 - parse found it
    kind, (cell_id, *tags) = mark[1], mark[2].split() or [""]
    if cell_id and not _ID.fullmatch(cell_id):
        raise LessonError(f"line {line}: {cell_id} is not an id", why="ids are of letters, digits, - and _")
    body = "\n".join(lines[1:]).strip("\n")
    if kind == "code":
        first, *rest = body.split("\n")
        opened = _FENCE.fullmatch(first)
        if opened is None or not rest or rest[-1] != opened[1]:
            raise LessonError(
                f"line {line}: a code cell is one fence, and nothing else",
                why="the text after the mark starts with ```python and ends with ```",
            )
        body = "\n".join(rest[:-1]).strip("\n")
    return Cell(kind, cell_id, tuple(tags), body, line)


def _body(cell: Any) -> str:
    source: str = cell.source
    return source.strip("\n")
