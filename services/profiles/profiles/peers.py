"""Other services, asked over HTTP. Each can be slow, wrong or gone, and none of that may take us with it."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from typing import Any

from .deadline import HEADER, DeadlinePassedError
from .errors import ApiError
from .spare import Spare
from .transport import Transport, UnreachableError


@dataclass(frozen=True)
class Ask:
    """For which request we call, and until when (as time.monotonic() counts) its answer is of any use."""

    request_id: str
    until: float

    def left(self) -> float:
        """Seconds. Raises DeadlinePassedError when there are none."""
        seconds = self.until - time.monotonic()
        if seconds <= 0:
            raise DeadlinePassedError
        return seconds


class PeerError(ApiError):
    """``may_pass``: the same call again may do better."""

    def __init__(self, status: int, code: str, message: str, *, may_pass: bool = False) -> None:
        super().__init__(status, code, message)
        self.may_pass = may_pass


class Peer:
    def __init__(self, name: str, url: str, transport: Transport) -> None:
        self.name = name
        self._url = url
        self._transport = transport
        self._spare = Spare()

    async def get(self, path: str, fields: tuple[str, ...], ask: Ask, *, spare: bool = True) -> dict[str, Any] | None:
        """These fields of the JSON at ``path``, or None where the peer says 404. Anything else is a PeerError of 502 to 504.

        With ``spare``, a call that fails or is late may be made a second time: GET changes nothing, twice is as good as once.
        """

        async def call() -> dict[str, Any] | None:
            return await self._once(path, fields, ask)

        try:
            async with asyncio.timeout_at(ask.until):  # all of it, the second call too: the loop's clock is time.monotonic()
                return await (self._spare.first_answer(call) if spare else call())
        except TimeoutError:
            raise PeerError(504, "peer_timeout", f"{self.name} did not answer in time") from None

    async def _once(self, path: str, fields: tuple[str, ...], ask: Ask) -> dict[str, Any] | None:
        headers = {
            "X-Request-ID": ask.request_id,
            "X-Caller": str(__package__),
            HEADER: str(round(1000 * ask.left())),  # so that nobody works for us when we have stopped waiting
        }
        try:
            status, body = await self._transport.get(self._url + path, headers)
        except UnreachableError:
            raise PeerError(503, "peer_unavailable", f"{self.name} can't be reached", may_pass=True) from None
        if status == 404:
            return None
        if status != 200:
            raise PeerError(502, "peer_failed", f"{self.name} answered with {status}", may_pass=status == 503)
        try:
            return reduced(json.loads(body), fields)
        except (ValueError, KeyError, TypeError):
            raise PeerError(502, "peer_failed", f"{self.name} answered without {', '.join(fields)}") from None


def reduced(found: dict[str, Any], fields: tuple[str, ...]) -> dict[str, Any]:
    """What we asked for, and nothing else: a peer may add to its answers whatever it likes."""
    return {field: found[field] for field in fields}
