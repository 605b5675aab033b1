"""The 100,000 orders that everyone starts with: the same on every machine, by formula."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zlib import crc32

ORDERS, USERS, PRODUCTS = 100_000, 10_000, 300
STATUSES = ["paid", "shipped", "cancelled"] + ["delivered"] * 7


def price_cents(product_id: int) -> int:
    """What the product cost when it was bought: an order keeps its price, whatever the catalog asks today."""
    return 495 + product_id * 7919 % 195 * 100


def seeded_orders() -> Iterator[tuple[int, int, int, int, int, str, str]]:
    """(id, user_id, product_id, quantity, total_cents, status, created_at) of orders 1 to 100,000: ten for each user."""
    begin = datetime(2025, 1, 1, tzinfo=UTC)
    for id in range(1, ORDERS + 1):
        mixed = crc32(b"order %d" % id)  # looks random, and is the same everywhere
        user_id, product_id, quantity = 1 + id * 7919 % USERS, 1 + mixed % PRODUCTS, 1 + mixed // PRODUCTS % 3
        created_at = (begin + timedelta(minutes=4 * id)).isoformat()
        status = STATUSES[mixed // 1000 % len(STATUSES)]
        yield id, user_id, product_id, quantity, quantity * price_cents(product_id), status, created_at
