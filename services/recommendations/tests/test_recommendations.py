import json
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

sys.path.insert(0, str(Path(__file__).parent.parent))

import recommendations
from recommendations import create_app
from recommendations.config import Config, ConfigError
from recommendations.die import Die

SERVICES = Path(__file__).parents[2]


def conforms(document, schema):
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(document)


def published(name):
    return json.loads((SERVICES / "recommendations/contracts" / name).read_text(encoding="utf-8"))


def expectations():
    """What each consumer says that it needs of us."""
    for path in sorted(SERVICES.glob("*/contracts/expects/recommendations.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        for interaction in document["interactions"]:
            yield pytest.param(interaction, id=f"{document['consumer']}: {interaction['description']}")


@pytest.fixture
def slept(monkeypatch):
    """The seconds of each sleep, which costs none."""
    seconds = []
    monkeypatch.setattr(recommendations.time, "sleep", seconds.append)
    return seconds


def client(share):
    return create_app(Config(slow_share=share)).test_client()


def test_we_answer_as_we_publish(slept):
    conforms(client(0).get("/recommendations/1").json, published("recommendation.json"))
    conforms(client(1).get("/recommendations/1").json, published("recommendation.json"))
    conforms(client(0).get("/recommendations/0").json, published("error.json"))
    conforms(client(0).get("/health").json, published("health.json"))


@pytest.mark.parametrize("interaction", list(expectations()))
def test_we_answer_as_our_consumers_expect(slept, interaction):
    response = client(0).open(interaction["request"]["path"], method=interaction["request"]["method"])
    assert response.status_code == interaction["response"]["status"]
    conforms(response.json, interaction["response"]["schema"])


def test_a_user_gets_the_same_each_time_and_only_what_the_catalog_has():
    answers = [client(0).get("/recommendations/7").json["product_ids"] for _ in range(2)]
    assert answers[0] == answers[1]
    assert all(1 <= product <= 300 for user in range(1, 1000) for product in recommendations.chosen_for(user))


def test_a_slow_answer_says_so_and_is_late(slept):
    assert client(1).get("/recommendations/1").json["slow"] is True
    assert slept == [0.4]
    assert client(0).get("/recommendations/1").json["slow"] is False
    assert slept == [0.4]


def test_one_in_a_hundred_and_the_same_for_the_same_seed():
    rolls = [Die(0.01, seed=1) for _ in range(2)]
    one, other = ([die.says_slow() for _ in range(10_000)] for die in rolls)
    assert one == other
    assert 60 < sum(one) < 140


@pytest.mark.parametrize("wrong", [{"SLOW_SHARE": "2"}, {"SLOW_SECONDS": "x"}, {"SEED": "1.5"}])
def test_configuration_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Config.from_environment(wrong)
