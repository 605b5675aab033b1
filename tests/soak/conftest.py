"""Long tests, a command of their own: `pytest -s tests/soak`. Linux, as root: they make network namespaces and engines in them."""

from __future__ import annotations

import faulthandler
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from servicelab import settings

ADDRESS = "10.77.213.2"  # of the room's engine; the machine has .1


class Room:
    """A network namespace with a Docker engine of its own, and no way to anywhere but this machine.

    DISK: how many bytes the engine has for what it keeps; None: as much as this machine.
    """

    def __init__(self, folder: Path, disk: int | None = None) -> None:
        self.name = f"servicelab-{os.getpid()}"
        self.folder = folder
        self.socket = f"unix://{folder}/docker.sock"
        self.remote = f"tcp://{ADDRESS}:2375"
        self.enter = ["nsenter", f"--net=/run/netns/{self.name}"]  # not `ip netns exec`, which hides the cgroups
        self.engine: subprocess.Popen[bytes] | None = None
        self.data = folder / "data"
        self.disk = disk

    def open(self) -> None:
        inside = ["ip", "-n", self.name]
        for command in (
            ["ip", "netns", "add", self.name],
            ["ip", "link", "add", "servicelab0", "type", "veth", "peer", "name", "servicelab1", "netns", self.name],
            ["ip", "addr", "add", "10.77.213.1/30", "dev", "servicelab0"],
            ["ip", "link", "set", "servicelab0", "up"],
            [*inside, "addr", "add", f"{ADDRESS}/30", "dev", "servicelab1"],
            [*inside, "link", "set", "servicelab1", "up"],
            [*inside, "link", "set", "lo", "up"],
        ):
            subprocess.run(command, check=True)
        if self.disk:
            self.data.mkdir()
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={self.disk}", "servicelab", self.data], check=True)
        self.start()

    def start(self) -> None:
        """Start the engine, and wait until it answers."""
        paths = [f"--data-root={self.data}", f"--exec-root={self.folder / 'exec'}", f"--pidfile={self.folder / 'pid'}"]
        with (self.folder / "dockerd.log").open("ab") as log:
            self.engine = subprocess.Popen(
                [*self.enter, "dockerd", *paths, "--host", self.socket, "--host", self.remote],
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + 60
        while subprocess.run(["docker", "--host", self.socket, "version"], capture_output=True).returncode:
            assert time.monotonic() < deadline, (self.folder / "dockerd.log").read_text("utf-8")
            time.sleep(0.2)

    def stop(self) -> None:
        """End the engine; its containers end with it."""
        if self.engine:
            self.engine.terminate()
            self.engine.wait(60)
            self.engine = None

    def close(self) -> None:
        self.stop()
        if self.disk:
            subprocess.run(["umount", self.data], check=False)
        subprocess.run(["ip", "netns", "del", self.name], check=False)
        subprocess.run(["ip", "link", "del", "servicelab0"], check=False, stderr=subprocess.DEVNULL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, *command: str, cwd: Path, **more: str) -> str:
        """A command inside, on the room's engine. Its output; fails where it does."""
        environ = {**plain_environment(), "DOCKER_HOST": self.socket, **more}
        done = subprocess.run(
            [*self.enter, *command],
            cwd=cwd,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, done.stdout[-5000:]
        return done.stdout


def plain_environment() -> Mapping[str, str]:
    """This one without our virtual environment, the learner, and where packages come from."""
    own = {"VIRTUAL_ENV", "SERVICELAB_HOME", "SERVICELAB_LEARNER", "REGISTRY", "PIP_FIND_LINKS", "PIP_INDEX_URL"}
    path = os.pathsep.join(p for p in os.environ["PATH"].split(os.pathsep) if not p.startswith(sys.prefix))
    return {**{name: value for name, value in os.environ.items() if name not in own}, "PATH": path}


@pytest.fixture(autouse=True)
def patience() -> None:
    """These take long: where they are after 400 s (faulthandler_timeout) is no news, and reads like a failure."""
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture
def room() -> Iterator[Room]:
    with a_room() as found:
        yield found


@pytest.fixture
def small_room() -> Iterator[Room]:
    """The images of lesson 01 fit on its engine's disk, and little more."""
    with a_room(disk=2 * 2**30) as found:
        yield found


@contextmanager
def a_room(disk: int | None = None) -> Iterator[Room]:
    if os.name == "nt" or os.geteuid() != 0 or not (shutil.which("ip") and shutil.which("dockerd")):
        pytest.skip("a room of its own needs Linux, root, ip and dockerd")
    folder = Path(tempfile.mkdtemp(prefix="room-"))  # a short path: containerd's socket is deep in it
    found = Room(folder, disk)
    try:
        found.open()
        yield found
    finally:
        found.close()


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh copy of what is in this repository: no .venv, no passwords, nothing that was made."""
    target = tmp_path_factory.mktemp("checkout")
    root = settings.root()
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=root, capture_output=True, check=True
    ).stdout
    for name in filter(None, listed.decode().split("\0")):
        if (root / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, target / name)
    return target
