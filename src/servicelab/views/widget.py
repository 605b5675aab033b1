"""The live view of a stack in a notebook: an anywidget over the stack's one watcher."""

from __future__ import annotations

import contextvars
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from servicelab.errors import ServicelabError
from servicelab.views import actions, marks, snapshot, system, watcher
from servicelab.views.drawing import draw
from servicelab.views.look import Look, words
from servicelab.views.snapshot import Snapshot

if TYPE_CHECKING:
    from servicelab.stack import Stack

HERE = Path(__file__).parent
MOST_LINES = 8
LINE_LETTERS = 400


class StackView(anywidget.AnyWidget):  # type: ignore[misc]
    """A drawn stack with buttons. All that it shows comes from `watcher`, so several views of one stack agree.

    Each front end (one model may be on the screen twice) sends ``{"kind": "here", "front": id, "narrow": bool}`` every few seconds,
    ``{"kind": "gone", "front": id}`` when it is closed, and ``{"kind": "act", "verb", "service", "replica"}`` for a button.
    """

    _esm = HERE / "stack.js"
    _css = (HERE / "stack.css").read_text("utf-8") + marks.LIVE_STYLE

    wide = traitlets.Unicode("").tag(sync=True)
    narrow = traitlets.Unicode("").tag(sync=True)
    selected = traitlets.Unicode("").tag(sync=True)
    conditions = traitlets.Dict().tag(sync=True)  # by service: [[number, state], …], for what the buttons can do
    lines = traitlets.List().tag(sync=True)  # the last ones of what is selected
    said = traitlets.Unicode("").tag(sync=True)  # changes, read out by screen readers
    busy = traitlets.List().tag(sync=True)  # what buttons are doing, in words
    trouble = traitlets.Unicode("").tag(sync=True)
    delayed = traitlets.List().tag(sync=True)  # services that the view's latency is on
    no_latency = traitlets.Unicode("").tag(sync=True)  # why there is no button for it

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._system = system.read(stack.application)
        self._watcher = watcher.of(stack.project, lambda: Look(stack._engine, self._system))
        self._seen = Snapshot()
        self._fronts: dict[str, tuple[bool, float]] = {}  # is it narrow, and when it was last heard of
        self._failed = ""  # what the last button ran into
        self._lock = threading.Lock()
        # Of the cell that made the view. A thread has none, and ipykernel then takes the last message of any page for what it answers:
        # once that page was reloaded, what its view sends would go to a part of the kernel that has ended, and be dropped.
        self._context = contextvars.copy_context()
        super().__init__(wide=draw(self._system, self._seen))
        self.on_msg(lambda _widget, content, _buffers: self.handle(content))
        self.observe(lambda _change: self._watcher.wake(), "selected")

    def handle(self, content: Any) -> threading.Thread | None:
        """A message of the front end. Returns the thread that carries out a button's act."""
        kind = content.get("kind") if isinstance(content, dict) else None
        if kind == "here":
            self._fronts[str(content.get("front"))] = (bool(content.get("narrow")), time.monotonic())
            self._watcher.here(self)
        elif kind == "gone":
            self._fronts.pop(str(content.get("front")), None)
            if not self._fronts:
                self._watcher.gone(self)
        elif kind == "act":
            thread = threading.Thread(
                target=self._context.copy().run, args=(self._act, content), name="servicelab-act", daemon=True
            )
            thread.start()
            return thread
        return None

    def show(self, seen: Snapshot, look: Look | None) -> None:
        """From the watcher's thread: draw what was SEEN. What did not change is not sent again."""
        self._context.copy().run(self._show, seen, look)

    def _show(self, seen: Snapshot, look: Look | None) -> None:
        with self._lock:
            if not seen.trouble:
                said = snapshot.changes(self._seen, seen) if self._seen.replicas else []
                if said:
                    self.said = "; ".join(said)
                self._seen = seen
                self._draw()
                self.conditions = {name: [[r.number, r.state] for r in seen.of(name)] for name in self._system.nodes}
                self.delayed = [name for name, own in seen.faults.items() if words(actions.latency(name)) in own]
                if look is not None:
                    self.lines = [str(line)[:LINE_LETTERS] for line in look.lines(self.selected)][-MOST_LINES:]
                    self.no_latency = look.no_latency
            self.trouble = seen.trouble or self._failed  # within the lock: an act that ends now has the last word

    def _draw(self) -> None:
        """Only in the widths that somebody looks at."""
        oldest = time.monotonic() - watcher.PATIENCE
        widths = {narrow for narrow, heard in list(self._fronts.values()) if heard > oldest}
        if True in widths:
            self.narrow = draw(self._system, self._seen, narrow=True, selected=self.selected)
        if False in widths:
            self.wide = draw(self._system, self._seen, selected=self.selected)

    def _act(self, content: dict[str, Any]) -> None:
        service, verb = str(content.get("service")), str(content.get("verb"))
        replica = content.get("replica")
        doing = f"{verb} {service}" + (f"-{replica}" if replica else "")
        self._failed = ""
        self._tell(doing, "")
        self._watcher.poke()  # from now on it looks more often
        try:
            actions.act(self._stack, service, verb, replica, lambda _thing, state: self._tell(doing, state))
        except ServicelabError as error:
            self._failed = str(error)
        except Exception as error:  # the SDK's, or a bug: the view is where it was asked for, so the view says it
            self._failed = f"{doing}: {type(error).__name__}: {error}"
        with self._lock:
            self.busy = [entry for entry in self.busy if entry[0] != doing]
            self.trouble = self._failed
        self._watcher.poke()

    def _tell(self, doing: str, state: str) -> None:
        with self._lock:
            self.busy = [*(entry for entry in self.busy if entry[0] != doing), [doing, state]]

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """As `Stack` shows itself: a widget's own text holds an address in memory."""
        from servicelab.views import text

        bundle = super()._repr_mimebundle_(**options)
        data = dict(bundle[0] if isinstance(bundle, tuple) else bundle or {})
        return data | {"text/plain": text(self._system), "image/svg+xml": draw(self._system)}
