"""Fill an empty database: ``python -m users.seed``. Does nothing when that was done before.

The counter that gives new users their ids is written last. Where it is missing, an earlier run was cut short, nobody can have
added a user since, and it all starts again.
"""

from __future__ import annotations

import time

from pymongo import MongoClient

from .config import Config
from .data import USERS, seeded_users


def main() -> None:
    began = time.perf_counter()
    database = MongoClient(Config.from_environment().mongo_url, serverSelectionTimeoutMS=5000).get_default_database()
    if database.counters.find_one({"_id": "users"}):
        print("users: seeded already")
        return
    database.users.drop()
    database.users.create_index("email", unique=True)
    database.users.insert_many(
        {"_id": id, "name": name, "email": email, "created_at": created_at} for id, name, email, created_at in seeded_users()
    )
    database.counters.insert_one({"_id": "users", "last": USERS})
    print(f"users: {USERS} users in {time.perf_counter() - began:.1f} s")


if __name__ == "__main__":
    main()
