"""What only the real server shows: bytes on a socket that are no good HTTP, and bodies that are larger than they should be held."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from jsonschema import Draft202012Validator

from servicelab import Stack

MEGABYTE = 1024 * 1024
BIG = 10 * MEGABYTE
STACKS = Path(__file__).parents[1] / "stacks"
CONTRACTS = Path(__file__).parents[2] / "services/gateway/contracts"

OK_HEAD = b"Host: shop\r\nConnection: close\r\n"
GET = b"GET /api/users/1 HTTP/1.1\r\n"
POST = b"POST /api/users HTTP/1.1\r\n"
SMUGGLED = b"GET /api/users/smuggled HTTP/1.1\r\nHost: shop\r\n\r\n"

MALFORMED = {
    # where a request ends: two answers to that are one request too many
    "length and chunks": POST + OK_HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "chunks and length": POST + OK_HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "two lengths": POST + OK_HEAD + b"Content-Length: 0\r\nContent-Length: 50\r\n\r\n" + SMUGGLED,
    "lengths in a list": POST + OK_HEAD + b"Content-Length: 0, 50\r\n\r\n" + SMUGGLED,
    "a negative length": POST + OK_HEAD + b"Content-Length: -1\r\n\r\n",
    "a length with a sign": POST + OK_HEAD + b"Content-Length: +5\r\n\r\nhello",
    "a length in hex": POST + OK_HEAD + b"Content-Length: 0x5\r\n\r\nhello",
    "a length with a space before its colon": POST + OK_HEAD + b"Content-Length : 5\r\n\r\nhello",
    "chunked by another name": POST + OK_HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "chunked twice": POST + OK_HEAD + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "chunked, then identity": POST + OK_HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "chunked on a folded line": POST + OK_HEAD + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "chunked with a control character": POST + OK_HEAD + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "chunks in HTTP/1.0": b"POST /api/users HTTP/1.0\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "a chunk of no size": POST + OK_HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
    "a chunk of a negative size": POST + OK_HEAD + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n",
    "a chunk longer than it says": POST + OK_HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\nhello\r\n0\r\n\r\n",
    "a chunk that never ends": POST + OK_HEAD + b"Transfer-Encoding: chunked\r\n\r\nff\r\nhello",
    "a body that ends too soon": POST + OK_HEAD + b"Content-Length: 100\r\n\r\nhello",
    # headers
    "a header on a folded line": GET + OK_HEAD + b"X-A: a\r\n b\r\n\r\n",
    "a header without a name": GET + OK_HEAD + b": a\r\n\r\n",
    "a header without a colon": GET + OK_HEAD + b"X-A\r\n\r\n",
    "a header name with a space": GET + OK_HEAD + b"X A: a\r\n\r\n",
    "a null in a header": GET + OK_HEAD + b"X-A: a\x00b\r\n\r\n",
    "a bare carriage return": GET + OK_HEAD + b"X-A: a\rX-Caller: b\r\n\r\n",
    "a bare line feed": b"GET /api/users/1 HTTP/1.1\nHost: shop\n\n",
    "no host": GET + b"Connection: close\r\n\r\n",
    "two hosts": GET + OK_HEAD + b"Host: other\r\n\r\n",
    "a host that is none": GET + b"Host: shop/evil\r\nConnection: close\r\n\r\n",
    "a header of 10,000 characters": GET + OK_HEAD + b"X-A: " + b"a" * 10_000 + b"\r\n\r\n",
    "200 headers": GET + OK_HEAD + b"".join(b"X-%d: a\r\n" % n for n in range(200)) + b"\r\n",
    # the request line
    "no version": b"GET /api/users/1\r\nHost: shop\r\n\r\n",
    "a version of the future": b"GET /api/users/1 HTTP/9.9\r\nHost: shop\r\n\r\n",
    "a space too many": b"GET  /api/users/1 HTTP/1.1\r\nHost: shop\r\n\r\n",
    "a space in the path": b"GET /api/users/1 2 HTTP/1.1\r\nHost: shop\r\n\r\n",
    "a method in small letters": b"get /api/users/1 HTTP/1.1\r\n" + OK_HEAD + b"\r\n",
    "an unknown method": b"BREW /api/users/1 HTTP/1.1\r\n" + OK_HEAD + b"\r\n",
    "TRACE": b"TRACE /api/users/1 HTTP/1.1\r\n" + OK_HEAD + b"\r\n",
    "CONNECT": b"CONNECT recorder:3001 HTTP/1.1\r\n" + OK_HEAD + b"\r\n",
    "another server's address": b"GET http://recorder:3001/users/1 HTTP/1.1\r\n" + OK_HEAD + b"\r\n",
    "a path of 10,000 characters": b"GET /api/users/" + b"a" * 10_000 + b" HTTP/1.1\r\n" + OK_HEAD + b"\r\n",
    "bytes that are no letters": b"GET /api/users/\xff\xfe HTTP/1.1\r\n" + OK_HEAD + b"\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64 + b"\r\n\r\n",
    # ways out of the route
    "dots": b"GET /api/users/../../health HTTP/1.1\r\n" + OK_HEAD + b"\r\n",
    "encoded dots": b"GET /api/users/%2e%2e/seen HTTP/1.1\r\n" + OK_HEAD + b"\r\n",
    "an encoded slash": b"GET /api/users/..%2fseen HTTP/1.1\r\n" + OK_HEAD + b"\r\n",
    "a backslash": b"GET /api/users/..\\seen HTTP/1.1\r\n" + OK_HEAD + b"\r\n",
    "encoded twice": b"GET /api/users/%252e%252e%252fseen HTTP/1.1\r\n" + OK_HEAD + b"\r\n",
    "an encoded line break": b"GET /api/users/1%0d%0aX-Caller:%20orders HTTP/1.1\r\n" + OK_HEAD + b"\r\n",
    "an encoded null": b"GET /api/users/1%00 HTTP/1.1\r\n" + OK_HEAD + b"\r\n",
    "a dot segment before the prefix": b"GET /x/../api/users/1 HTTP/1.1\r\n" + OK_HEAD + b"\r\n",
}


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    found = Stack.of(STACKS / "gateway.yaml")
    found.down(volumes=True)
    try:
        found.up()
        deadline = time.monotonic() + 120
        while not answers(found):
            assert time.monotonic() < deadline, found["gateway"].logs(tail=20)
            time.sleep(0.1)
        yield found
    finally:
        found.down(volumes=True)


def answers(stack: Stack) -> bool:
    try:
        return requests.get(stack["gateway"].url + "/api/users/1", timeout=10).ok
    except requests.RequestException:
        return False


def seen(stack: Stack) -> list[str]:
    """The request lines that reached the service."""
    return requests.get(stack["recorder"].url + "/users/seen", timeout=30).text.splitlines()


def exchange(stack: Stack, request: bytes) -> bytes:
    """All that comes back for exactly these bytes, after which the client says that it has no more."""
    host, port = stack["gateway"].url.removeprefix("http://").split(":")
    answer = b""
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        try:
            while piece := connection.recv(65536):
                answer += piece
        except ConnectionError:
            pass  # refused while it still sent: the status came before
    return answer


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_malformed_is_a_4xx_and_reaches_nobody(stack: Stack, name: str) -> None:
    before = seen(stack)
    answer = exchange(stack, MALFORMED[name])
    statuses = re.findall(rb"^HTTP/1\.[01] (\d{3})", answer, re.MULTILINE)
    assert statuses, answer[:200]
    assert all(status.startswith(b"4") for status in statuses), answer[:500]
    assert seen(stack) == before


def test_of_two_good_requests_on_one_connection_both_are_answered(stack: Stack) -> None:
    """The corpus proves little if the harness could not see what gets through."""
    before = len(seen(stack))
    answer = exchange(stack, POST + b"Host: shop\r\nContent-Length: 5\r\n\r\nhello" + GET + OK_HEAD + b"\r\n")
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert seen(stack)[before:] == ["POST /users HTTP/1.1", "GET /users/1 HTTP/1.1"]


@pytest.mark.parametrize("path", ["half", "half-chunked"])
def test_half_a_long_answer_is_never_a_whole_one(stack: Stack, path: str) -> None:
    head, _, body = exchange(stack, f"GET /api/users/{path} HTTP/1.1\r\nHost: shop\r\n\r\n".encode()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert not body.endswith(b"0\r\n\r\n")
    assert len(body) < BIG


def test_half_an_answer_in_chunks_is_nothing_for_http_1_0(stack: Stack) -> None:
    answer = exchange(stack, b"GET /api/users/half-chunked HTTP/1.0\r\nHost: shop\r\n\r\n")
    assert answer.split(b" ", 2)[1] == b"505", answer[:200]


def test_half_a_short_answer_is_a_502(stack: Stack) -> None:
    answer = requests.get(stack["gateway"].url + "/api/users/half-small", timeout=60)
    assert answer.status_code == 502
    schema = json.loads((CONTRACTS / "error.json").read_text(encoding="utf-8"))
    Draft202012Validator(schema).validate(answer.json())


def peak(stack: Stack) -> int:
    """The most memory that any process of the gateway has had so far, in bytes: the kernel's VmHWM."""
    code, text = stack["gateway"].exec(["sh", "-c", "grep -h VmHWM /proc/[0-9]*/status"])
    assert code == 0
    return max(int(kilobytes) * 1024 for kilobytes in re.findall(r"VmHWM:\s+(\d+) kB", text))


def test_ten_times_the_body_takes_no_more_memory_either_way(stack: Stack) -> None:
    url = stack["gateway"].url

    def upload(length: int) -> str:
        return requests.post(url + "/api/users", data=b"x" * length, timeout=120).text

    def download(length: int) -> int:
        with requests.get(f"{url}/api/users/pieces/{length // 65536}", stream=True, timeout=120) as answer:
            return sum(len(piece) for piece in answer.iter_content(65536))

    def four_at_a_time(length: int) -> None:
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(download, [length] * 4)) == [length] * 4
            assert list(pool.map(upload, [length] * 4)) == [str(length)] * 4

    four_at_a_time(3 * MEGABYTE)  # gunicorn reads up to a megabyte at once, and each thread keeps a buffer
    before = peak(stack)
    four_at_a_time(30 * MEGABYTE)
    grown = peak(stack) - before
    assert grown < 10 * MEGABYTE, f"{grown / 1e6:.1f} MB more for bodies that are 28 MB longer"
