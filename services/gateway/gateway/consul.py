"""Consul, as far as a caller needs it: which instances of a service pass their check, and when that changes."""

from __future__ import annotations

import urllib3

CONNECT = 0.25  # seconds
ANSWER = 2.0  # seconds that Consul may take beyond the wait that it was asked for


class Consul:
    def __init__(self, url: str) -> None:
        self._url = url
        self._pool = urllib3.PoolManager(maxsize=1, retries=False)

    def passing(self, service: str, index: int = 0, wait: int = 30) -> tuple[list[str], int]:
        """The URLs of the instances whose check passes, and the index of this answer.

        A blocking query: with the INDEX of the last answer it comes when something has changed since, or after WAIT seconds (Consul
        adds up to a sixteenth, so that not all callers come back at once). Raises urllib3's HTTPError, or ValueError for an answer
        that is none.
        """
        response = self._pool.request(
            "GET",
            f"{self._url}/v1/health/service/{service}",
            fields={"passing": "1", "index": str(index), "wait": f"{wait}s"},
            timeout=urllib3.Timeout(connect=CONNECT, read=wait + wait / 16 + ANSWER),
        )
        if response.status != 200:
            raise ValueError(f"it answered {response.status}")
        try:
            services = [entry["Service"] for entry in response.json()]
            urls = [f"http://{service['Address']}:{service['Port']}" for service in services]
            answered = int(response.headers["X-Consul-Index"])
        except (KeyError, TypeError) as error:
            raise ValueError(f"its answer has no {error}") from None
        # Consul's rules: one that goes backwards is no index to wait for, and 0 would not wait at all.
        return urls, max(1, answered) if answered >= index else 0
