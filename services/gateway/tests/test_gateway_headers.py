"""What goes on to a service, and what comes back to the client."""

import pytest


def test_what_is_about_one_connection_stays_behind(client, backend):
    headers = {
        "Connection": "keep-alive, X-Secret-Hop",
        "X-Secret-Hop": "1",
        "Keep-Alive": "timeout=5",
        "Proxy-Authorization": "Basic abc",
        "Proxy-Connection": "keep-alive",
        "TE": "trailers",
        "Trailer": "Expires",
        "Upgrade": "h2c",
        "Accept-Language": "de",
        "Authorization": "Bearer mine",
    }
    assert client.get("/api/users/1", headers=headers).status_code == 200
    came = backend.seen[0]["headers"]
    assert came["accept-language"] == "de"
    assert came["authorization"] == "Bearer mine"
    gone = {name.lower() for name in headers} - {"accept-language", "authorization"}
    assert not gone & set(came)


def test_nothing_that_the_client_did_not_say_is_added_in_its_name(client, backend):
    client.get("/api/users/1", headers={"User-Agent": "mine"})
    assert backend.seen[0]["headers"]["user-agent"] == "mine"
    assert "accept-encoding" not in backend.seen[0]["headers"]


def test_a_client_can_not_say_what_only_the_gateway_says(client, backend):
    lies = {
        "X-Forwarded-For": "6.6.6.6",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Prefix": "/evil",
        "X-Forwarded-Ssl": "on",
        "Forwarded": "for=6.6.6.6",
        "X-Real-IP": "6.6.6.6",
        "X-Caller": "orders",
        "X-Deadline-Ms": "999999999",
    }
    client.get("/api/users/1", headers=lies)
    came = backend.seen[0]["headers"]
    assert not {"forwarded", "x-real-ip", "x-forwarded-prefix", "x-forwarded-ssl"} & set(came)
    assert came["x-forwarded-for"] == "127.0.0.1"
    assert (came["x-forwarded-host"], came["x-forwarded-proto"], came["x-caller"]) == ("localhost", "http", "gateway")
    assert 0 < int(came["x-deadline-ms"]) <= 60_000


def test_a_good_request_id_is_kept_and_a_bad_one_replaced(client, backend):
    kept = client.get("/api/users/1", headers={"X-Request-ID": "abc-1"})
    assert kept.headers.getlist("X-Request-ID") == ["abc-1"]
    replaced = client.get("/api/users/1", headers={"X-Request-ID": "x" * 65})
    assert backend.seen[0]["headers"]["x-request-id"] == "abc-1"
    assert backend.seen[1]["headers"]["x-request-id"] == replaced.headers["X-Request-ID"] != "x" * 65


def test_the_way_back(client, backend):
    backend.answer = (
        b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\nContent-Type: text/x\r\nServer: secret/1\r\nX-Request-ID: theirs\r\n"
        b"Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nLocation: /users/7\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n\r\nok"
    )
    answer = client.post("/api/users", headers={"X-Request-ID": "ours"})
    assert (answer.status_code, answer.data) == (201, b"ok")
    assert answer.headers.getlist("Set-Cookie") == ["a=1", "b=2"]
    assert answer.headers["Location"] == "/api/users/7"
    assert answer.headers.getlist("X-Request-ID") == ["ours"]
    assert not {"Server", "Connection", "X-Hop", "Keep-Alive"} & set(answer.headers.keys())


@pytest.mark.parametrize(
    ("location", "outside"),
    [
        ("/users", "/api/users"),
        ("/users?after=1", "/api/users?after=1"),
        ("/usersX", "/usersX"),
        ("http://e.example/", "http://e.example/"),
    ],
)
def test_only_a_path_of_the_service_is_rewritten(client, backend, location, outside):
    backend.answer = f"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: {location}\r\n\r\n".encode()
    assert client.get("/api/users/1").headers["Location"] == outside


def test_an_answer_without_a_type_gets_none(client, backend):
    backend.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    assert "Content-Type" not in client.get("/api/users/1").headers
