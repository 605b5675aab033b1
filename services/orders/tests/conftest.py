"""The service without its database and without its peers: orders in a list, and what peers are expected to answer."""

import json
import sys
from datetime import datetime
from itertools import islice
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))

from orders import create_app
from orders.config import Config
from orders.data import seeded_orders
from orders.errors import ApiError, DatabaseUnavailableError
from orders.store import Order

EXPECTS = Path(__file__).parent.parent / "contracts/expects"


class OrdersInMemory:
    def __init__(self):
        self.down = False
        self.orders = [Order(*rest, datetime.fromisoformat(when)) for *rest, when in islice(seeded_orders(), 1000)]

    def ping(self):
        if self.down:
            raise DatabaseUnavailableError("switched off by the test")

    def get(self, id):
        self.ping()
        return next((order for order in self.orders if order.id == id), None)

    def page(self, *, user_id, after, limit):
        return [each for each in self.orders if each.id > after and user_id in (None, each.user_id)][:limit]

    def add(self, **new):
        order = Order(id=len(self.orders) + 1, status="paid", created_at=datetime(2026, 1, 1), **new)
        self.orders.append(order)
        return order

    def quantities(self):
        return [(order.user_id, order.product_id, order.quantity) for order in self.orders]


class ExpectedPeer:
    """Answers as contracts/expects/NAME.json says, which the peer's own tests hold it to."""

    def __init__(self, name):
        expected = json.loads((EXPECTS / f"{name}.json").read_text(encoding="utf-8"))
        self.name = name
        self.down = False
        self.answers = {each["request"]["path"]: each["response"]["example"] or None for each in expected["interactions"]}

    def get(self, path, fields):
        if self.down:
            raise ApiError(503, "peer_unavailable", f"{self.name} can't be reached")
        answer = self.answers[path]
        return answer and {field: answer[field] for field in fields}


@pytest.fixture
def orders():
    return OrdersInMemory()


@pytest.fixture
def users():
    return ExpectedPeer("users")


@pytest.fixture
def catalog():
    return ExpectedPeer("catalog")


@pytest.fixture
def client(orders, users, catalog):
    config = Config(database_url="postgresql://nowhere", users_url="http://users", catalog_url="http://catalog")
    return create_app(config, orders=orders, users=users, catalog=catalog).test_client()
