"""Commands to paste, as this operating system takes them: what the doctor's fixes are made of. On Windows: PowerShell."""

from __future__ import annotations

from collections.abc import Sequence

from servicelab_start.endpoints import Endpoint, Refusal
from servicelab_start.machine import Machine

DESKTOPS = ("darwin", "win32")  # the engine is in a virtual machine, which a program with windows manages


def start_py(machine: Machine) -> str:
    return "py start.py" if machine.system == "win32" else "python3 start.py"


def as_root(machine: Machine) -> str:
    """What stands before a command that needs root."""
    return "" if machine.root else "sudo " if machine.sudo else "as root: "


def _root_in_a_line(machine: Machine) -> tuple[str, str]:
    """What stands before a line of several commands, and before each of them."""
    root = as_root(machine)
    return (root, "") if root.endswith(": ") else ("", root)


def unset(machine: Machine, *names: str) -> str:
    if machine.system == "win32":
        return "Remove-Item " + ", ".join(f"Env:{name}" for name in names)
    return f"unset {' '.join(names)}"


def export(machine: Machine, name: str, value: str) -> str:
    return f'$Env:{name} = "{value}"' if machine.system == "win32" else f"export {name}={value}"


def restart_engine(machine: Machine, endpoint: Endpoint, *, remote: bool = False) -> str:
    """Also for one that hangs."""
    known = f"{endpoint.host} {endpoint.source}".lower()
    if remote:
        return "on its machine: sudo systemctl restart docker"
    for name, command in (
        ("colima", "colima restart"),
        ("orbstack", "orb restart docker"),
        ("rancher", "rdctl shutdown; rdctl start"),
        ("/.rd/", "rdctl shutdown; rdctl start"),
    ):
        if name in known:
            return command
    if "podman" in known:
        if machine.system in DESKTOPS:
            return "podman machine stop; podman machine start"
        return (
            "systemctl --user restart podman.socket"
            if "/user/" in known
            else as_root(machine) + "systemctl restart podman.socket"
        )
    if machine.system in DESKTOPS or "desktop" in known:
        return "docker desktop restart   (or Restart in the menu of Docker Desktop)"
    if "/user/" in known:
        return "systemctl --user restart docker"
    if machine.systemd:
        return as_root(machine) + "systemctl restart docker"
    if machine.system == "alpine":
        return as_root(machine) + "rc-service docker restart"
    return as_root(machine) + f'kill -9 "$(cat /var/run/docker.pid)"; {start_py(machine)}'  # one that is stopped takes no other


def join_group(machine: Machine) -> str:
    """So that this user may use the engine's socket."""
    if machine.system == "win32":
        return 'as Administrator: net localgroup docker-users "$Env:USERNAME" /add; then log out and in again'
    if machine.system == "darwin":
        return "open -a Docker   (as yourself: the one that runs is another user's)"
    add = "addgroup {} docker" if machine.system == "alpine" else "usermod -aG docker {}"
    command = as_root(machine) + add.format(machine.user or '"$USER"')
    return f"{command}; then log out and in again (or: newgrp docker)\nWhoever is in that group can become root."


def way_in(machine: Machine, refusals: Sequence[Refusal]) -> str:
    """The fix for the first refusal that installing an engine would not mend; "" where start.py's own words say it."""
    for refusal in refusals:
        variable, endpoint = refusal.endpoint.source.partition("=")[0], refusal.endpoint
        if refusal.kind == "unsupported":
            return ""
        if refusal.kind == "forbidden":
            return join_group(machine)
        if refusal.kind == "timeout":
            return restart_engine(machine, endpoint, remote=endpoint.host.startswith(("tcp:", "http")))
        if variable in ("DOCKER_HOST", "DOCKER_CONTEXT"):
            back = f"{unset(machine, variable)}   (uses the engine of this machine"
            return f"{back}; {start_py(machine)} starts it), or start the one that it names"
    return ""


def more_memory(machine: Machine, endpoint: Endpoint | None) -> str:
    known = f"{endpoint.host} {endpoint.source}".lower() if endpoint else ""
    if "colima" in known:
        return "colima stop; colima start --memory 4"
    if machine.system == "win32":
        return 'Add-Content "$Env:USERPROFILE\\.wslconfig" "[wsl2]`nmemory=4GB"; wsl --shutdown; then start Docker Desktop again'
    if machine.system == "darwin":
        return "Docker Desktop: Settings, Resources, Memory: 4 GB or more, Apply & restart"
    return "end other programs, or: servicelab down   (removes all stacks of yours; `servicelab ps` shows everybody's)"


def cgroups(machine: Machine, endpoint: Endpoint | None, *, rootless: bool) -> str:
    """So that limits of memory and CPU hold."""
    first, root = _root_in_a_line(machine)
    if machine.system in DESKTOPS and endpoint:
        return "update the program that the engine belongs to, then: " + restart_engine(machine, endpoint)
    if rootless:
        return (
            f"{first}{root}mkdir -p /etc/systemd/system/user@.service.d; printf '[Service]\\nDelegate=cpu cpuset io memory pids\\n' | "
            f"{root}tee /etc/systemd/system/user@.service.d/delegate.conf; {root}systemctl daemon-reload; then log out and in again"
        )
    if machine.system == "debian":
        line = 'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX cgroup_enable=memory swapaccount=1"'
        return (
            f"{first}echo '{line}' | {root}tee /etc/default/grub.d/servicelab.cfg; {root}update-grub; {root}reboot\n"
            f"(a Raspberry Pi: {root}sed -i 's/$/ cgroup_enable=memory/' /boot/firmware/cmdline.txt; {root}reboot)"
        )
    return "add cgroup_enable=memory to the kernel's command line in the boot loader's settings, and reboot"


def loopback(machine: Machine) -> str:
    """So that a port on 127.0.0.1 can be had and reached."""
    first, root = _root_in_a_line(machine)
    if machine.system == "win32":
        return "as Administrator: New-NetFirewallRule -DisplayName loopback -Direction Inbound -RemoteAddress 127.0.0.1 -Action Allow"
    if machine.system == "darwin":
        return "allow Python in System Settings, Network, Firewall; and in whatever security software is here, connections to 127.0.0.1"
    pass_it = f"{root}iptables -I INPUT -i lo -j ACCEPT; {root}iptables -I OUTPUT -o lo -j ACCEPT"
    return f"let the firewall pass it: {first}{root}ip link set lo up; {pass_it}"
