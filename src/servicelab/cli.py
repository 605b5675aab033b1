"""``servicelab …``: thin, over the modules that do the work."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from servicelab.errors import ServicelabError

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
    steps = _steps_before()
    try:
        return int(arguments.act(arguments, steps) or 0)
    except ServicelabError as error:
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
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)

    doctor = commands.add_parser("doctor", help="what is wrong with this machine, and the exact fix")
    doctor.add_argument("--json", action="store_true", help="the findings as JSON: name, level, what, fix")
    doctor.set_defaults(act=_doctor)

    lab = commands.add_parser("lab", help="JupyterLab on a lesson, on this machine alone, with a token")
    lab.add_argument("number", nargs="?", default="", metavar="NN", help="default: the first lesson")
    lab.add_argument("--no-browser", action="store_true", help="print the address, open nothing")
    lab.set_defaults(act=_lab)

    run = commands.add_parser("run", help="run a lesson without a browser and print what it shows")
    run.add_argument("number", metavar="NN")
    run.add_argument("--solution", action="store_true", help="the lesson's lab, with its answers")
    run.add_argument("--keep", action="store_true", help="leave its containers running afterwards")
    run.set_defaults(act=_run)

    up = commands.add_parser("up", help="start a stack of compose/, or adopt what runs of it")
    up.add_argument("stack", metavar="STACK")
    up.set_defaults(act=_up)

    ps = commands.add_parser("ps", help="the stacks of all learners on this engine")
    ps.set_defaults(act=_ps)

    down = commands.add_parser("down", help="remove a stack, or all of yours")
    down.add_argument("stack", nargs="?", metavar="STACK", help="default: every stack of yours, data included")
    down.add_argument("--volumes", action="store_true", help="the stack's data as well")
    down.add_argument("--learner", metavar="NAME", help="everything of another learner, as `ps` names them")
    down.set_defaults(act=_down)

    images = commands.add_parser("images", help="each image, where it comes from, and its size")
    images.set_defaults(act=_images)
    ensure = images.add_subparsers(metavar="ensure").add_parser("ensure", help="pull or build images now")
    ensure.add_argument("names", nargs="*", metavar="NAME", help="as in library/postgres:17; default: all that compose/ names")
    ensure.add_argument("--replace", action="store_true", help="ask the registry also for what is here as a stand-in")
    ensure.set_defaults(act=_ensure)

    env = commands.add_parser("env", help="make compose/.env (passwords, registry), which docker compose reads as well")
    env.set_defaults(act=_env)

    bundle = commands.add_parser("bundle", help="what lessons need, in one file, for a room without a network")
    verbs = bundle.add_subparsers(metavar="VERB", required=True)
    save = verbs.add_parser("save", help="write FILE: images, and the wheels of requirements.lock")
    save.add_argument("file", type=Path, metavar="FILE")
    save.add_argument("numbers", nargs="*", metavar="NN", help="lessons; default: all")
    save.set_defaults(act=_bundle_save)
    load = verbs.add_parser(
        "load", help="bring FILE's images onto this engine (python3 start.py bundle load FILE: its wheels too)"
    )
    load.add_argument("file", type=Path, metavar="FILE")
    load.set_defaults(act=_bundle_load)

    test = commands.add_parser("test", help="run the tests, step by step")
    test.add_argument("names", nargs="*", metavar="STEP", help="default: all")
    test.add_argument("--quick", action="store_true", help="only the steps that need no Docker")
    test.set_defaults(act=_test)

    lessons = commands.add_parser("lessons", help="execute, text, take, labs, check, restore")
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
        command.set_defaults(act=_lessons, verb=verb)
        if verb == "restore":
            command.add_argument("--lab", action="store_true", help="its lab, not the lesson")
    return top


Steps = list[tuple[str, float]]


def _steps_before() -> Steps:
    """What start.py did before it handed over: names and seconds."""
    try:
        return [(str(name), float(seconds)) for name, seconds in json.loads(os.environ.pop("SERVICELAB_STEPS", "[]"))]
    except (ValueError, TypeError):
        return []


def _table(steps: Steps) -> None:
    """Where the time went; nothing where start.py had nothing to do."""
    if len(steps) > 1:
        print("\nwhere the time went", file=sys.stderr)
        for name, seconds in [*steps, ("together", sum(seconds for _, seconds in steps))]:
            print(f"  {name:<14}{seconds:7.1f} s", file=sys.stderr)


def _doctor(arguments: argparse.Namespace, steps: Steps) -> int:
    from servicelab import doctor

    findings = doctor.examine()
    print(doctor.as_json(findings) if arguments.json else doctor.as_text(findings))
    return doctor.exit_code(findings)


def _lab(arguments: argparse.Namespace, steps: Steps) -> int:
    from servicelab import lessons, needs, settings
    from servicelab.engine import leases
    from servicelab.engine.client import connect

    number = arguments.number or "00"
    notebook = lessons.learner_copy(number)
    began = time.monotonic()
    known = lessons.all_lessons()
    wanted = [lessons.find(number)] if arguments.number else known[: needs.FIRST]
    _ensure_images(needs.images_of(wanted))
    _ensure_in_background(sorted({*needs.images_of(known)} - {*needs.images_of(wanted)}))
    with contextlib.closing(connect()) as client:
        leases.sweep(client)
    _table([*steps, ("images", time.monotonic() - began)])
    root = settings.root()
    where = notebook.relative_to(root).as_posix()
    command = [sys.executable, "-m", "jupyter", "lab", "--ServerApp.ip=127.0.0.1", f"--ServerApp.root_dir={root}"]
    command += [f"--LabApp.default_url=/lab/tree/{where}", "--LabApp.extension_manager=readonly", "--LabApp.news_url=None"]
    command += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]  # an offline room has nowhere to ask
    if arguments.no_browser:
        command.append("--no-browser")
    if os.name != "nt" and os.geteuid() == 0:
        command.append("--allow-root")  # on loopback, with a token
    return _become(command, root)


def _ensure_in_background(names: Sequence[str]) -> None:
    """Later lessons' images: made while the first ones are read, by a process that goes on by itself. Its log: .servicelab/images.log."""
    from servicelab import settings

    if names:
        log = settings.root() / ".servicelab" / "images.log"
        log.parent.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "servicelab.cli", "images", "ensure", *names]
        with log.open("w", encoding="utf-8") as file:
            subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True)


def _become(command: list[str], cwd: Path) -> int:
    os.chdir(cwd)
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name != "nt":
        os.execv(command[0], command)
    return subprocess.call(command)


def _run(arguments: argparse.Namespace, steps: Steps) -> int:
    from servicelab import lessons, needs

    began = time.monotonic()
    _ensure_images(needs.images_of([lessons.find(arguments.number)]))
    steps = [*steps, ("images", time.monotonic() - began)]
    began = time.monotonic()
    result = lessons.run(arguments.number, solution=arguments.solution, keep=arguments.keep)
    _table([*steps, (f"lesson {result.name[:2]}", time.monotonic() - began)])
    return 0 if result.passed else 1


def _up(arguments: argparse.Namespace, steps: Steps) -> int:
    from servicelab.stack import Stack

    stack = Stack(arguments.stack)
    stack.up()
    print(stack)
    for service in stack:
        for url in service.urls if stack.application.services[service.name].ports else []:
            print(f"  {service.name:<20} {url}")
    return 0


def _ps(arguments: argparse.Namespace, steps: Steps) -> int:
    from servicelab import listing

    rows = listing.stacks()
    if not rows:
        print("no stack runs here")
    else:
        print(f"{'LEARNER':<18}{'STACK':<16}{'RUNNING':>8}  {'SINCE':<18}{'EXPIRES':<18}")
    for row in rows:
        print(f"{row.learner:<18}{row.stack:<16}{f'{row.running}/{row.containers}':>8}  {row.since:<18}{row.expires:<18}")
    return 0


def _down(arguments: argparse.Namespace, steps: Steps) -> int:
    from servicelab import leftovers, settings
    from servicelab.stack import Stack

    if arguments.stack:
        Stack(arguments.stack).down(volumes=arguments.volumes)
    else:
        gone = leftovers.remove(arguments.learner or settings.learner())
        print(f"removed: {', '.join(gone)}" if gone else "nothing was there")
    return 0


def _images(arguments: argparse.Namespace, steps: Steps) -> int:
    from servicelab import images, settings

    for row in images.catalogue(registry=settings.registry()):
        size = f"{row.size / 1e6:7.0f} MB" if row.size else " " * 10
        print(f"{row.name:<28}{size}  {row.source}")
    return 0


def _ensure(arguments: argparse.Namespace, steps: Steps) -> int:
    from servicelab import images, lessons, needs

    names = arguments.names or sorted({*images.referenced(), *needs.images_of(lessons.all_lessons())})
    print(_ensure_images(names, replace=arguments.replace))
    return 0


def _ensure_images(names: Sequence[str], *, replace: bool = False) -> str:
    from servicelab import images, progress, settings

    with progress.show("images", tuple(names)) as show:
        registry = images.ensure(names, registry=images.upstream(settings.registry()), replace=replace, progress=show)
    if registry != settings.registry():
        settings.store({"REGISTRY": registry})
    return registry


def _bundle_save(arguments: argparse.Namespace, steps: Steps) -> int:
    from servicelab import bundle, lessons, progress

    chosen = [lessons.find(number) for number in arguments.numbers] or lessons.all_lessons()
    with progress.show("saving the bundle", ()) as show:
        saved = bundle.save(arguments.file, chosen, progress=show)
    print(f"{arguments.file}: {saved.size / 1e6:.0f} MB, lessons {' '.join(saved.lessons)}, {len(saved.images)} images")
    if saved.with_ca:
        print("with this machine's certificate authorities in them: " + ", ".join(saved.with_ca))
    return 0


def _bundle_load(arguments: argparse.Namespace, steps: Steps) -> int:
    from servicelab import bundle, progress

    with progress.show("loading the bundle", ()) as show:
        loaded = bundle.load(arguments.file, progress=show)
    print(f"here now: lessons {' '.join(loaded.lessons)}, {len(loaded.images)} images")
    return 0


def _env(arguments: argparse.Namespace, steps: Steps) -> int:
    from servicelab import settings

    settings.variables()
    print(settings.root() / "compose" / ".env")
    return 0


def _test(arguments: argparse.Namespace, steps: Steps) -> int:
    from servicelab import testing

    chosen = testing.chosen(testing.all_steps(), arguments.names, quick=arguments.quick)
    if steps:
        _table([*steps])
    results = testing.run(chosen, echo=lambda line: print(line, flush=True))
    return 0 if all(result.passed for result in results) else 1


def _lessons(arguments: argparse.Namespace, steps: Steps) -> int:
    from servicelab import authoring, lab_trials, labs, lessons

    known = lessons.all_lessons()
    picked = [lessons.find(number) for number in arguments.numbers] or known
    failed = 0
    for lesson in picked:
        number = lesson.number
        if arguments.verb == "execute":
            authoring.execute(number)
        elif arguments.verb == "text":
            _say_changed(lesson.name, authoring.export_text(number))
        elif arguments.verb == "take":
            _say_changed(lesson.name, authoring.take(number))
        elif arguments.verb == "restore":
            print(lessons.restore(number, lab=arguments.lab))
        elif not lesson.solution.is_file():
            if arguments.numbers:
                raise ServicelabError(f"lesson {number} has no lab", why=f"solutions/{lesson.name}.ipynb is not there")
        elif arguments.verb == "labs":
            changed = labs.generate(number)
            _say_changed(lesson.name, [changed] if changed else [])
        else:
            failed += sum(bool(verdict.fault) for verdict in lab_trials.try_out(number))
    return 1 if failed else 0


def _say_changed(name: str, changed: Sequence[object]) -> None:
    print(f"{name}: {', '.join(str(item) for item in changed) if changed else 'nothing changed'}")


if __name__ == "__main__":
    sys.exit(main())
