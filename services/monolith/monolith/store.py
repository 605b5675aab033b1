"""Everything in one PostgreSQL schema: what belongs together is one JOIN away. Rows are dicts, as the contracts name them."""

# ruff: noqa: S608 - what is put into SQL here are names of columns, constants of this module
from __future__ import annotations

from typing import Any

import psycopg2.errors

from .database import Database

Row = dict[str, Any]

# Text, so that what a route answers needs no further work.
CREATED_AT = """to_char(created_at, 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS created_at"""
USER = f"id, name, email, {CREATED_AT}"
ORDER = f"id, user_id, product_id, quantity, total_cents, status, {CREATED_AT}"
PRODUCT = "id, name, category, price_cents"


class EmailTakenError(Exception):
    """There is a user with this e-mail address."""


class Store:
    def __init__(self, database: Database) -> None:
        self._database = database

    def ping(self) -> None:
        self._rows("SELECT 1")

    def user(self, id: int) -> Row | None:
        return self._row(f"SELECT {USER} FROM users WHERE id = %s", id)

    def users(self, *, after: int, limit: int) -> list[Row]:
        return self._rows(f"SELECT {USER} FROM users WHERE id > %s ORDER BY id LIMIT %s", after, limit)

    def add_user(self, name: str, email: str) -> Row:
        try:
            return self._rows(f"INSERT INTO users (name, email) VALUES (%s, %s) RETURNING {USER}", name, email)[0]
        except psycopg2.errors.UniqueViolation as error:
            raise EmailTakenError from error

    def user_with_orders(self, id: int) -> Row | None:
        """The user, their orders, and the names of what they bought: one query."""
        rows = self._rows(
            """SELECT users.id AS user_id, users.name AS user_name, orders.id, products.name AS product, quantity, total_cents,
                      status, to_char(orders.created_at, 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS created_at
               FROM users
               LEFT JOIN orders ON orders.user_id = users.id
               LEFT JOIN products ON products.id = orders.product_id
               WHERE users.id = %s
               ORDER BY orders.id""",
            id,
        )
        if not rows:
            return None
        user = [{"id": row.pop("user_id"), "name": row.pop("user_name")} for row in rows][-1]
        return {"user": user, "orders": [row for row in rows if row["id"] is not None]}

    def order(self, id: int) -> Row | None:
        return self._row(f"SELECT {ORDER} FROM orders WHERE id = %s", id)

    def orders(self, *, user_id: int | None, after: int, limit: int) -> list[Row]:
        """Orders by id, of one user or (None) of all."""
        whose = [] if user_id is None else [user_id]
        condition = "AND user_id = %s" if whose else ""
        return self._rows(f"SELECT {ORDER} FROM orders WHERE id > %s {condition} ORDER BY id LIMIT %s", after, *whose, limit)

    def add_order(self, *, user_id: int, product_id: int, quantity: int, total_cents: int) -> Row:
        return self._rows(
            "INSERT INTO orders (user_id, product_id, quantity, total_cents, status)"
            f" VALUES (%s, %s, %s, %s, 'paid') RETURNING {ORDER}",
            *(user_id, product_id, quantity, total_cents),
        )[0]

    def quantities(self) -> list[tuple[int, int, int]]:
        """(user_id, product_id, quantity) of every order that was not cancelled."""
        with self._database.transaction() as cursor:
            cursor.execute("SELECT user_id, product_id, quantity FROM orders WHERE status <> 'cancelled'")
            return cursor.fetchall()

    def product(self, id: int) -> Row | None:
        return self._row(f"SELECT {PRODUCT} FROM products WHERE id = %s", id)

    def products(self, *, after: int, limit: int) -> list[Row]:
        return self._rows(f"SELECT {PRODUCT} FROM products WHERE id > %s ORDER BY id LIMIT %s", after, limit)

    def _rows(self, query: str, *values: object) -> list[Row]:
        with self._database.transaction() as cursor:
            cursor.execute(query, values)
            names = [column.name for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def _row(self, query: str, *values: object) -> Row | None:
        return next(iter(self._rows(query, *values)), None)
