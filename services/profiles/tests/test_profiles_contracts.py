"""What we promise, and what we need of others: neither needs another service to run."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator, ValidationError
from profiles import composition
from profiles.transport import UnreachableError

CONTRACTS = Path(__file__).parent.parent / "contracts"
EXPECTED = [
    pytest.param(interaction, id=f"{path.stem}: {interaction['description']}")
    for path in sorted((CONTRACTS / "expects").glob("*.json"))
    for interaction in json.loads(path.read_text(encoding="utf-8"))["interactions"]
]


def conforms(document, schema):
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(document)


def published(name):
    return json.loads((CONTRACTS / name).read_text(encoding="utf-8"))


def test_we_answer_as_we_publish(client, peers):
    async def gone():
        raise UnreachableError("gone")

    conforms(client.get("/profiles/1").json, published("profile.json"))
    conforms(client.get("/recommendations?user_ids=1").json, published("recommendations.json"))
    conforms(client.get("/profiles/0").json, published("error.json"))
    conforms(client.get("/health").json, published("health.json"))
    peers.instead["orders"] = gone
    conforms(client.get("/profiles/1").json, published("profile.json"))


def test_orders_that_are_there_and_missing_are_no_page():
    with pytest.raises(ValidationError):
        conforms({"user": {"id": 1, "name": "A"}, "orders": [], "missing": {"orders": "x"}}, published("profile.json"))


@pytest.mark.parametrize("interaction", EXPECTED)
def test_what_our_tests_let_peers_answer_is_what_we_expect_of_them(interaction):
    conforms(interaction["response"]["example"], interaction["response"]["schema"])


def test_what_we_take_from_a_peer_is_what_we_say_that_we_need():
    def needed(name):
        return published(f"expects/{name}.json")["interactions"][0]["response"]["schema"]

    assert needed("users")["required"] == list(composition.USER)
    assert needed("orders")["required"] == list(composition.ORDERS)
    assert needed("orders")["properties"]["orders"]["items"]["required"] == list(composition.ORDER)
    assert needed("recommendations")["required"] == list(composition.RECOMMENDATION)
