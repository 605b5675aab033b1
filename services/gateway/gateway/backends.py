"""Where the services are. Here: at the addresses in the environment, for as long as we run.

Another way to find them is another class with these two methods: it may give out one of several instances at a time, and learns
from ``report`` which of them do not answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class NoBackendError(Exception):
    """There is no instance of this service to send a request to."""


class Backends(Protocol):
    def pick(self, service: str, avoid: str | None = None) -> str:
        """The base URL (http://host:port) of the instance of SERVICE that is to get the next request.

        AVOID: one that has just failed: it must be another. Raises NoBackendError where there is none. Called by several
        threads, once for each request and once more where that is sent again. It must not block.
        """
        ...

    def report(self, service: str, url: str, *, ok: bool) -> None:
        """What became of a request to the instance that ``pick`` gave: exactly once for each pick, at the end of the request.

        OK: it answered, with whatever status. Not ok: it could not be reached, broke off, or took longer than the deadline.
        """
        ...


class StaticBackends:
    def __init__(self, urls: Mapping[str, str]) -> None:
        self._urls = dict(urls)

    def pick(self, service: str, avoid: str | None = None) -> str:
        url = self._urls.get(service)
        if url is None or url == avoid:
            raise NoBackendError(f"there is no other {service}" if url else f"nobody has told where {service} is")
        return url

    def report(self, service: str, url: str, *, ok: bool) -> None:
        pass
