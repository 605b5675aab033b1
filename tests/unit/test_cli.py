"""The servicelab command: what it takes, how it fails, and how the test command counts."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import pytest

from servicelab import cli, doctor, images, lessons, testing
from servicelab.errors import ImageError, ServicelabError
from servicelab.lessons import authoring, trials
from servicelab.testing import Step

VERBS = ("execute", "text", "take", "labs", "check", "restore")


@pytest.mark.parametrize(
    "line",
    [
        "doctor --json",
        "lab 02 --no-browser",
        "run 02 --solution",
        "up shop",
        "ps",
        "down shop --volumes",
        "images",
        "images ensure library/postgres:17",
        "env",
        "test --quick",
        "test unit labs",
        *(f"lessons {verb} 02" for verb in VERBS),
    ],
)
def test_each_command_is_there(line: str) -> None:
    arguments = cli.parser().parse_args(line.split())
    assert callable(arguments.act)


def test_images_ensure_is_not_images() -> None:
    parse = cli.parser().parse_args
    assert parse(["images"]).act is not parse(["images", "ensure"]).act


def test_the_help_names_each_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    told = capsys.readouterr().out
    for word in ("doctor", "lab", "run", "up", "ps", "down", "images", "env", "test", *VERBS):
        assert word in told


def test_an_error_is_told_without_a_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> list[doctor.Finding]:
        raise ServicelabError("it broke", why="of this", fix="do that")

    monkeypatch.setattr(doctor, "examine", fail)
    assert cli.main(["doctor"]) == 1
    assert capsys.readouterr().err == "it broke\nwhy:  of this\nfix:  do that\n"


def test_a_missing_image_is_looked_into_by_the_doctor(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(names: object, **_: object) -> str:
        raise ImageError("no image")

    monkeypatch.setattr(images, "ensure", fail)
    monkeypatch.setattr(images, "upstream", lambda registry: registry)
    monkeypatch.setattr(doctor, "examine", lambda _: [doctor.Finding("disk", "fail", "it is full", "make room")])
    monkeypatch.setattr(doctor, "gather", lambda **_: None)
    assert cli.main(["images", "ensure", "library/postgres:17"]) == 1
    assert "disk: it is full" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_with_130(number: signal.Signals, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> list[doctor.Finding]:
        signal.raise_signal(number)
        return []

    monkeypatch.setattr(doctor, "examine", interrupted)
    assert cli.main(["doctor"]) == 130


@pytest.mark.parametrize(("level", "code"), [("warn", 0), ("fail", 1)])
def test_the_doctor_s_exit_code(level: doctor.Level, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "examine", lambda: [doctor.Finding("disk", level, "full", "make room")])
    assert cli.main(["doctor"]) == code


@pytest.mark.parametrize("error", [None, "it failed"])
def test_a_lesson_s_result_is_the_exit_code_and_the_times_are_told(
    error: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(lessons, "run", lambda number, **_: lessons.Run(f"{number}-x", 3, 1.0, error))
    monkeypatch.setenv("SERVICELAB_STEPS", json.dumps([["environment", 5.5]]))
    assert cli.main(["run", "02"]) == (1 if error else 0)
    told = capsys.readouterr().err
    assert "environment       5.5 s" in told
    assert "lesson 02" in told


def workspace(root: Path) -> list[lessons.Lesson]:
    """Two lessons, the second with a lab."""
    for folder in ("notebooks", "solutions"):
        (root / folder).mkdir()
    (root / "notebooks" / "00-start.ipynb").touch()
    (root / "notebooks" / "01-first.ipynb").touch()
    (root / "solutions" / "01-first.ipynb").touch()
    return lessons.all_lessons(root)


def test_lessons_without_a_lab_are_passed_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    known = workspace(tmp_path)
    monkeypatch.setattr(lessons, "all_lessons", lambda: known)
    monkeypatch.setattr(lessons, "find", lambda number: next(lesson for lesson in known if lesson.number == number))
    tried: list[str] = []
    verdict = trials.Verdict("01", "empty", "failed", "for another reason")
    monkeypatch.setattr(trials, "try_out", lambda number: tried.append(number) or [verdict])
    monkeypatch.setattr(authoring, "export_text", lambda number: tried.append(f"text {number}") or [])
    assert cli.main(["lessons", "check"]) == 1
    assert cli.main(["lessons", "text"]) == 0
    assert tried == ["01", "text 00", "text 01"]
    assert cli.main(["lessons", "check", "00"]) == 1


# ---- the test command


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_a_failed_step_does_not_stop_the_others(tmp_path: Path) -> None:
    steps = [Step("good", python("")), Step("bad", python("raise SystemExit(5)")), Step("last", python("open('ran', 'w')"))]
    told: list[str] = []
    results = testing.run(steps, root=tmp_path, echo=told.append)
    assert [result.passed for result in results] == [True, False, True]
    assert (tmp_path / "ran").exists()
    assert told[-1] == "2 passed, 1 failed"
    assert any(line.startswith("bad") and line.endswith("FAILED (exit code 5)") for line in told)


def test_an_early_step_begins_while_those_before_it_run(tmp_path: Path) -> None:
    waits = "import pathlib, time\nwhile not pathlib.Path('made').exists(): time.sleep(0.01)"
    steps = [Step("waits", python(waits)), Step("makes", python("open('made', 'w')"), early=True)]
    results = testing.run(steps, root=tmp_path, deadline=60, echo=lambda _: None)
    assert [result.code for result in results] == [0, 0]


def test_steps_beside_another_run_one_by_one_and_are_told_in_their_turn(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    waits = "import os, time\nwhile not os.path.exists('made'): time.sleep(0.01)\nprint('first', flush=True)"
    steps = [
        Step("waits", python(waits)),
        Step("begins", python("import time; time.sleep(0.5); open('begun', 'w'); print('second'); 1 / 0"), beside="waits"),
        Step("makes", python("open('begun'); open('made', 'w'); print('third')"), beside="waits"),
    ]
    results = testing.run(steps, root=tmp_path, deadline=60, echo=lambda line: print(line, flush=True))
    assert [result.passed for result in results] == [True, False, True]
    told = capfd.readouterr().out
    words = ["=== waits (1", "first", "=== begins (2", "second", "=== makes (3", "third", "2 passed, 1 failed"]
    assert sorted(words, key=told.index) == words


def test_an_interrupt_ends_what_runs_beside_and_begins_nothing_more(tmp_path: Path) -> None:
    steps = [
        Step(
            "waits",
            python(
                "import os, signal, time\nwhile not os.path.exists('begun'): time.sleep(0.01)\nos.kill(os.getppid(), signal.SIGINT)"
            ),
        ),
        Step(
            "begins",
            python("import time\ntry:\n open('begun', 'w')\n time.sleep(600)\nfinally: open('ended', 'w')"),
            beside="waits",
        ),
        Step("never", python("open('never', 'w')"), beside="waits"),
    ]
    with pytest.raises(KeyboardInterrupt):
        testing.run(steps, root=tmp_path, echo=lambda _: None)
    assert (tmp_path / "ended").exists()
    assert not (tmp_path / "never").exists()


def test_a_step_that_hangs_is_ended(tmp_path: Path) -> None:
    told: list[str] = []
    results = testing.run([Step("hangs", python("import time; time.sleep(600)"))], root=tmp_path, deadline=0.1, echo=told.append)
    assert [result.code for result in results] == [None]
    assert told[-1] == "0 passed, 1 failed"


def test_quick_is_what_needs_no_docker(tmp_path: Path) -> None:
    workspace(tmp_path)
    (tmp_path / "tests" / "integration").mkdir(parents=True)
    (tmp_path / "tests" / "integration" / "test_x.py").touch()
    steps = testing.all_steps(tmp_path)
    names = ["ruff", "format", "mypy", "images", "unit", "integration", "solutions", "labs", "notebooks"]
    assert [step.name for step in steps] == names
    assert [step.name for step in testing.chosen(steps, [], quick=True)] == ["ruff", "format", "mypy", "unit"]
    assert [step.name for step in testing.chosen(steps, ["labs", "unit"], quick=False)] == ["unit", "labs"]
    with pytest.raises(ServicelabError, match="no step nbval"):
        testing.chosen(steps, ["nbval"], quick=False)
