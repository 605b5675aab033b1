"""A run in a notebook: a chart that grows while the run goes on, and stays."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from servicelab.traffic import chart

if TYPE_CHECKING:
    from servicelab.traffic.run import Run

REDRAWN_AFTER = 0.5
"""Seconds between two pictures of a run that goes on."""

WIDGET = "application/vnd.jupyter.widget-view+json"


def kernel_shell() -> Any:
    """IPython's shell where there is a notebook's kernel around it, else None."""
    try:
        from IPython.core.getipython import get_ipython
    except ImportError:
        return None
    shell = get_ipython()
    return shell if shell is not None and hasattr(shell, "kernel") else None


class LiveChart:
    """An HTML widget that the run's reading thread redraws, twice a second and at the end."""

    def __init__(self, run: Run) -> None:
        import ipywidgets

        self._run = run
        self._drawn = time.monotonic()
        self._widget = ipywidgets.HTML(chart.one_run(run))
        self.cell = getattr(kernel_shell(), "execution_count", 0)
        run.watch(self._redraw)
        self._redraw()  # it may have ended meanwhile

    def _redraw(self) -> None:
        now = time.monotonic()
        if self._run.ended or now - self._drawn >= REDRAWN_AFTER:
            self._drawn = now
            self._widget.value = chart.one_run(self._run)

    def clear(self) -> None:
        """Leave nothing: the final picture comes as the value of the same cell."""
        self._run.unwatch(self._redraw)
        self._widget.value = ""

    def bundle(self) -> dict[str, Any]:
        """As a cell's output. A stored notebook keeps the text, which is the same each time; the picture comes at the end."""
        widget: dict[str, Any] = self._widget._repr_mimebundle_()
        return {"text/plain": repr(self._run), WIDGET: widget[WIDGET]}


def show_while_waiting(run: Run) -> LiveChart | None:
    """Show the growing chart in the cell that waits. None where there is no notebook."""
    if kernel_shell() is None:
        return None
    from IPython.display import display

    live = LiveChart(run)
    display(live.bundle(), raw=True)
    return live
