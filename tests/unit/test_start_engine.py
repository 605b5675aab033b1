"""How start.py finds, installs and starts an engine: engines are sockets of ours, commands are recorded instead of run."""

from __future__ import annotations

import hashlib
import io
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from servicelab_start import dockerd, engine, main
from servicelab_start.endpoints import Answer, Endpoint, Refusal, candidates, find, ping
from servicelab_start.machine import Machine, this_machine
from servicelab_start.steps import CommandError, Steps, Trouble

DEBIAN = Machine(system="debian", root=True, sudo=False, systemd=False, dockerd=False, user="ada")
USUAL = Endpoint("unix:///var/run/docker.sock", "the usual socket")


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


# ---- where an engine may be


def hosts(home: Path, platform: str = "linux", **environ: str) -> list[str]:
    return [endpoint.host for endpoint in candidates(environ, home, platform)]


def store_context(config: Path, name: str, host: str) -> None:
    folder = config / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest()
    folder.mkdir(parents=True)
    (folder / "meta.json").write_text(json.dumps({"Name": name, "Endpoints": {"docker": {"Host": host}}}))


def test_docker_host_is_a_decision(tmp_path: Path) -> None:
    assert hosts(tmp_path, DOCKER_HOST="tcp://10.0.0.5:2375", XDG_RUNTIME_DIR="/run/user/7") == ["tcp://10.0.0.5:2375"]


def test_contexts_are_read_as_docker_stores_them(tmp_path: Path) -> None:
    store_context(tmp_path / ".docker", "colima", "unix:///home/ada/.colima/docker.sock")
    assert hosts(tmp_path, DOCKER_CONTEXT="colima") == ["unix:///home/ada/.colima/docker.sock"]
    assert hosts(tmp_path)[0] == USUAL.host
    (tmp_path / ".docker" / "config.json").write_text('{"currentContext": "colima"}')
    assert hosts(tmp_path)[:2] == ["unix:///home/ada/.colima/docker.sock", USUAL.host]
    (tmp_path / ".docker" / "config.json").write_text("[broken")
    assert hosts(tmp_path)[0] == USUAL.host


def test_the_usual_places_are_looked_at(tmp_path: Path) -> None:
    found = hosts(tmp_path, XDG_RUNTIME_DIR="/run/user/7")
    for place in (
        f"{tmp_path}/.docker/run/docker.sock",
        f"{tmp_path}/.colima/default/docker.sock",
        f"{tmp_path}/.rd/docker.sock",
    ):
        assert f"unix://{place}" in found
    assert found[-2:] == ["unix:///run/user/7/podman/podman.sock", "unix:///run/podman/podman.sock"]
    assert len(found) == len(set(found))
    assert all(host.startswith("npipe://") for host in hosts(tmp_path, "win32"))


@pytest.fixture
def engine_socket(tmp_path: Path) -> Iterator[Callable[[bytes | None], Endpoint]]:
    """Makes a socket that answers one request with the given bytes (None: listens and never answers)."""
    opened: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def make(answer: bytes | None) -> Endpoint:
        path = tmp_path / f"{len(opened)}.sock"
        server = socket.socket(socket.AF_UNIX)
        server.bind(str(path))
        server.listen()
        opened.append(server)

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(answer or b"")

        if answer is not None:
            threads.append(threading.Thread(target=serve))
            threads[-1].start()
        return Endpoint(f"unix://{path}", "a test")

    yield make
    for thread in threads:
        thread.join()
    for server in opened:
        server.close()


PONG = b"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nOstype: linux\r\nServer: Docker/20.10.24 (linux)\r\nContent-Length: 2\r\n\r\nOK"


def test_an_engine_answers(engine_socket: Callable[[bytes | None], Endpoint]) -> None:
    there = engine_socket(PONG)
    assert ping(there) == Answer(there, "Docker/20.10.24 (linux)", "1.41", "linux")


def test_why_no_engine_answers(engine_socket: Callable[[bytes | None], Endpoint], tmp_path: Path) -> None:
    closed = tmp_path / "closed.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(closed))
    told = {
        "missing": ping(Endpoint(f"unix://{tmp_path}/none.sock", "")),
        "refused": ping(Endpoint(f"unix://{closed}", "")),
        "timeout": ping(engine_socket(None), deadline=0.2),
        "error": ping(engine_socket(b"HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\nlost")),
        "unsupported": ping(Endpoint("ssh://ada@host", "DOCKER_HOST")),
    }
    assert {name: reply.kind if isinstance(reply, Refusal) else reply for name, reply in told.items()} == {n: n for n in told}
    assert isinstance(told["error"], Refusal)
    assert told["error"].reason == "HTTP 500: lost"


def test_the_first_engine_that_answers_is_taken() -> None:
    second = Endpoint("unix:///second", "Podman")

    def ask(endpoint: Endpoint) -> Answer | Refusal:
        return Answer(endpoint, "Libpod/5.4", "1.41", "linux") if endpoint is second else Refusal(endpoint, "missing", "")

    answer, refusals = find([USUAL, second], ask)
    assert answer
    assert (answer.endpoint, [r.endpoint for r in refusals]) == (second, [USUAL])
    assert main.docker_host(answer, refusals) == {"DOCKER_HOST": "unix:///second"}


@pytest.mark.parametrize(
    ("kind", "source", "what"),
    [
        ("forbidden", "the usual socket", "you may not use it"),
        ("timeout", "the usual socket", "does not answer"),
        ("refused", "DOCKER_HOST", "DOCKER_HOST names the engine"),
        ("missing", "DOCKER_CONTEXT=x", "DOCKER_CONTEXT=x names the engine"),
        ("unsupported", "DOCKER_HOST", "not supported"),
        ("missing", "the usual socket", None),
        ("refused", "Docker Desktop", None),
    ],
)
def test_what_an_installation_would_not_mend(kind: str, source: str, what: str | None) -> None:
    refusal = Refusal(Endpoint("unix:///x", source), kind, "and addresses like ssh:// are not supported")
    trouble = engine.why_none([refusal], DEBIAN)
    assert (trouble is None) if what is None else (trouble and what in trouble.what and trouble.fix)


# ---- an engine of our own


@pytest.mark.parametrize(
    ("os_release", "system"),
    [
        ("ID=debian\n", "debian"),
        ('ID=linuxmint\nID_LIKE="ubuntu debian"\n', "debian"),
        ("ID=fedora\n", "fedora"),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', "fedora"),
        ('ID=opensuse-leap\nID_LIKE="suse opensuse"\n', "suse"),
        ("ID=void\n", "linux"),
    ],
)
def test_the_distribution_is_known(os_release: str, system: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    (tmp_path / "os-release").write_text(os_release)
    machine = this_machine(tmp_path / "os-release")
    assert machine.system == system
    assert engine.advice(machine)


def test_the_plan_says_each_change() -> None:
    user = Machine(system="debian", root=False, sudo=True, systemd=True, dockerd=False, user="ada")
    assert engine.plan(user, ["docker.io", "iptables"], start=True) == [
        "install the Debian packages docker.io, iptables (with sudo)",
        "start the Docker engine with systemd (with sudo)",
        "add ada to the group docker (with sudo): whoever is in it can become root",
    ]
    assert engine.plan(DEBIAN, [], start=False) == []
    assert not Machine(system="debian", root=False, sudo=False, systemd=True, dockerd=True).can_start
    assert not Machine(system="darwin", root=False, sudo=True, systemd=False, dockerd=True).can_start
    assert Machine(system="fedora", root=True, sudo=False, systemd=True, dockerd=True).can_start


def test_sources_that_cannot_be_reached_do_not_stop_the_installation() -> None:
    steps = Recorder(update="E: Failed to fetch third-party")
    engine.install(DEBIAN, ["docker.io"], steps, lambda text: None)
    assert steps.commands[1][-4:] == ["install", "-y", "--no-install-recommends", "docker.io"]
    assert steps.commands[1][0] == "env"


@pytest.mark.parametrize(
    ("output", "fix"),
    [
        ("E: Failed to fetch: Temporary failure resolving", "check the network"),
        ("dpkg: error: No space left on device", "the disk is full"),
        ("sudo: a terminal is required to read the password", "run this in a terminal, or run it as root"),
        ("E: Unable to locate package docker.io", "add the distribution's main repository"),
    ],
)
def test_an_installation_that_fails_says_the_way_out(output: str, fix: str) -> None:
    with pytest.raises(Trouble, match="could not install docker") as failed:
        engine.install(DEBIAN, ["docker.io"], Recorder(install=output), lambda text: None)
    assert fix in failed.value.fix
    assert output in failed.value.detail


def test_an_interrupted_installation_is_finished_first() -> None:
    steps = Recorder(install="E: dpkg was interrupted, you must manually run 'dpkg --configure -a'")
    with pytest.raises(Trouble):
        engine.install(DEBIAN, ["docker.io"], steps, lambda text: None)
    assert steps.commands[2][-3:] == ["dpkg", "--configure", "-a"]
    assert len(steps.commands) == 4


def test_dockerd_is_waited_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(dockerd, "dockerd_alive", lambda: False)
    replies: list[Answer | Refusal] = [
        Refusal(USUAL, "missing", ""),
        Refusal(USUAL, "refused", ""),
        Answer(USUAL, "", "1.41", "linux"),
    ]
    steps, paused = Recorder(), []
    ticks = iter(range(100))
    answer = dockerd.start(
        DEBIAN,
        tmp_path,
        steps,
        lambda text: None,
        ask=lambda endpoint: replies.pop(0),
        clock=lambda: float(next(ticks)),
        pause=paused.append,
    )
    assert isinstance(answer, Answer)
    assert len(paused) == 2
    assert "setsid" in steps.commands[0][2]


def test_dockerd_that_does_not_come_up_shows_its_log_and_the_fix(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(dockerd, "dockerd_alive", lambda: False)
    (tmp_path / ".servicelab").mkdir()
    (tmp_path / ".servicelab" / "dockerd.log").write_text("starting up\nfailed to mount overlay: operation not permitted\n")
    ticks = iter(range(100))
    with pytest.raises(Trouble, match="stopped again") as failed:
        dockerd.start(
            DEBIAN,
            tmp_path,
            Recorder(),
            lambda text: None,
            ask=lambda endpoint: Refusal(endpoint, "missing", ""),
            clock=lambda: float(next(ticks)),
            pause=lambda seconds: None,
        )
    assert "operation not permitted" in failed.value.detail
    assert "--privileged" in failed.value.fix


def test_with_systemd_dockerd_is_its_affair(tmp_path: Path) -> None:
    machine = Machine(system="debian", root=False, sudo=True, systemd=True, dockerd=True, user="ada")
    steps = Recorder()
    refusal = Refusal(USUAL, "forbidden", "you may not use it")
    assert dockerd.start(machine, tmp_path, steps, lambda text: None, ask=lambda endpoint: refusal) is refusal
    assert steps.commands == [["sudo", "systemctl", "start", "docker"]]


def test_the_pid_file_of_a_killed_dockerd_is_removed(tmp_path: Path) -> None:
    ours = Path(f"/proc/{os.getpid()}/comm").read_text().strip()
    kept, reused, gone = (tmp_path / name for name in ("kept", "reused", "gone"))
    kept.write_text(str(os.getpid()))
    reused.write_text(str(os.getpid()))
    gone.write_text("999999999")
    script = dockerd._DROP_STALE + f"drop_stale {kept} '{ours}'\ndrop_stale {reused} dockerd\ndrop_stale {gone} dockerd\n"
    subprocess.run(["sh", "-ec", script], check=True)
    assert (kept.exists(), reused.exists(), gone.exists()) == (True, False, False)
    assert not dockerd.dockerd_alive(kept)
