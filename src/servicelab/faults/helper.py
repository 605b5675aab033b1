"""Runs inside a helper container, in the callee's network namespace: sets the rules of one fault, and deletes them at SIGTERM.

Standard library only, and nothing of Servicelab: `network.py` hands this file's text to the container's Python. From the environment:
ID marks the rules as ours (Docker has some in here, too); CALLERS are addresses (empty: everyone); TOXICS is JSON, or empty: then
every packet is lost. With ``undo`` as its argument it only deletes what an earlier helper of that ID left.
"""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

API = "http://127.0.0.1:20000"  # Toxiproxy beside us; its proxies listen on the ports after that
WAIT = 10.0  # seconds for Toxiproxy's first answer
COMMENT = f"servicelab-{os.environ['ID']}"


def iptables(*words: str) -> str:
    result = subprocess.run(["iptables", "-w", *words], capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"iptables {' '.join(words)}: {result.stderr.strip()}")
    return result.stdout


def undo() -> None:
    for table in ("filter", "nat"):  # the other way round, a new connection would meet the rule that resets old ones
        for rule in iptables("-t", table, "-S").splitlines():
            if COMMENT in rule:
                iptables("-t", table, "-D", *rule.split()[1:])


def listening() -> Iterator[int]:
    """Ports that somebody listens on, other than on loopback alone."""
    found = set()
    for table in ("tcp", "tcp6"):
        path = Path("/proc/net", table)
        for line in path.read_text().splitlines()[1:] if path.exists() else []:
            address, port = line.split()[1].split(":")
            if line.split()[3] == "0A" and not address.endswith("7F") and address != "00000000000000000000000001000000":
                found.add(int(port, 16))
    return iter(sorted(found))


def ask(path: str, body: object) -> None:
    request = urllib.request.Request(API + path, json.dumps(body).encode(), {"User-Agent": "servicelab"})  # noqa: S310 (loopback)
    until = time.monotonic() + WAIT
    while True:
        try:
            urllib.request.urlopen(request, timeout=5).close()  # noqa: S310
            return
        except urllib.error.HTTPError as error:
            sys.exit(f"Toxiproxy refused {path}: {error.read().decode()}")
        except OSError:
            if time.monotonic() > until:
                sys.exit("Toxiproxy does not answer")
            time.sleep(0.01)


def lead_through_proxies(callers: list[str], toxics: list[object]) -> None:
    ports = list(listening())
    if not ports:
        sys.exit("it listens on no port")
    for number, port in enumerate(ports, 20001):
        name = f"port-{port}"
        ask("/proxies", {"name": name, "listen": f"0.0.0.0:{number}", "upstream": f"127.0.0.1:{port}"})
        for toxic in toxics:
            ask(f"/proxies/{name}/toxics", toxic)
        for caller in callers or ["0.0.0.0/0"]:
            match = ["!", "-i", "lo", "-p", "tcp", "-s", caller, "--dport", str(port), "-m", "comment", "--comment", COMMENT]
            iptables("-t", "nat", "-A", "PREROUTING", *match, "-j", "REDIRECT", "--to-port", str(number))
            # what was open before goes round the rule above: reset it, and it is opened anew
            iptables("-I", "INPUT", *match, "-j", "REJECT", "--reject-with", "tcp-reset")


def lose_all(callers: list[str]) -> None:
    mark = ["-m", "comment", "--comment", COMMENT, "-j", "DROP"]
    for caller in callers or ["0.0.0.0/0"]:
        iptables("-I", "INPUT", "!", "-i", "lo", "-s", caller, *mark)
        iptables("-I", "OUTPUT", "!", "-o", "lo", "-d", caller, *mark)


def main() -> None:
    if sys.argv[1:] == ["undo"]:
        undo()
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # it is waited for below, once all is set
    callers = os.environ["CALLERS"].split()
    try:
        if os.environ["TOXICS"]:
            lead_through_proxies(callers, json.loads(os.environ["TOXICS"]))
        else:
            lose_all(callers)
        print("active", flush=True)
        signal.sigwait({signal.SIGTERM})
    finally:
        undo()


main()
