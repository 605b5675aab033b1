"""Faults between two services, without a change to either: by a helper in the callee's network namespace.

The helper runs Toxiproxy before each port that the callee listens on, and a NAT rule leads the callers' new connections into it.
Connections that were open are reset, so that a pool can't go round it. Without a fault there is no helper and no rule: no cost.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import docker
from docker.models.containers import Container

from servicelab import images, settings
from servicelab.engine.spec import ONEOFF, SERVICE
from servicelab.errors import FaultError
from servicelab.faults.journal import LABEL, Record

if TYPE_CHECKING:
    from servicelab.faults.fault import Fault
    from servicelab.stack import Stack

TOOL = "shopify/toxiproxy:2.12.0"
READY = "fault active"

# $ID marks our own rules: only they are deleted again (Docker has some in here, too). $CALLERS: addresses; empty: everyone.
UNDO = """
undo() {
  for table in nat filter; do
    iptables -w -t $table -S | grep -- "servicelab-$ID" | sed 's/^-A/-D/' | while read -r rule; do iptables -w -t $table $rule; done
  done
}
"""
PARTITION = """
rule() { iptables -w -I "$@" -m comment --comment "servicelab-$ID" -j DROP; }
if [ -z "$CALLERS" ]; then rule INPUT ! -i lo; rule OUTPUT ! -o lo; fi
for address in $CALLERS; do rule INPUT -s $address; rule OUTPUT -d $address; done
"""
# /proc/net/tcp: state 0A is LISTEN; the local address 127.x.x.x ends in 7F. Proxies listen from port 20000 on.
PROXY = """
listening=$(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk '$4 == "0A" { split($2, a, ":"); if (a[1] !~ /7F$/) print a[2] }' | sort -u)
[ -n "$listening" ] || { echo "it listens on no port"; exit 3; }
api=127.0.0.1:20000
toxiproxy-server -host 127.0.0.1 -port 20000 >/tmp/toxiproxy.log 2>&1 &
until toxiproxy-cli -h http://$api list >/dev/null 2>&1; do
  kill -0 $! 2>/dev/null || { cat /tmp/toxiproxy.log; exit 4; }
  sleep 0.01
done
cli() { toxiproxy-cli -h http://$api "$@" >/dev/null || { echo "toxiproxy-cli $*: failed"; exit 5; }; }
rule() { iptables -w "$@"; }
proxy=20001
for hexadecimal in $listening; do
  port=$((0x$hexadecimal))
  cli create --listen 0.0.0.0:$proxy --upstream 127.0.0.1:$port p$port
  echo "$TOXICS" | while read -r toxic; do [ -z "$toxic" ] || cli toxic add $toxic p$port; done
  for address in ${CALLERS:-0.0.0.0/0}; do
    rule -t nat -A PREROUTING ! -i lo -p tcp -s $address --dport $port -m comment --comment "servicelab-$ID" -j REDIRECT --to-port $proxy
    rule -I INPUT ! -i lo -p tcp -s $address --dport $port -m comment --comment "servicelab-$ID" -j REJECT --reject-with tcp-reset
  done
  proxy=$((proxy + 1))
done
"""
WAIT = f"""
trap 'undo; exit 0' TERM INT
echo "{READY}"
while :; do sleep 3600 & wait $!; done
"""


def before(container: Container, fault: Fault) -> dict[str, Any]:
    """Which start of the container it is on: a restarted one has a new network namespace, without our rules."""
    return {"started": container.attrs["State"]["StartedAt"]}


def begin(stack: Stack, record: Record, fault: Fault) -> None:
    tool = _tool()
    environment = {"ID": record.id, "CALLERS": " ".join(_addresses(stack, fault)), "TOXICS": "\n".join(_toxics(fault))}
    body = PARTITION if fault.partition else PROXY
    helpers = [
        _run(stack, record, container_id, tool, UNDO + "set -e\ntrap undo EXIT\n" + body + "trap - EXIT\n" + WAIT, environment)
        for container_id in record.before
    ]
    for helper in helpers:
        _wait_active(helper, fault)


def end(stack: Stack, record: Record, fault: Fault) -> None:
    helpers = stack.client.containers.list(all=True, filters={"label": f"{LABEL}={record.id}"}, ignore_removed=True)
    for helper in helpers:
        with contextlib.suppress(docker.errors.APIError):  # it may have ended
            helper.kill(signal="SIGTERM")
    for helper in helpers:
        with contextlib.suppress(docker.errors.NotFound):
            result = helper.wait(condition="not-running")
            helper.remove(force=True)
            if result["StatusCode"] == 0:
                continue
        _sweep(stack, record)
    if not helpers:
        _sweep(stack, record)


def _sweep(stack: Stack, record: Record) -> None:
    """Delete the rules of a helper that did not do it itself, where the callee still is what it was."""
    for container_id, state in record.before.items():
        with contextlib.suppress(docker.errors.NotFound):
            container = stack.client.containers.get(container_id)
            if container.status == "running" and container.attrs["State"]["StartedAt"] == state["started"]:
                helper = _run(stack, record, container_id, _tool(), UNDO + "undo", {"ID": record.id})
                helper.wait()
                helper.remove(force=True)


def _tool() -> str:
    registry = images.ensure([TOOL], registry=settings.registry())
    return f"{registry}/{TOOL}"


def _run(stack: Stack, record: Record, container_id: str, tool: str, script: str, environment: dict[str, str]) -> Container:
    labels = stack._engine.labels | {LABEL: record.id, SERVICE: "fault", ONEOFF: "True"}
    return stack.client.containers.run(
        tool,
        entrypoint=["sh", "-c", script],
        user="0",
        environment=environment,
        network_mode=f"container:{container_id}",
        cap_drop=["ALL"],
        cap_add=["NET_ADMIN", "NET_RAW"],
        init=True,
        labels=labels,
        detach=True,
    )


def _wait_active(helper: Container, fault: Fault) -> None:
    for line in helper.logs(stream=True, follow=True):
        if READY.encode() in line:
            return
    raise FaultError(
        f"the fault could not begin: {fault}",
        why=helper.logs().decode("utf-8", "replace")[-500:],
        fix="does this engine's kernel have iptables' nat table? `servicelab doctor`",
    )


def _toxics(fault: Fault) -> list[str]:
    """Arguments of `toxiproxy-cli toxic add`, a line each. Toxiproxy counts in milliseconds and in KB/s."""
    found = []
    if fault.latency is not None:
        jitter = f" -a jitter={fault.jitter * 1000:.0f}" if fault.jitter else ""
        found.append(f"-t latency -a latency={fault.latency * 1000:.0f}{jitter}")
    if fault.bandwidth is not None:
        found.append(f"-t bandwidth -a rate={max(1, fault.bandwidth // 1024)}")
    if fault.reset is not None:
        found.append(f"-t reset_peer -a timeout={fault.reset * 1000:.0f}")
    if fault.timeout is not None:
        found.append(f"-t timeout -a timeout={fault.timeout * 1000:.0f}")
    return found


def _addresses(stack: Stack, fault: Fault) -> list[str]:
    """Where the callers' packets come from."""
    found = []
    for name in fault.callers:
        if name == "edge":  # through a published port they come from the gateway of one of the callee's networks
            endpoints = [e for c in stack[fault.service].containers for e in _endpoints(c)]
            found += [endpoint["Gateway"] for endpoint in endpoints if endpoint.get("Gateway")]
        else:
            found += [e["IPAddress"] for c in stack[name].containers for e in _endpoints(c) if e.get("IPAddress")]
    if fault.callers and not found:
        raise FaultError(f"{' and '.join(fault.callers)} have no address", why="they don't run", fix="start them first")
    return sorted(set(found))


def _endpoints(container: Container) -> list[dict[str, Any]]:
    return list(container.attrs["NetworkSettings"]["Networks"].values())
