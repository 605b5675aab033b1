"""Who waits wants to see what for: a line a thing, in a notebook or in a terminal."""

from __future__ import annotations

import html
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

Progress = Callable[[str, str], None]
"""Called as ``progress("postgres", "healthy")``: the thing, and what it is doing now. From any thread."""


def silent(_thing: str, _state: str) -> None:
    """Progress for when nobody looks."""


_listener: ContextVar[Progress | None] = ContextVar("listener", default=None)


@contextmanager
def told(listener: Progress) -> Iterator[None]:
    """In the block (and in this thread alone) progress goes to LISTENER, and nothing is drawn."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


@contextmanager
def show(title: str, things: tuple[str, ...] = ()) -> Iterator[Progress]:
    """Draw progress while the block runs. In a notebook a widget, whose stored form is TITLE and THINGS; else lines."""
    listener = _listener.get()
    if listener is not None:
        yield listener
        return
    with _widget(title, things) if _in_notebook() else _lines(title) as progress:
        yield progress


@contextmanager
def _lines(title: str) -> Iterator[Progress]:
    started = time.monotonic()
    last: dict[str, str] = {}
    lock = threading.Lock()

    def progress(thing: str, state: str) -> None:
        with lock:
            if last.get(thing) != state:
                last[thing] = state
                print(f"  {time.monotonic() - started:6.1f} s  {thing:<24} {state}", file=sys.stderr, flush=True)

    print(title, file=sys.stderr, flush=True)
    yield progress


@contextmanager
def _widget(title: str, things: tuple[str, ...]) -> Iterator[Progress]:
    import ipywidgets
    from IPython.display import display

    class Table(ipywidgets.HTML):  # type: ignore[misc]
        """Its text form is the same in each run, so that a stored notebook can be compared."""

        def _repr_mimebundle_(self, **options: Any) -> Any:
            bundle = super()._repr_mimebundle_(**options)
            if isinstance(bundle, dict):
                bundle["text/plain"] = f"{title}: {', '.join(things)}" if things else title
            return bundle

    started = time.monotonic()
    rows: dict[str, tuple[str, float]] = dict.fromkeys(things, ("waiting", 0.0))
    lock = threading.Lock()
    table = Table()

    def draw(heading: str) -> None:
        cells = "".join(
            f"<tr><td style='text-align:left;padding:0 1em 0 0'>{html.escape(thing)}</td>"
            f"<td style='text-align:left;padding:0 1em 0 0'>{html.escape(state)}</td>"
            f"<td style='text-align:right;padding:0'>{seconds:.1f} s</td></tr>"
            for thing, (state, seconds) in rows.items()
        )
        table.value = f"<b>{html.escape(heading)}</b><table>{cells}</table>"

    def progress(thing: str, state: str) -> None:
        with lock:
            rows[thing] = (state, time.monotonic() - started)
            draw(title)

    draw(title)
    display(table)
    outcome = "stopped"
    try:
        yield progress
        outcome = "done"
    finally:
        with lock:
            draw(f"{title}: {outcome} in {time.monotonic() - started:.1f} s")


def _in_notebook() -> bool:
    """Whether a kernel runs this, rather than a script or a terminal."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and hasattr(shell, "kernel")
