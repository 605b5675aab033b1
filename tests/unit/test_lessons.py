"""Lessons by number: run, executed, exported, taken back, copied. Kernels run; no Docker engine is needed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.sign import NotebookNotary
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from servicelab import lessons
from servicelab.errors import LessonError
from servicelab.lessons import authoring, markdown, notebooks


def code(cell_id: str, source: str, *tags: str) -> Any:
    return new_code_cell(source, id=cell_id, metadata={"tags": list(tags)} if tags else {})


def text(cell_id: str, source: str) -> Any:
    return new_markdown_cell(source, id=cell_id)


@pytest.fixture
def store(tmp_path: Path) -> Callable[..., Path]:
    """Stores a lesson 07 of these cells in a workspace at ``tmp_path``."""

    def store(*cells: Any, folder: str = "notebooks") -> Path:
        path = tmp_path / folder / "07-sample.ipynb"
        notebooks.write(new_notebook(cells=list(cells)), path)
        return path

    return store


def test_a_lesson_is_found_by_number_and_by_name(store: Callable[..., Path], tmp_path: Path) -> None:
    store(text("title", "# Sample"))
    assert {lessons.find(wanted, tmp_path).name for wanted in ("7", "07", "07-sample")} == {"07-sample"}
    with pytest.raises(LessonError, match=r"no lesson 8\nwhy:  notebooks/ has 07-sample"):
        lessons.find("8", tmp_path)


def test_a_run_tells_what_each_cell_shows(store: Callable[..., Path], tmp_path: Path) -> None:
    path = store(text("title", "# Sample\nText."), code("sum", "x = 1 + 1\nprint(f'{x=}')"), code("holds", "assert x == 2\nx"))
    before = path.read_bytes()
    told: list[str] = []
    run = lessons.run("7", root=tmp_path, echo=told.append)
    assert run.passed
    assert told[:-1] == ["\n# Sample", "    x=2", "    2", "    [2] 1 assertion held"]
    assert told[-1].startswith("\nlesson 07: passed in ")
    assert told[-1].endswith(" s, 2 cells")
    assert path.read_bytes() == before


def test_a_run_stops_at_the_cell_that_fails(store: Callable[..., Path], tmp_path: Path) -> None:
    store(code("good", "lost = 3"), code("bad", "assert lost == 0, f'{lost=}'"), code("never", "print('never')"))
    told: list[str] = []
    run = lessons.run("7", root=tmp_path, echo=told.append)
    assert run.error is not None
    assert (run.error.cell_id, run.error.position, run.error.error, run.error.message) == ("bad", 2, "AssertionError", "lost=3")
    assert "at cell 2 of 3" in told[-1]
    assert not any("never" in line for line in told)


def test_a_run_is_a_learner_of_its_own(store: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVICELAB_LEARNER", "ann")
    store(code("who", "import os; print(os.environ['SERVICELAB_LEARNER'])"))
    told: list[str] = []
    lessons.run("7", root=tmp_path, echo=told.append)
    assert "    ann-run" in told


@pytest.mark.parametrize(
    ("source", "timeout", "error"),
    [("import time; time.sleep(600)", 1, "Timeout"), ("import os; os._exit(1)", 300, "DeadKernel")],
)
def test_a_cell_that_hangs_or_kills_its_kernel_fails(
    store: Callable[..., Path], tmp_path: Path, source: str, timeout: int, error: str
) -> None:
    store(code("bad", source))
    run = lessons.run("7", root=tmp_path, timeout=timeout, echo=lambda _: None)
    assert run.error is not None
    assert run.error.error == error


def test_executing_twice_changes_nothing(store: Callable[..., Path], tmp_path: Path) -> None:
    widget = "from ipywidgets import IntProgress\ndisplay(IntProgress(value=3))"
    path = store(text("title", "# Sample"), code("widget", widget), code("result", "{'lost': 0}"))
    first = authoring.execute("7", root=tmp_path, echo=lambda _: None)
    assert first == [path, tmp_path / "notebooks" / "text" / "07-sample.md"]
    assert authoring.execute("7", root=tmp_path, echo=lambda _: None) == []
    stored = notebooks.read(path)
    assert [cell.id for cell in stored.cells] == ["title", "widget", "result"]
    assert list(stored.cells[1].outputs[0].data) == ["text/plain"]
    assert "widgets" not in stored.metadata
    assert stored.cells[2].outputs[0].data == {"text/plain": "{'lost': 0}"}


def test_a_run_that_fails_stores_nothing(store: Callable[..., Path], tmp_path: Path) -> None:
    path = store(code("good", "print(1)"), code("bad", "1 / 0"))
    before = path.read_bytes()
    with pytest.raises(notebooks.CellError, match="cell 2 \\(id bad\\) failed: ZeroDivisionError"):
        authoring.execute("7", root=tmp_path, echo=lambda _: None)
    assert path.read_bytes() == before


CELLS = (
    text("title", "\n# Sample\n\n```python\nx = '<!-- no mark of ours -->'\n```"),
    code("fence", "x = '''\n```python\n<!-- code fence -->\n```\n'''", "nbval-ignore-output", "wide"),
    code("empty", ""),
    text("end", "last"),
)


def test_a_text_comes_back_as_it_was(store: Callable[..., Path], tmp_path: Path) -> None:
    path = store(*CELLS)
    before = path.read_bytes()
    authoring.export_text("7", root=tmp_path)
    assert authoring.take("7", root=tmp_path) == []
    assert path.read_bytes() == before


def test_an_edited_code_cell_loses_its_outputs_and_no_other_does() -> None:
    notebook = new_notebook(cells=[code("one", "print(1)"), code("two", "print(2)"), text("three", "3"), text("four", "4")])
    for n, cell in enumerate(notebook.cells[:2], 1):
        cell.execution_count = n
        cell.outputs = [nbformat.v4.new_output("stream", text=f"{n}\n")]
    exported = markdown.to_text(notebook, "07-sample")
    edited = exported.replace("print(2)", "print(2 + 0)").replace("\n3\n", "\nthree\n").replace("<!-- markdown four -->\n4\n", "")
    edited += "\n<!-- code -->\n```python\nnew = 1\n```\n"
    changed = markdown.take(edited, notebook)
    one, two, three, new = notebook.cells
    assert changed == ["two", "three", new.id, "four"]
    assert (one.execution_count, len(one.outputs)) == (1, 1)
    assert (two.source, two.execution_count, two.outputs) == ("print(2 + 0)", None, [])
    assert (three.source, new.source, new.cell_type) == ("three", "new = 1", "code")


@pytest.mark.parametrize(
    ("edited", "message"),
    [
        ("no cells", "the text has no cells"),
        ("<!-- code a -->\nx = 1\n", "line 1: a code cell is one fence"),
        ("\n<!-- code a -->\n```python\nx = 1\n", "line 3: the code fence is never closed"),
        ("<!-- code a -->\n```python\n1\n```\nmore\n", "line 1: a code cell is one fence"),
        ("<!-- markdown a -->\n1\n<!-- markdown a -->\n2\n", "line 3: a second cell with the id a"),
        ("<!-- markdown ä -->\n1\n", "line 1: ä is not an id"),
    ],
)
def test_a_text_that_can_not_be_read_is_refused_with_its_line(edited: str, message: str) -> None:
    with pytest.raises(LessonError, match=message):
        markdown.take(edited, new_notebook())


def test_a_copy_is_made_once_and_restored_with_the_old_one_kept(
    store: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    original = store(text("title", "# Sample"))
    copy = lessons.learner_copy("7", root=tmp_path)
    notary = NotebookNotary()
    assert notary.check_signature(notebooks.read(copy)), "else JupyterLab shows no live view in it after a reload"
    notary.store.close()
    assert copy == tmp_path / "work" / "07-sample.ipynb"
    for edit in ("first", "second"):
        copy.write_text(edit)
        assert lessons.learner_copy("7", root=tmp_path).read_text() == edit
        lessons.restore("7", root=tmp_path)
        assert copy.read_bytes() == original.read_bytes()
    lessons.restore("7", root=tmp_path)
    backups = {path.name: path.read_text() for path in copy.parent.glob("*.bak*")}
    assert backups == {"07-sample.ipynb.bak": "first", "07-sample.ipynb.bak2": "second"}
    with pytest.raises(LessonError, match="lesson 07 has no lab"):
        lessons.learner_copy("7", lab=True, root=tmp_path)


@pytest.mark.parametrize("content", ["{", "[]", '{"cells": [{}], "nbformat": 4, "nbformat_minor": 5, "metadata": {}}'])
def test_what_is_no_notebook_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "07-sample.ipynb"
    path.write_text(content)
    with pytest.raises(LessonError, match=r"07-sample\.ipynb is not a notebook"):
        notebooks.read(path)
