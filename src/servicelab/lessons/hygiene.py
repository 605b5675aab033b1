"""What a stored notebook has to be, so that a reader can trust it and nbval compares it."""

from __future__ import annotations

import json
import re
from typing import Any

from servicelab.lessons.lesson import asserts
from servicelab.lessons.notebooks import KERNELSPEC, WIDGET_VIEW, code_cells

MEASURED = "nbval-ignore-output"
OUTPUT_LIMIT = 20_000

#: Tags that would keep a cell from running or let it fail.
_REFUSED_TAGS = {"nbval-skip", "nbval-raises-exception", "nbval-check-output", "raises-exception", "skip-execution"}
_MARKERS = re.compile(r"^\s*#\s*(NBVAL_\w+|PYTEST_VALIDATE_IGNORE_OUTPUT)\s*$", re.MULTILINE)
_ABSOLUTE = re.compile(r"(?<![\w.:/~-])/(?:home|root|work|Users)/[\w.]+|\b[A-Z]:\\{1,2}[A-Z]\w+")


def problems(notebook: Any) -> list[str]:
    """Everything that is wrong with a stored lesson or solution, one sentence each; empty: nothing."""
    found = []
    if "widgets" in notebook.metadata:
        found.append("the metadata hold widget state")
    if notebook.metadata.get("kernelspec", {}) != KERNELSPEC:
        found.append("the kernel is not python3: run `servicelab lessons execute`")
    ids = [cell.id for cell in notebook.cells]
    found += [f"two cells have the id {cell_id}" for cell_id in sorted({i for i in ids if ids.count(i) > 1})]
    for cell in notebook.cells:
        found += [f"cell {cell.id} {problem}" for problem in _cell_problems(cell)]
    code = code_cells(notebook)
    found += unrun(notebook)
    if [c.execution_count for c in code if c.execution_count] != list(range(1, 1 + sum(bool(c.execution_count) for c in code))):
        found.append("the cells were not run in order, 1 to N")
    measured = [cell for cell in code if MEASURED in cell.metadata.get("tags", [])]
    if 2 * len(measured) > len(code):
        found.append(f"{len(measured)} of {len(code)} code cells are tagged {MEASURED}: more than half is not compared")
    for cell, following in zip(code, [*code[1:], None], strict=True):
        if cell in measured and (following is None or not asserts(following.source)):
            found.append(f"cell {cell.id} is tagged {MEASURED}, and no cell with an assert follows it")
    return found


def unrun(notebook: Any) -> list[str]:
    """The code cells that nbval would pass without a look: never run, or empty."""
    found = []
    for cell in code_cells(notebook):
        if not cell.source.strip():
            found.append(f"cell {cell.id} is empty")
        elif cell.execution_count is None:
            found.append(f"cell {cell.id} was not run")
    return found


def _cell_problems(cell: Any) -> list[str]:
    found = []
    texts = [cell.source]
    if cell.cell_type == "code":
        refused = _REFUSED_TAGS & set(cell.metadata.get("tags", []))
        found += [f"has the tag {tag}" for tag in sorted(refused)]
        if _MARKERS.search(cell.source):
            found.append(f"has a comment that steers nbval: use the tag {MEASURED}")
        outputs = json.dumps(cell.outputs, ensure_ascii=False)
        if len(outputs.encode()) > OUTPUT_LIMIT:
            found.append(f"has {len(outputs.encode()):,} bytes of output, more than {OUTPUT_LIMIT:,}")
        if any(output.output_type == "error" for output in cell.outputs):
            found.append("shows an error")
        if WIDGET_VIEW in outputs:
            found.append("has the view of a widget, which only a live kernel can show")
        texts.append(outputs)
    for path in dict.fromkeys(match[0] for text in texts for match in _ABSOLUTE.finditer(text)):
        found.append(f"has an absolute path: {path}")
    return found
