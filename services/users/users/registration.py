"""Consul is told where we are once we serve, and that we go before we stop serving.

A process beside gunicorn's workers does it, once for a container, however many workers there are. No thread of the master: a worker
that is forked while a thread holds a lock waits for that lock for ever. gunicorn.conf.py loads this file by its path. It imports nothing of
the application, and reads the environment itself: what the master has imported, a reload would not change any more.
"""

import json
import os
import signal
import socket
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlsplit

SERVICE = "users"
TIMEOUT = 0.5  # seconds for Consul to answer, and for ourselves
AGAIN = 0.2  # seconds until the next try, while we don't serve yet, or Consul does not answer
GONE = 2.0  # seconds that our end may wait for Consul to be told
LOOK = 5.0  # seconds between two looks at whether Consul still knows us
HEARD = 1.0  # seconds from our leave until we stop taking requests: whoever watches Consul has heard of it by then


class Registration:
    """One instance's entry in Consul. Its id is the container's name: one that crashed and comes back replaces its old entry."""

    def __init__(self, consul_url: str, port: int, check_interval: str = "10s") -> None:
        consul = urlsplit(consul_url)
        self.id = socket.gethostname()
        self._consul = (consul.hostname or "", consul.port or 8500)
        self._port = port
        self._check_interval = check_interval
        self._registered = False  # by us: an entry that is there already may be that of a process before us
        self._troubled = False

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "Registration":
        return cls(environ["CONSUL_URL"], int(environ.get("PORT", "3001")), environ.get("CONSUL_CHECK_INTERVAL", "10s"))

    def start(self) -> None:
        """Fork the process that keeps us registered."""
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])  # it waits for that one, and may get it before it does
        self._process = os.fork()
        if not self._process:
            try:
                os._exit(0 if self.keep() else 1)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(1)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])

    def leave(self) -> None:
        """From here on Consul names us to nobody. Returns when those who watch it have heard, or soon where Consul is gone."""
        until = time.monotonic() + GONE
        try:
            os.kill(self._process, signal.SIGTERM)
            while (ended := os.waitpid(self._process, os.WNOHANG)) == (0, 0) and time.monotonic() < until:
                time.sleep(0.01)
            if ended == (self._process, 0):
                time.sleep(HEARD)
            elif ended == (0, 0):
                os.kill(self._process, signal.SIGKILL)
        except (ProcessLookupError, ChildProcessError):
            pass  # it ended before, and said why

    def keep(self) -> bool:
        """Stay registered until SIGTERM, then leave: whether Consul could be told."""
        pause = 0.0
        while signal.sigtimedwait([signal.SIGTERM], pause) is None:
            pause = LOOK if self.look() else AGAIN
        try:
            with self._connection() as consul:
                ask(consul, "PUT", f"/v1/agent/service/deregister/{self.id}")
        except (OSError, HTTPException) as error:
            say("warning", f"Consul could not be told that {self.id} leaves: {error!r}")
            return False
        say("info", f"{self.id} has left Consul")
        return True

    def look(self) -> bool:
        """Whether Consul knows us by now: where it doesn't, it is told. It forgets, when it restarts or has taken us for dead."""
        try:
            if self._registered and self._known():
                return True
            return self._serving() and self._register()
        except (OSError, HTTPException) as error:
            if not self._troubled:
                say("warning", f"Consul can't be told of {self.id}, trying again until it can: {error!r}")
            self._troubled = True
            return False

    def _known(self) -> bool:
        with self._connection() as consul:
            return ask(consul, "GET", f"/v1/agent/service/{self.id}") == 200

    def _serving(self) -> bool:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=TIMEOUT)
        try:
            return ask(connection, "GET", "/health") == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    def _register(self) -> bool:
        with self._connection() as consul:
            address = consul.sock.getsockname()[0]  # ours, on the network that we share with Consul
            entry = {
                "ID": self.id,
                "Name": SERVICE,
                "Address": address,
                "Port": self._port,
                "Check": {
                    "HTTP": f"http://{address}:{self._port}/health",
                    "Header": {"X-Caller": ["consul"]},
                    "Interval": self._check_interval,
                    "Timeout": "2s",
                    "Status": "passing",  # we have just looked; else nobody would be sent to us until Consul's first look
                    "DeregisterCriticalServiceAfter": "1m",  # the least that Consul takes
                },
            }
            status = ask(consul, "PUT", "/v1/agent/service/register?replace-existing-checks=true", entry)
        if status != 200:
            raise HTTPException(f"it answered {status}")
        self._registered, self._troubled = True, False
        say("info", f"{self.id} is registered with Consul, at {address}:{self._port}")
        return True

    @contextmanager
    def _connection(self) -> Iterator[HTTPConnection]:
        connection = HTTPConnection(*self._consul, timeout=TIMEOUT)
        try:
            connection.connect()
            yield connection
        finally:
            connection.close()


def ask(connection: HTTPConnection, method: str, path: str, body: dict[str, Any] | None = None) -> int:
    """The status of the answer."""
    connection.request(method, path, body=None if body is None else json.dumps(body))
    response = connection.getresponse()
    response.read()
    return response.status


def say(level: str, message: str) -> None:
    """A line as logs.py writes them."""
    when = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    line = {"ts": when, "level": level, "service": SERVICE, "instance": socket.gethostname(), "message": message}
    print(json.dumps(line), flush=True)
