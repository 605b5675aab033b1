"""start.py, without touching the machine: commands are recorded instead of run. Engines are in test_start_engine.py."""

from __future__ import annotations

import ast
import importlib.util
import io
import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

import pytest

from servicelab_start import dockerd, environment, main
from servicelab_start.endpoints import Answer, Endpoint, Refusal
from servicelab_start.machine import Machine
from servicelab_start.steps import CommandError, Steps, Trouble

ROOT = Path(__file__).resolve().parents[2]
DEBIAN = Machine(system="debian", root=True, sudo=False, systemd=False, dockerd=False, user="ada")
USUAL = Endpoint("unix:///var/run/docker.sock", "the usual socket")


def start_py() -> Any:
    """start.py as a module; it does nothing on import."""
    spec = importlib.util.spec_from_file_location("start", ROOT / "start.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Recorder(Steps):
    """Steps that run nothing: ``outcomes`` gives, by a word of the command, what it fails with."""

    def __init__(self, **outcomes: str) -> None:
        super().__init__(Path(os.devnull), out=io.StringIO())
        self.outcomes = outcomes
        self.commands: list[list[str]] = []

    def run(self, command: Any, say: Any, *, env: Any = None, cwd: Any = None) -> str:
        self.commands.append(list(command))
        for word, output in self.outcomes.items():
            if word in command:
                raise CommandError(command, 1, output)
        return ""


# ---- the Python


def test_an_old_python_gets_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    start = start_py()
    monkeypatch.setenv("PATH", "")
    told = start.too_old((3, 8), "/usr/bin/python3")
    assert "needs Python 3.11 or newer, and /usr/bin/python3 is Python 3.8." in told
    assert "\nfix: " in told
    assert start.too_old((3, 11), "python3") is None
    assert start.too_old((4, 0), "python3") is None


def test_a_newer_python_on_the_path_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, code in (("python3.13", 1), ("python3.12", 0)):  # 3.13: a version manager's shim with nothing behind it
        (tmp_path / name).write_text(f"#!/bin/sh\nexit {code}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "fix: run: python3.12 start.py" in start_py().too_old((3, 8), "python3")


def test_start_py_can_be_read_by_old_pythons() -> None:
    tree = ast.parse((ROOT / "start.py").read_text("utf-8"), feature_version=(3, 0))
    modern = (ast.JoinedStr, ast.AnnAssign, ast.NamedExpr, ast.Match, ast.AsyncFunctionDef, ast.Starred)
    assert not [node for node in ast.walk(tree) if isinstance(node, modern)]
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.returns]


def test_what_start_py_imports_is_in_the_standard_library() -> None:
    for path in [ROOT / "start.py", *(ROOT / "src" / "servicelab_start").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                assert name.split(".")[0] in {*sys.stdlib_module_names, "servicelab_start"}, path.name


# ---- the command line


def test_words_after_the_command_belong_to_servicelab() -> None:
    assert main.parse(["--yes", "run", "02", "--keep"]) == main.Options(yes=True, command=["run", "02", "--keep"])
    assert main.parse(["--no-browser"]).command == ["lab", "--no-browser"]
    assert main.parse([]).command == ["lab"]


def test_trouble_is_told_without_a_traceback(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main.main(["--bogus"], tmp_path) == 1
    assert capsys.readouterr().err == "start.py has no option --bogus.\nfix: python3 start.py --help lists what there is.\n"


def test_an_interrupt_ends_with_130(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def interrupted(*_: object) -> dict[str, str]:
        raise KeyboardInterrupt

    monkeypatch.setattr(main, "prepare", interrupted)
    assert main.main(["run", "00"], tmp_path) == 130


# ---- the steps


def test_a_step_is_timed_and_said() -> None:
    seconds = iter([10.0, 12.5, 99.0])
    steps = Steps(Path(os.devnull), out=io.StringIO(), clock=lambda: next(seconds))
    with steps.step("engine") as say:
        say("started")
    assert steps.seconds == [("engine", 2.5)]
    assert isinstance(steps.out, io.StringIO)
    assert steps.out.getvalue() == "engine            2.5 s   started\n"


def test_a_command_is_said_logged_and_its_failure_kept(tmp_path: Path) -> None:
    steps, said = Steps(tmp_path / "sub" / "log", out=io.StringIO()), []
    assert steps.run([sys.executable, "-c", "print('one'); print('two')"], said.append) == "one\ntwo"
    assert said == ["one", "two"]
    with pytest.raises(CommandError) as failed:
        steps.run([sys.executable, "-c", "print('why'); raise SystemExit(3)"], said.append)
    assert (failed.value.code, failed.value.output) == (3, "why")
    assert (tmp_path / "sub" / "log").read_text().splitlines()[1:3] == ["one", "two"]


# ---- the environment


@pytest.mark.parametrize("uv", ["/bin/uv", None])
def test_packages_come_from_the_lock_and_this_project_without_a_network(uv: str | None, tmp_path: Path) -> None:
    make, packages, own = environment.commands(tmp_path, uv, fresh=True)
    assert str(tmp_path / ".venv") in make
    assert packages[-3:] == ["--require-hashes", "--requirement", str(tmp_path / "requirements.lock")]
    assert {"--no-deps", "--no-build-isolation", "--editable"} < set(own)
    assert ("--offline" if uv else "--no-index") in own
    assert environment.commands(tmp_path, uv, fresh=False) == [packages, own]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that an environment is made from, and a .venv that looks made."""
    (tmp_path / "requirements.lock").write_text("flask==3.1.3\n")
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    python = environment.python_of(tmp_path / ".venv")
    python.parent.mkdir(parents=True)
    python.touch()
    monkeypatch.setattr(environment, "_usable", lambda venv, with_pip: True)
    return tmp_path


def test_an_environment_is_made_once(checkout: Path) -> None:
    assert not environment.ready(checkout)
    environment.make(checkout, Recorder(), lambda text: None, uv=None)
    assert environment.ready(checkout)
    (checkout / "requirements.lock").write_text("flask==3.1.4\n")
    assert not environment.ready(checkout)


def test_an_interrupted_environment_is_not_taken_for_a_whole_one(checkout: Path) -> None:
    environment.make(checkout, Recorder(), lambda text: None, uv=None)
    with pytest.raises(Trouble):
        environment.make(checkout, Recorder(**{"--editable": "cut off"}), lambda text: None, uv=None)
    assert not environment.ready(checkout)


def test_an_environment_is_finished_only_with_what_it_was_begun_for(tmp_path: Path) -> None:
    def begun(name: str, code: str) -> bool:
        python = environment.python_of(tmp_path / name)
        python.parent.mkdir(parents=True)
        python.write_text(f"#!{sys.executable}\n{code}")
        python.chmod(0o755)
        return environment._usable(tmp_path / name, with_pip=False)

    assert begun("ours", f"print('{platform.python_version()}')")
    assert not begun("another", "print('3.0.0')")
    assert not begun("broken", "raise SystemExit(1)")
    assert not environment._usable(tmp_path / "none", with_pip=False)


def test_a_full_disk_is_seen_before_anything_is_made(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "_usable", lambda venv, with_pip: False)
    monkeypatch.setattr(environment.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 90 * 2**20}))
    steps = Recorder()
    with pytest.raises(Trouble, match="The disk is full: 90 MB are free"):
        environment.make(checkout, steps, lambda text: None, uv=None)
    assert steps.commands == []


@pytest.mark.parametrize(
    ("output", "what"),
    [
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "The disk is full"),
        (
            "error: Failed to write to the distribution cache\n  Caused by: No space left on device (os error 28)",
            "The disk is full",
        ),
        (
            "NewConnectionError('<x>: Failed to establish a new connection: [Errno -3] Temporary failure in name resolution')",
            "not reac",
        ),
        ("error: Request failed after 3 retries\n  Caused by: dns error: failed to lookup address information", "not reachable"),
        ("ERROR: No matching distribution found for amqp==5.4.2 (from versions: none)", "not reachable"),
        ("SSLCertVerificationError: certificate verify failed: unable to get local issuer", "certificate was not accepted"),
        ("Caused by: invalid peer certificate: UnknownIssuer", "certificate was not accepted"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.", "not the one that requirements.lock names"),
        ("Error: [Errno 13] Permission denied: '/srv/servicelab/.venv'", "You have no right to write there"),
        (
            "error: failed to create directory `/mnt/.venv`: Read-only file system (os error 30)",
            "You have no right to write there",
        ),
        ("error: command 'gcc' failed: No such file or directory", "no C compiler"),
        ("something new", "could not be made"),
    ],
)
def test_what_pip_and_uv_say_becomes_one_sentence(output: str, what: str, tmp_path: Path) -> None:
    trouble = environment.explained(CommandError(["pip"], 1, output), tmp_path, tmp_path / "log")
    assert what in trouble.what
    assert trouble.fix


def test_no_right_to_write_is_said(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "write_text", refuse)
    with pytest.raises(Trouble, match="You have no right to write there"):
        environment.make(checkout, Recorder(), lambda text: None, uv=None)


def ask_nobody(monkeypatch: pytest.MonkeyPatch, answer: str | None) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("" if answer is None else answer + "\n"))
    monkeypatch.setattr(sys.stdin, "isatty", lambda: answer is not None)


def test_consent_is_asked_once_and_only_where_it_can_be_given(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ask_nobody(monkeypatch, None)
    main.consent([], False, Recorder(), DEBIAN, {})
    main.consent(["start the engine"], True, Recorder(), DEBIAN, {})
    main.consent(["start the engine"], False, Recorder(), DEBIAN, {"CI": "true"})
    with pytest.raises(Trouble, match="no terminal to ask on") as refused:
        main.consent(["start the engine"], False, Recorder(), DEBIAN, {})
    assert "--yes" in refused.value.fix
    assert capsys.readouterr().err.count("  - start the engine\n") == 3
    ask_nobody(monkeypatch, "")
    main.consent(["start the engine"], False, Recorder(), DEBIAN, {})
    ask_nobody(monkeypatch, "n")
    with pytest.raises(Trouble, match="Nothing was changed"):
        main.consent(["start the engine"], False, Recorder(), DEBIAN, {})


def test_docker_host_is_only_set_where_the_sdk_would_look_elsewhere() -> None:
    assert main.docker_host(Answer(USUAL, "", "1.41", "linux"), []) == {}
    for source in ("DOCKER_HOST", "DOCKER_CONTEXT=x", "docker context x"):
        assert main.docker_host(Answer(Endpoint("tcp://x:1", source), "", "1.41", "linux"), []) == {}
    dead_context = Refusal(Endpoint("unix:///gone", "docker context x"), "missing", "")
    assert main.docker_host(Answer(USUAL, "", "1.41", "linux"), [dead_context]) == {"DOCKER_HOST": USUAL.host}
    with pytest.raises(Trouble, match="Windows containers"):
        main.docker_host(Answer(USUAL, "", "1.41", "windows"), [])


# ---- the hand-over


def test_the_command_gets_the_environment_and_the_times(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    became: list[Any] = []
    monkeypatch.setattr(os, "execve", lambda *arguments: became.extend(arguments))
    main.hand_over(["run", "02"], tmp_path, {"PATH": "/bin", "PYTHONHOME": "/odd"}, [("environment", 5.0)])
    program, arguments, environ = became
    assert program == tmp_path / ".venv" / "bin" / "python"
    assert arguments[1:] == ["-m", "servicelab.cli", "run", "02"]
    assert environ["VIRTUAL_ENV"] == str(tmp_path / ".venv")
    assert environ["PATH"] == f"{tmp_path}/.venv/bin:/bin"
    assert "PYTHONHOME" not in environ
    assert json.loads(environ["SERVICELAB_STEPS"]) == [["environment", 5.0]]


def prepared(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: list[str], machine: Machine, answer: Answer | None
) -> Recorder:
    """`main.prepare` with an environment that is ready, and commands that are only recorded."""
    monkeypatch.setattr(main, "find", lambda: (answer, []))
    monkeypatch.setattr(environment, "working_uv", lambda: None)
    monkeypatch.setattr(environment, "ready", lambda root: True)
    monkeypatch.setattr(dockerd, "start", lambda *_, **__: Answer(USUAL, "Docker/20.10", "1.41", "linux"))
    steps = Recorder()
    main.prepare(main.Options(yes=True, command=words), tmp_path, steps, machine)
    return steps


def test_an_engine_is_installed_where_there_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    steps = prepared(monkeypatch, tmp_path, ["run", "00"], DEBIAN, None)
    assert [title for title, _ in steps.seconds] == ["apt", "engine"]
    assert steps.commands[-1][-2:] == ["docker.io", "iptables"]


@pytest.mark.parametrize("words", [["doctor"], ["env"], ["lessons", "text"], ["test", "--quick"]])
def test_a_command_that_needs_no_engine_installs_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: list[str]) -> None:
    assert prepared(monkeypatch, tmp_path, words, DEBIAN, None).commands == []


def test_nothing_is_done_where_all_is_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    steps = prepared(monkeypatch, tmp_path, ["test"], DEBIAN, Answer(USUAL, "", "1.41", "linux"))
    assert (steps.commands, steps.seconds) == ([], [])


def test_where_no_engine_can_be_installed_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mac = Machine(system="darwin", root=False, sudo=True, systemd=False, dockerd=False)
    with pytest.raises(Trouble, match="No Docker engine is running") as trouble:
        prepared(monkeypatch, tmp_path, ["run", "00"], mac, None)
    assert "Docker Desktop" in trouble.value.fix
