"""How many connections a container serves, from its own table of sockets: no password, and the same for each kind of database."""

from __future__ import annotations

COMMAND = ["cat", "/proc/net/tcp", "/proc/net/tcp6"]
"""What to run inside. Without IPv6 the second file is missing, and the first one says it all."""

ESTABLISHED, LISTEN = "01", "0A"
LOOPBACK = ("0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000")  # as the kernel writes them


def connections(table: str) -> int:
    """Connections from elsewhere to a port that is listened on; TABLE is what COMMAND printed."""
    listened: set[str] = set()
    open_to: list[str] = []
    for line in table.splitlines():
        words = line.split()
        if len(words) < 4 or words[3] not in (ESTABLISHED, LISTEN):
            continue
        (_, port), (peer, _) = words[1].split(":"), words[2].split(":")
        if words[3] == LISTEN:
            listened.add(port)
        elif peer not in LOOPBACK:
            open_to.append(port)
    return sum(port in listened for port in open_to)
