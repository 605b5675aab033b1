"""What `up()` cannot be faster than: the same calls of the Docker SDK, in parallel, with nothing around them."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import docker

local = threading.local()


def client() -> docker.DockerClient:
    """This thread's: the SDK's clients are not safe to share."""
    if not hasattr(local, "client"):
        local.client = docker.from_env(version="1.41", timeout=60)
    return local.client


def up(project: str, image: str, command: list[str], health: list[str], layers: list[list[str]]) -> None:
    """Start the services of each of LAYERS when those of the one before answer, on a network of their own."""
    labels = {"com.docker.compose.project": project}
    network = client().api.create_network(f"{project}_default", labels=labels)["Id"]

    def start(name: str) -> None:
        api = client().api
        host = api.create_host_config(network_mode=network, port_bindings={"8000/tcp": ("127.0.0.1", None)}, init=True)
        alias = api.create_networking_config({network: api.create_endpoint_config(aliases=[name])})
        check = {"test": ["CMD", *health], "interval": 10**9, "timeout": 3 * 10**9, "retries": 30}
        container = api.create_container(
            image, command, name=f"{project}-{name}-1", labels={**labels, "com.docker.compose.service": name}, ports=[8000],
            healthcheck=check, host_config=host, networking_config=alias,
        )["Id"]  # fmt: skip
        api.start(container)
        while True:
            asked = api.exec_create(container, health)["Id"]
            api.exec_start(asked)
            if api.exec_inspect(asked)["ExitCode"] == 0:
                return
            time.sleep(0.02)

    with ThreadPoolExecutor(32) as pool:
        for layer in layers:
            list(pool.map(start, layer))


def down(project: str) -> None:
    mine = {"label": f"com.docker.compose.project={project}"}
    with ThreadPoolExecutor(32) as pool:
        list(
            pool.map(
                lambda c: client().api.stop(c["Id"]) or client().api.remove_container(c["Id"], v=True),
                client().api.containers(filters=mine),
            )
        )
    for network in client().api.networks(filters=mine):
        client().api.remove_network(network["Id"])
