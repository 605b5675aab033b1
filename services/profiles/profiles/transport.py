"""HTTP as it is spoken with our peers: the one module that knows which library carries it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

CONNECT = 0.25  # seconds: a connection takes a millisecond or never happens


class UnreachableError(Exception):
    """Nobody was there, or the connection broke before there was an answer."""


class Transport(Protocol):
    async def get(self, url: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Status and body. Raises UnreachableError. How long it may take is for its caller to say, who cancels it."""


class Http:
    """Keeps its connections open, and closes that of a call which is cancelled. Belongs to one event loop."""

    def __init__(self) -> None:
        import aiohttp  # here, so that tests of the rest need no aiohttp

        self._library = aiohttp
        self._session: aiohttp.ClientSession | None = None

    async def get(self, url: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
        if self._session is None:
            self._session = self._library.ClientSession(
                timeout=self._library.ClientTimeout(total=None, sock_connect=CONNECT),
                # Our bound is threads and deadlines; and a name is looked up for each new connection: services move.
                connector=self._library.TCPConnector(limit=0, use_dns_cache=False),
            )
        try:
            async with self._session.get(url, headers=headers, allow_redirects=False) as response:
                return response.status, await response.read()
        except self._library.ClientError as error:  # a connection that could not be made in time is one of them
            raise UnreachableError(str(error)) from error
