"""The account page: one call for the client, and what is missing is named."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

CONTRACT = json.loads((Path(__file__).parent.parent / "contracts/account.json").read_text(encoding="utf-8"))
USER = {"id": 7, "name": "Ann"}
ORDERS = [{"id": id, "product_id": product, "quantity": 1, "total_cents": 5} for id, product in ((1, 3), (2, 9), (3, 3))]


def answer(document, status="200 OK"):
    body = json.dumps(document).encode()
    return f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


@pytest.fixture
def shop(backend):
    """Every service of the shop at one address: what is asked is known by its path."""
    backend.answers = {
        "/users/7": answer(USER),
        "/orders?user_id=7&limit=5": answer({"orders": ORDERS}),
        "/products?ids=3,9": answer({"products": [{"id": 3, "name": "Oak chair"}, {"id": 9, "name": "Tin"}]}),
    }
    return backend


def test_the_page_is_one_call_and_each_service_is_asked_once(client, shop):
    page = client.get("/api/account/7", headers={"X-Request-ID": "abc-1"})
    Draft202012Validator(CONTRACT).validate(page.json)
    assert page.json["user"] == USER
    assert [(order["id"], order["product"]) for order in page.json["orders"]] == [(1, "Oak chair"), (2, "Tin"), (3, "Oak chair")]
    assert page.json["missing"] == []
    assert [each["target"] for each in shop.seen] == list(shop.answers)
    assert {each["headers"]["x-request-id"] for each in shop.seen} == {"abc-1"}


@pytest.mark.parametrize(
    ("target", "wrong", "missing", "orders"),
    [
        ("/orders?user_id=7&limit=5", answer({"error": {}}, "500 Oops"), ["orders"], 0),
        ("/orders?user_id=7&limit=5", b"", ["orders"], 0),
        ("/orders?user_id=7&limit=5", answer({"orders": [{"id": 1}]}), ["orders"], 0),
        ("/products?ids=3,9", answer([1]), ["catalog"], 3),
    ],
)
def test_a_part_that_is_not_there_is_named_and_the_rest_is_shown(client, shop, target, wrong, missing, orders):
    shop.answers[target] = wrong
    page = client.get("/api/account/7")
    assert page.status_code == 200
    Draft202012Validator(CONTRACT).validate(page.json)
    assert (page.json["missing"], len(page.json["orders"])) == (missing, orders)
    assert {order["product"] for order in page.json["orders"]} <= {None}


@pytest.mark.parametrize(
    ("users", "status"),
    [(answer({"error": {}}, "404 Not Found"), 404), (answer({"error": {}}, "500 Oops"), 502), (b"", 502), (answer([]), 502)],
)
def test_without_the_user_there_is_no_page(client, shop, users, status):
    shop.answers["/users/7"] = users
    assert client.get("/api/account/7").status_code == status


@pytest.mark.parametrize("path", ["/api/account/x", "/api/account/-1", "/api/account"])
def test_what_is_no_id_is_unknown(client, shop, path):
    assert client.get(path).status_code == 404
    assert not shop.seen
