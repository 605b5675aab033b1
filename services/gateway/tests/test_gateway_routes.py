"""What is public, where it leads, and what is refused before a service hears of it."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

CONTRACTS = Path(__file__).parent.parent / "contracts"


def conforms(document, contract):
    Draft202012Validator(json.loads((CONTRACTS / contract).read_text(encoding="utf-8"))).validate(document)


@pytest.mark.parametrize(
    ("outside", "inside"),
    [
        ("/api/users", "/users"),
        ("/api/users/1?a=%20b&a=2", "/users/1?a=%20b&a=2"),
        ("/api/orders/7", "/orders/7"),
        ("/api/catalog", "/products"),
        ("/api/catalog/3", "/products/3"),
        ("/api/users/J%C3%BCrgen%20x", "/users/J%C3%BCrgen%20x"),
    ],
)
def test_where_it_leads(client, backend, outside, inside):
    assert client.get(outside).json["target"] == inside
    assert backend.seen[0]["target"] == inside


@pytest.mark.parametrize("path", ["/", "/users/1", "/api", "/api/", "/api/usersX", "/api/users1/1", "/api/health", "/metrics"])
def test_what_is_not_public_is_unknown(client, backend, path):
    answer = client.get(path)
    assert answer.status_code == 404
    conforms(answer.json, "error.json")
    assert not backend.seen


@pytest.mark.parametrize(
    "path",
    [
        "/api/users/../orders/1",
        "/api/users/./1",
        "/api/users/..;/health",
        "/api/users/%2e%2e/health",
        "/api/users/%2E./health",
        "/api/users/..%2fhealth",
        "/api/users/1%2f..%2f..%2fhealth",
        "/api/users/..%5chealth",
        "/api/users/..\\health",
        "/api/users/%252e%252e/health",
        "/api/users/1%00",
        "/api/users/1%0d%0aX-Evil:%201",
        "/api/users/1%7f",
        "/api/users/%zz",
        "/api/users/1#fragment",
        "/api/users/1?x=%zz",
        '/api/users/1?x="><',
        "http://evil.example/api/users/1",
    ],
)
def test_a_path_with_tricks_is_refused_and_reaches_nobody(client, backend, path):
    answer = client.get("/api/users/1", environ_overrides={"RAW_URI": path, "REQUEST_URI": path})
    expected = 200 if path.endswith('"><') else 400  # quotes are rude, and harmless
    assert answer.status_code == expected
    assert len(backend.seen) == (expected == 200)
    if expected == 400:
        conforms(answer.json, "error.json")
        assert answer.json["error"]["field"] in ("path", "query")


@pytest.mark.parametrize("host", ["", "a b", "evil.example/path", "a@b", "a,b", "x" * 300, "h:123456"])
def test_a_host_that_is_none_is_refused(client, backend, host):
    assert client.get("/api/users/1", headers={"Host": host}).status_code == 400
    assert not backend.seen


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "BREW"])
def test_other_methods_are_refused(client, backend, method):
    answer = client.open("/api/users/1", method=method)
    assert answer.status_code == 405
    conforms(answer.json, "error.json")
    assert not backend.seen


def test_options_are_the_services_to_tell(client, backend):
    assert client.options("/api/users/1").status_code == 200
    assert backend.seen[0]["method"] == "OPTIONS"


def test_health_asks_nobody_and_ready_asks_everybody(client, backend, gateway):
    healthy = client.get("/health")
    assert healthy.status_code == 200
    assert not backend.seen
    ready = client.get("/ready")
    assert (ready.status_code, ready.json["checks"]) == (200, {"users": "up", "orders": "up", "catalog": "up"})
    nowhere = "http://127.0.0.1:1"
    some = gateway(backends={"users": backend.url, "orders": nowhere, "catalog": nowhere}).get("/ready")
    assert (some.status_code, some.json["checks"]) == (200, {"users": "up", "orders": "down", "catalog": "down"})
    none = gateway(backends=dict.fromkeys(("users", "orders", "catalog"), nowhere)).get("/ready")
    assert none.status_code == 503
    for answer in (healthy, ready, some, none):
        conforms(answer.json, "health.json")


def test_a_log_line_a_request(gateway, capsys):
    gateway(log_level="INFO").get("/api/users/1", headers={"X-Request-ID": "abc-1"})
    line = json.loads(capsys.readouterr().out)
    assert (line["request_id"], line["route"], line["status"]) == ("abc-1", "/api/users/<rest>", 200)
    assert list(line) == [
        *("ts", "level", "service", "instance", "request_id", "caller", "method", "route", "status", "duration_ms", "message")
    ]
