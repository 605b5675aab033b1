"""The test command: every test there is, as named steps, each a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from servicelab import settings
from servicelab.errors import ServicelabError

STEP_SECONDS = 2700.0  # a step that hangs must not take the others' results with it
_MANNERS_SECONDS = 60.0  # what an interrupted step gets to remove its containers


@dataclass(frozen=True)
class Step:
    """A name to ask for, the command, and whether it needs a Docker engine.

    ``early``: may begin while earlier ones still run. ``beside``: the name of an earlier step; those that name one run beside it and
    all that follow, one after another.
    """

    name: str
    command: list[str]
    docker: bool = False
    early: bool = False
    beside: str = ""


@dataclass(frozen=True)
class Result:
    """How a step ended: its exit code (None: stopped at its deadline), and its seconds."""

    step: Step
    code: int | None
    seconds: float

    @property
    def passed(self) -> bool:
        """Exit code 0. pytest that finds no test exits with 5: that's a failure too."""
        return self.code == 0


def all_steps(root: Path | None = None) -> list[Step]:
    """The steps whose tests are there, cheapest first."""
    root = root or settings.root()
    run = [sys.executable, "-m"]
    services = sorted(str(path.relative_to(root)) for path in root.glob("services/*/tests"))
    steps = [
        Step("ruff", [*run, "ruff", "check", "."]),
        Step("format", [*run, "ruff", "format", "--check", "."]),
        Step("mypy", [*run, "mypy"]),
        Step("images", [*run, "servicelab.cli", "images", "ensure"], docker=True, early=True),
        Step("unit", [*run, "pytest", "-q", "tests/unit", *services]),
    ]
    for name, folder in (("integration", "tests/integration"), ("machinery", "tests/notebooks"), ("browser", "tests/browser")):
        if any((root / folder).glob("test_*.py")):
            steps.append(Step(name, [*run, "pytest", "-q", folder], docker=True))
    # Labs and notebooks run beside all that follows the images: they wait as much as they compute.
    nbval = [*run, "pytest", "-q", "--nbval"]
    if any(root.glob("solutions/*.ipynb")):
        steps.append(Step("solutions", [*nbval, "solutions"], docker=True))
        steps.append(Step("labs", [*run, "servicelab.cli", "lessons", "check"], docker=True, beside="unit"))
    if any(root.glob("notebooks/*.ipynb")):
        steps.append(Step("notebooks", [*nbval, "notebooks"], docker=True, beside="unit"))
    return steps


def chosen(steps: Sequence[Step], names: Sequence[str], *, quick: bool) -> list[Step]:
    """The steps named (all where none is), with ``quick`` only those that need no Docker."""
    known = [step.name for step in steps]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ServicelabError(f"no step {', '.join(unknown)}", fix=f"there are: {', '.join(known)}")
    return [step for step in steps if (not names or step.name in names) and not (quick and step.docker)]


def run(
    steps: Sequence[Step],
    *,
    root: Path | None = None,
    deadline: float = STEP_SECONDS,
    echo: Callable[[str], None] = print,
    environ: Mapping[str, str] = os.environ,
) -> list[Result]:
    """Run the steps in order and go on after one that failed. The last line told is "N passed, N failed".

    An early step is started at once, unseen, as well as in its turn: it must be one that finds what was made already. What a step
    says that runs beside another is told in its turn.
    """
    root = root or settings.root()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # started in the background: steps would inherit deafness to Ctrl-C
        signal.signal(signal.SIGINT, signal.default_int_handler)
    results: list[Result] = []
    ahead = [_start(step, root, environ, subprocess.DEVNULL) for step in steps[1:] if step.early]
    lane = _Lane(root, environ, deadline)
    try:
        for number, step in enumerate(steps, 1):
            echo(f"\n=== {step.name} ({number} of {len(steps)}): {' '.join(['python', *step.command[1:]])}")
            for later in steps[number:]:
                if later.beside == step.name:
                    lane.take(later)
            results.append(lane.result(step) or _Running(step, root, environ).result(deadline))
            echo(f"=== {step.name}: {_outcome(results[-1])} in {results[-1].seconds:.1f} s")
    finally:
        for child in ahead:
            _stop(child)
        lane.stop()
    failed = sum(not result.passed for result in results)
    echo("")
    for result in results:
        echo(f"{result.step.name:<14}{result.seconds:7.1f} s   {_outcome(result)}")
    echo(f"{len(results) - failed} passed, {failed} failed")
    return results


def _outcome(result: Result) -> str:
    if result.passed:
        return "passed"
    return "stopped at its deadline" if result.code is None else f"FAILED (exit code {result.code})"


class _Running:
    """A step at work."""

    def __init__(self, step: Step, root: Path, environ: Mapping[str, str], output: int | None = None) -> None:
        sys.stdout.flush()
        self.step = step
        self.began = time.monotonic()
        self.child = _start(step, root, environ, output)

    def result(self, deadline: float) -> Result:
        """How it ended; after DEADLINE seconds it is stopped."""
        try:
            code = self.child.wait(deadline)
        except subprocess.TimeoutExpired:
            _stop(self.child)
            code = None
        except KeyboardInterrupt:  # a terminal's Ctrl-C reaches the step as well: let it clean up
            _stop(self.child, asked=True)
            raise
        return Result(self.step, code, time.monotonic() - self.began)


class _Lane:
    """Steps that run beside the others, one after another. What they say is kept until their turn."""

    def __init__(self, root: Path, environ: Mapping[str, str], deadline: float) -> None:
        self._root, self._environ, self._deadline = root, environ, deadline
        self._thread = ThreadPoolExecutor(1)
        self._taken: dict[str, Future[tuple[Result, str]]] = {}
        self._running: _Running | None = None

    def take(self, step: Step) -> None:
        """Run it as soon as those taken before are over."""
        self._taken[step.name] = self._thread.submit(self._run, step)

    def result(self, step: Step) -> Result | None:
        """How it ended, after all that it said; None: it is not one of ours."""
        if step.name not in self._taken:
            return None
        result, said = self._taken[step.name].result()
        print(said, end="", flush=True)
        return result

    def stop(self) -> None:
        """End the one that runs, and begin no other."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        if self._running:
            _stop(self._running.child)
        self._thread.shutdown()

    def _run(self, step: Step) -> tuple[Result, str]:
        with tempfile.TemporaryFile() as said:
            self._running = _Running(step, self._root, self._environ, said.fileno())
            result = self._running.result(self._deadline)
            said.seek(0)
            return result, said.read().decode(errors="replace")


def _start(step: Step, root: Path, environ: Mapping[str, str], output: int | None = None) -> subprocess.Popen[bytes]:
    """OUTPUT: where it goes; None: where ours goes."""
    return subprocess.Popen(step.command, cwd=root, env=dict(environ), stdin=subprocess.DEVNULL, stdout=output, stderr=output)


def _stop(child: subprocess.Popen[bytes], *, asked: bool = False) -> None:
    if not asked:
        child.send_signal(signal.SIGINT if os.name != "nt" else signal.SIGTERM)
    try:
        child.wait(_MANNERS_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
