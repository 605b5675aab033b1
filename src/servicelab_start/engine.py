"""The Docker engine: found where one runs, installed and started where that's possible, and told about where not."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from pathlib import Path

from servicelab_start import environment
from servicelab_start.endpoints import Refusal
from servicelab_start.machine import Machine
from servicelab_start.steps import CommandError, Say, Steps, Trouble

PACKAGES = ["docker.io", "iptables"]


def advice(machine: Machine) -> str:
    """What a person has to install or start here, exactly."""
    by_system = {
        "darwin": "install Docker Desktop, OrbStack or Colima (brew install colima docker && colima start) and start it.",
        "win32": "install Docker Desktop with its WSL 2 engine and start it.",
        "debian": "as root: apt-get install --no-install-recommends docker.io iptables && systemctl start docker",
        "fedora": "sudo dnf install moby-engine && sudo systemctl enable --now docker   (or: sudo dnf install podman && "
        "systemctl --user enable --now podman.socket)",
        "arch": "sudo pacman -S docker && sudo systemctl enable --now docker",
        "suse": "sudo zypper install docker && sudo systemctl enable --now docker",
        "alpine": "as root: apk add docker && rc-service docker start",
    }
    if machine.dockerd and machine.system not in ("darwin", "win32"):
        return "an engine is installed but does not run. As root: " + (
            "systemctl start docker" if machine.systemd else "dockerd &"
        )
    return by_system.get(machine.system, "install Docker Engine 20.10 or newer, or Podman 4 or newer, and start it.")


def why_none(refusals: list[Refusal], machine: Machine) -> Trouble | None:
    """A refusal that installing an engine would not mend, as trouble; None where nothing stands in the way."""
    for refusal in refusals:
        named = refusal.endpoint.source.startswith(("DOCKER_HOST", "DOCKER_CONTEXT"))
        if refusal.kind == "unsupported":
            return Trouble(
                f"{refusal.endpoint.source} says {refusal.endpoint.host}, and {refusal.reason}.",
                "forward the socket (ssh -nNT -L /tmp/docker.sock:/var/run/docker.sock HOST), then "
                "DOCKER_HOST=unix:///tmp/docker.sock",
            )
        if refusal.kind == "forbidden":
            return Trouble(
                f"A Docker engine is at {refusal.endpoint.host}, but you may not use it.",
                f"sudo usermod -aG docker {machine.user or '$USER'}, then log out and in again (or: newgrp docker).\n"
                "Whoever is in that group can become root.",
            )
        if named:
            return Trouble(
                f"{refusal.endpoint.source} names the engine {refusal.endpoint.host}, which does not answer: {refusal.reason}.",
                "start that engine, or unset the variable to use the one on this machine.",
            )
        if refusal.kind == "timeout":
            return Trouble(
                f"The Docker engine at {refusal.endpoint.host} does not answer ({refusal.reason}).",
                "restart it" + (": sudo systemctl restart docker" if machine.systemd else ", then run this again."),
            )
    return None


def plan(machine: Machine, packages: list[str], *, start: bool) -> list[str]:
    """What will be done to the system, one line each, before it is done. Empty: nothing."""
    sudo = "" if machine.root else " (with sudo)"
    lines = [f"install the Debian packages {', '.join(packages)}{sudo}"] if packages else []
    if start:
        how = "with systemd" if machine.systemd else "in the background (log: .servicelab/dockerd.log)"
        lines.append(f"start the Docker engine {how}{sudo}")
        if machine.systemd and not machine.root:
            lines.append(f"add {machine.user} to the group docker{sudo}: whoever is in it can become root")
    return lines


def venv_packages(machine: Machine) -> list[str]:
    """What Debian leaves out of its Python and ``venv`` needs. Raises ``Trouble`` where apt can't bring it."""
    if environment.can_make_venv():
        return []
    package = f"python3.{sys.version_info.minor}-venv"
    if machine.can_install and sys.base_prefix == "/usr":
        return [package]
    fix = f"as root: apt-get install {package}" if machine.system == "debian" else "use another Python"
    raise Trouble("This Python can make no virtual environment: it has no ensurepip.", f"{fix}, or install uv.")


def install(machine: Machine, packages: list[str], steps: Steps, say: Say) -> None:
    """``apt-get install``, after an update that may fail in part: sources that we don't need may be unreachable."""
    apt = [*machine.as_root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-o", "DPkg::Lock::Timeout=120"]
    update = ""
    try:
        say("apt-get update")
        steps.run([*apt, "update"], say)
    except CommandError as failure:
        update = failure.output
    except FileNotFoundError as error:
        raise Trouble(f"There is no {error.filename} on this machine.", advice(machine)) from error
    command = [*apt, "install", "-y", "--no-install-recommends", *packages]
    try:
        try:
            steps.run(command, say)
        except CommandError as failure:
            if "dpkg --configure -a" not in failure.output:
                raise
            say("finishing an installation that was interrupted")
            steps.run([*machine.as_root, "env", "DEBIAN_FRONTEND=noninteractive", "dpkg", "--configure", "-a"], say)
            steps.run(command, say)
    except CommandError as failure:
        raise Trouble(
            f"apt-get could not install {' '.join(packages)}.",
            _apt_fix(failure.output + update),
            detail="\n".join((update.splitlines()[-4:] if update else []) + failure.output.splitlines()[-8:]),
        ) from failure


def _apt_fix(output: str) -> str:
    if "No space left" in output or "enough free space" in output:
        return "the disk is full: make room, then run this again."
    if re.search(r"sudo: .*(password|terminal)", output):
        return "sudo asks for a password: run this in a terminal, or run it as root."
    if re.search(r"Temporary failure|Could not (resolve|connect)|Unable to fetch|Failed to fetch", output):
        return "the Debian mirror is not reachable: check the network and the proxy (Acquire::http::Proxy), then run this again."
    if "Could not get lock" in output:
        return "another program uses apt: wait until it has ended, then run this again."
    if "Unable to locate package" in output:
        return "the machine's apt sources lack it: add the distribution's main repository, then run this again."
    return "run the command by hand to see more; if apt says so, `apt-get -f install` first."


def join_group(machine: Machine, steps: Steps, say: Say) -> None:
    """Let the user use the engine's socket, from the next login (or `rejoin_group`) on."""
    try:
        steps.run([*machine.as_root, "usermod", "-aG", "docker", machine.user], say)
    except (CommandError, FileNotFoundError) as error:
        raise Trouble(
            f"{machine.user} could not be added to the group docker.",
            f"as root: usermod -aG docker {machine.user}",
            detail=str(error),
        ) from error


def rejoin_group(refusals: list[Refusal], machine: Machine, root: Path) -> None:
    """Start over with the group docker, where the user is a member but logged in before that: does not return then."""
    if os.name == "nt" or os.environ.get("SERVICELAB_REGROUPED") or not any(r.kind == "forbidden" for r in refusals):
        return
    import grp

    try:
        group = grp.getgrnam("docker")
    except KeyError:
        return
    if machine.user in group.gr_mem and group.gr_gid not in os.getgroups() and shutil.which("sg"):
        again = shlex.join([sys.executable, str(root / "start.py"), *sys.argv[1:]])
        os.execvpe("sg", ["sg", "docker", "-c", again], {**os.environ, "SERVICELAB_REGROUPED": "1"})
