"""The 10,000 users that everyone starts with: the same on every machine, by formula."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

USERS = 10_000
FIRST = "Ada Alan Barbara Dennis Donald Edsger Frances Grace Hedy Jean John Ken Leslie Margaret Niklaus Tim".split()  # noqa: SIM905
LAST = (  # noqa: SIM905
    "Allen Backus Bartik Dijkstra Hamilton Hopper Kernighan Knuth Lamarr Lamport Lee Liskov Lovelace McCarthy Ritchie "
    "Thompson Turing Wirth"
).split()


def seeded_users() -> Iterator[tuple[int, str, str, str]]:
    """(id, name, email, created_at) of users 1 to 10,000."""
    begin = datetime(2024, 1, 1, tzinfo=UTC)
    for id in range(1, USERS + 1):
        first, last = FIRST[id % len(FIRST)], LAST[id % len(LAST)]
        created_at = (begin + timedelta(minutes=47 * id)).isoformat().replace("+00:00", "Z")
        yield id, f"{first} {last}", f"{first}.{last}.{id}@example.com".lower(), created_at
