"""A stack, drawn: live in a notebook, and as a picture that is the same each time where nothing is live.

system.py    what it is made of and who calls whom, from the Compose file
snapshot.py  what it is like at one moment
places.py    where things stand in the picture
marks.py     shapes and colours
drawing.py   the one drawer of all pictures
logs.py      new log lines, in bulk
sockets.py   connections of databases and queues
queues.py    messages in queues
rates.py     requests and errors per second, from the logs
look.py      looking at a running stack, cheaply
watcher.py   one thread a stack, while somebody looks
actions.py   what the buttons do
widget.py    the widget; its front end is stack.js and stack.css
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from servicelab.views.drawing import draw
from servicelab.views.system import System, read

if TYPE_CHECKING:
    from servicelab.stack import Stack

__all__ = ["bundle", "draw", "read", "text"]


def text(system: System) -> str:
    """The stack in words that are the same each time."""
    return f"{system.name}: {', '.join(system.nodes)}"


def bundle(stack: Stack) -> dict[str, Any]:
    """STACK as a cell's value: a widget where a kernel runs this, and always a picture and text that a stored notebook can keep."""
    system = read(stack.application)
    if _in_kernel():
        try:
            from servicelab.views.widget import StackView
        except ImportError:  # no anywidget: the picture alone
            pass
        else:
            data: dict[str, Any] = StackView(stack)._repr_mimebundle_()
            return data
    return {"text/plain": text(system), "image/svg+xml": draw(system)}


def _in_kernel() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and hasattr(shell, "kernel")
