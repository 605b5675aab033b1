"""What can't be sent is refused before a process is started, and what a response ends with is read byte by byte."""

from __future__ import annotations

import random
from typing import Any

import pytest

from servicelab.traffic import TrafficError
from servicelab.traffic.plan import Plan, make_plan
from servicelab.traffic.response import ProtocolError, ResponseReader
from servicelab.traffic.wire import Template

URL = "http://127.0.0.1:8000/"


@pytest.mark.parametrize(
    ("target", "options", "message"),
    [
        (URL, {"rate": 0}, "rate=0"),
        (URL, {"rate": float("nan")}, "rate=nan"),
        (URL, {"seconds": -1}, "seconds=-1"),
        (URL, {"rate": 100_000, "seconds": 3600}, "too many"),
        (URL, {"timeout": 0}, "timeout=0"),
        (URL, {"connections": 0}, "connections=0"),
        (URL, {"arrivals": "gauss"}, "arrivals='gauss'"),
        (URL, {"method": "BREW"}, "unknown method 'BREW'"),
        (URL, {"headers": {"X-A": "1\r\nX-B: 2"}}, "'X-A'"),
        ("https://127.0.0.1/", {}, "plain HTTP"),
        ("http://127.0.0.1:99999/", {}, "can't send to"),
        ("/users", {}, "can't send to '/users'"),
        (URL + "a b", {}, "can't send to"),
        ([], {}, "no URL"),
        ({}, {}, "sends nothing"),
        ({"GET /": 0}, {"base": URL}, "sends nothing"),
        ({"GET /": -1, "GET /a": 2}, {"base": URL}, "sends nothing"),
        (URL + "{user}", {}, "{user}"),
        (URL + "{id}", {"ids": range(0)}, "nothing to draw from"),
    ],
)
def test_refuses_what_cannot_be_sent(target: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(TrafficError, match=message.replace("{", r"\{")):
        make_plan(target, **{"rate": 10, "seconds": 1} | options)


def test_a_plan_survives_the_pipe() -> None:
    plan = make_plan(
        {"GET /users/{id}": 0.7, "POST http://127.0.0.1:1/{k}": 0.3}, base=[URL, "http://127.0.0.1:9"], rate=10, seconds=None,
        body={"name": "Ä"}, ids={"id": range(1, 3), "k": range(7, 8)},
    )  # fmt: skip
    assert Plan.from_json(plan.to_json()) == plan
    assert [request.name for request in plan.requests] == ["GET /users/{id}", "POST /{k}"]
    assert plan.requests[0].urls == ("http://127.0.0.1:8000/users/{id}", "http://127.0.0.1:9/users/{id}")
    assert plan.requests[0].body == ""


def test_fills_in_placeholders_and_the_length() -> None:
    plan = make_plan("http://h:8/a/{id}", method="PUT", body='{"key": "{n}", "other": {}}', rate=1, seconds=1, ids=range(4, 5))
    method, wire = Template(plan.requests[0], plan.requests[0].urls[0]).render(123, random.Random(1), plan.ids)
    head, _, body = wire.partition(b"\r\n\r\n")
    assert method == "PUT"
    assert head.startswith(b"PUT /a/4 HTTP/1.1\r\nHost: h:8\r\n")
    assert head.endswith(b"Content-Length: 27")
    assert body == b'{"key": "123", "other": {}}'


@pytest.mark.parametrize(
    ("method", "wire", "status", "keep_alive"),
    [
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", 200, True),
        ("GET", b"HTTP/1.1 200 OK\r\nConnection: close\r\ncontent-length: 0\r\n\r\n", 200, False),
        ("GET", b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", 200, False),
        ("HEAD", b"HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\n", 404, True),
        ("GET", b"HTTP/1.1 304 Not Modified\r\n\r\n", 304, True),
        ("GET", b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 204 No\r\n\r\n", 204, True),
        ("GET", b"HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n", 503, True),
        ("GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Sum: 1\r\n\r\n", 200, True),
    ],
)
def test_a_response_ends_where_it_ends_however_it_is_cut(method: str, wire: bytes, status: int, keep_alive: bool) -> None:
    for size in (1, 2, 7, len(wire)):
        reader = ResponseReader(method)
        pieces = [wire[i : i + size] for i in range(0, len(wire), size)]
        assert [reader.feed(piece) for piece in pieces] == [False] * (len(pieces) - 1) + [True]
        assert (reader.status, reader.keep_alive) == (status, keep_alive)


@pytest.mark.parametrize(
    "wire",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        b"x" * 70_000,
    ],
)
def test_what_is_no_response_is_said_to_be_none(wire: bytes) -> None:
    with pytest.raises(ProtocolError):
        ResponseReader().feed(wire)
