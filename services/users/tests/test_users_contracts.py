"""The contract tests of a provider: none of the services that call us has to run for them."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

SERVICES = Path(__file__).parents[2]


def conforms(document, schema):
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(document)


def published(name):
    return json.loads((SERVICES / "users/contracts" / name).read_text(encoding="utf-8"))


def expectations():
    """What each consumer says that it needs of us: services/CONSUMER/contracts/expects/users.json."""
    for path in sorted(SERVICES.glob("*/contracts/expects/users.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        for interaction in document["interactions"]:
            yield pytest.param(interaction, id=f"{document['consumer']}: {interaction['description']}")


def test_we_answer_as_we_publish(client, users):
    conforms(client.get("/users/1").json, published("user.json"))
    conforms(client.get("/users?limit=1").json["users"][0], published("user.json"))
    conforms(client.post("/users", json={"name": "A", "email": "a@example.org"}).json, published("user.json"))
    client.delete("/users/2")
    conforms(client.get("/users?ids=1,2,3").json, published("users-by-ids.json"))
    conforms(client.get("/users/2").json, published("error.json"))
    conforms(client.get("/users/0").json, published("error.json"))
    conforms(client.post("/users", json={}).json, published("error.json"))
    conforms(client.get("/health").json, published("health.json"))
    users.down = True
    conforms(client.get("/health").json, published("health.json"))


@pytest.mark.parametrize("interaction", list(expectations()))
def test_we_answer_as_our_consumers_expect(client, interaction):
    response = client.open(interaction["request"]["path"], method=interaction["request"]["method"])
    assert response.status_code == interaction["response"]["status"]
    conforms(response.json, interaction["response"]["schema"])
