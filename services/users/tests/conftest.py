"""The service without its database: users are kept in a dict."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))

from users import create_app
from users.config import Config
from users.data import USERS, seeded_users
from users.errors import DatabaseUnavailableError
from users.store import EmailTakenError, User


class UsersInMemory:
    def __init__(self):
        self.down = False
        self.users = {id: User(id, *rest) for id, *rest in seeded_users()}
        self.tombstones = set()

    def ping(self):
        if self.down:
            raise DatabaseUnavailableError("switched off by the test")

    def get(self, id):
        self.ping()
        return self.users.get(id)

    def many(self, ids):
        return [self.users[id] for id in sorted(set(ids)) if id in self.users]

    def page(self, *, after, limit):
        return [self.users[id] for id in sorted(self.users) if id > after][:limit]

    def add(self, name, email):
        if any(user.email == email for user in self.users.values()):
            raise EmailTakenError
        new = User(max(self.users, default=USERS) + 1, name, email, "2026-01-01T00:00:00Z")
        self.users[new.id] = new
        return new

    def delete(self, id):
        if self.users.pop(id, None) is None:
            return False
        self.tombstones.add(id)
        return True

    def deleted(self, ids):
        return sorted(self.tombstones & set(ids))


@pytest.fixture
def users():
    return UsersInMemory()


@pytest.fixture
def client(users):
    return create_app(Config(mongo_url="mongodb://nowhere/users"), users=users).test_client()
