"""Steps that are shown while they run, timed, and able to fail in one sentence."""

from __future__ import annotations

import collections
import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TextIO

Say = Callable[[str], None]


class Trouble(Exception):  # noqa: N818 - it's a report to a person, not a bug
    """What stopped us, in one sentence, and the way out. Printed without a traceback."""

    def __init__(self, what: str, fix: str, *, detail: str = "") -> None:
        super().__init__(what, fix, detail)
        self.what = what
        self.fix = fix
        self.detail = detail

    def __str__(self) -> str:
        """``what``, then ``fix``, then the evidence, each on lines of its own."""
        parts = [self.what, "fix: " + self.fix.replace("\n", "\n     ")]
        if self.detail:
            parts.append("last output:\n  " + self.detail.strip().replace("\n", "\n  "))
        return "\n".join(parts)


class CommandError(Exception):
    """A command that exited with another code than 0: ``code``, and ``output``, the last lines that it wrote."""

    def __init__(self, command: Sequence[str], code: int, output: str) -> None:
        super().__init__(f"{' '.join(command)} exited with {code}")
        self.command = list(command)
        self.code = code
        self.output = output


class Steps:
    """Draws each step on ``out`` (a moving line on a terminal, few plain lines elsewhere) and remembers its seconds.

    ``log`` takes the full output of every command, for when the last lines don't say enough.
    """

    def __init__(self, log: Path, out: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.log = log
        self.out = out if out is not None else sys.stderr
        self.clock = clock
        self.seconds: list[tuple[str, float]] = []
        self._terminal = self.out.isatty()
        self._paused = False
        self._active: dict[str, tuple[float, str]] = {}  # steps may overlap: title -> (began, what it is at)
        self._lock = threading.RLock()

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[Say]:
        """Time what happens inside the block. The callable it gives says what is going on at the moment."""
        began = self.clock()
        done = "failed"

        def say(text: str) -> None:
            with self._lock:
                self._active[title] = (began, text)

        say("")
        over = threading.Event()
        drawer = threading.Thread(target=self._draw_until, args=(over,), daemon=True)
        drawer.start()
        try:
            yield say
            done = self._active[title][1] or "done"
        except KeyboardInterrupt:
            done = "interrupted"
            raise
        finally:
            over.set()
            drawer.join()
            with self._lock:
                del self._active[title]
                took = self.clock() - began
                self.seconds.append((title, took))
                self._line(f"{title:<14}{took:7.1f} s   {done}\n")

    def _draw_until(self, over: threading.Event) -> None:
        while not over.wait(0.25 if self._terminal else 20.0):
            with self._lock:
                if not self._paused:
                    now = self.clock()
                    parts = [f"{title:<14}{now - began:7.0f} s   {text} ..." for title, (began, text) in self._active.items()]
                    self._line("  |  ".join(parts) + ("" if self._terminal else "\n"))

    def _line(self, text: str) -> None:
        if self._terminal:
            newline = "\n" if text.endswith("\n") else ""
            text = "\r\x1b[K" + text.rstrip("\n")[: max(20, _columns() - 1)] + newline
        with contextlib.suppress(UnicodeEncodeError):
            self.out.write(text)
        self.out.flush()

    @contextlib.contextmanager
    def quiet(self) -> Iterator[None]:
        """Nothing is drawn inside the block: for a question, and for commands that ask one themselves."""
        with self._lock:
            self._paused = True
            if self._terminal:
                self._line("")
        try:
            yield
        finally:
            self._paused = False

    def run(self, command: Sequence[str], say: Say, *, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> str:
        """Run ``command``, say each line that it writes, and return the last 40 of them.

        Raises ``CommandError``; a program that isn't there raises ``FileNotFoundError``.
        """
        tail: collections.deque[str] = collections.deque(maxlen=40)
        with self._open_log() as log:
            log.write(f"$ {' '.join(command)}\n")
            child = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                errors="replace",
                env=None if env is None else dict(env),
                cwd=cwd,
            )
            with child:
                try:
                    for line in child.stdout or ():
                        with contextlib.suppress(OSError):  # a log on a full disk must not hide what the command says
                            log.write(line)
                        if line.strip():
                            tail.append(line.rstrip())
                            say(line.strip())
                    code = child.wait()
                except BaseException:
                    child.terminate()
                    raise
        if code:
            raise CommandError(command, code, "\n".join(tail))
        return "\n".join(tail)

    def _open_log(self) -> TextIO:
        try:
            self.log.parent.mkdir(parents=True, exist_ok=True)
            return open(self.log, "a", encoding="utf-8")
        except OSError:
            return open(os.devnull, "w", encoding="utf-8")


def _columns() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns
    except (OSError, ValueError):
        return 100
