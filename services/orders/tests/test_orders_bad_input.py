"""What comes in may be anything: a 400 that names the field, a 404 for what can't be an id, and never a 500."""

import json

import pytest

GOOD = {"user_id": 1, "product_id": 1, "quantity": 1}
WRONG = [None, True, "1", "", 0, -1, 1.5, 10**9, [], [1], {}, {"id": 1}]
IDS = "0 -1 +1 01 1.0 1e3 0x1 abc 1%00 1%20 1%0A 1%D9%A2 %EF%BC%91 999999999999 .. %2e%2e".split()  # noqa: SIM905


def refused(client, body):
    """Status and the field that is named, of a POST with this body."""
    response = client.post("/orders", data=body if isinstance(body, bytes) else json.dumps(body))
    return response.status_code, response.json["error"].get("field")


@pytest.mark.parametrize("field", GOOD)
@pytest.mark.parametrize("value", WRONG, ids=repr)
def test_a_field_of_the_wrong_kind_is_named(client, orders, field, value):
    before = len(orders.orders)
    assert refused(client, GOOD | {field: value}) == (400, field)
    assert len(orders.orders) == before


@pytest.mark.parametrize("field", GOOD)
def test_a_field_that_is_missing_is_named(client, field):
    assert refused(client, {name: value for name, value in GOOD.items() if name != field}) == (400, field)


def test_a_field_that_the_contract_does_not_know_is_named(client):
    assert refused(client, GOOD | {"total_cents": 1}) == (400, "total_cents")


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 60_000, b'{"user_id": ' + b"9" * 10_000 + b"}", b"[]", b'"{}"'])
def test_what_is_no_json_object_is_the_body(client, body):
    assert refused(client, body) == (400, "body")


def test_a_body_beyond_all_measure_is_413(client):
    assert client.post("/orders", data=b" " * 70_000).json["error"]["code"] == "request_entity_too_large"


def test_a_whole_number_may_be_written_with_a_point(client):
    made = client.post("/orders", data=b'{"user_id": 1.0, "product_id": 1e0, "quantity": 2.0}')
    assert (made.status_code, made.json["user_id"], made.json["total_cents"]) == (201, 1, 2 * 12395)


@pytest.mark.parametrize("id", IDS)
def test_what_can_be_no_id_is_404(client, id):
    response = client.get(f"/orders/{id}")
    assert (response.status_code, response.json["error"]["code"]) == (404, "not_found")
