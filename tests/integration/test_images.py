"""Images on a real engine: each keeps the official image's contract as far as we use it; builds leave nothing behind.

The contract's tests hold for official images as well: where a registry answers, it is they that are tested.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dns.message
import dns.query
import docker
import kombu
import pytest
import requests
from amqp.exceptions import AccessRefused
from docker.errors import NotFound
from docker.models.containers import Container
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from servicelab import images, settings
from servicelab.images import recipes

PYTHON, NODE, POSTGRES, MONGO = "library/python:3.13-slim", "library/node:24-slim", "library/postgres:17", "library/mongo:6.0"
CONSUL, RABBITMQ = "hashicorp/consul:1.22", "library/rabbitmq:4-management"
SECONDS = 120  # a deadline for what takes two, on a machine that does much else

# The health checks that the compose files have.
POSTGRES_HEALTH = 'pg_isready -q -h 127.0.0.1 -U "$POSTGRES_USER" -d "$POSTGRES_DB"'
MONGO_HEALTH = ": </dev/tcp/$HOSTNAME/27017"
RABBITMQ_HEALTH = ": </dev/tcp/$HOSTNAME/5672"
CONSUL_HEALTH = ["consul", "operator", "raft", "list-peers"]

MONGO_PORT = {"27017/tcp": ("127.0.0.1", None)}

Run = Callable[..., Container]


@pytest.fixture(scope="module")
def provided() -> str:
    return images.ensure([PYTHON, NODE, POSTGRES, MONGO], registry=settings.registry())


@pytest.fixture
def run(client: docker.DockerClient, provided: str) -> Iterator[Run]:
    """Starts a container of an image; removed, with its volumes, after the test."""
    started = []

    def start(image: str, command: list[str] | None = None, registry: str = "", **options: object) -> Container:
        container = client.containers.run(
            f"{registry or provided}/{image}", command, detach=True, labels={"servicelab-dev": "images"}, **options
        )
        started.append(container)
        return container

    yield start
    for container in started:
        container.remove(force=True, v=True)


def shell(container: Container, command: str) -> tuple[int, str]:
    code, output = container.exec_run(["bash", "-c", command])
    return code, output.decode()


def healthy(container: Container, check: str) -> None:
    deadline = time.monotonic() + SECONDS
    while shell(container, check)[0] != 0:
        container.reload()
        assert container.status == "running", container.logs().decode()
        assert time.monotonic() < deadline, container.logs().decode()


def test_python(run: Run) -> None:
    container = run(PYTHON, ["sleep", "600"], init=True)
    code, output = shell(
        container,
        "python --version && python3 --version && pip install -q --root-user-action=ignore kombu && python -c 'import kombu'",
    )
    assert code == 0, output
    assert output.count("Python 3.13.") == 2


def test_node(run: Run) -> None:
    container = run(NODE, ["sleep", "600"], init=True, user="node", working_dir="/home/node")
    code, output = shell(
        container, "node --version && npm install --silent express && node -p 'typeof require(\"express\")' && id -u"
    )
    assert code == 0, output
    assert output.startswith("v24.")
    assert output.split()[-2:] == ["function", "1000"]


def test_postgres(run: Run) -> None:
    environment = {"POSTGRES_USER": "shop", "POSTGRES_PASSWORD": "right", "POSTGRES_DB": "shop-db"}
    container = run(POSTGRES, ["-c", "max_connections=33"], environment=environment)
    healthy(container, POSTGRES_HEALTH)
    login = 'psql -At -h "$HOSTNAME" -U shop -d shop-db'
    code, output = shell(container, f"PGPASSWORD=right {login} -c 'show max_connections' -c \"select 'a' < 'B'\"")
    assert (code, output.split()) == (0, ["33", "t"]), output  # en_US, not C: lower case sorts beside upper
    code, output = shell(container, f"PGPASSWORD=wrong {login} -c 'select 1'")
    assert code != 0
    assert "password authentication failed" in output
    assert shell(container, "grep Uid /proc/1/status")[1].split()[1] == "999"

    container.stop(timeout=SECONDS)
    assert container.wait()["StatusCode"] == 0
    container.start()
    healthy(container, POSTGRES_HEALTH)
    assert shell(container, f"PGPASSWORD=right {login} -c 'select 1'")[0] == 0


def test_postgres_runs_scripts_on_its_first_start(run: Run) -> None:
    setup = "create table numbers as select generate_series(1, 3) as n;"
    container = run(
        POSTGRES,
        ["bash", "-c", f'echo "{setup}" > /docker-entrypoint-initdb.d/1.sql && exec docker-entrypoint.sh postgres'],
        environment={"POSTGRES_USER": "postgres", "POSTGRES_PASSWORD": "right", "POSTGRES_DB": "postgres"},
    )
    healthy(container, POSTGRES_HEALTH)
    assert shell(container, "psql -At -U postgres -c 'select sum(n) from numbers'") == (0, "6\n")


def test_postgres_refuses_to_start_without_a_password(run: Run) -> None:
    container = run(POSTGRES)
    assert container.wait(timeout=SECONDS)["StatusCode"] == 1
    assert b"POSTGRES_PASSWORD" in container.logs()


def test_mongo(run: Run) -> None:
    environment = {"MONGO_INITDB_ROOT_USERNAME": "shop", "MONGO_INITDB_ROOT_PASSWORD": "right"}
    container = run(MONGO, ["--wiredTigerCacheSizeGB", "0.25"], environment=environment, ports=MONGO_PORT)
    healthy(container, MONGO_HEALTH)
    with connected(container, "shop:right@") as client:
        client.shop.users.insert_one({"_id": 7})
    for login in ("", "shop:wrong@"):
        with connected(container, login) as client, pytest.raises(OperationFailure):
            client.shop.users.find_one()
    assert shell(container, "grep Uid /proc/1/status")[1].split()[1] == "999"

    container.stop(timeout=SECONDS)
    assert container.wait()["StatusCode"] == 0
    container.start()
    healthy(container, MONGO_HEALTH)
    with connected(container, "shop:right@") as client:
        assert client.shop.users.find_one() == {"_id": 7}


def test_mongo_as_a_replica_set(run: Run) -> None:
    container = run(MONGO, ["--replSet", "rs0"], ports=MONGO_PORT)
    healthy(container, MONGO_HEALTH)
    members = {"_id": "rs0", "members": [{"_id": 0, "host": "127.0.0.1:27017"}]}
    with connected(container) as client:
        assert client.admin.command("replSetInitiate", members)["ok"] == 1


def test_consul(run: Run, client: docker.DockerClient) -> None:
    registry = images.ensure([CONSUL], registry=settings.registry())
    ports = {"8500/tcp": ("127.0.0.1", None), "8600/udp": ("127.0.0.1", None)}
    container = run(
        CONSUL, registry=registry, init=True, ports=ports, environment={"CONSUL_LOCAL_CONFIG": '{"datacenter": "here"}'}
    )
    deadline = time.monotonic() + SECONDS
    while container.exec_run(CONSUL_HEALTH).exit_code != 0:
        assert time.monotonic() < deadline, container.logs().decode()
    container.reload()
    http, udp = (int(container.ports[name][0]["HostPort"]) for name in ports)
    url = f"http://127.0.0.1:{http}"
    assert requests.get(f"{url}/v1/catalog/datacenters", timeout=SECONDS).json() == ["here"]
    assert "Consul by HashiCorp" in requests.get(f"{url}/ui/", timeout=SECONDS).text
    entry = {"Name": "users", "Address": "192.0.2.7", "Port": 3001}
    assert requests.put(f"{url}/v1/agent/service/register", json=entry, timeout=SECONDS).status_code == 200
    query = dns.message.make_query("users.service.here.consul", "A")
    answer = dns.query.udp(query, "127.0.0.1", port=udp, timeout=SECONDS)
    assert "192.0.2.7" in answer.to_text()
    processes = container.top(ps_args="-eo pid,uid,args")["Processes"]
    assert [uid for _, uid, command in processes if command.startswith("consul agent")] == ["100"]


def test_a_rule_in_another_containers_network_leads_to_toxiproxy(run: Run, client: docker.DockerClient) -> None:
    """What faults on an edge will stand on: what a caller sends to one address arrives at Toxiproxy."""
    toxiproxy, iptables = "shopify/toxiproxy:2.12.0", "servicelab/iptables:1"
    registry = images.ensure([toxiproxy, iptables], registry=settings.registry())
    proxy = run(toxiproxy, registry=registry)
    caller = run(PYTHON, ["sleep", "600"], init=True)
    proxy.reload()
    address = next(iter(proxy.attrs["NetworkSettings"]["Networks"].values()))["IPAddress"]
    client.containers.run(
        f"{registry}/{iptables}",
        f"iptables -t nat -A OUTPUT -p tcp -d 192.0.2.1 --dport 80 -j DNAT --to {address}:8474",
        network_mode=f"container:{caller.id}",
        cap_add=["NET_ADMIN"],
        remove=True,
        labels={"servicelab-dev": "images"},
    )
    program = "import urllib.request as u; print(u.urlopen('http://192.0.2.1/version', timeout=60).read().decode())"
    healthy(caller, f'python -c "{program}"')
    assert "2.12.0" in shell(caller, f'python -c "{program}"')[1]


def connected(container: Container, login: str = "") -> MongoClient[dict[str, Any]]:
    container.reload()  # a restart changes the port
    port = container.ports["27017/tcp"][0]["HostPort"]
    return MongoClient(f"mongodb://{login}127.0.0.1:{port}/", directConnection=True, serverSelectionTimeoutMS=1000 * SECONDS)


class Workshop:
    """A workspace with one recipe, marked by a word that is nowhere else on the engine; each `ensure` is a process."""

    def __init__(self, folder: Path, client: docker.DockerClient, base: str) -> None:
        self.client = client
        self.others = {row["Id"] for row in client.api.images(all=True)}
        self.mark = f"mark{secrets.token_hex(6)}"
        self.image = f"{self.mark}:1"
        self.tag = f"{recipes.LOCAL}/{self.image}"
        self.base = base
        self.recipe = folder / "images" / self.mark
        for path in (folder / "compose", folder / "services", self.recipe):
            path.mkdir(parents=True)
        (self.recipe / "recipe.toml").write_text(f'image = "{self.image}"')
        self.environment = {**os.environ, "SERVICELAB_HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache")}

    def write(self, *steps: str) -> None:
        (self.recipe / "Dockerfile").write_text("\n".join([f"FROM {self.base}", *steps, ""]))

    def ensure(self) -> subprocess.Popen[str]:
        program = (
            "import sys; from servicelab import images\n"
            "try: images.ensure(sys.argv[1:], progress=lambda name, step: print(step, flush=True))\n"
            "except images.ImageError as error: sys.exit(str(error))"
        )
        return subprocess.Popen(
            [sys.executable, "-c", program, self.image],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def left(self) -> list[str]:
        """Containers and images that bear the mark."""
        found = [row["Id"] for row in self.client.api.containers(all=True) if self.mark in row["Command"]]
        for image in {row["Id"] for row in self.client.api.images(all=True)} - self.others:
            with contextlib.suppress(NotFound):  # others build and remove theirs meanwhile
                if any(self.mark in layer["CreatedBy"] for layer in self.client.api.history(image)):
                    found.append(image)
        return found


@pytest.fixture
def workshop(tmp_path: Path, client: docker.DockerClient, provided: str) -> Iterator[Workshop]:
    made = Workshop(tmp_path, client, f"{provided}/{PYTHON}")
    yield made
    with contextlib.suppress(NotFound):
        client.images.remove(made.tag)


def test_a_recipe_that_fails_leaves_nothing(workshop: Workshop) -> None:
    workshop.write("ENV A=1", f"RUN echo {workshop.mark}", f"RUN echo why {workshop.mark} && exit 3")
    output, _ = (process := workshop.ensure()).communicate(timeout=SECONDS)
    assert process.returncode == 1
    assert f"its recipe failed at step 4/5: RUN echo why {workshop.mark}" in output
    assert f"why:  why {workshop.mark}" in output
    assert workshop.left() == []


def test_an_interrupt_in_a_build_leaves_nothing(workshop: Workshop) -> None:
    workshop.write(f"RUN echo {workshop.mark}", f"RUN echo running {workshop.mark} && sleep 600")
    process = workshop.ensure()
    assert process.stdout
    for line in process.stdout:
        if line.startswith("building 3/4"):
            break
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=SECONDS)
    assert process.returncode != 0
    assert "KeyboardInterrupt" in output
    deadline = time.monotonic() + SECONDS
    while workshop.left():  # the engine lists a container for a moment longer than it has it
        assert time.monotonic() < deadline, workshop.left()


def test_a_changed_recipe_replaces_its_image(workshop: Workshop, client: docker.DockerClient) -> None:
    ids = []
    for text in ("one", "one", "two"):
        workshop.write(f"LABEL mark={workshop.mark} text={text}")
        output, _ = (process := workshop.ensure()).communicate(timeout=SECONDS)
        assert process.returncode == 0, output
        ids.append(client.images.get(workshop.tag).id)
    assert ids[0] == ids[1] != ids[2]
    with pytest.raises(NotFound):
        client.images.get(ids[0])


def test_two_processes_build_it_once(workshop: Workshop) -> None:
    workshop.write(f"RUN echo {workshop.mark}")
    processes = [workshop.ensure(), workshop.ensure()]
    outputs = [process.communicate(timeout=SECONDS)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    lines = "".join(outputs).splitlines()
    assert sum(line.startswith("building 2/3: RUN") for line in lines) == 1, outputs


def test_rabbitmq(run: Run) -> None:
    images.ensure([RABBITMQ], registry=settings.registry())
    environment = {"RABBITMQ_DEFAULT_USER": "shop", "RABBITMQ_DEFAULT_PASS": "right"}
    container = run(RABBITMQ, environment=environment, ports={"5672/tcp": ("127.0.0.1", None), "15672/tcp": ("127.0.0.1", None)})
    healthy(container, RABBITMQ_HEALTH)
    container.reload()
    port, management = (container.ports[f"{inner}/tcp"][0]["HostPort"] for inner in (5672, 15672))
    with pytest.raises(AccessRefused), kombu.Connection(f"amqp://shop:wrong@127.0.0.1:{port}//") as connection:
        connection.connect()
    with kombu.Connection(f"amqp://shop:right@127.0.0.1:{port}//") as connection:
        queue = connection.SimpleQueue("jobs", queue_args={"x-queue-type": "quorum"})
        queue.put("kept")
        queue.close()
    assert requests.get(f"http://127.0.0.1:{management}/api/overview", auth=("shop", "right"), timeout=SECONDS).ok
    assert shell(container, "grep Uid /proc/1/status")[1].split()[1] == "999"

    container.stop(timeout=SECONDS)
    assert container.wait()["StatusCode"] == 0
    container.start()
    healthy(container, RABBITMQ_HEALTH)
    container.reload()
    with kombu.Connection(f"amqp://shop:right@127.0.0.1:{container.ports['5672/tcp'][0]['HostPort']}//") as connection:
        queue = connection.SimpleQueue("jobs", queue_args={"x-queue-type": "quorum"})
        message = queue.get(timeout=SECONDS)
        message.ack()
        assert message.payload == "kept"
        queue.close()
