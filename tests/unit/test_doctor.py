"""Each check of the doctor sees what is wrong, and names a fix for this operating system."""

from __future__ import annotations

import dataclasses
import gc
import json
import os
import shutil
import socket
import subprocess
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from servicelab import Stack, cli, doctor, facts
from servicelab.errors import EngineError, StartError
from servicelab.facts import GB, Facts
from servicelab.listing import StackRow
from servicelab_start.endpoints import Answer, Endpoint, Refusal
from servicelab_start.machine import Machine

USUAL = Endpoint("unix:///var/run/docker.sock", "the usual socket")
DEBIAN = Machine(system="debian", root=True, sudo=False, systemd=False, dockerd=True, user="ada")
NAMED = Endpoint("unix:///nowhere/docker.sock", "DOCKER_HOST")
MAC = Machine(system="darwin", root=False, sudo=True, systemd=False, dockerd=False, user="ada")
WELL = Facts(
    machine=DEBIAN,
    root=Path("/nowhere"),
    environ={},
    answer=Answer(USUAL, "Docker/20.10.24 (linux)", "1.41", "linux"),
    version={"Version": "20.10.24+dfsg1", "ApiVersion": "1.41"},
    info={
        "Architecture": "x86_64",
        "CgroupVersion": "2",
        "CgroupDriver": "systemd",
        "MemTotal": 8 * GB,
        "MemoryLimit": True,
        "DockerRootDir": "/var/lib/docker",
    },
    memory_free=4 * GB,
    disk_free=20 * GB,
    clock_skew=0.1,
    registry="docker.io",
    registry_answers=True,
    learner="ada",
)


def test_a_machine_that_is_well_has_no_fix() -> None:
    findings = doctor.examine(WELL)
    assert len(findings) == len(doctor.ALWAYS) + len(doctor.WITH_ENGINE)
    assert [finding for finding in findings if finding.level != "ok" or finding.fix] == []
    assert doctor.exit_code(findings) == 0


def row(learner: str, running: int = 1) -> StackRow:
    return StackRow(learner, "shop", running, 1, "2026-01-01 10:00", "2026-01-02 10:00")


@pytest.mark.parametrize(
    ("check", "changed", "level", "says"),
    [
        (doctor.environment_of_python, {"in_venv": True}, "warn", "python3 start.py"),
        (doctor.engine, {"answer": None}, "fail", "python3 start.py installs and starts one"),
        (doctor.engine, {"answer": None, "machine": MAC}, "fail", "install Docker Desktop"),
        (doctor.engine, {"answer": None, "refusals": [Refusal(USUAL, "forbidden", "")]}, "fail", "usermod -aG docker ada"),
        (doctor.engine, {"answer": Answer(USUAL, "", "1.41", "windows")}, "fail", "Linux containers"),
        (doctor.engine, {"engine_error": "read timed out"}, "fail", 'kill -9 "$(cat /var/run/docker.pid)"'),
        (doctor.engine, {"answer": None, "refusals": [Refusal(NAMED, "missing", "")]}, "fail", "unset DOCKER_HOST"),
        (
            doctor.engine,
            {"answer": None, "refusals": [Refusal(USUAL, "timeout", "")], "machine": MAC},
            "fail",
            "docker desktop restart",
        ),
        (doctor.version, {"version": {"Version": "19.03.15", "ApiVersion": "1.40"}}, "fail", "20.10 or newer"),
        (doctor.version, {"version": {"Version": "29.0.1", "ApiVersion": "1.52"}}, "ok", "untested"),
        (
            doctor.version,
            {"answer": Answer(USUAL, "Libpod/5.4.2", "1.41", "linux")},
            "ok",
            "Podman 20.10.24+dfsg1, API 1.41 (untested",
        ),
        (doctor.context, {"environ": {"DOCKER_HOST": "unix:///x"}, "context": "colima"}, "warn", "unset DOCKER_HOST"),
        (
            doctor.context,
            {"answer": Answer(Endpoint("tcp://10.0.0.5:2375", "docker context far"), "", "1.41", "linux"), "remote": True},
            "fail",
            "export SERVICELAB_PUBLISH=10.0.0.5",
        ),
        (doctor.architecture, {"info": {"Architecture": "aarch64"}}, "warn", "registry"),
        (doctor.cgroups, {"info": {"CgroupVersion": "1", "MemoryLimit": False}}, "warn", "cgroup_enable=memory"),
        (doctor.memory, {"memory_free": GB}, "fail", "servicelab down"),
        (doctor.memory, {"memory_free": None, "info": {"MemTotal": 2 * GB}, "machine": MAC}, "warn", "Docker Desktop: Settings"),
        (doctor.disk, {"disk_free": GB}, "fail", "/var/lib/docker"),
        (doctor.disk, {"disk_free": 5 * GB}, "warn", "prune"),
        (doctor.disk, {"disk_free": None}, "ok", "can't be seen"),
        (doctor.ports, {"loopback_error": "Operation not permitted"}, "fail", "firewall"),
        (doctor.proxy, {"environ": {"HTTPS_PROXY": "http://p:3128"}}, "fail", "export NO_PROXY=localhost,127.0.0.1"),
        (
            doctor.proxy,
            {"environ": {"http_proxy": "http://p", "no_proxy": "x.org"}},
            "fail",
            "no_proxy=x.org,localhost,127.0.0.1",
        ),
        (doctor.proxy, {"environ": {"http_proxy": "http://p", "no_proxy": "localhost, 127.0.0.1"}}, "ok", "spared"),
        (doctor.certificates, {"environ": {"PIP_CERT": "/no/such.pem"}}, "fail", "unset PIP_CERT"),
        (
            doctor.certificates,
            {"environ": {"SSL_CERT_FILE": __file__, "PIP_CERT": __file__}},
            "fail",
            "unset SSL_CERT_FILE PIP_CERT",
        ),
        (doctor.certificates, {"environ": {"SSL_CERT_FILE": __file__}}, "fail", "no readable bundle of certificates (PEM)"),
        (doctor.clock, {"clock_skew": -90.0}, "warn", "-90 s"),
        (doctor.registry, {"registry_answers": False}, "ok", "recipes"),
        (doctor.registry, {"registry_answers": False, "machine": MAC}, "fail", "REGISTRY"),
        (doctor.leftovers, {"stacks": [row("test-1"), row("eve")]}, "warn", "servicelab down --learner test-1"),
        (doctor.leftovers, {"stacks": [row("ada"), row("ada-run")]}, "warn", "servicelab down --learner ada-run"),
        (doctor.leftovers, {"stacks": [row("ada", running=0)]}, "warn", "servicelab down"),
        (doctor.leftovers, {"stacks": [dataclasses.replace(row("ada"), abandoned=1)]}, "warn", "servicelab up shop"),
        (doctor.leftovers, {"stacks": [dataclasses.replace(row("ada", running=0), containers=0, data=1)]}, "ok", "1 stacks"),
        (doctor.leftovers, {"stacks": [dataclasses.replace(row("eve"), expired=True)]}, "ok", "1 expired"),
        (doctor.leftovers, {"stacks": [row("ada"), row("eve", running=0)]}, "ok", "2 stacks"),
        (doctor.leftovers, {"stacks": [dataclasses.replace(row("ada", running=0), containers=0)]}, "ok", "1 stacks"),
    ],
)
def test_what_is_wrong_is_seen(check: doctor.Check, changed: dict[str, Any], level: str, says: str) -> None:
    finding = check(dataclasses.replace(WELL, **changed))
    assert finding.level == level
    assert says in f"{finding.what} {finding.fix}"
    assert finding.fix or level == "ok"


BROKEN: list[tuple[doctor.Check, dict[str, Any]]] = [
    (doctor.environment_of_python, {"in_venv": True}),
    (doctor.engine, {"answer": None}),
    (doctor.engine, {"engine_error": "read timed out"}),
    (doctor.engine, {"answer": None, "refusals": [Refusal(NAMED, "missing", "")]}),
    (doctor.engine, {"answer": None, "refusals": [Refusal(USUAL, "forbidden", "")]}),
    (doctor.engine, {"answer": None, "refusals": [Refusal(USUAL, "timeout", "")]}),
    (doctor.version, {"version": {"Version": "19.03.15", "ApiVersion": "1.40"}}),
    (doctor.context, {"environ": {"DOCKER_HOST": "tcp://x"}, "context": "colima"}),
    (doctor.context, {"remote": True}),
    (doctor.cgroups, {"info": {"MemoryLimit": False}}),
    (doctor.memory, {"memory_free": GB}),
    (doctor.ports, {"loopback_error": "Operation not permitted"}),
    (doctor.proxy, {"environ": {"HTTPS_PROXY": "http://p:3128"}}),
    (doctor.certificates, {"environ": {"PIP_CERT": "/no/such.pem"}}),
    (doctor.clock, {"clock_skew": -90.0}),
]
OTHERS = {  # words of other systems
    "debian": ["$Env", "Desktop", "py start.py", "brew", "dnf"],
    "fedora": ["$Env", "Desktop", "py start.py", "brew", "apt-get", "update-grub"],
    "darwin": ["$Env", "sudo", "systemctl", "py start.py", "usermod", "iptables"],
    "win32": ["export ", "unset ", "sudo", "systemctl", "python3", "brew", "usermod", "iptables"],
}


@pytest.mark.parametrize("system", OTHERS)
def test_a_fix_is_for_this_operating_system(system: str) -> None:
    machine = Machine(system=system, root=False, sudo=system not in ("darwin", "win32"), systemd=True, dockerd=True, user="ada")
    for check, changed in BROKEN:
        finding = check(dataclasses.replace(WELL, machine=machine, **changed))
        assert finding.level != "ok"
        assert [word for word in OTHERS[system] if word in finding.fix.replace("python3 start.py", "")] == [], finding
        if system == "win32":
            assert "python3" not in finding.fix


def test_without_an_engine_only_what_can_be_known_is_told() -> None:
    findings = doctor.examine(dataclasses.replace(WELL, answer=None, info={}, version={}))
    assert [finding.name for finding in findings] == ["python", "engine", "ports", "proxy", "certificates"]
    assert doctor.exit_code(findings) == 1
    told = doctor.as_text(findings).splitlines()
    assert told[1].startswith("fail  engine")
    assert told[2].strip().startswith("fix: ")
    assert [entry["name"] for entry in json.loads(doctor.as_json(findings))] == [finding.name for finding in findings]


def test_what_fails_stands_under_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "gather", lambda *, ask_registry: dataclasses.replace(WELL, disk_free=GB))
    error = StartError("db ended with exit code 1", service="db", fix="read its log")
    doctor.look_after(error)
    told = str(error).splitlines()
    assert told[:2] == ["db ended with exit code 1", "fix:  read its log"]
    assert told[2].startswith("doctor:  disk: 1.0 GB free")
    assert told[3].startswith("fix:  make room")
    monkeypatch.setattr(doctor, "gather", lambda *, ask_registry: WELL)
    doctor.look_after(error)
    assert str(error).splitlines() == told, "it looks once"
    doctor.look_after(another := StartError("web ended", service="web"))
    assert another.findings == []


@pytest.fixture
def no_engine(tmp_path: Path) -> dict[str, str]:
    """An environment that names an engine which has died: its socket is there, and nobody listens."""
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    return {**os.environ, "DOCKER_HOST": f"unix://{path}"}


def servicelab(*words: str, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "servicelab.cli", *words], env=environ, capture_output=True, text=True, timeout=120
    )


@pytest.mark.skipif(os.name == "nt", reason="a Unix socket")
def test_the_command_on_a_machine_whose_engine_died(no_engine: dict[str, str]) -> None:
    told = servicelab("doctor", environ=no_engine)
    assert told.returncode == 1
    assert f"fail  engine        DOCKER_HOST names the engine {no_engine['DOCKER_HOST']}, which does not answer" in told.stdout
    assert "fix: unset DOCKER_HOST" in told.stdout
    written = servicelab("doctor", "--json", environ=no_engine)
    assert written.returncode == 1
    (wrong,) = [entry for entry in json.loads(written.stdout) if entry["level"] == "fail"]
    assert wrong["name"] == "engine"
    assert "no engine listens there" in wrong["what"]
    assert wrong["fix"].startswith("unset DOCKER_HOST")
    print(f"doctor, engine dead: exit {told.returncode}; {wrong['name']}: {wrong['what']} fix: {wrong['fix']}")


@pytest.mark.skipif(os.name == "nt", reason="a Unix socket")
def test_an_error_of_run_has_the_doctor_s_finding_under_it(no_engine: dict[str, str]) -> None:
    told = servicelab("run", "01", environ=no_engine)
    assert told.returncode == 1
    assert_found(told.stderr)


@pytest.mark.skipif(os.name == "nt", reason="a Unix socket")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the SDK leaves the socket that nobody answered
@pytest.mark.parametrize("line", ["up shop", "ps", "down", "down shop", "images", "images ensure library/postgres:17"])
def test_so_have_those_of_the_other_commands(
    line: str, no_engine: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DOCKER_HOST", no_engine["DOCKER_HOST"])
    assert cli.main(line.split()) == 1
    assert_found(capsys.readouterr().err)
    gc.collect()


def assert_found(told: str) -> None:
    """The error, below it what the doctor found, once."""
    assert "Traceback" not in told
    assert 0 <= told.find("no Docker engine answers") < told.find("doctor:  engine: DOCKER_HOST names the engine")
    assert told.count("fix:  unset DOCKER_HOST") == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the SDK leaves the socket that nobody answered
def test_every_call_of_a_stack_that_fails_is_looked_after(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    shop = Stack("shop")
    scale = partial(shop["users"].scale, 2)
    for call in (shop.up, shop.down, shop.reset, scale, shop["users"].start, shop["users"].restart):
        with pytest.raises(EngineError) as caught:
            call()
        assert [finding.split(":")[0] for finding, _ in caught.value.findings or ()] == ["engine"]
        del caught
        gc.collect()


def test_facts_are_read_as_the_engine_writes_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime(2026, 11, 25, 10, 0, 0, tzinfo=UTC)
    assert facts.skew("2026-11-25T10:00:30.123456789Z", now) == pytest.approx(30.1, abs=0.1)
    assert facts.skew("", now) is None
    (tmp_path / "meminfo").write_text("MemTotal: 100 kB\nMemAvailable:   2048 kB\n")
    assert facts.memory_available(tmp_path / "meminfo") == 2 * 2**20
    assert facts.memory_available(tmp_path / "none") is None
    usage = shutil.disk_usage(tmp_path)  # of one moment: the disk is in use
    real = shutil.disk_usage
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage if place == tmp_path else real(place))
    assert facts.disk_free(tmp_path / "not" / "there") == facts.disk_free(tmp_path) == usage.free
