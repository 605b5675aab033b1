"""Users in MongoDB. What pymongo raises becomes an error of ours here, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pymongo
from pymongo import MongoClient, ReturnDocument
from pymongo.errors import DuplicateKeyError, PyMongoError

from . import deadline
from .errors import DatabaseUnavailableError

ANSWER = 2.0  # seconds for all that one request does in the database


class EmailTakenError(Exception):
    """There is a user with this e-mail address."""


@dataclass(frozen=True)
class User:
    id: int
    name: str
    email: str
    created_at: str  # ISO 8601, UTC


class MongoUsers:
    def __init__(self, url: str) -> None:
        """``url`` names the database as well: mongodb://host:27017/users."""
        # Short, so that a dead database costs a fast 503 and not a thread. The client finds it again by itself.
        client: MongoClient[dict[str, Any]] = MongoClient(
            url, connect=False, connectTimeoutMS=250, serverSelectionTimeoutMS=1000, maxPoolSize=4
        )
        self._database = client.get_default_database()

    def ping(self) -> None:
        with translated():
            self._database.command("ping")

    def get(self, id: int) -> User | None:
        with translated():
            found = self._database.users.find_one({"_id": id})
        return user(found) if found else None

    def many(self, ids: list[int]) -> list[User]:
        """Those of them that there are, by id: one question to the database, however many."""
        with translated():
            return [user(each) for each in self._database.users.find({"_id": {"$in": ids}}).sort("_id")]

    def page(self, *, after: int, limit: int) -> list[User]:
        with translated():
            return [user(each) for each in self._database.users.find({"_id": {"$gt": after}}).sort("_id").limit(limit)]

    def add(self, name: str, email: str) -> User:
        with translated():
            counter = self._database.counters.find_one_and_update(
                {"_id": "users"}, {"$inc": {"last": 1}}, return_document=ReturnDocument.AFTER
            )
            new = {"_id": counter["last"], "name": name, "email": email, "created_at": now()}
            self._database.users.insert_one(new)
        return user(new)

    def delete(self, id: int) -> bool:
        """Forget all about a user but that there was one; False where there is nobody to forget."""
        with translated():
            if self._database.users.find_one({"_id": id}, {"_id": 1}) is None:
                return False
            # The tombstone first: cut short between the two, we still know them, and the next try finishes it.
            self._database.tombstones.replace_one({"_id": id}, {"deleted_at": now()}, upsert=True)
            return self._database.users.delete_one({"_id": id}).deleted_count == 1

    def deleted(self, ids: list[int]) -> list[int]:
        """Those of them that have been deleted."""
        with translated():
            found = self._database.tombstones.find({"_id": {"$in": ids}}).sort("_id")
            return [each["_id"] for each in found]


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def user(document: dict[str, Any]) -> User:
    return User(document["_id"], document["name"], document["email"], document["created_at"])


@contextmanager
def translated() -> Iterator[None]:
    """Bounded in time, by our patience and the caller's: MongoDB learns of it, and ends what takes longer."""
    try:
        with pymongo.timeout(deadline.left(ANSWER)):
            yield
    except DuplicateKeyError as error:
        raise EmailTakenError from error
    except PyMongoError as error:
        if deadline.passed():
            raise deadline.DeadlinePassedError from error
        raise DatabaseUnavailableError(error) from error
