"""Fill an empty database: ``python -m monolith.seed``. Does nothing when that was done before.

All of it is one transaction: where the tables are, they are full.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterable
from pathlib import Path

import psycopg2

from .config import Config
from .data import seeded_orders, seeded_products, seeded_users


def main() -> None:
    began = time.perf_counter()
    connection = psycopg2.connect(Config.from_environment().database_url, connect_timeout=5)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(1)")  # two seeds at once: the second waits, then finds it done
            cursor.execute("SELECT to_regclass('orders')")
            if cursor.fetchone() != (None,):
                print("monolith: seeded already")
                return
            cursor.execute(Path(__file__).with_name("schema.sql").read_text(encoding="utf-8"))
            # What an order refers to is there, by formula: to look it up, order by order, takes longer than all the rest.
            cursor.execute("SET LOCAL session_replication_role = replica")
            for table, rows in [("users", seeded_users()), ("products", seeded_products()), ("orders", seeded_orders())]:
                cursor.copy_expert(f"COPY {table} FROM STDIN", lines(rows))
            for table in ("users", "orders"):  # the next id comes after the seeded ones
                cursor.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}")  # noqa: S608
            cursor.execute("ANALYZE users, products, orders")
    finally:
        connection.close()
    print(f"monolith: users, products and orders in {time.perf_counter() - began:.1f} s")


def lines(rows: Iterable[tuple[object, ...]]) -> io.StringIO:
    return io.StringIO("".join("\t".join(map(str, row)) + "\n" for row in rows))


if __name__ == "__main__":
    main()
