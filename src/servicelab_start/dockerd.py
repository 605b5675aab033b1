"""dockerd: started with systemd or in the background, and what its log means when it doesn't start."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from servicelab_start.endpoints import DEFAULT, Answer, Endpoint, Refusal, ping
from servicelab_start.machine import Machine, dockerd_path
from servicelab_start.steps import CommandError, Say, Steps, Trouble

STARTS_WITHIN = 60.0  # seconds from starting dockerd to its first answer


def start(
    machine: Machine,
    root: Path,
    steps: Steps,
    say: Say,
    *,
    ask: Callable[[Endpoint], Answer | Refusal] = ping,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> Answer | Refusal:
    """Start dockerd and wait for its first answer, which may be that we may not use it.

    Raises ``Trouble`` with its last log lines where none comes.
    """
    log = root / ".servicelab" / "dockerd.log"
    say("starting dockerd")
    try:
        if machine.systemd:
            steps.run([*machine.as_root, "systemctl", "start", "docker"], say)
        elif not dockerd_alive():  # the package's own script may have started it
            log.parent.mkdir(parents=True, exist_ok=True)
            steps.run(background_command(machine, log), say)
    except CommandError as failure:
        tail = failure.output + "\n" + _log_of(machine, log)
        raise Trouble("The Docker engine could not be started.", engine_fix(tail), detail=_last(tail)) from failure
    end = clock() + STARTS_WITHIN
    reply = ask(Endpoint(DEFAULT, "just started"))
    while not isinstance(reply, Answer):
        if reply.kind == "forbidden":  # it runs; who may use it is the next question
            return reply
        dead = not machine.systemd and clock() > end - STARTS_WITHIN + 5 and not dockerd_alive()
        if clock() > end or dead:
            tail = _log_of(machine, log)
            what = "stopped again" if dead else f"did not answer within {STARTS_WITHIN:g} s"
            raise Trouble(f"The Docker engine {what}.", engine_fix(tail), detail=_last(tail))
        say("waiting for the engine's first answer")
        pause(0.2)
        reply = ask(Endpoint(DEFAULT, "just started"))
    return reply


# dockerd refuses to start over the pid file of a killed one once that number belongs to another program.
_DROP_STALE = """drop_stale() {
    if [ -f "$1" ] && [ "$(cat /proc/"$(cat "$1")"/comm 2>/dev/null)" != "$2" ]; then rm -f "$1"; fi
}
"""


def background_command(machine: Machine, log: Path) -> list[str]:
    """dockerd in a session of its own, so that Ctrl-C here does not reach it.

    Its socket goes to the user's own group: a new membership would only count after the next login.
    """
    group = "" if machine.root else f" --group {os.getgid()}"
    script = (
        _DROP_STALE + "drop_stale /var/run/docker.pid dockerd\n"
        "drop_stale /var/run/docker/containerd/containerd.pid containerd\n"
        f'setsid {dockerd_path() or "dockerd"}{group} >>"$1" 2>&1 </dev/null &\n'
        'echo $! >"$1.pid"\n'
    )
    return [*machine.as_root, "sh", "-c", script, "sh", str(log)]


def dockerd_alive(pid_file: Path = Path("/var/run/docker.pid"), proc: Path = Path("/proc")) -> bool:
    """Does the dockerd that wrote its pid file still run?"""
    try:
        return (proc / pid_file.read_text().strip() / "comm").read_text().strip() == "dockerd"
    except OSError:
        return False


def _log_of(machine: Machine, log: Path) -> str:
    if machine.systemd:
        command = [*machine.as_root, "journalctl", "-u", "docker", "-n", "15", "--no-pager", "-o", "cat"]
        try:
            return subprocess.run(command, capture_output=True, text=True, timeout=20).stdout
        except (OSError, subprocess.SubprocessError):
            return ""
    try:
        return "\n".join(log.read_text("utf-8", "replace").splitlines()[-15:])
    except OSError:
        return ""


def _last(text: str, lines: int = 8) -> str:
    return "\n".join(text.strip().splitlines()[-lines:])


def engine_fix(log: str) -> str:
    """The likely way out, by what dockerd wrote."""
    hints = [
        (r"sudo: .*(password|terminal)", "sudo asks for a password: run this in a terminal, or run it as root."),
        (r"[Nn]o space left", "the disk is full: make room under /var/lib/docker, then run this again."),
        (
            r"nf_tables.*(Could not fetch|incompatible)|iptables.*(No chain|Table does not exist|can't initialize)",
            "as root: update-alternatives --set iptables /usr/sbin/iptables-legacy, then run this again.",
        ),
        (r"iptables.*(not found|no such file)", "as root: apt-get install iptables, then run this again."),
        (
            r"cgroup.*(not|no )|Devices cgroup",
            "this container has no writable cgroups: run it with --privileged, "
            "or give it the host's engine (-v /var/run/docker.sock:/var/run/docker.sock).",
        ),
        (
            r"[Oo]peration not permitted|[Pp]ermission denied",
            "this looks like a container without the rights that an engine "
            "needs: run it with --privileged, or give it the host's engine (-v /var/run/docker.sock:/var/run/docker.sock).",
        ),
        (r"pid file found|process with PID .* is still running", "another dockerd runs: end it, then run this again."),
        (r"overlay.*not supported|driver not supported", 'as root, write {"storage-driver": "vfs"} to /etc/docker/daemon.json.'),
    ]
    for pattern, fix in hints:
        if re.search(pattern, log):
            return fix
    return "run `dockerd` as root by hand and read its last lines."
