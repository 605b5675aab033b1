"""A notebook as a file and as a program: read, written, tidied, played in a kernel of its own.

What is stored is the same on every machine: no timing, no Python version, no widget ids, no widget state.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import nbclient
import nbformat
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat.sign import NotebookNotary

from servicelab.errors import LessonError

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
LANGUAGE = {"file_extension": ".py", "mimetype": "text/x-python", "name": "python"}

#: Seconds one cell may take, until its run counts as hung.
CELL_TIMEOUT = 300

#: Seconds a kernel may take to start: a machine with two busy cores needs many times what an idle one does.
STARTUP_TIMEOUT = 180

#: Called as ``watch(cell)`` after each cell, Markdown too, that was passed without an error.
Watch = Callable[[Any], None]

_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class CellError(LessonError):
    """A cell that raised, hung, or took its kernel down.

    Attributes: ``cell_id``; ``position`` (of the code cell, from 1); ``error`` (the exception's name, such as
    "CheckFailed"; "Timeout" and "DeadKernel" where no exception came); ``message`` (its whole text).
    """

    def __init__(self, *, cell_id: str, position: int, error: str, message: str, trace: str = "") -> None:
        super().__init__(f"cell {position} (id {cell_id}) failed: {error}", why=trace or message)
        self.cell_id = cell_id
        self.position = position
        self.error = error
        self.message = message


def read(path: Path) -> Any:
    """The notebook at ``path``, as nbformat 4.5; a cell without an id gets one by its place."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        for n, cell in enumerate(raw["cells"], 1):
            cell.setdefault("id", f"cell-{n}")
        raw["nbformat_minor"] = max(5, raw["nbformat_minor"])
        notebook = nbformat.reads(json.dumps(raw), as_version=4)
        nbformat.validate(notebook)
    except FileNotFoundError:
        raise LessonError(f"no notebook {path.name}", why=f"{path} is not there") from None
    except (ValueError, KeyError, TypeError, nbformat.ValidationError) as error:
        raise LessonError(f"{path.name} is not a notebook", why=str(error).splitlines()[0]) from error
    return notebook


def trust(path: Path, data: Path | None = None) -> None:
    """Sign the notebook, as ``jupyter trust`` does: it is ours. DATA: Jupyter's folder for that; None: this user's.

    Of a notebook without a signature JupyterLab shows no widget that was saved: after a reload in mid-lesson, no live view.
    """
    notary = NotebookNotary(data_dir=str(data)) if data else NotebookNotary()
    notary.sign(read(path))
    notary.store.close()


def write(notebook: Any, path: Path) -> None:
    """Store ``notebook``; a reader at the same moment sees the old file or the new one, never a half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".ipynb.new")
    fresh.write_text(dumps(notebook), encoding="utf-8", newline="\n")
    os.replace(fresh, path)


def dumps(notebook: Any) -> str:
    """The text that ``write`` stores."""
    text: str = nbformat.writes(notebook, version=nbformat.NO_CONVERT)
    return text.rstrip("\n") + "\n"


def code_cells(notebook: Any) -> list[Any]:
    """The cells that run, in order."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tidy(notebook: Any) -> None:
    """Take out, in place, what differs from machine to machine, and what only a live kernel could show."""
    notebook.metadata.pop("widgets", None)
    notebook.metadata["kernelspec"] = nbformat.from_dict(KERNELSPEC)
    notebook.metadata["language_info"] = nbformat.from_dict(LANGUAGE)
    for cell in notebook.cells:
        for key in ("execution", "collapsed", "scrolled", "trusted"):
            cell.metadata.pop(key, None)
        if cell.cell_type == "code":
            for output in cell.outputs:
                output.get("data", {}).pop(WIDGET_VIEW, None)
            # A widget alone would be shown as "model not found"; nbval has nothing to compare in it either.
            cell.outputs = [output for output in cell.outputs if "data" not in output or output.data]


def clear(notebook: Any) -> None:
    """Take out, in place, all that a run left: outputs and counts."""
    for cell in code_cells(notebook):
        cell.outputs = []
        cell.execution_count = None


def play(
    notebook: Any,
    *,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    timeout: int = CELL_TIMEOUT,
    watch: Watch | None = None,
) -> None:
    """Run ``notebook`` in place, from its first cell to its last, in a kernel of its own.

    Raises CellError at the first cell that fails; the cells before it keep what they gave.
    """
    with kernel(notebook, cwd=cwd, env=env, timeout=timeout) as run:
        for index, cell in enumerate(notebook.cells):
            run(index)
            if watch is not None:
                watch(cell)


@contextmanager
def kernel(
    notebook: Any, *, cwd: Path, env: Mapping[str, str] | None = None, timeout: int = CELL_TIMEOUT
) -> Iterator[Callable[[int], None]]:
    """A fresh kernel of this environment with ``env`` on top of its own, for the time of a ``with`` block.

    Gives ``run(index)``, which runs one cell of ``notebook`` in place, as it is at that moment. ``timeout`` is in seconds and for
    each cell. A cell that fails raises CellError; unless it hung or took the kernel down, others can be run after it.
    """
    client = nbclient.NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=timeout,
        startup_timeout=STARTUP_TIMEOUT,
        record_timing=False,
        store_widget_state=False,
        coalesce_streams=True,
        force_raise_errors=True,
        resources={"metadata": {"path": str(cwd)}},
    )

    def run(index: int) -> None:
        cell = notebook.cells[index]
        try:
            client.execute_cell(cell, index, execution_count=client.code_cells_executed + 1)
        except CellExecutionError as failure:
            error, message = failure.ename, _plain(failure.evalue)
        except CellTimeoutError:
            error, message = "Timeout", f"it ran for more than {timeout} s"
        except DeadKernelError:
            error, message = "DeadKernel", "its kernel ended while it ran (out of memory, or killed)"
        else:
            return
        position = sum(earlier.cell_type == "code" for earlier in notebook.cells[: index + 1])
        raise CellError(cell_id=cell.id, position=position, error=error, message=message, trace=_trace(cell))

    clear(notebook)
    with ExitStack() as stack:
        try:
            # The kernel's own stderr has notes on its transport only; what a cell prints comes by another way.
            stack.enter_context(client.setup_kernel(env={**os.environ, **(env or {})}, stderr=subprocess.DEVNULL))
        except RuntimeError as failure:
            raise LessonError("no kernel to run the notebook", why=str(failure), fix="servicelab doctor") from failure
        yield run


def _trace(cell: Any) -> str:
    """What the failed cell showed of its error."""
    traces = [output.traceback for output in cell.outputs if output.output_type == "error"]
    return _plain("\n".join(traces[-1])) if traces else ""


def _plain(text: str) -> str:
    return _ANSI.sub("", text)
