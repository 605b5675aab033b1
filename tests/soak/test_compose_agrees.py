"""docker compose and we read a file alike, and handle each other's stacks. It is compiled first, see benchmarks/docker_compose."""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import docker
import pytest
import requests

from servicelab import Stack, images, leftovers, settings
from servicelab.compose import Application, Build, Dependency, Healthcheck, Mount, Network, Port, Service, Volume, load

sys.path.insert(0, str(settings.root()))

from benchmarks import docker_compose
from tests.unit.test_compose import ENV_FILE, FORMS, INTERPOLATED, with_service

STACKS = sorted(settings.root().glob("compose/*.yaml"))


def run(*arguments: str, file: Path, check: bool = True) -> str:
    """What ``docker compose -f FILE ARGUMENTS`` prints."""
    command = [str(docker_compose.binary()), "--progress", "quiet", "-f", str(file), *arguments]
    environ = {**os.environ, **settings.variables(), "REGISTRY": settings.registry()}
    done = subprocess.run(command, env=environ, capture_output=True, text=True)
    assert done.returncode == 0 or not check, done.stderr[-3000:]
    return done.stdout


def theirs(file: Path) -> Application:
    """What docker compose makes of FILE, as our model. A key that this does not know fails: it would not have been compared."""
    said = json.loads(run("config", "--format", "json", file=file), object_hook=_unescaped)
    services = {name: _service(name, raw) for name, raw in said["services"].items()}
    networks = {n: Network(bool(v.get("internal")), v.get("labels", {})) for n, v in said.get("networks", {}).items()}
    volumes = {name: Volume(v.get("labels", {})) for name, v in said.get("volumes", {}).items()}
    return Application(said["name"], file, services, networks, volumes)


def _unescaped(found: dict[str, Any]) -> dict[str, Any]:
    """`config` prints a Compose file again: with $$ for a dollar sign."""

    def plain(value: Any) -> Any:
        if isinstance(value, list):
            return [plain(one) for one in value]
        return value.replace("$$", "$") if isinstance(value, str) else value

    return {name: plain(value) for name, value in found.items() if not name.startswith("x-")}


def _service(name: str, raw: dict[str, Any]) -> Service:
    take = raw.pop
    deploy = take("deploy", {})
    limits = deploy.get("resources", {}).get("limits", {})
    memory, cpus = limits.get("memory", take("mem_limit", None)), limits.get("cpus", take("cpus", None))
    grace = take("stop_grace_period", None)
    service = Service(
        name=name,
        image=take("image", None),
        build=_build(take("build", None)),
        command=_words(take("command", None)),
        entrypoint=_words(take("entrypoint", None)),
        environment=take("environment", {}),
        ports=tuple(_port(port) for port in take("ports", [])),
        expose=tuple(take("expose", [])),
        networks={n: tuple((options or {}).get("aliases", ())) for n, options in take("networks", {}).items()},
        mounts=tuple(_mounts(take("volumes", []), take("tmpfs", []))),
        depends_on={n: Dependency(o["condition"], o["required"]) for n, o in take("depends_on", {}).items()},
        healthcheck=_healthcheck(take("healthcheck", None)),
        init=take("init", True),  # ours is on by default: a process that is the first one does not end when asked
        user=take("user", None),
        working_dir=take("working_dir", None),
        hostname=take("hostname", None),
        read_only=take("read_only", False),
        cap_add=tuple(take("cap_add", ())),
        cap_drop=tuple(take("cap_drop", ())),
        security_opt=tuple(take("security_opt", ())),
        stop_signal=take("stop_signal", None),
        stop_grace_period=None if grace is None else _seconds(grace),
        restart=take("restart", "no"),
        replicas=deploy.get("replicas", 1),
        memory=None if memory is None else int(memory),
        cpus=None if cpus is None else float(cpus),
        labels=take("labels", {}),
    )
    assert not raw, f"{name} has more: {raw}"
    return service


def _build(raw: dict[str, Any] | None) -> Build | None:
    return raw and Build(Path(raw["context"]), raw["dockerfile"], raw.get("args", {}), raw.get("target"))


def _words(raw: list[str] | None) -> tuple[str, ...] | None:
    return None if raw is None else tuple(raw)


def _port(raw: dict[str, Any]) -> Port:
    published = raw.get("published")
    # ours are on the loopback by default
    return Port(raw["target"], int(published) if published else None, raw.get("host_ip", "127.0.0.1"), raw["protocol"])


def _mounts(volumes: list[dict[str, Any]], tmpfs: list[str]) -> Iterator[Mount]:
    for raw in volumes:
        size = raw.get("tmpfs", {}).get("size")
        yield Mount(raw["type"], raw["target"], raw.get("source"), raw.get("read_only", False), size and int(size))
    for entry in tmpfs:
        target, _, size = entry.partition(":size=")
        yield Mount("tmpfs", target, size=_bytes(size) if size else None)


def _bytes(text: str) -> int:
    return int(text.rstrip("kmg")) * 1024 ** ("kmg".index(text[-1]) + 1 if text[-1] in "kmg" else 0)


def _healthcheck(raw: dict[str, Any] | None) -> Healthcheck | None:
    if raw is None:
        return None
    if raw.get("disable"):
        return Healthcheck(("NONE",))
    times = [_seconds(raw[name]) if name in raw else None for name in ("interval", "timeout", "start_period")]
    return Healthcheck(_words(raw.get("test")), times[0], times[1], times[2], raw.get("retries"))


def _seconds(text: str) -> float:
    match = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:([\d.]+)s)?(?:([\d.]+)ms)?", text)
    assert match
    return sum(float(part or 0) * unit for part, unit in zip(match.groups(), (3600, 60, 1, 0.001), strict=True))


@pytest.fixture(scope="session")
def registry() -> str:
    """The REGISTRY under which all images are there that a file in compose/ needs."""
    settings.store({"REGISTRY": images.ensure(images.referenced())})
    return settings.registry()


@pytest.fixture
def client() -> Iterator[docker.DockerClient]:
    client = docker.from_env()
    yield client
    client.close()


@pytest.mark.parametrize("file", STACKS, ids=lambda file: file.stem)
def test_a_stack_is_read_alike(file: Path) -> None:
    assert load(file, {**settings.variables(), "REGISTRY": settings.registry()}) == theirs(file)


MORE_FORMS = [
    *(f'user: "x{text}"' for text, _ in INTERPOLATED),
    "env_file: web.env",
    "env_file: [web.env, {path: more.env}, {path: none.env, required: false}]\nenvironment: {A: own, Z: 1}",
    "hostname: h\nworking_dir: /w\nstop_signal: SIGINT\ncap_add: [NET_ADMIN]",
    "ports: [{target: 80, published: '8080', host_ip: 0.0.0.0, protocol: udp}]",
    "volumes: [{type: volume, source: data, target: /d, read_only: true}]",
    "build: web",
    "build: {context: web, dockerfile: ./Dockerfile, args: {X: 1, Y: true}, target: last}",
]
FILES = {
    "a short depends_on": "services: {db: {image: db}, web: {image: web, depends_on: [db]}}",
    "a long depends_on": """
        services:
          seed: {image: db}
          db: {image: db}
          web:
            image: web
            depends_on: {db: {condition: service_healthy}, seed: {condition: service_completed_successfully, required: false}}
        """,
    "networks and volumes": """
        services:
          a: {image: a, networks: [back, front], volumes: ["data:/data:ro"]}
          b: {image: b, networks: [default]}
        networks: {back: {internal: "true", labels: {a: b}}, front: , unused: , default: {internal: true}}
        volumes: {data: {labels: [a=1, b]}, unused: }
        """,
    "an included file": "include: [base.yaml]\nservices: {web: {image: web, networks: [back], depends_on: [db]}}",
    "anchors, merges and x-": """
        x-a: &a {environment: &e {A: '1', B: '0'}, init: false}
        x-b: &b {user: u, init: true}
        services:
          one: {<<: [*a, *b], image: web, environment: {<<: *e, B: '2'}, command: &c [a, b]}
          two: {<<: *b, image: web, command: *c, x-note: nothing}
        """,
    "text over lines": """
        x-script: &script |
          a b
            c $$HOME
        services:
          one: {image: web, command: [sh, -c, *script]}
        """,
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a Compose file finds what it names, and the variables of the unit tests are in the environment."""
    monkeypatch.setenv("A", "1")
    monkeypatch.setenv("EMPTY", "")
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "Dockerfile").write_text("FROM web", "utf-8")
    (tmp_path / "web.env").write_text(ENV_FILE, "utf-8")
    (tmp_path / "more.env").write_text("Z=${A}\n", "utf-8")
    base = "name: base\nservices: {db: {image: db, networks: [back]}}\nnetworks: {back: {internal: true}}\n"
    (tmp_path / "base.yaml").write_text(base, "utf-8")
    return tmp_path


@pytest.mark.parametrize("body", [*dict.fromkeys(body for body, _, _ in FORMS), *MORE_FORMS])
def test_a_key_in_its_forms_is_read_alike(folder: Path, body: str) -> None:
    file = folder / "shop.yaml"
    file.write_text(with_service(body), "utf-8")
    assert load(file, settings.variables()) == theirs(file)


@pytest.mark.parametrize("case", FILES)
def test_a_file_is_read_alike(folder: Path, case: str) -> None:
    file = folder / "shop.yaml"
    file.write_text("name: shop\n" + dedent(FILES[case]), "utf-8")
    assert load(file, settings.variables()) == theirs(file)


@pytest.mark.parametrize("file", STACKS, ids=lambda file: file.stem)
def test_a_stack_comes_up_with_docker_compose(registry: str, client: docker.DockerClient, file: Path) -> None:
    services = load(file, {**settings.variables(), "REGISTRY": registry}).services
    project = f"test-{secrets.token_hex(4)}-{file.stem}"
    try:
        run("-p", project, "up", "--detach", "--wait", file=file)
        containers = client.containers.list(filters={"label": f"com.docker.compose.project={project}"})
        answered = []
        for container in containers:
            service = services[container.labels["com.docker.compose.service"]]
            if service.healthcheck is None or not service.healthcheck.test:
                continue
            assert container.attrs["State"]["Health"]["Status"] == "healthy", service.name
            if "/health" in service.healthcheck.test[-1]:
                port = container.ports[service.ports[0].key][0]["HostPort"]
                assert requests.get(f"http://127.0.0.1:{port}/health", timeout=10).status_code == 200, service.name
                answered.append(service.name)
        assert answered
        print(f"{file.name}: {len(containers)} containers are up with docker compose; healthy: {', '.join(sorted(answered))}")
    finally:
        run("-p", project, "down", "--volumes", "--rmi", "local", file=file)


SMALL = """
    name: small
    services:
      seed:
        image: "${REGISTRY}/library/python:3.13-slim"
        command: [python, -c, "open('/data/first', 'w').write('kept')"]
        volumes: ["data:/data"]
      web:
        image: "${REGISTRY}/library/python:3.13-slim"
        command: [python, -u, -c, "print('begun'); import http.server as s; s.test(s.SimpleHTTPRequestHandler, port=8000)"]
        working_dir: /data
        ports: ["127.0.0.1::8000"]
        networks: [front]
        volumes: ["data:/data"]
        healthcheck: {test: [CMD, bash, -c, ": </dev/tcp/127.0.0.1/8000"], interval: 1s}
        depends_on: {seed: {condition: service_completed_successfully}}
        deploy: {replicas: 2}
    networks: {front: {}}
    volumes: {data: {}}
"""


@pytest.fixture
def small(registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    """A stack of a learner of this test's own. It is not up yet."""
    learner = f"test-{secrets.token_hex(4)}"
    monkeypatch.setenv("SERVICELAB_LEARNER", learner)
    file = tmp_path / "small.yaml"
    file.write_text(dedent(SMALL), "utf-8")
    stack = Stack.of(file)
    yield stack
    stack.down(volumes=True)
    leftovers.remove(learner)


def all_of(client: docker.DockerClient, project: str) -> list[str]:
    """What a project has, without its lease: docker compose leaves that, an empty volume, and it is swept when it has expired."""
    mine = {"label": f"com.docker.compose.project={project}"}
    things = [*client.containers.list(all=True, filters=mine), *client.networks.list(filters=mine)]
    names = [thing.name for thing in [*things, *client.volumes.list(filters=mine)]]
    return sorted(name for name in names if "_lease-" not in name)


def test_docker_compose_handles_a_stack_of_ours(small: Stack, client: docker.DockerClient) -> None:
    small.up()
    ours = ("-p", small.project)
    rows = [json.loads(line) for line in run(*ours, "ps", "--all", "--format", "json", file=small.file).splitlines()]
    seen = {(row["Name"], row["Service"], row["State"], row["ExitCode"]) for row in rows}
    assert seen == {
        (f"{small.project}-seed-1", "seed", "exited", 0),
        (f"{small.project}-web-1", "web", "running", 0),
        (f"{small.project}-web-2", "web", "running", 0),
    }
    assert re.findall(r"web-([12])\s+\| begun", run(*ours, "--ansi", "never", "logs", "web", file=small.file))
    assert any(row["Name"] == small.project for row in json.loads(run("ls", "--format", "json", file=small.file)))
    run(*ours, "down", "--volumes", file=small.file)
    assert all_of(client, small.project) == []


def test_we_handle_a_stack_of_docker_compose(small: Stack, client: docker.DockerClient) -> None:
    theirs = ("-p", small.project)
    run(*theirs, "up", "--detach", "--wait", file=small.file)
    assert {(row["name"], row["state"], row["exit_code"]) for row in small.status()} == {
        ("seed-1", "exited", 0),
        ("web-1", "running", None),
        ("web-2", "running", None),
    }
    assert {entry.service for entry in small.logs()} >= {"web"}
    before = all_of(client, small.project)
    small["web"].exec(["sh", "-c", "echo mine > /data/second"])
    small.up()  # their containers are not as ours are made: they are replaced, and the data stays
    assert requests.get(f"{small['web'].url}/second", timeout=10).text == "mine\n"
    assert all_of(client, small.project) == before
    ids = {container.id for container in small["web"].containers}
    small.up()
    assert {container.id for container in small["web"].containers} == ids
    small.down(volumes=True)
    assert all_of(client, small.project) == []
