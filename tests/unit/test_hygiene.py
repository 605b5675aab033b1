"""Each rule for stored notebooks, broken once."""

from collections.abc import Callable
from typing import Any

import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from servicelab.lessons import hygiene, notebooks


def stored() -> Any:
    """A notebook that is as it has to be."""
    cells = [
        new_code_cell("load()", id="load", execution_count=1, metadata={"tags": ["nbval-ignore-output"]}),
        new_code_cell("assert p99 < 100", id="holds", execution_count=2),
        new_code_cell("lost", id="lost", execution_count=3, outputs=[new_output("stream", text="lost=0\n")]),
    ]
    notebook = new_notebook(cells=cells)
    notebooks.tidy(notebook)
    return notebook


def test_a_clean_notebook_has_no_problems() -> None:
    assert hygiene.problems(stored()) == []


BREAKS: list[tuple[str, Callable[[Any], object]]] = [
    ("the metadata hold widget state", lambda nb: nb.metadata.update(widgets={})),
    ("the kernel is not python3", lambda nb: nb.metadata.kernelspec.update(name="other")),
    ("two cells have the id load", lambda nb: nb.cells[1].update(id="load")),
    ("cell holds has the tag nbval-skip", lambda nb: nb.cells[1].metadata.update(tags=["nbval-skip"])),
    ("cell lost has a comment that steers nbval", lambda nb: nb.cells[2].update(source="# NBVAL_IGNORE_OUTPUT\nlost")),
    ("cell lost has 20,0", lambda nb: nb.cells[2].outputs[0].update(text="x" * 20_000)),
    ("cell lost shows an error", lambda nb: nb.cells[2].update(outputs=[new_output("error")])),
    (
        "has the view of a widget",
        lambda nb: nb.cells[2].update(outputs=[new_output("display_data", {notebooks.WIDGET_VIEW: {}})]),
    ),
    ("absolute path: /home/ann", lambda nb: nb.cells[2].outputs[0].update(text="in /home/ann/servicelab\n")),
    ("absolute path: C:\\\\Users", lambda nb: nb.cells[2].outputs[0].update(text="in C:\\Users\\ann\n")),
    ("cell lost was not run", lambda nb: nb.cells[2].update(execution_count=None)),
    ("cell lost is empty", lambda nb: nb.cells[2].update(source="\n")),
    ("the cells were not run in order", lambda nb: nb.cells[2].update(execution_count=5)),
    ("2 of 3 code cells are tagged", lambda nb: nb.cells[2].metadata.update(tags=["nbval-ignore-output"])),
    ("cell load is tagged nbval-ignore-output, and no cell with an assert follows", lambda nb: nb.cells[1].update(source="p99")),
    ("cell lost is tagged nbval-ignore-output, and no", lambda nb: nb.cells[2].metadata.update(tags=["nbval-ignore-output"])),
]


@pytest.mark.parametrize(("problem", "spoil"), BREAKS, ids=[problem for problem, _ in BREAKS])
def test_what_is_wrong_is_named(problem: str, spoil: Callable[[Any], object]) -> None:
    notebook = stored()
    spoil(notebook)
    assert any(problem in found for found in hygiene.problems(notebook))


@pytest.mark.parametrize("text", ["GET http://127.0.0.1:3000/home/page", "work/02.ipynb", "/app/users", "step A:\nnext"])
def test_what_only_looks_like_an_absolute_path_may_stay(text: str) -> None:
    notebook = stored()
    notebook.cells[2].outputs[0].text = text
    assert hygiene.problems(notebook) == []
