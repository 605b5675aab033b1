"""What everyone starts with: 10,000 users, 300 products and 100,000 orders, the same on every machine, by formula."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zlib import crc32

USERS, PRODUCTS, ORDERS = 10_000, 300, 100_000
FIRST = "Ada Alan Barbara Dennis Donald Edsger Frances Grace Hedy Jean John Ken Leslie Margaret Niklaus Tim".split()  # noqa: SIM905
LAST = (  # noqa: SIM905
    "Allen Backus Bartik Dijkstra Hamilton Hopper Kernighan Knuth Lamarr Lamport Lee Liskov Lovelace McCarthy Ritchie "
    "Thompson Turing Wirth"
).split()
WORDS = (  # noqa: SIM905
    "Oak Pine Walnut Steel Brass Copper Linen Cotton Wool Leather Glass Marble Slate Cork Bamboo Rattan Enamel Ceramic "
    "Velvet Canvas"
).split()
THINGS = {
    "furniture": "chair table shelf bench stool",
    "light": "lamp lantern candlestick",
    "kitchen": "bowl jar tray mug",
    "storage": "basket box crate",
}
STATUSES = ["paid", "shipped", "cancelled"] + ["delivered"] * 7


def price_cents(product_id: int) -> int:
    """What a product costs; an order keeps the price of its day."""
    return 495 + product_id * 7919 % 195 * 100


def seeded_users() -> Iterator[tuple[int, str, str, str]]:
    """(id, name, email, created_at) of users 1 to 10,000."""
    begin = datetime(2024, 1, 1, tzinfo=UTC)
    for id in range(1, USERS + 1):
        first, last = FIRST[id % len(FIRST)], LAST[id % len(LAST)]
        created_at = (begin + timedelta(minutes=47 * id)).isoformat().replace("+00:00", "Z")
        yield id, f"{first} {last}", f"{first}.{last}.{id}@example.com".lower(), created_at


def seeded_products() -> Iterator[tuple[int, str, str, int]]:
    """(id, name, category, price_cents) of products 1 to 300."""
    things = [(thing, category) for category, names in THINGS.items() for thing in names.split()]
    for row, (thing, category) in enumerate(things):
        for column, word in enumerate(WORDS):
            id = row * len(WORDS) + column + 1
            yield id, f"{word} {thing}", category, price_cents(id)


def seeded_orders() -> Iterator[tuple[int, int, int, int, int, str, str]]:
    """(id, user_id, product_id, quantity, total_cents, status, created_at) of orders 1 to 100,000: ten for each user."""
    begin = datetime(2025, 1, 1, tzinfo=UTC)
    for id in range(1, ORDERS + 1):
        mixed = crc32(b"order %d" % id)  # looks random, and is the same everywhere
        user_id, product_id, quantity = 1 + id * 7919 % USERS, 1 + mixed % PRODUCTS, 1 + mixed // PRODUCTS % 3
        created_at = (begin + timedelta(minutes=4 * id)).isoformat()
        status = STATUSES[mixed // 1000 % len(STATUSES)]
        yield id, user_id, product_id, quantity, quantity * price_cents(product_id), status, created_at
