"""``servicelab …``: thin, over the modules that do the work."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from servicelab import commands
from servicelab.errors import EngineError, ImageError, ServicelabError, StartError

EPILOG = """\
examples
  servicelab doctor               what is wrong with this machine, and the fix
  servicelab lab 02               open lesson 02 in JupyterLab (your own copy, in work/)
  servicelab run 02               run lesson 02 here, without a browser, and print what it shows
  servicelab up shop              start the stack of compose/shop.yaml; ps shows it, down shop removes it
  servicelab lessons restore 02   bring the original of lesson 02 back (yours is kept beside it)
  servicelab test --quick         the tests that need no Docker; without --quick: every test there is
  servicelab test unit labs       some steps of it

For authors of lessons
  servicelab lessons execute 02   run the notebook and store its outputs, then export its text
  servicelab lessons take 02      bring an edited notebooks/text/02-….md back into the notebook
  servicelab lessons labs         make labs/ anew from solutions/
  servicelab lessons check 02     the empty lab and each wrong answer must fail, the solution must pass

"python3 start.py COMMAND" does the same on a machine where nothing is installed yet.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Do what ``argv`` says; returns the exit code: 0, 1 (it failed, and was said so), 2 (usage), 130 (interrupted)."""
    arguments = parser().parse_args(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # `kill` is an interrupt as well: what was started is taken down
    steps = _steps_before()
    try:
        return int(arguments.act(arguments, steps) or 0)
    except ServicelabError as error:
        if isinstance(error, EngineError | ImageError | StartError):  # not for a slip of the pen
            from servicelab import doctor

            doctor.look_after(error)
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted. The same command again goes on with what is there.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `servicelab ps | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def parser() -> argparse.ArgumentParser:
    """Every command, with its help."""
    top = argparse.ArgumentParser(
        prog="servicelab",
        description="Lessons on microservices that start, break and mend real ones.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    words = top.add_subparsers(title="commands", metavar="COMMAND", required=True)

    doctor = words.add_parser("doctor", help="what is wrong with this machine, and the exact fix")
    doctor.add_argument("--json", action="store_true", help="the findings as JSON: name, level, what, fix")
    doctor.set_defaults(act=commands.doctor)

    lab = words.add_parser("lab", help="JupyterLab on a lesson, on this machine alone, with a token")
    lab.add_argument("number", nargs="?", default="", metavar="NN", help="default: the first lesson")
    lab.add_argument("--no-browser", action="store_true", help="print the address, open nothing")
    lab.set_defaults(act=commands.lab)

    run = words.add_parser("run", help="run a lesson without a browser and print what it shows")
    run.add_argument("number", metavar="NN")
    run.add_argument("--solution", action="store_true", help="the lesson's lab, with its answers")
    run.add_argument("--keep", action="store_true", help="leave its containers running afterwards")
    run.set_defaults(act=commands.run)

    up = words.add_parser("up", help="start a stack of compose/, or adopt what runs of it")
    up.add_argument("stack", metavar="STACK")
    up.set_defaults(act=commands.up)

    ps = words.add_parser("ps", help="the stacks of all learners on this engine")
    ps.set_defaults(act=commands.ps)

    down = words.add_parser("down", help="remove a stack, or all of yours")
    down.add_argument("stack", nargs="?", metavar="STACK", help="default: every stack of yours, data included")
    down.add_argument("--volumes", action="store_true", help="the stack's data as well")
    down.add_argument("--learner", metavar="NAME", help="everything of another learner, as `ps` names them")
    down.set_defaults(act=commands.down)

    images = words.add_parser("images", help="each image, where it comes from, and its size")
    images.set_defaults(act=commands.images)
    ensure = images.add_subparsers(metavar="ensure").add_parser("ensure", help="pull or build images now")
    ensure.add_argument("names", nargs="*", metavar="NAME", help="as in library/postgres:17; default: all that compose/ names")
    ensure.add_argument("--replace", action="store_true", help="ask the registry also for what is here as a stand-in")
    ensure.set_defaults(act=commands.ensure)

    env = words.add_parser("env", help="make compose/.env (passwords, registry), which docker compose reads as well")
    env.set_defaults(act=commands.env)

    bundle = words.add_parser("bundle", help="what lessons need, in one file, for a room without a network")
    verbs = bundle.add_subparsers(metavar="VERB", required=True)
    save = verbs.add_parser("save", help="write FILE: images, and the wheels of requirements.lock")
    save.add_argument("file", type=Path, metavar="FILE")
    save.add_argument("numbers", nargs="*", metavar="NN", help="lessons; default: all")
    save.set_defaults(act=commands.bundle_save)
    load = verbs.add_parser(
        "load", help="bring FILE's images onto this engine (python3 start.py bundle load FILE: its wheels too)"
    )
    load.add_argument("file", type=Path, metavar="FILE")
    load.set_defaults(act=commands.bundle_load)

    test = words.add_parser("test", help="run the tests, step by step")
    test.add_argument("names", nargs="*", metavar="STEP", help="default: all")
    test.add_argument("--quick", action="store_true", help="only the steps that need no Docker")
    test.set_defaults(act=commands.test)

    lessons = words.add_parser("lessons", help="execute, text, take, labs, check, restore")
    verbs = lessons.add_subparsers(metavar="VERB", required=True)
    for verb, what in (
        ("execute", "run notebooks and store their outputs"),
        ("text", "write notebooks/text/ from the notebooks"),
        ("take", "bring edited texts back into the notebooks"),
        ("labs", "make labs/ from solutions/"),
        ("check", "prove that each lab tells right from wrong"),
        ("restore", "bring the original back into work/"),
    ):
        command = verbs.add_parser(verb, help=what)
        command.add_argument("numbers", nargs="*" if verb != "restore" else "+", metavar="NN", help="default: all")
        command.set_defaults(act=commands.lessons, verb=verb)
        if verb == "restore":
            command.add_argument("--lab", action="store_true", help="its lab, not the lesson")
    return top


def _steps_before() -> commands.Steps:
    """What start.py did before it handed over: names and seconds."""
    try:
        return [(str(name), float(seconds)) for name, seconds in json.loads(os.environ.pop("SERVICELAB_STEPS", "[]"))]
    except (ValueError, TypeError):
        return []


if __name__ == "__main__":
    sys.exit(main())
