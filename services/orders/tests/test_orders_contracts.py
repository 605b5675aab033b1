"""What we promise, and what we need of others: neither needs another service to run."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from orders import routes

SERVICES = Path(__file__).parents[2]
EXPECTED = [
    pytest.param(interaction, id=f"{path.stem}: {interaction['description']}")
    for path in sorted((SERVICES / "orders/contracts/expects").glob("*.json"))
    for interaction in json.loads(path.read_text(encoding="utf-8"))["interactions"]
]


def conforms(document, schema):
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(document)


def published(name):
    return json.loads((SERVICES / "orders/contracts" / name).read_text(encoding="utf-8"))


def test_we_answer_as_we_publish(client, orders):
    made = client.post("/orders", json={"user_id": 1, "product_id": 1, "quantity": 1}).json
    conforms(made, published("order.json"))
    conforms(client.get(f"/orders/{made['id']}?expand=user,product").json, published("order.json"))
    conforms(client.get("/orders?limit=1").json["orders"][0], published("order.json"))
    conforms(client.get("/orders/0").json, published("error.json"))
    conforms(client.get("/health").json, published("health.json"))
    orders.down = True
    conforms(client.get("/health").json, published("health.json"))


@pytest.mark.parametrize("interaction", EXPECTED)
def test_what_our_tests_let_peers_answer_is_what_we_expect_of_them(interaction):
    conforms(interaction["response"]["example"], interaction["response"]["schema"])


@pytest.mark.parametrize(("peer", "fields"), [("users", routes.USER), ("catalog", routes.PRODUCT)])
def test_what_we_take_from_a_peer_is_what_we_say_that_we_need(peer, fields):
    expected = json.loads((SERVICES / f"orders/contracts/expects/{peer}.json").read_text(encoding="utf-8"))
    assert expected["interactions"][0]["response"]["schema"]["required"] == list(fields)


def consumers():
    """What each consumer says that it needs of us: services/CONSUMER/contracts/expects/orders.json."""
    for path in sorted(SERVICES.glob("*/contracts/expects/orders.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        for interaction in document["interactions"]:
            yield pytest.param(interaction, id=f"{document['consumer']}: {interaction['description']}")


@pytest.mark.parametrize("interaction", list(consumers()))
def test_we_answer_as_our_consumers_expect(client, interaction):
    response = client.open(interaction["request"]["path"], method=interaction["request"]["method"])
    assert response.status_code == interaction["response"]["status"]
    conforms(response.json, interaction["response"]["schema"])
