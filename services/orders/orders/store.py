"""Orders in PostgreSQL."""

# ruff: noqa: S608 - what is put into SQL here are names of columns, constants of this module
from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from .database import Database

COLUMNS = "id, user_id, product_id, quantity, total_cents, status, created_at"


@dataclass(frozen=True)
class Order:
    id: int
    user_id: int
    product_id: int
    quantity: int
    total_cents: int
    status: str
    created_at: datetime


class PostgresOrders:
    def __init__(self, database: Database) -> None:
        self._database = database

    def ping(self) -> None:
        with self._database.transaction() as cursor:
            cursor.execute("SELECT 1")

    def get(self, id: int) -> Order | None:
        with self._database.transaction() as cursor:
            cursor.execute(f"SELECT {COLUMNS} FROM orders WHERE id = %s", [id])
            row = cursor.fetchone()
        return Order(*row) if row else None

    def page(self, *, user_id: int | None, after: int, limit: int) -> list[Order]:
        """Orders by id, of one user or (None) of all."""
        with self._database.transaction() as cursor:
            cursor.execute(
                f"SELECT {COLUMNS} FROM orders WHERE id > %(after)s"
                " AND (%(user_id)s IS NULL OR user_id = %(user_id)s) ORDER BY id LIMIT %(limit)s",
                {"user_id": user_id, "after": after, "limit": limit},
            )
            return [Order(*row) for row in cursor.fetchall()]

    def add(self, *, user_id: int, product_id: int, quantity: int, total_cents: int) -> Order:
        with self._database.transaction() as cursor:
            cursor.execute(
                "INSERT INTO orders (user_id, product_id, quantity, total_cents, status, created_at)"
                f" VALUES (%s, %s, %s, %s, 'paid', now()) RETURNING {COLUMNS}",
                [user_id, product_id, quantity, total_cents],
            )
            return Order(*cursor.fetchone())

    def quantities(self) -> list[tuple[int, int, int]]:
        """(user_id, product_id, quantity) of every order that was not cancelled."""
        with self._database.transaction() as cursor:
            cursor.execute("SELECT user_id, product_id, quantity FROM orders WHERE status <> 'cancelled'")
            return cursor.fetchall()
