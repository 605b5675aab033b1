"""Docker clients: one a thread, closed at the end, with the engine's errors in our words."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import docker
import requests

from servicelab.errors import EngineError, ServicelabError
from servicelab.settings import publish_address

TIMEOUT = 60  # seconds that the engine may take for one answer


def connect(version: str | None = None) -> docker.DockerClient:
    """A client of the engine that the Docker CLI would use. Raises `EngineError` where none answers, or it hangs."""
    try:
        client = docker.from_env(version=version or "auto", timeout=TIMEOUT)
    except (docker.errors.DockerException, requests.RequestException) as error:
        if isinstance(error.__cause__ or error, requests.Timeout):
            raise _hangs() from None
        raise EngineError(
            "no Docker engine answers",
            why=str(error.__cause__ or error),
            fix="python3 start.py installs or starts one; `servicelab doctor` says what is wrong",
        ) from None
    if client.api.base_url.startswith("http+docker:"):  # a socket: no proxy stands before it
        client.api.trust_env = False  # or requests reads the whole environment for one, at each call
    return client


class Clients:
    """A client for each thread that asks: the SDK's are not safe to share. ``close()`` closes them all."""

    def __init__(self) -> None:
        first = connect()
        self._version = first.api._version
        self._local = threading.local()
        self._local.client = first
        self._all = [first]

    def get(self) -> docker.DockerClient:
        """This thread's client."""
        if not hasattr(self._local, "client"):
            self._local.client = connect(self._version)
            self._all.append(self._local.client)
        return self._local.client

    def close(self) -> None:
        for client in self._all:
            client.close()


@contextmanager
def clients() -> Iterator[Clients]:
    """Clients for the threads of one block. Raises `EngineError` where the engine goes away, or hangs, in it."""
    with answered():
        pool = Clients()
        try:
            yield pool
        finally:
            pool.close()


@contextmanager
def answered() -> Iterator[None]:
    """In the block, an engine that no longer answers is an `EngineError`; under each of our errors stands what the doctor finds."""
    try:
        with _in_our_words():
            yield
    except ServicelabError as error:
        from servicelab import doctor  # which stands on this module

        doctor.look_after(error)
        raise


@contextmanager
def _in_our_words() -> Iterator[None]:
    try:
        yield
    except requests.Timeout:
        raise _hangs() from None
    except requests.ConnectionError as error:
        raise EngineError(
            "the Docker engine is gone", why=str(error), fix="python3 start.py starts it; then call up() again"
        ) from None


def _hangs() -> EngineError:
    return EngineError(
        f"the Docker engine hangs: no answer within {TIMEOUT} s",
        why="it is overloaded, its machine sleeps, or its process is stuck",
        fix="`docker ps` shows whether it answers again; else restart it, then call up() again",
    )


def reachable_address(client: docker.DockerClient) -> str:
    """The host under which published ports are reached.

    Raises `EngineError` for a remote engine, unless SERVICELAB_PUBLISH says where it may listen: by default ports are published
    on its own loopback, where nobody here could reach them.
    """
    address = publish_address()
    url = urlsplit(client.api.base_url)  # http+docker://localhost for a socket, …//localnpipe on Windows, …//ssh
    remote = url.hostname not in ("localhost", "127.0.0.1", "::1", "localnpipe")
    if remote and address == "127.0.0.1":
        raise EngineError(
            f"the engine at {url.hostname} is remote: its loopback is not this machine's",
            fix="set SERVICELAB_PUBLISH to an address of the engine's machine that is reachable from here",
        )
    return address
