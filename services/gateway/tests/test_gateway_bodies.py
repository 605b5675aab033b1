"""Bodies go through in pieces, both ways, and what the client gets wrong ends at the gateway."""

import io

import pytest

BIG = 10 * 1024 * 1024


class Counted(io.RawIOBase):
    """A body made up as it is read, never by more than a piece at a time."""

    def __init__(self, length):
        super().__init__()
        self.left = length

    def read(self, size=-1):
        assert 0 < size <= 256 * 1024, "a body is never read as a whole"
        size = min(size, self.left)
        self.left -= size
        return b"x" * size


def sent(stream, length=None):
    """What the server hands over for a body: of this length, or in chunks."""
    framing = {"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": ""} if length is None else {"CONTENT_LENGTH": str(length)}
    return {"wsgi.input": stream, "wsgi.input_terminated": True, **framing}


@pytest.mark.parametrize("length", [BIG, None])
def test_a_long_body_goes_on_in_pieces(client, backend, length):
    answer = client.post("/api/users", environ_overrides=sent(Counted(BIG), length))
    assert (answer.status_code, answer.json["length"]) == (200, BIG)


def test_a_long_answer_comes_back_in_pieces(client, backend):
    backend.answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % BIG + b"x" * BIG
    answer = client.get("/api/users/1")
    pieces = [len(piece) for piece in answer.response]
    assert sum(pieces) == BIG
    assert max(pieces) <= 64 * 1024


def test_an_answer_is_passed_on_as_it_is_compressed_or_not(client, backend):
    backend.answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 8\r\n\r\nnot gzip"
    answer = client.get("/api/users/1")
    assert (answer.data, answer.headers["Content-Encoding"]) == (b"not gzip", "gzip")


def test_head_has_a_length_and_no_body(client, backend):
    backend.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
    answer = client.head("/api/users/1")
    assert (answer.status_code, answer.headers["Content-Length"], answer.data) == (200, "5", b"")


@pytest.mark.parametrize("length", [1000, 200_000])
def test_half_a_body_is_a_400_and_not_taken_for_a_whole_one(client, backend, length):
    answer = client.post("/api/users", environ_overrides=sent(io.BytesIO(b"x" * (length - 1)), length))
    assert (answer.status_code, answer.json["error"]["field"]) == (400, "body")
    assert client.get("/api/users/1").status_code == 200
    # A short one has not been sent on at all; of a long one the service saw the beginning, and then a broken connection.
    posts = [len(each["body"]) for each in backend.seen if each["method"] == "POST"]
    assert not posts or length > 64 * 1024
    assert all(came < length for came in posts)


def test_a_body_that_is_too_long_is_a_413(gateway, backend):
    client = gateway(max_body=100_000)
    assert client.post("/api/users", data=b"x" * 100_001).status_code == 413
    assert client.post("/api/users", environ_overrides=sent(Counted(BIG))).status_code == 413
    assert not backend.seen
    assert client.post("/api/users", data=b"x" * 100_000).status_code == 200
