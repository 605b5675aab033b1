"""404, 503, 504 and half a page are four different things."""

import asyncio
import json

import pytest
from profiles.config import Config, ConfigError
from profiles.transport import UnreachableError


def failing(status=None, error=None):
    async def answer():
        if error:
            raise error
        return status, b"{}"

    return answer


async def silent():
    await asyncio.sleep(3600)


REFUSED = failing(error=UnreachableError("refused"))


def code(response):
    return response.status_code, response.json["error"]["code"]


def test_a_page(client):
    response = client.get("/profiles/1")
    assert response.json == {
        "user": {"id": 1, "name": "Alan Backus"},
        "orders": [{"id": 1, "total_cents": 1195, "status": "delivered"}],
        "missing": {},
    }
    assert "Cache-Control" not in response.headers


def test_user_and_orders_are_asked_at_the_same_time(client, peers):
    """Each answers only when both were asked."""
    both = {"users": asyncio.Event(), "orders": asyncio.Event()}
    example = peers.answers["users", "/users/1"], peers.answers["orders", "/orders?user_id=1"]

    def answering(name, answer):
        async def answered():
            both[name].set()
            await asyncio.gather(*(event.wait() for event in both.values()))
            return 200, json.dumps(answer["example"]).encode()

        return answered

    for name, answer in zip(both, example, strict=True):
        peers.instead[name] = answering(name, answer)
    assert client.get("/profiles/1").status_code == 200


def test_no_such_user_is_404_and_nobody_waits_for_their_orders(client, peers):
    peers.instead["orders"] = silent
    assert code(client.get("/profiles/999999")) == (404, "not_found")


@pytest.mark.parametrize(
    ("answer", "status", "error"),
    [(REFUSED, 503, "peer_unavailable"), (failing(500), 502, "peer_failed"), (silent, 504, "peer_timeout")],
)
def test_without_the_user_there_is_no_page(client, peers, answer, status, error):
    peers.instead["users"] = answer
    assert code(client.get("/profiles/1", headers={"X-Deadline-Ms": "500"})) == (status, error)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b'{"id": 1}'])
def test_an_answer_that_is_not_as_agreed_is_502(client, peers, body):
    async def answer():
        return 200, body

    peers.instead["users"] = answer
    assert code(client.get("/profiles/1")) == (502, "peer_failed")


@pytest.mark.parametrize(
    ("answer", "error"), [(REFUSED, "peer_unavailable"), (failing(500), "peer_failed"), (silent, "peer_timeout")]
)
def test_without_the_orders_there_is_half_a_page_that_says_so(client, peers, answer, error):
    peers.instead["orders"] = answer
    response = client.get("/profiles/1", headers={"X-Deadline-Ms": "500"})
    assert response.status_code == 200
    assert response.json == {"user": {"id": 1, "name": "Alan Backus"}, "orders": None, "missing": {"orders": error}}
    assert response.headers["Cache-Control"] == "no-store"


def test_no_orders_is_not_the_same_as_missing_orders(client, peers):
    peers.answers["orders", "/orders?user_id=1"] = peers.answers["orders", "/orders?user_id=999999"]
    assert client.get("/profiles/1").json["orders"] == []


def test_what_is_left_goes_along_with_id_and_name(client, peers):
    client.get("/profiles/1", headers={"X-Deadline-Ms": "1000", "X-Request-ID": "abc-1"})
    assert len(peers.asked) == 2
    for _, headers in peers.asked:
        assert headers["X-Request-ID"] == "abc-1"
        assert headers["X-Caller"] == "profiles"
        assert 0 < int(headers["X-Deadline-Ms"]) <= 900


def test_a_request_that_nobody_waits_for_asks_nobody(client, peers):
    for left in ("0", "-1", "100"):  # a tenth of a second is for the way back
        assert code(client.get("/profiles/1", headers={"X-Deadline-Ms": left})) == (504, "deadline_passed")
    assert client.get("/profiles/1", headers={"X-Deadline-Ms": "soon"}).json["error"]["field"] == "X-Deadline-Ms"
    assert peers.asked == []


def test_several_recommendations_at_once_and_what_is_missing(client, peers):
    peers.answers["recommendations", "/recommendations/2"] = {"status": 200, "example": {"product_ids": [7], "slow": True}}
    peers.answers["recommendations", "/recommendations/3"] = {"status": 500, "example": {}}
    assert client.get("/recommendations?user_ids=1,2,3").json == {
        "recommendations": {"1": [1, 102, 203], "2": [7]},
        "missing": {"3": "peer_failed"},
        "slow": 1,
    }


@pytest.mark.parametrize("query", ["user_ids=", "user_ids=0", "user_ids=1,", "user_ids=x", "user_ids=" + ",".join("1" * 21)])
def test_bad_ids_are_400(client, query):
    assert client.get("/recommendations?" + query).json["error"]["field"] == "user_ids"
    assert client.get("/recommendations?user_ids=1&spare=2").json["error"]["field"] == "spare"


@pytest.mark.parametrize("path", ["/profiles/0", "/profiles/abc", "/profiles/1%D9%A2", "/nothing"])
def test_what_can_be_no_id_is_404_without_a_call(client, peers, path):
    assert code(client.get(path)) == (404, "not_found")
    assert peers.asked == []


def test_configuration_that_is_missing_is_named():
    with pytest.raises(ConfigError, match="ORDERS_URL"):
        Config.from_environment({"USERS_URL": "http://u", "RECOMMENDATIONS_URL": "http://r"})
