"""The monolith on a real PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from jsonschema import Draft202012Validator

from servicelab import Stack

CONTRACTS = Path(__file__).parents[2] / "services/monolith/contracts"


@pytest.fixture(scope="module")
def monolith() -> Iterator[Stack]:
    stack = Stack("monolith")
    stack.down(volumes=True)  # what an earlier run may have left is no part of this one
    try:
        stack.up()
        yield stack
    finally:
        stack.down(volumes=True)


def get(monolith: Stack, path: str) -> requests.Response:
    return requests.get(monolith["monolith"].url + path, timeout=60)


@pytest.mark.parametrize(
    ("path", "contract"),
    [
        ("/users/1", "user.json"),
        ("/users/1/orders", "user-orders.json"),
        ("/orders/1", "order.json"),
        ("/products/1", "product.json"),
        ("/health", "health.json"),
    ],
)
def test_it_answers_as_it_publishes(monolith: Stack, path: str, contract: str) -> None:
    schema = json.loads((CONTRACTS / contract).read_text(encoding="utf-8"))
    Draft202012Validator(schema).validate(get(monolith, path).json())


def test_one_join_gives_what_three_routes_give(monolith: Stack) -> None:
    view = get(monolith, "/users/7/orders").json()
    user = get(monolith, "/users/7").json()
    orders = get(monolith, "/orders?user_id=7").json()["orders"]
    names = [get(monolith, f"/products/{order['product_id']}").json()["name"] for order in orders]
    assert view["user"] == {"id": 7, "name": user["name"]}
    assert len(orders) == 10
    assert [(o["id"], o["product"]) for o in view["orders"]] == list(zip([o["id"] for o in orders], names, strict=True))


def test_a_user_without_orders_has_none_and_an_email_is_taken_once(monolith: Stack) -> None:
    new = {"name": "Åsa", "email": "asa@example.org"}
    user = requests.post(monolith["monolith"].url + "/users", json=new, timeout=60)
    assert user.status_code == 201
    assert get(monolith, f"/users/{user.json()['id']}/orders").json()["orders"] == []
    assert requests.post(monolith["monolith"].url + "/users", json=new, timeout=60).status_code == 409
    order = {"user_id": user.json()["id"], "product_id": 1, "quantity": 2}
    ordered = requests.post(monolith["monolith"].url + "/orders", json=order, timeout=60)
    assert ordered.json()["total_cents"] == 2 * 12395
    assert get(monolith, ordered.headers["Location"]).json() == ordered.json()


def test_the_report_is_the_same_on_every_machine(monolith: Stack) -> None:
    assert get(monolith, "/reports/similar-products?top=1").json() == {"pairs": [{"similarity": 0.0457, "products": [46, 110]}]}
