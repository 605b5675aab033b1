"""The steps in order: environment, engine, and the hand-over to the ``servicelab`` command."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from servicelab_start import dockerd, engine, environment, offline
from servicelab_start.endpoints import DEFAULT, Answer, Refusal, find
from servicelab_start.machine import Machine, this_machine
from servicelab_start.steps import Steps, Trouble

HELP = """\
usage: python3 start.py [--yes] [--no-browser] [COMMAND ...]

From a bare machine to a running lesson. Each step is skipped when it is done already, and may be interrupted and run again.

without a COMMAND
  1. environment   makes .venv from requirements.lock (with uv where it is there, else pip)
  2. engine        finds a Docker engine (DOCKER_HOST, docker context, the usual sockets, Podman's); on a Debian or Ubuntu with
                   root or sudo, installs and starts one, after asking
  3. images        fetches or builds the images of the first lessons
  4. JupyterLab    opens the first lesson, on this machine alone, with a token

with a COMMAND     the steps that it needs, then `servicelab COMMAND ...`
  python3 start.py run 02         run lesson 02 without a browser and print what it shows
  python3 start.py test           run every test there is (--quick: those that need no Docker)
  python3 start.py doctor         what is wrong with this machine, and the fix
  python3 start.py ps             what runs; `down` stops it
  python3 start.py lab 02         JupyterLab on lesson 02
  python3 start.py bundle load F  everything from a file that `bundle save F` wrote: no network is needed, but a Docker engine
  .venv/bin/servicelab --help     all of them

options (before the COMMAND)
  --yes          don't ask before something is installed on this machine (CI=true in the environment says the same)
  --no-browser   start JupyterLab, print its address, open nothing
"""

_ENGINE_WANTED = {"lab", "run", "test", "up", "images", "bundle"}  # these may install one
_ENGINE_USED = {"ps", "down", "lessons", "doctor"}  # these take one that is there


@dataclass
class Options:
    """What the command line says. ``command`` is what ``servicelab`` gets."""

    yes: bool = False
    help: bool = False
    command: list[str] = field(default_factory=list)


def parse(argv: Sequence[str]) -> Options:
    """Our own options stand before the first word; the rest belongs to ``servicelab``."""
    options = Options()
    rest = list(argv)
    lab = []
    while rest and rest[0].startswith("-"):
        word = rest.pop(0)
        if word in ("-y", "--yes"):
            options.yes = True
        elif word in ("-h", "--help"):
            options.help = True
        elif word == "--no-browser":
            lab.append(word)
        else:
            raise Trouble(f"start.py has no option {word}.", "python3 start.py --help lists what there is.")
    options.command = rest or ["lab"]
    if options.command[0] == "lab":
        options.command += lab
    return options


def main(argv: Sequence[str], root: str | Path) -> int:
    """Do what is missing, then become ``servicelab``. Returns an exit code where that can't be."""
    root = Path(root)
    steps = Steps(root / ".servicelab" / "start.log")
    try:
        options = parse(argv)
        if options.help:
            print(HELP, end="")
            return 0
        environ = prepare(options, root, steps, this_machine())
        return hand_over(options.command, root, environ, steps.seconds)
    except Trouble as trouble:
        print(trouble, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted. Run it again: what is done is kept.", file=sys.stderr)
        return 130


def prepare(options: Options, root: Path, steps: Steps, machine: Machine) -> dict[str, str]:
    """Environment and engine, as far as the command needs them. Returns the variables to hand over."""
    environ = dict(os.environ)
    word = options.command[0]
    bundled = options.command[:2] == ["bundle", "load"] and len(options.command) > 2
    answer: Answer | None = None
    refusals: list[Refusal] = []
    if word in _ENGINE_WANTED | _ENGINE_USED:
        answer, refusals = find()
    wants_engine = word in _ENGINE_WANTED and answer is None and "--quick" not in options.command
    if wants_engine:
        engine.rejoin_group(refusals, machine, root)
        trouble = engine.why_none(refusals, machine)
        if trouble:
            raise trouble
        if not machine.can_start:
            raise Trouble("No Docker engine is running here.", engine.advice(machine))

    with _alone(root):
        uv = environment.working_uv()
        complete = environment.ready(root)
        for_venv = [] if complete or uv else engine.venv_packages(machine)
        for_engine = engine.PACKAGES if wants_engine and not machine.dockerd else []
        consent(engine.plan(machine, for_venv + for_engine, start=wants_engine), options.yes, steps, machine)
        if for_venv:  # before anything else, and with all that apt has to do: it can't run twice at a time
            _apt(for_venv + for_engine, machine, steps)
            for_engine = []
        with ThreadPoolExecutor(1) as beside:
            start = beside.submit(_start_engine, for_engine, machine, root, steps) if wants_engine else None
            if not complete:
                with steps.step("environment") as say, tempfile.TemporaryDirectory() as scratch:
                    wheels = offline.wheels(Path(options.command[2]), Path(scratch, "bundle")) if bundled else None
                    say(environment.make(root, steps, say, uv=uv, wheels=wheels))
            reply = start.result() if start else answer
        if isinstance(reply, Refusal):
            engine.rejoin_group([reply], machine, root)
            raise engine.why_none([reply], machine) or Trouble(reply.reason, engine.advice(machine))
        answer = reply
    if answer is not None:
        environ.update(docker_host(answer, refusals))
    return environ


def _apt(packages: list[str], machine: Machine, steps: Steps) -> None:
    with steps.step("apt") as say:
        engine.install(machine, packages, steps, say)
        say(", ".join(packages))


def _start_engine(packages: list[str], machine: Machine, root: Path, steps: Steps) -> Answer | Refusal:
    if packages:
        _apt(packages, machine, steps)
    with steps.step("engine") as say:
        reply = dockerd.start(machine, root, steps, say)
        if isinstance(reply, Refusal):
            engine.join_group(machine, steps, say)
        else:
            say(f"started, {reply.server}")
        return reply


def docker_host(answer: Answer, refusals: Sequence[Refusal]) -> dict[str, str]:
    """DOCKER_HOST, where the Docker SDK would not find this engine by itself."""
    if answer.os == "windows":
        raise Trouble(
            "The Docker engine runs Windows containers.", "switch Docker Desktop to Linux containers, then run this again."
        )
    by_docker = answer.endpoint.source.lower().startswith(("docker_", "docker context"))
    if by_docker or (answer.endpoint.host == DEFAULT and not refusals):
        return {}
    return {"DOCKER_HOST": answer.endpoint.host}


def consent(plan: Sequence[str], yes: bool, steps: Steps, machine: Machine, environ: Mapping[str, str] = os.environ) -> None:
    """Say what will be done to the system and ask once. Raises ``Trouble`` where the answer is no, or none can be had."""
    if not plan:
        return
    with steps.quiet():
        print("This machine will be changed:", *(f"  - {line}" for line in plan), sep="\n", file=sys.stderr, flush=True)
        if not yes and environ.get("CI", "").lower() not in ("true", "1"):
            by_hand = f"do it by hand ({engine.advice(machine)}), then run this again."
            if not sys.stdin.isatty():
                raise Trouble("That needs your word, and there is no terminal to ask on.", f"run it with --yes, or {by_hand}")
            if input("Go on? [Y/n] ").strip().lower() not in ("", "y", "yes"):
                raise Trouble("Nothing was changed.", by_hand)
        if not machine.root and sys.stdin.isatty():
            subprocess.run(["sudo", "-v"], check=False)  # asks for the password now, not under a moving line


@contextlib.contextmanager
def _alone(root: Path) -> Iterator[None]:
    """One start.py at a time in a checkout: two would fill the same .venv."""
    try:
        import fcntl

        folder = root / ".servicelab"
        folder.mkdir(exist_ok=True)
        lock = open(folder / "start.lock", "w")  # noqa: SIM115
    except (ImportError, OSError):  # Windows; or a folder that we may not write to, which is said later
        yield
        return
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            print("Another start.py is at work in this folder: waiting for it.", file=sys.stderr, flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def hand_over(command: Sequence[str], root: Path, environ: dict[str, str], seconds: Sequence[tuple[str, float]]) -> int:
    """Become ``servicelab COMMAND``; what took how long goes with it, to stand in the table that it prints at its end."""
    python = environment.python_of(root / ".venv")
    environ["VIRTUAL_ENV"] = str(root / ".venv")
    environ["PATH"] = str(python.parent) + os.pathsep + environ.get("PATH", "")
    environ["SERVICELAB_HOME"] = str(root)
    environ["SERVICELAB_STEPS"] = json.dumps(list(seconds))
    environ.pop("PYTHONHOME", None)
    arguments = [str(python), "-m", "servicelab.cli", *command]
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name != "nt":
        return os.execve(python, arguments, environ)
    child = subprocess.Popen(arguments, env=environ)
    while True:
        try:
            return child.wait()
        except KeyboardInterrupt:  # the child gets it as well, and decides
            continue
