"""One request to one backend, and its answer back: streamed both ways, within a deadline, for a bounded number at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from threading import BoundedSemaphore

import urllib3
from flask import Response, request
from urllib3.exceptions import ConnectTimeoutError, HTTPError, ProtocolError, ReadTimeoutError
from urllib3.util import SKIP_HEADER

from . import connection, headers
from .backends import Backends, NoBackendError
from .errors import ApiError
from .incoming import PIECE, Body
from .logs import log
from .table import ROUTES, Route

PLACE = 0.25  # seconds that a request waits for others at the same service to end: a burst passes, a hung service is full
CHECK = urllib3.Timeout(connect=connection.CONNECT, read=1.0)  # seconds
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
# What urllib3 adds by itself, unless told not to: the client's own words go on, or none.
NOTHING_ADDED = {"accept-encoding": SKIP_HEADER, "user-agent": SKIP_HEADER}


@dataclass
class Sent:
    """A request that the backend has begun to answer."""

    response: urllib3.BaseHTTPResponse
    service: str
    url: str
    body: bytes | None  # a short one, read to its end: what breaks off in it can still become another try, or a 502


class Answer(Response):
    default_mimetype = None  # the backend says what it is, or nobody does


class Forwarder:
    def __init__(self, backends: Backends, in_flight: int) -> None:
        self._backends = backends
        self._in_flight = in_flight
        self._pools: dict[str, connection.Pool] = {}
        self._places = {route.service: BoundedSemaphore(in_flight) for route in ROUTES}

    def forward(
        self, route: Route, method: str, target: str, sent: Mapping[str, str], body: Body | None, *, within: float = 60.0
    ) -> Response:
        """The answer of the route's service to METHOD TARGET; or ApiError 502, 503, 504. WITHIN: seconds, if less than the route's."""
        until = time.monotonic() + min(route.deadline, within)
        place = self._places[route.service]
        if not place.acquire(timeout=PLACE):
            raise ApiError(503, "backend_busy", f"{route.service} has as many requests as it may have", retry_after=1)
        stream = None
        try:
            stream = Stream(self, place, route, self._ask(route, method, target, sent, body, until), until)
            return stream.answer()
        except BaseException:
            if stream is None:
                place.release()
            else:
                stream.close(ok=False)
            raise

    def _ask(self, route: Route, method: str, target: str, sent: Mapping[str, str], body: Body | None, until: float) -> Sent:
        """Send it; to another instance once more where that can do no harm: nothing was sent, or it changes nothing."""
        failed: str | None = None
        failure: ApiError | None = None
        while True:
            try:
                url = self._backends.pick(route.service, failed)
            except NoBackendError as error:
                raise failure or unavailable(route.service, error) from None
            try:
                response = self._send(url, method, target, sent, body, until - time.monotonic())
                return Sent(response, route.service, url, short_body(response, until))
            except HTTPError as error:
                self._backends.report(route.service, url, ok=False)
                failure = explain(error, route)
                harmless = failure.status == 503 or (failure.status == 502 and method in SAFE)
                if failed is not None or not harmless or not (body is None or body.again):
                    raise failure from None
                failed = url
            except BaseException:  # the client's own doing, such as half a body
                self._backends.report(route.service, url, ok=True)
                raise

    def _send(
        self, url: str, method: str, target: str, sent: Mapping[str, str], body: Body | None, left: float
    ) -> urllib3.BaseHTTPResponse:
        if left <= 0:
            raise ReadTimeoutError(self.pool(url), target, "no time left")
        added = {"x-deadline-ms": str(int(left * 1000))}
        if body is not None and body.length is not None:
            added["content-length"] = str(body.length)
        return self.pool(url).urlopen(
            method,
            target,
            body=None if body is None else body.first if body.complete else body.pieces(),
            headers=NOTHING_ADDED | dict(sent) | added,
            timeout=urllib3.Timeout(connect=min(connection.CONNECT, left), read=left),
            retries=False,
            redirect=False,
            chunked=body is not None and body.length is None,
            preload_content=False,
            decode_content=False,
        )

    def check(self, route: Route) -> Callable[[], bool]:
        """Whether an instance of the route's service says that it is well."""

        def up() -> bool:
            try:
                url = self._backends.pick(route.service)
            except NoBackendError:
                return False
            try:
                response = self.pool(url).urlopen("GET", "/health", timeout=CHECK, retries=False, redirect=False)
            except HTTPError:
                self._backends.report(route.service, url, ok=False)
                return False
            self._backends.report(route.service, url, ok=True)
            return response.status == 200

        return up

    def pool(self, url: str) -> connection.Pool:
        return self._pools.get(url) or self._pools.setdefault(url, connection.pool(url, self._in_flight))

    def done(self, sent: Sent, *, ok: bool) -> None:
        self._backends.report(sent.service, sent.url, ok=ok)


class Stream:
    """The body of an answer on its way. Whoever holds it closes it: the connection and the place are free again then."""

    def __init__(self, forwarder: Forwarder, place: BoundedSemaphore, route: Route, sent: Sent, until: float) -> None:
        self._forwarder, self._place, self._route, self._sent = forwarder, place, route, sent
        self._response = sent.response
        self._left = max(
            0.0, until - time.monotonic()
        )  # seconds that we may still wait for the backend; waiting for the client is free
        self._open = True

    def answer(self) -> Response:
        """The answer for the client: at once where it is short, else piece by piece."""
        response = self._response
        if response.status < 200:
            raise ApiError(502, "backend_failed", f"{self._route.service} answered with {response.status}")
        found = headers.back(response.headers.items(), self._route)
        if self._sent.body is None:
            if response.length_remaining is None and request.environ["SERVER_PROTOCOL"] == "HTTP/1.0":
                self.close(ok=True)
                raise ApiError(505, "http_version", "this answer comes in chunks: without HTTP/1.1 half of it would look whole")
            return Answer(self, response.status, found, content_type=None, direct_passthrough=True)
        self.close(ok=True)
        return Answer([self._sent.body], response.status, found, content_type=None, direct_passthrough=True)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        """The next piece. What goes wrong now can't be a status any more: raised, it makes gunicorn break the connection off."""
        try:
            piece = self._read(PIECE)
        except HTTPError as error:
            self.close(ok=False)
            log.warning("%s broke off in its answer: %s", self._route.service, error)
            raise BrokenAnswerError(self._route.service) from None
        if not piece:
            self.close(ok=True)
            raise StopIteration
        return piece

    def _read(self, most: int) -> bytes:
        """What is there, up to MOST bytes; none: the end, which is where it was announced."""
        started = time.monotonic()
        piece = self._response.read1(most)
        self._left -= time.monotonic() - started
        if self._left < 0 and piece:
            raise ReadTimeoutError(self._forwarder.pool(self._sent.url), "", "the answer takes longer than its deadline")
        return piece

    def close(self, ok: bool = True) -> None:
        if not self._open:
            return
        self._open = False
        if self._response.closed:  # read to its end
            self._response.release_conn()
        else:
            self._response.close()
        self._place.release()
        self._forwarder.done(self._sent, ok=ok)


class BrokenAnswerError(Exception):
    """The answer has begun and can't be ended."""


def short_body(response: urllib3.BaseHTTPResponse, until: float) -> bytes | None:
    """The whole body, where it says that it is short; else None, and nothing of it is read."""
    length = response.length_remaining  # bytes; None: chunked, or until the connection ends
    if response.status < 200 or length is None or length > PIECE:
        return None
    body = b""
    try:
        while len(body) < length:
            body += response.read1(length - len(body))
            if time.monotonic() > until:
                raise ReadTimeoutError(response._pool, "", "the answer takes longer than its deadline")
        response.drain_conn()  # of nothing: urllib3 has to see the end before the connection can be used again
    except BaseException:
        response.close()
        raise
    return body


def unavailable(service: str, why: object) -> ApiError:
    return ApiError(503, "backend_unavailable", f"{service} can't be reached", retry_after=1, why=why)


def explain(error: HTTPError, route: Route) -> ApiError:
    """503: nobody is there. 504: somebody is, and takes too long. 502: somebody is, and what they say is no answer."""
    if isinstance(error, ReadTimeoutError) or (isinstance(error, ProtocolError) and isinstance(error.args[-1], TimeoutError)):
        return ApiError(504, "backend_timeout", f"{route.service} did not answer within {route.deadline:g} s")
    if isinstance(error, ConnectTimeoutError):
        return unavailable(route.service, error)
    return ApiError(502, "backend_failed", f"{route.service} broke off, or answered with something that is not HTTP", why=error)
