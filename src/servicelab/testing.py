"""The test command: every test there is, as named steps, each a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from servicelab import settings
from servicelab.errors import ServicelabError

STEP_SECONDS = 2700.0  # a step that hangs must not take the others' results with it
_MANNERS_SECONDS = 60.0  # what an interrupted step gets to remove its containers


@dataclass(frozen=True)
class Step:
    """A name to ask for, the command, and whether it needs a Docker engine.

    ``early``: may begin while earlier ones still run. ``beside``: the name of an earlier step that it begins together with.
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
    if any(root.glob("notebooks/*.ipynb")):
        steps.append(Step("notebooks", [*run, "pytest", "-q", "--nbval", "notebooks", "solutions"], docker=True))
    if any(root.glob("solutions/*.ipynb")):  # beside all that follows the images: it waits more than it computes
        labs = [*run, "servicelab.cli", "lessons", "check"]
        steps.append(Step("labs", labs, docker=True, beside="unit"))
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
    beside: dict[str, _Beside] = {}
    try:
        for number, step in enumerate(steps, 1):
            echo(f"\n=== {step.name} ({number} of {len(steps)}): {' '.join(['python', *step.command[1:]])}")
            current = beside.pop(step.name, None) or _Running(step, root, environ)
            beside |= {later.name: _Beside(later, root, environ) for later in steps[number:] if later.beside == step.name}
            code = current.wait(deadline)
            results.append(Result(step, code, current.seconds))
            echo(f"=== {step.name}: {_outcome(results[-1])} in {results[-1].seconds:.1f} s")
    finally:
        for child in [*ahead, *(running.child for running in beside.values())]:
            _stop(child)
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
        self.began = time.monotonic()
        self.seconds = 0.0
        self.child = _start(step, root, environ, output)

    def wait(self, deadline: float) -> int | None:
        """Its exit code; None where it had to be stopped."""
        try:
            return self.child.wait(max(0.0, self.began + deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            _stop(self.child)
            return None
        except KeyboardInterrupt:  # a terminal's Ctrl-C reaches the step as well: let it clean up
            _stop(self.child, asked=True)
            raise
        finally:
            self.seconds = time.monotonic() - self.began


class _Beside(_Running):
    """A step at work that keeps what it says until it is waited for."""

    def __init__(self, step: Step, root: Path, environ: Mapping[str, str]) -> None:
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  (closed with its last use)
        super().__init__(step, root, environ, self._said.fileno())

    def wait(self, deadline: float) -> int | None:
        try:
            return super().wait(deadline)
        finally:
            self._said.seek(0)
            print(self._said.read().decode(errors="replace"), end="", flush=True)
            self._said.close()


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
