"""Other services, asked over HTTP. Each can be slow, wrong or gone, and none of that may take us with it."""

from __future__ import annotations

from typing import Any

import urllib3
from flask import g

from . import deadline
from .errors import ApiError

# Seconds. A connection takes a millisecond or never happens; an answer may take work.
TIMEOUT = urllib3.Timeout(connect=0.25, read=2.0)


class Peer:
    def __init__(self, name: str, url: str) -> None:
        self.name = name
        self._url = url
        self._pool = urllib3.PoolManager(timeout=TIMEOUT, retries=False, maxsize=4, block=True)

    def get(self, path: str, fields: tuple[str, ...]) -> dict[str, Any] | None:
        """These fields of the JSON at ``path``, or None where the peer says 404. Anything else is an ApiError of 502 to 504.

        What we don't ask for is left out: a peer may add to its answers whatever it likes, and we pass none of it on unseen.
        """
        patience = deadline.left(TIMEOUT.read_timeout)
        headers = {
            "X-Request-ID": g.request_id,
            "X-Caller": str(__package__),
            deadline.HEADER: str(round(1000 * patience)),  # so that nobody works for us when we have stopped waiting
        }
        timeout = urllib3.Timeout(connect=min(TIMEOUT.connect_timeout, patience), read=patience)
        try:
            response = self._pool.request("GET", self._url + path, headers=headers, timeout=timeout)
            if response.status == 404:
                return None
            if response.status == 200:
                found = response.json()
                return {field: found[field] for field in fields}
        except urllib3.exceptions.ReadTimeoutError:
            raise ApiError(504, "peer_timeout", f"{self.name} did not answer within {patience:.1f} s") from None
        except urllib3.exceptions.HTTPError:
            raise ApiError(503, "peer_unavailable", f"{self.name} can't be reached") from None
        except ValueError:
            raise ApiError(502, "peer_failed", f"{self.name} answered with something that is not JSON") from None
        except (KeyError, TypeError):
            raise ApiError(502, "peer_failed", f"{self.name} answered without {', '.join(fields)}") from None
        raise ApiError(502, "peer_failed", f"{self.name} answered with {response.status}")
