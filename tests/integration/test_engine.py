"""up, scale, down: what they leave on a real engine, when they work and when they don't."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import docker
import pytest
import requests

from servicelab import leftovers
from servicelab.engine import convergence, networks
from servicelab.engine.stacks import Engine
from servicelab.errors import StartError

Make = Callable[..., Engine]
Left = Callable[[], dict[str, list[str]]]

WEB = """
services:
  db:
    image: ${PYTHON}
    command: [python, -m, http.server, "5000"]
    healthcheck: {test: [CMD, python, -c, "import urllib.request as r; r.urlopen('http://127.0.0.1:5000')"], interval: 10s}
    volumes: [data:/data]
    networks: [back]
  seed:
    image: ${PYTHON}
    command: [python, -c, "open('/data/seeded', 'a').write('x')"]
    volumes: [data:/data]
    depends_on: {db: {condition: service_healthy}}
    networks: [back]
  web:
    image: ${PYTHON}
    command: [python, -m, http.server, "8000"]
    environment: {GREETING: "${GREETING:-hello}"}
    healthcheck: {test: [CMD, python, -c, "import urllib.request as r; r.urlopen('http://127.0.0.1:8000')"], interval: 10s}
    ports: ["127.0.0.1::8000"]
    depends_on: {seed: {condition: service_completed_successfully}}
    networks: {back: {aliases: [front-door]}, front: {}}
    deploy: {replicas: 2, resources: {limits: {memory: 64m}}}
networks: {back: {internal: true}, front: {}}
volumes: {data: }
"""


def ids(engine: Engine, client: docker.DockerClient, service: str | None = None) -> list[str]:
    return [summary["Id"] for summary in engine.find(client, service)]


def test_up_adopts_replaces_and_down_leaves_nothing(engine: Make, left: Left, client: docker.DockerClient, learner: str) -> None:
    stack = engine(WEB)
    stack.up()
    project = f"{learner}-small"
    assert left() == {
        "containers": [f"{project}-{name}" for name in ("db-1", "seed-1", "web-1", "web-2")],
        "networks": [f"{project}_back", f"{project}_front"],
        "volumes": [f"{project}_data"],
    }
    first = ids(stack, client)
    web = client.containers.get(f"{project}-web-1")
    assert web.labels["com.docker.compose.project"] == project
    assert web.labels["com.docker.compose.container-number"] == "1"
    assert web.attrs["HostConfig"]["Init"] is True
    assert web.attrs["HostConfig"]["Memory"] == 64 * 2**20
    (binding,) = web.ports["8000/tcp"]
    assert binding["HostIp"] == "127.0.0.1"
    assert requests.get(f"http://127.0.0.1:{binding['HostPort']}", timeout=5).status_code == 200
    code, output = web.exec_run(
        ["python", "-c", "import socket; print(socket.gethostbyname('front-door'), socket.gethostbyname('db'))"]
    )
    assert code == 0, output
    assert web.attrs["Config"]["Hostname"] == "web-1"

    stack.up()
    assert ids(stack, client) == first, "an unchanged stack is adopted"
    assert web.exec_run(["true"]).exit_code == 0

    changed = engine(WEB, GREETING="good evening")
    changed.up()
    assert ids(changed, client, "db") == ids(stack, client, "db")
    assert ids(changed, client, "seed") == [first[1]], "a job that is done and unchanged does not run again"
    assert not set(ids(changed, client, "web")) & set(first)

    changed.down()
    assert left() == {"containers": [], "networks": [], "volumes": [f"{project}_data"]}
    changed.down(volumes=True)
    assert left() == {"containers": [], "networks": [], "volumes": []}


def test_what_stopped_paused_or_disappeared_comes_back(engine: Make, client: docker.DockerClient) -> None:
    stack = engine(WEB)
    stack.up()
    db, _, first, second = ids(stack, client)
    client.containers.get(db).kill()
    client.containers.get(first).pause()
    client.containers.get(second).remove(force=True)
    stack.up()
    states = {summary["Names"][0][-5:]: summary["State"] for summary in stack.find(client)}
    assert states == {"-db-1": "running", "eed-1": "exited", "web-1": "running", "web-2": "running"}
    assert ids(stack, client, "db") == [db]
    assert ids(stack, client, "web")[0] == first
    network = client.networks.list(filters={"label": f"com.docker.compose.project={stack.project}"})
    assert len(network) == 2


def test_a_network_that_appears_after_the_look_is_taken(
    engine: Make, client: docker.DockerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a killed kernel's last request is carried out late."""
    stack = engine(WEB)
    look = networks.settle

    def look_too_early(asking: docker.DockerClient, project: str) -> dict[str, dict[str, Any]]:
        seen = look(asking, project)
        if not seen:
            labels = {**stack.labels, "com.docker.compose.network": "back"}
            client.api.create_network(f"{project}_back", driver="bridge", internal=True, labels=labels)
        return seen

    monkeypatch.setattr(networks, "settle", look_too_early)
    stack.up()
    names = [n["Name"] for n in client.api.networks(filters={"label": f"com.docker.compose.project={stack.project}"})]
    assert sorted(names) == [f"{stack.project}_back", f"{stack.project}_front"]


def test_a_network_that_the_file_wants_otherwise_is_replaced(engine: Make, client: docker.DockerClient, left: Left) -> None:
    first = engine(WEB)
    first.up()
    before = ids(first, client)
    front = client.networks.get(f"{first.project}_front").id
    changed = engine(WEB.replace("internal: true", "internal: false"))
    changed.up()
    back = client.networks.get(f"{first.project}_back")
    assert back.attrs["Internal"] is False
    assert {c.id for c in back.containers} == set(ids(changed, client, "db") + ids(changed, client, "web"))
    assert client.networks.get(f"{first.project}_front").id == front
    assert not set(before) & set(ids(changed, client)), "all were on it"
    assert len(left()["networks"]) == 2
    there = ids(changed, client)
    changed.up()
    assert ids(changed, client) == there


def test_scale(engine: Make, client: docker.DockerClient) -> None:
    stack = engine(WEB)
    stack.up()
    before = ids(stack, client)
    stack.scale("web", 3)
    assert len(ids(stack, client, "web")) == 3
    stack.scale("web", 1)
    assert ids(stack, client, "web") == [before[2]]
    assert ids(stack, client, "db") == [before[0]]
    stack.up(replicas={"web": 0})
    assert ids(stack, client, "web") == []


def test_orphans_are_removed_on_request_only(engine: Make, client: docker.DockerClient) -> None:
    engine(WEB).up()
    smaller = engine("services: {db: {image: '${PYTHON}', command: [sleep, infinity]}}")
    smaller.up()
    assert len(ids(smaller, client)) == 4
    smaller.up(remove_orphans=True)
    assert len(ids(smaller, client)) == 1


def test_two_learners_never_meet(engine: Make, client: docker.DockerClient, left: Left) -> None:
    mine = engine(WEB)
    mine.up()
    another = f"{mine.labels['servicelab.learner']}-2"
    other = Engine(mine.application, f"{another}-small", another)
    try:
        other.up()
        assert not set(ids(mine, client)) & set(ids(other, client))
        mine.down(volumes=True)
        assert len(ids(other, client)) == 4
        other.down(volumes=True)
        theirs = {"label": f"servicelab.learner={another}"}
        assert (ids(other, client), client.networks.list(filters=theirs), client.volumes.list(filters=theirs)) == ([], [], [])
    finally:
        leftovers.remove(another, images=True)
    assert left() == {"containers": [], "networks": [], "volumes": []}


def test_data_made_with_other_passwords_is_made_anew(engine: Make, client: docker.DockerClient) -> None:
    text = """
    services:
      db: {image: "${PYTHON}", command: [sleep, infinity], environment: {DB_PASSWORD: "${SECRET}"}, volumes: [data:/data]}
    volumes: {data: }
    """
    first = engine(text, SECRET="one")
    first.up()
    (container,) = ids(first, client)
    client.containers.get(container).exec_run(["touch", "/data/old"])
    engine(text, SECRET="one").up()
    assert ids(first, client) == [container]
    engine(text, SECRET="two").up()
    (container,) = ids(first, client)
    assert client.containers.get(container).exec_run(["ls", "/data"]).output == b""


def test_data_that_docker_compose_made_is_kept(engine: Make, client: docker.DockerClient, learner: str) -> None:
    project = f"{learner}-small"
    labels = {"com.docker.compose.project": project, "com.docker.compose.volume": "data"}
    client.volumes.create(f"{project}_data", labels=labels)
    stack = engine(f"services: {{{SLEEP}}}\nvolumes: {{data: }}")
    stack.up()
    assert client.volumes.get(f"{project}_data").attrs["Labels"] == labels
    stack.down(volumes=True)


SLEEP = 'db: {image: "${PYTHON}", command: [sleep, infinity], volumes: [data:/data]}'
BAD = {
    "exits at once": ("[python, -c, 'print(\"out of ideas\"); raise SystemExit(3)']", "", 3, "out of ideas"),
    "is not there": ("[no-such-command]", "", 127, "not in the image"),
    "is killed for its memory": (
        "[python, -c, 'x = bytearray(200_000_000); print(len(x))']",
        "mem_limit: 20m",
        137,
        "out of memory",
    ),
    "is killed for what the engine missed": (
        "[python, -c, 'raise SystemExit(137)']",
        "mem_limit: 20m",
        137,
        "out of memory, of which it may have 20 MiB",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_service_that_does_not_start_leaves_nothing(case: str, engine: Make, left: Left) -> None:
    command, more, code, said = BAD[case]
    stack = engine(f"""
    services:
      {SLEEP}
      web:
        image: "${{PYTHON}}"
        command: {command}
        healthcheck: {{test: [CMD, "false"], interval: 10s}}
        depends_on: [db]
        {more}
    volumes: {{data: }}
    """)
    with pytest.raises(StartError, match="web") as caught:
        stack.up()
    assert said in str(caught.value)
    assert caught.value.exit_code == code
    assert caught.value.service == "web"
    assert left() == {"containers": [], "networks": [], "volumes": []}


def test_a_service_that_never_gets_healthy(engine: Make, left: Left, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convergence, "START_TIMEOUT", 0.5)
    stack = engine("""
    services:
      web:
        image: ${PYTHON}
        command: [python, -uc, "print('thinking'); import time; time.sleep(600)"]
        healthcheck: {test: [CMD, sh, -c, "echo no database; exit 1"], interval: 10s}
    """)
    with pytest.raises(StartError, match="did not get healthy") as caught:
        stack.up()
    assert "no database" in str(caught.value)
    assert left()["containers"] == []


def test_an_image_that_is_not_there(engine: Make, left: Left) -> None:
    with pytest.raises(StartError, match="has no image"):
        engine("services: {web: {image: 'servicelab.local/no/such:1'}}").up()
    assert left() == {"containers": [], "networks": [], "volumes": []}


def test_a_port_that_is_taken(engine: Make, left: Left) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        stack = engine(f"services: {{web: {{image: '${{PYTHON}}', command: [sleep, infinity], ports: ['127.0.0.1:{port}:80']}}}}")
        with pytest.raises(StartError, match="another program has the port"):
            stack.up()
    assert left() == {"containers": [], "networks": [], "volumes": []}


def test_a_failure_leaves_what_ran_before(engine: Make, client: docker.DockerClient) -> None:
    stack = engine(WEB)
    stack.up()
    before = ids(stack, client)
    broken = engine(WEB.replace("services:", "services:\n  bad: {image: '${PYTHON}', command: ['false'], networks: [back]}", 1))
    with pytest.raises(StartError, match="bad"):
        broken.up()
    assert ids(stack, client) == before


def test_json_labels_are_those_of_docker_compose(engine: Make, client: docker.DockerClient) -> None:
    stack = engine(WEB)
    stack.up()
    for summary in stack.find(client):
        labels = summary["Labels"]
        for name in ("project", "service", "config-hash", "oneoff", "container-number"):
            assert labels[f"com.docker.compose.{name}"], json.dumps(labels)


def test_reset_gives_the_first_state_from_a_copy(engine: Make, left: Left, client: docker.DockerClient, learner: str) -> None:
    stack, project = engine(WEB), f"{learner}-small"
    stack.up()

    def seeded() -> bytes:
        output: bytes = client.containers.get(f"{project}-db-1").exec_run(["sh", "-c", "cat /data/*"]).output
        return output

    for copied in (False, True, True):
        client.containers.get(f"{project}-db-1").exec_run(["sh", "-c", "echo later > /data/later; rm /data/seeded"])
        before = {name: ids(stack, client, name) for name in ("db", "seed", "web")}
        stack.scale("web", 3)
        stack.reset()
        assert seeded() == b"x"
        after = {name: ids(stack, client, name) for name in ("db", "seed", "web")}
        assert len(after["web"]) == 2
        assert not set(after["web"] + after["db"]) & set(before["web"] + before["db"]), "containers are new"
        assert (after["seed"] == before["seed"]) is copied, "what filled the data runs again only where there is no copy"
    copies = [f"{project}_data.first", f"{project}_first-state"]
    assert left()["volumes"] == [f"{project}_data", *copies]

    other = engine(WEB.replace("write('x')", "write('y')"))
    other.reset()
    assert seeded() == b"y", "a copy of what another seed made is not used"
    other.down(volumes=True)
    assert left() == {"containers": [], "networks": [], "volumes": []}


def test_reset_leaves_no_volume_without_a_name(engine: Make, client: docker.DockerClient, learner: str, tmp_path: Path) -> None:
    """An image may declare volumes: each container of it has some of its own, also those that copy for reset()."""
    (tmp_path / "declares").mkdir()
    (tmp_path / "declares" / "Dockerfile").write_text("ARG FROM\nFROM ${FROM}\nVOLUME /data /more\n", "utf-8")
    text = """
    services:
      db: {build: {context: declares, args: {FROM: "${PYTHON}"}}, command: [sleep, infinity], volumes: [data:/data]}
    volumes: {data: }
    """
    began = int(time.time())
    stack = engine(text)
    stack.up()
    stack.reset()
    stack.reset()
    stack.down(volumes=True)
    mine = {"label": f"servicelab.learner={learner}"}
    period = {"since": began, "until": int(time.time()) + 1, "decode": True}
    containers = {e["Actor"]["ID"] for e in client.api.events(filters={"type": "container", "event": "create", **mine}, **period)}
    mounts = list(client.api.events(filters={"type": "volume", "event": "mount"}, **period))
    names = {event["Actor"]["ID"] for event in mounts if event["Actor"]["Attributes"]["container"] in containers}
    assert len(names) >= 6, "two for each of three databases, and copies"
    assert names & {volume["Name"] for volume in client.api.volumes()["Volumes"] or []} == set()
