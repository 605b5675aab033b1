"""The program without its database: rows are kept in lists."""

import sys
from itertools import islice
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))

from monolith import create_app
from monolith.config import Config
from monolith.data import seeded_orders, seeded_products, seeded_users
from monolith.errors import DatabaseUnavailableError
from monolith.store import EmailTakenError

USER = ("id", "name", "email", "created_at")
PRODUCT = ("id", "name", "category", "price_cents")
ORDER = ("id", "user_id", "product_id", "quantity", "total_cents", "status", "created_at")
NOW = "2026-01-01T00:00:00Z"


def rows(names, values, count):
    return [dict(zip(names, row, strict=True)) for row in islice(values, count)]


class StoreInMemory:
    def __init__(self):
        self.down = False
        self._users = rows(USER, seeded_users(), 100)
        self._products = rows(PRODUCT, seeded_products(), 300)
        self._orders = rows(ORDER, seeded_orders(), 100)
        for order in self._orders:
            order["user_id"] = 1 + order["id"] % 100
            order["created_at"] = order["created_at"].replace("+00:00", "Z")

    def ping(self):
        if self.down:
            raise DatabaseUnavailableError("switched off by the test")

    def user(self, id):
        self.ping()
        return next((row for row in self._users if row["id"] == id), None)

    def users(self, *, after, limit):
        return [row for row in self._users if row["id"] > after][:limit]

    def add_user(self, name, email):
        if any(row["email"] == email for row in self._users):
            raise EmailTakenError
        self._users.append({"id": len(self._users) + 1, "name": name, "email": email, "created_at": NOW})
        return self._users[-1]

    def user_with_orders(self, id):
        user = self.user(id)
        if user is None:
            return None
        shown = ("id", "quantity", "total_cents", "status", "created_at")
        return {
            "user": {"id": id, "name": user["name"]},
            "orders": [
                {name: row[name] for name in shown} | {"product": self.product(row["product_id"])["name"]}
                for row in self.orders(user_id=id, after=0, limit=100)
            ],
        }

    def order(self, id):
        return next((row for row in self._orders if row["id"] == id), None)

    def orders(self, *, user_id, after, limit):
        return [row for row in self._orders if row["id"] > after and user_id in (None, row["user_id"])][:limit]

    def add_order(self, **new):
        self._orders.append({"id": len(self._orders) + 1, **new, "status": "paid", "created_at": NOW})
        return self._orders[-1]

    def quantities(self):
        return [(row["user_id"], row["product_id"], row["quantity"]) for row in self._orders]

    def product(self, id):
        return next((row for row in self._products if row["id"] == id), None)

    def products(self, *, after, limit):
        return [row for row in self._products if row["id"] > after][:limit]


@pytest.fixture
def store():
    return StoreInMemory()


@pytest.fixture
def client(store):
    return create_app(Config(database_url="postgresql://nowhere"), store=store).test_client()
