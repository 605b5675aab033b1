"""From a changed source file to the first answer by the new code: by update(), and by a new container that docker compose builds."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import requests
from engines import Compose, Ours

from servicelab.traffic import Run, load

RATE = 50  # requests/s meanwhile
ALONE = """
name: alone
services:
  recommendations:
    build: {context: ../services/recommendations, args: {REGISTRY: "${REGISTRY}"}}
    environment: {SLOW_SHARE: "0", SLOW_SECONDS: "0"}
    init: true
    ports: ["127.0.0.1::3005"]
    healthcheck:
      test: [CMD, python, -c, "import urllib.request as r; r.urlopen('http://127.0.0.1:3005/health', timeout=2)"]
      interval: 1s
"""
VERSION = """

_create_app = create_app


def create_app(*arguments):
    app = _create_app(*arguments)

    @app.after_request
    def version(response):
        response.headers["X-Version"] = "{version}"
        return response

    return app
"""


def edit(file: Path, service: str, path: str, rounds: int) -> tuple[list[tuple[float, float]], int, int]:
    """By round: seconds of update(), and of docker compose. Then the requests that failed during update(), and all of them."""
    source = file.parent.parent / "services" / service / service / "__init__.py"
    plain = source.read_text("utf-8")
    ours, theirs = Ours(file), Compose(file)
    found: list[tuple[float, float]] = []
    sent = failed = 0

    def live(url: Callable[[], str], change: Callable[[str], Any]) -> tuple[float, Run]:
        version = secrets.token_hex(4)
        with load(url() + path, rate=RATE) as run, ThreadPoolExecutor(1) as pool:
            time.sleep(0.5)  # some requests before
            begun = time.perf_counter()
            done = pool.submit(change, plain + VERSION.format(version=version))
            while _version(url, path) != version:
                if done.done():
                    done.result()  # where it failed, the new code never answers
                time.sleep(0.005)
            took = time.perf_counter() - begun
            done.result()
            time.sleep(0.5)  # and some after
        return took, run

    def update(changed: str) -> None:
        ours.stack[service].update("__init__.py", changed)

    def rebuild(changed: str) -> None:
        source.write_text(changed, "utf-8")
        theirs.run("up", "-d", "--build", service)

    try:
        ours.up()
        theirs.up()
        for _ in range(rounds + 1):
            address = ours.stack[service].url  # it stays
            updated, run = live(lambda address=address: address, update)
            failed, sent = failed + run.failed, sent + run.requests
            rebuilt, _ = live(lambda: theirs.url(service), rebuild)
            found.append((updated, rebuilt))
    finally:
        ours.down()
        theirs.run("down", "--volumes", "--rmi", "local")
    return found[1:], failed, sent


def _version(url: Callable[[], str], path: str) -> str:
    """Which version answers; none, where nothing does: the container is being replaced, or its port is another one by now."""
    with contextlib.suppress(requests.RequestException, LookupError):
        return requests.get(url() + path, timeout=1).headers.get("X-Version", "")
    return ""
