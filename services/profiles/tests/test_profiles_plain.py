"""The plain version is the article's: sequential, no timeout, one message. That is what the lesson measures."""

import io
import json
from urllib.error import HTTPError

import pytest
from profiles import plain
from profiles.config import Config

CONFIG = Config("http://users", "http://orders", "http://recommendations")


@pytest.fixture
def asked(monkeypatch):
    """The calls of urlopen, with their keyword arguments."""
    seen = []

    def urlopen(url, **options):
        seen.append((url, options))
        if "999999" in url:
            raise HTTPError(url, 404, "NOT FOUND", {}, None)
        return io.BytesIO(json.dumps({"id": 1} if "users" in url else {"orders": []}).encode())

    monkeypatch.setattr(plain, "urlopen", urlopen)
    return seen


def test_first_the_user_then_the_orders_without_a_timeout(asked):
    assert plain.create_app(CONFIG).test_client().get("/profiles/1").json == {"user": {"id": 1}, "orders": []}
    assert asked == [("http://users/users/1", {}), ("http://orders/orders?user_id=1", {})]


def test_whatever_goes_wrong_is_one_message(asked):
    response = plain.create_app(CONFIG).test_client().get("/profiles/999999")
    assert (response.status_code, response.json) == (500, {"error": "Failed to fetch the user with their orders"})
