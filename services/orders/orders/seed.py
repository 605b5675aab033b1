"""Fill an empty database: ``python -m orders.seed``. Does nothing when that was done before.

All of it is one transaction: where the table is, it is full.
"""

from __future__ import annotations

import io
import time
from pathlib import Path

import psycopg2

from .config import Config
from .data import ORDERS, seeded_orders


def main() -> None:
    began = time.perf_counter()
    connection = psycopg2.connect(Config.from_environment().database_url, connect_timeout=5)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(1)")  # two seeds at once: the second waits, then finds it done
            cursor.execute("SELECT to_regclass('orders')")
            if cursor.fetchone() != (None,):
                print("orders: seeded already")
                return
            cursor.execute(Path(__file__).with_name("schema.sql").read_text(encoding="utf-8"))
            rows = io.StringIO("".join("\t".join(map(str, order)) + "\n" for order in seeded_orders()))
            cursor.copy_expert("COPY orders FROM STDIN", rows)
            cursor.execute("SELECT setval(pg_get_serial_sequence('orders', 'id'), max(id)) FROM orders")
            cursor.execute("ANALYZE orders")
    finally:
        connection.close()
    print(f"orders: {ORDERS} orders in {time.perf_counter() - began:.1f} s")


if __name__ == "__main__":
    main()
