"""User 1 of the users service is user 1 of the monolith, and so on: the formulas are copies, and stay the same."""

import hashlib
import importlib.util
import json
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

SERVICES = Path(__file__).parents[2] / "services"


def data(service: str) -> ModuleType:
    """The data.py of a service, by itself."""
    spec = importlib.util.spec_from_file_location(f"{service}_data", SERVICES / service / service / "data.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def monolith() -> ModuleType:
    return data("monolith")


def test_the_same_users(monolith: ModuleType) -> None:
    users = list(data("users").seeded_users())
    assert users == list(monolith.seeded_users())
    assert len({email for _, _, email, _ in users}) == len(users) == 10_000


def test_the_same_orders(monolith: ModuleType) -> None:
    orders = list(data("orders").seeded_orders())
    assert orders == list(monolith.seeded_orders())
    assert len(orders) == 100_000
    assert set(Counter(user for _, user, *_ in orders).values()) == {10}
    assert {product for _, _, product, *_ in orders} == set(range(1, 301))
    digest = hashlib.sha256(repr(orders).encode()).hexdigest()
    assert digest == "159498616ae08dd2f75ad939b9684a926a3de97ee71f67ea597f9bc22e45b000"


def test_the_same_products_as_the_catalog(monolith: ModuleType) -> None:
    products = [dict(zip(("id", "name", "category", "price_cents"), row, strict=True)) for row in monolith.seeded_products()]
    digest = hashlib.sha256(json.dumps(products, separators=(",", ":")).encode()).hexdigest()
    # The catalog's own test holds its products to the same digest.
    assert digest == json.loads((SERVICES / "catalog/tests/products.sha256.json").read_text(encoding="utf-8"))["sha256"]
