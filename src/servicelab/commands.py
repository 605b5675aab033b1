"""What each word of ``servicelab …`` does. The modules that do the work are imported where a word needs them: `--help` is quick."""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from servicelab.errors import ServicelabError

Steps = list[tuple[str, float]]
"""What start.py did before it handed over: names and seconds."""


def _table(steps: Steps) -> None:
    """Where the time went; nothing where start.py had nothing to do."""
    if len(steps) > 1:
        print("\nwhere the time went", file=sys.stderr)
        for name, seconds in [*steps, ("together", sum(seconds for _, seconds in steps))]:
            print(f"  {name:<14}{seconds:7.1f} s", file=sys.stderr)


def doctor(arguments: argparse.Namespace, steps: Steps) -> int:
    from servicelab import doctor

    findings = doctor.examine()
    print(doctor.as_json(findings) if arguments.json else doctor.as_text(findings))
    return doctor.exit_code(findings)


def lab(arguments: argparse.Namespace, steps: Steps) -> int:
    from servicelab import lessons, settings
    from servicelab.engine import leases
    from servicelab.engine.client import answered, connect
    from servicelab.lessons import needs

    number = arguments.number or "00"
    notebook = lessons.learner_copy(number)
    began = time.monotonic()
    known = lessons.all_lessons()
    wanted = [lessons.find(number)] if arguments.number else known[: needs.FIRST]
    _ensure_images(needs.images_of(wanted))
    _ensure_in_background(sorted({*needs.images_of(known)} - {*needs.images_of(wanted)}))
    with answered(), contextlib.closing(connect()) as client:
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


def run(arguments: argparse.Namespace, steps: Steps) -> int:
    from servicelab import lessons
    from servicelab.lessons import needs

    began = time.monotonic()
    _ensure_images(needs.images_of([lessons.find(arguments.number)]))
    steps = [*steps, ("images", time.monotonic() - began)]
    began = time.monotonic()
    result = lessons.run(arguments.number, solution=arguments.solution, keep=arguments.keep)
    _table([*steps, (f"lesson {result.name[:2]}", time.monotonic() - began)])
    return 0 if result.passed else 1


def up(arguments: argparse.Namespace, steps: Steps) -> int:
    from servicelab.stack import Stack

    stack = Stack(arguments.stack)
    stack.up()
    print(stack)
    for service in stack:
        for url in service.urls if stack.application.services[service.name].ports else []:
            print(f"  {service.name:<20} {url}")
    return 0


def ps(arguments: argparse.Namespace, steps: Steps) -> int:
    from servicelab import listing
    from servicelab.engine.client import answered

    with answered():
        rows = listing.stacks()
    if not rows:
        print("no stack is here")
    else:
        print(f"{'LEARNER':<18}{'STACK':<16}{'RUNNING':>12}  {'SINCE':<18}{'EXPIRES':<18}")
    for row in rows:
        print(f"{row.learner:<18}{row.stack:<16}{row.there:>12}  {row.since:<18}{row.expires:<18}")
    return 0


def down(arguments: argparse.Namespace, steps: Steps) -> int:
    from servicelab import settings
    from servicelab.engine.client import answered, connect
    from servicelab.engine.removal import remove_labelled
    from servicelab.engine.spec import LEARNER
    from servicelab.stack import Stack

    if arguments.stack:
        Stack(arguments.stack).down(volumes=arguments.volumes)
    else:
        with answered(), contextlib.closing(connect()) as client:
            gone = remove_labelled(client, f"{LEARNER}={arguments.learner or settings.learner()}")
        print(f"removed: {', '.join(gone)}" if gone else "nothing was there")
    return 0


def images(arguments: argparse.Namespace, steps: Steps) -> int:
    from servicelab import images, settings
    from servicelab.engine.client import answered

    with answered():
        rows = images.catalogue(registry=settings.registry())
    for row in rows:
        size = f"{row.size / 1e6:7.0f} MB" if row.size else " " * 10
        print(f"{row.name:<28}{size}  {row.source}")
    return 0


def ensure(arguments: argparse.Namespace, steps: Steps) -> int:
    from servicelab import images, lessons
    from servicelab.lessons import needs

    names = arguments.names or sorted({*images.referenced(), *needs.images_of(lessons.all_lessons())})
    print(_ensure_images(names, replace=arguments.replace))
    return 0


def _ensure_images(names: Sequence[str], *, replace: bool = False) -> str:
    from servicelab import images, progress, settings
    from servicelab.engine.client import answered

    with progress.show("images", tuple(names)) as show, answered():
        registry = images.ensure(names, registry=images.upstream(settings.registry()), replace=replace, progress=show)
    if registry != settings.registry():
        settings.store({"REGISTRY": registry})
    return registry


def bundle_save(arguments: argparse.Namespace, steps: Steps) -> int:
    from servicelab import bundle, lessons, progress

    chosen = [lessons.find(number) for number in arguments.numbers] or lessons.all_lessons()
    with progress.show("saving the bundle", ()) as show:
        saved = bundle.save(arguments.file, chosen, progress=show)
    print(f"{arguments.file}: {saved.size / 1e6:.0f} MB, lessons {' '.join(saved.lessons)}, {len(saved.images)} images")
    if saved.with_ca:
        print("with this machine's certificate authorities in them: " + ", ".join(saved.with_ca))
    return 0


def bundle_load(arguments: argparse.Namespace, steps: Steps) -> int:
    from servicelab import bundle, progress

    with progress.show("loading the bundle", ()) as show:
        loaded = bundle.load(arguments.file, progress=show)
    print(f"here now: lessons {' '.join(loaded.lessons)}, {len(loaded.images)} images")
    return 0


def env(arguments: argparse.Namespace, steps: Steps) -> int:
    from servicelab import settings

    settings.variables()
    print(settings.root() / "compose" / ".env")
    return 0


def test(arguments: argparse.Namespace, steps: Steps) -> int:
    from servicelab import testing

    chosen = testing.chosen(testing.all_steps(), arguments.names, quick=arguments.quick)
    if steps:
        _table([*steps])
    results = testing.run(chosen, echo=lambda line: print(line, flush=True))
    return 0 if all(result.passed for result in results) else 1


def lessons(arguments: argparse.Namespace, steps: Steps) -> int:
    from servicelab import lessons
    from servicelab.lessons import authoring, labs, trials

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
            failed += sum(bool(verdict.fault) for verdict in trials.try_out(number))
    return 1 if failed else 0


def _say_changed(name: str, changed: Sequence[object]) -> None:
    print(f"{name}: {', '.join(str(item) for item in changed) if changed else 'nothing changed'}")
