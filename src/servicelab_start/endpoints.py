"""Where a Docker engine may listen on this machine, and whether one answers there."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

DEFAULT = "npipe:////./pipe/docker_engine" if os.name == "nt" else "unix:///var/run/docker.sock"
DEADLINE = 3.0  # seconds for one ping


@dataclass(frozen=True)
class Endpoint:
    """An address in DOCKER_HOST's form, and what named it."""

    host: str
    source: str


@dataclass(frozen=True)
class Answer:
    """What ``/_ping`` said. ``server`` is the Server header ("Docker/20.10.24 (linux)"), ``api`` the newest API spoken."""

    endpoint: Endpoint
    server: str
    api: str
    os: str


@dataclass(frozen=True)
class Refusal:
    """Why no engine answered. ``kind``: missing, refused, forbidden, timeout, unsupported or error."""

    endpoint: Endpoint
    kind: str
    reason: str


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def context_endpoint(name: str, docker_config: Path) -> str | None:
    """The engine's address in the docker context ``name``; None where it isn't stored (``default`` never is)."""
    meta = docker_config / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest() / "meta.json"
    try:
        host = json.loads(meta.read_text("utf-8"))["Endpoints"]["docker"]["Host"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return str(host) if host else None


def current_context(docker_config: Path) -> str:
    """The context that the docker command uses; ``""`` where none is chosen."""
    try:
        return str(json.loads((docker_config / "config.json").read_text("utf-8")).get("currentContext", ""))
    except (OSError, ValueError, AttributeError):
        return ""


def candidates(
    environ: Mapping[str, str] | None = None, home: Path | None = None, platform: str = sys.platform
) -> list[Endpoint]:
    """Where to look, best first, each address once.

    DOCKER_HOST or DOCKER_CONTEXT is a decision: where one is set, nothing else is looked at.
    """
    environ = os.environ if environ is None else environ
    home = Path.home() if home is None else home
    config = Path(environ.get("DOCKER_CONFIG") or home / ".docker")
    if environ.get("DOCKER_HOST"):
        return [Endpoint(environ["DOCKER_HOST"], "DOCKER_HOST")]
    if environ.get("DOCKER_CONTEXT", "default") not in ("", "default"):
        name = environ["DOCKER_CONTEXT"]
        return [Endpoint(context_endpoint(name, config) or "", f"DOCKER_CONTEXT={name}")]

    found: list[Endpoint] = []
    name = current_context(config)
    if name not in ("", "default"):
        host = context_endpoint(name, config)
        if host:
            found.append(Endpoint(host, f"docker context {name}"))
    if platform == "win32":
        found.append(Endpoint("npipe:////./pipe/docker_engine", "Docker Desktop"))
        found.append(Endpoint("npipe:////./pipe/dockerDesktopLinuxEngine", "Docker Desktop"))
        found.append(Endpoint("npipe:////./pipe/podman-machine-default", "Podman"))
    else:
        runtime = environ.get("XDG_RUNTIME_DIR") or (f"/run/user/{os.getuid()}" if hasattr(os, "getuid") else "")
        for path, source in (
            ("/var/run/docker.sock", "the usual socket"),
            (f"{runtime}/docker.sock", "rootless Docker"),
            (f"{home}/.docker/run/docker.sock", "Docker Desktop"),
            (f"{home}/.docker/desktop/docker.sock", "Docker Desktop"),
            (f"{home}/.orbstack/run/docker.sock", "OrbStack"),
            (f"{home}/.colima/default/docker.sock", "Colima"),
            (f"{home}/.config/colima/default/docker.sock", "Colima"),
            (f"{home}/.rd/docker.sock", "Rancher Desktop"),
            (f"{home}/.local/share/containers/podman/machine/podman.sock", "Podman"),
            (f"{runtime}/podman/podman.sock", "Podman"),
            ("/run/podman/podman.sock", "Podman"),
        ):
            found.append(Endpoint(f"unix://{path}", source))
    first: dict[str, Endpoint] = {}
    for endpoint in found:
        first.setdefault(endpoint.host, endpoint)
    return list(first.values())


def ping(endpoint: Endpoint, deadline: float = DEADLINE) -> Answer | Refusal:
    """Ask the engine for a sign of life; never takes much longer than ``deadline`` seconds, never raises."""
    parts = urlsplit(endpoint.host)
    try:
        if parts.scheme == "unix":
            return _get(endpoint, _UnixConnection(parts.path, deadline))
        if parts.scheme in ("tcp", "http", "https") and parts.hostname:
            return _get(endpoint, _tcp(parts.scheme, parts.hostname, parts.port, deadline))
        if parts.scheme == "npipe":
            return _ping_pipe(endpoint, deadline)
    except FileNotFoundError:
        return Refusal(endpoint, "missing", "nothing is there")
    except PermissionError:
        return Refusal(endpoint, "forbidden", "you may not use it")
    except ConnectionRefusedError:
        return Refusal(endpoint, "refused", "no engine listens there")
    except TimeoutError:
        return Refusal(endpoint, "timeout", f"no answer within {deadline:g} s")
    except (OSError, ValueError, http.client.HTTPException) as error:
        return Refusal(endpoint, "error", str(error) or type(error).__name__)
    if not endpoint.host:
        return Refusal(endpoint, "missing", "no docker context of this name is stored here")
    return Refusal(endpoint, "unsupported", f"addresses like {parts.scheme or endpoint.host}:// are not supported")


def _tcp(scheme: str, host: str, port: int | None, deadline: float) -> http.client.HTTPConnection:
    if scheme == "https" or os.environ.get("DOCKER_TLS_VERIFY"):
        folder = Path(os.environ.get("DOCKER_CERT_PATH") or Path.home() / ".docker")
        context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
        context.load_cert_chain(str(folder / "cert.pem"), str(folder / "key.pem"))
        return http.client.HTTPSConnection(host, port or 2376, timeout=deadline, context=context)
    return http.client.HTTPConnection(host, port or 2375, timeout=deadline)


def _get(endpoint: Endpoint, connection: http.client.HTTPConnection) -> Answer | Refusal:
    try:
        connection.request("GET", "/_ping", headers={"Host": "docker"})
        response = connection.getresponse()
        body = response.read(200)
    finally:
        connection.close()
    if response.status != 200:
        return Refusal(endpoint, "error", f"HTTP {response.status}: {body.decode('utf-8', 'replace').strip()}")
    return Answer(
        endpoint,
        server=response.headers.get("Server", ""),
        api=response.headers.get("Api-Version", ""),
        os=response.headers.get("Ostype", "") or "linux",
    )


def _ping_pipe(endpoint: Endpoint, deadline: float) -> Answer | Refusal:
    # A pipe opened as a file has no timeout of its own: a thread that may stay behind keeps ours.
    result: list[Answer | Refusal | OSError] = []

    def ask() -> None:
        try:
            with open("\\\\.\\pipe\\" + endpoint.host.rsplit("/", 1)[-1], "r+b", buffering=0) as pipe:
                pipe.write(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")
                head = pipe.read(4096).decode("latin-1")
        except OSError as error:
            result.append(error)
            return
        headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        if " 200 " not in head.split("\r\n", 1)[0] + " ":
            result.append(Refusal(endpoint, "error", head.split("\r\n", 1)[0]))
            return
        result.append(Answer(endpoint, headers.get("Server", ""), headers.get("Api-Version", ""), headers.get("Ostype", "linux")))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(deadline)
    if not result:
        raise TimeoutError
    if isinstance(result[0], OSError):
        raise result[0]
    return result[0]


def find(
    endpoints: list[Endpoint] | None = None, ask: Callable[[Endpoint], Answer | Refusal] = ping
) -> tuple[Answer | None, list[Refusal]]:
    """The first engine that answers (None where none does), and why those before it did not."""
    refusals: list[Refusal] = []
    for endpoint in candidates() if endpoints is None else endpoints:
        reply = ask(endpoint)
        if isinstance(reply, Answer):
            return reply, refusals
        refusals.append(reply)
    return None, refusals
