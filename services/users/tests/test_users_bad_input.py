"""What comes in may be anything: a 400 that names the field, a 404 for what can't be an id, and never a 500."""

import json

import pytest

GOOD = {"name": "Åsa", "email": "asa@example.org"}
WRONG = {
    "name": [None, True, 1, "", "a\x00b", "a\nb", "\ud800", "a" * 101, [], {}],
    "email": [None, True, 1, "", "nobody", "@", "a@", "@b", "a b@c", "a@b\x00", "a@b@c", "a" * 200 + "@b", [], {}],
}
IDS = "0 -1 +1 01 1.0 1e3 0x1 abc 1%00 1%20 1%0A 1%D9%A2 %EF%BC%91 999999999999 .. %2e%2e".split()  # noqa: SIM905


def refused(client, body):
    """Status and the field that is named, of a POST with this body."""
    response = client.post("/users", data=body if isinstance(body, bytes) else json.dumps(body))
    return response.status_code, response.json["error"].get("field")


@pytest.mark.parametrize(("field", "value"), [(field, value) for field, values in WRONG.items() for value in values])
def test_a_field_of_the_wrong_kind_is_named(client, users, field, value):
    before = len(users.users)
    assert refused(client, GOOD | {field: value}) == (400, field)
    assert len(users.users) == before


@pytest.mark.parametrize("field", GOOD)
def test_a_field_that_is_missing_is_named(client, field):
    assert refused(client, {name: value for name, value in GOOD.items() if name != field}) == (400, field)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 60_000, b"[]", b'"{}"', b"null"])
def test_what_is_no_json_object_is_the_body(client, body):
    assert refused(client, body) == (400, "body")


def test_a_body_beyond_all_measure_is_413(client):
    assert client.post("/users", data=b" " * 70_000).json["error"]["code"] == "request_entity_too_large"


@pytest.mark.parametrize("id", IDS)
def test_what_can_be_no_id_is_404(client, id):
    response = client.get(f"/users/{id}")
    assert (response.status_code, response.json["error"]["code"]) == (404, "not_found")
