"""Who a request is from. Anybody can write X-Forwarded-For: it counts only as far as programs that we trust have written it."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network


class Clients:
    def __init__(self, trusted: tuple[IPv4Network | IPv6Network, ...]) -> None:
        self._trusted = trusted
        self.find = lru_cache(maxsize=4096)(self._find)  # the same few clients, again and again

    def trusts(self, address: str) -> bool:
        try:
            given = ip_address(address)
        except ValueError:
            return False
        return any(given in network for network in self._trusted)

    def _find(self, peer: str, forwarded: str) -> tuple[str, str]:
        """The client's address, and the X-Forwarded-For that we send on.

        PEER is who the connection is from; FORWARDED is the header as it came. Each proxy appends whom it got the request from, so
        it is read from the right: the first address that is no trusted proxy's is the client. What is left of it may be a lie.
        """
        client, chain = peer, [peer]
        for hop in reversed(forwarded.split(",") if forwarded else []):
            hop = hop.strip()
            if not self.trusts(client) or not is_address(hop):
                break
            client = hop
            chain.insert(0, hop)
        return client, ", ".join(chain)


def is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def bucket(client: str) -> str:
    """Whose requests are counted together: an IPv6 client has a whole /64 to itself, and could come from a new address each time."""
    return str(ip_network(f"{client}/64", strict=False)) if ":" in client and "%" not in client else client
