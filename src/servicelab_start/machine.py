"""What kind of machine this is, as far as it decides how a Docker engine gets onto it."""

from __future__ import annotations

import getpass
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Machine:
    """What decides how an engine gets onto this machine. ``system``: debian, fedora, arch, suse, alpine, linux, darwin, win32."""

    system: str
    root: bool
    sudo: bool
    systemd: bool
    dockerd: bool
    user: str = ""

    @property
    def can_install(self) -> bool:
        """A Debian or Ubuntu where we are root, or may become it."""
        return self.system == "debian" and (self.root or self.sudo)

    @property
    def can_start(self) -> bool:
        """An engine can be started here, installed first where there's none."""
        return self.can_install or (self.dockerd and self.system not in ("darwin", "win32") and (self.root or self.sudo))

    @property
    def as_root(self) -> list[str]:
        """What to put before a command that needs root."""
        return [] if self.root else ["sudo"]


def this_machine(os_release: Path = Path("/etc/os-release")) -> Machine:
    """Look at where we run."""
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    return Machine(
        system=_system(os_release) if sys.platform.startswith("linux") else sys.platform,
        root=root,
        sudo=shutil.which("sudo") is not None,
        systemd=Path("/run/systemd/system").is_dir(),
        dockerd=dockerd_path() is not None,
        user=_user(),
    )


def dockerd_path() -> str | None:
    """The installed engine's program, None without one."""
    # /usr/sbin is not on every user's PATH.
    return shutil.which("dockerd", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/local/bin")


def _system(os_release: Path) -> str:
    try:
        lines = os_release.read_text("utf-8").splitlines()
    except OSError:
        return "linux"
    fields = dict(line.split("=", 1) for line in lines if "=" in line)
    names = " ".join(fields.get(key, "").strip('"') for key in ("ID", "ID_LIKE")).split()
    families = {"ubuntu": "debian", "rhel": "fedora", "centos": "fedora", "archlinux": "arch", "opensuse": "suse"}
    for name in names:
        family = families.get(name, name)
        if family in ("debian", "fedora", "arch", "suse", "alpine"):
            return family
    return "linux"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without an entry in the password file
        return ""
