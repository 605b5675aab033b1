"""The pool, with connections that are made up: a socket each, as a real one has."""

import socket

import psycopg2
import pytest
from orders import database
from orders.database import Database
from orders.errors import DatabaseUnavailableError


class FakeConnection:
    def __init__(self):
        self.ours, self.theirs = socket.socketpair()
        self.closed = 0

    def fileno(self):
        return self.ours.fileno()

    def close(self):
        self.closed = 1
        self.ours.close()
        self.theirs.close()

    def cursor(self):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


@pytest.fixture
def made(monkeypatch):
    """The connections made so far."""
    made = []

    def connect(*_, **__):
        made.append(FakeConnection())
        return made[-1]

    monkeypatch.setattr(psycopg2, "connect", connect)
    monkeypatch.setattr(psycopg2.extensions, "set_wait_callback", lambda _: None)
    yield made
    for connection in made:
        connection.close()


def test_nothing_connects_before_it_has_to(made):
    Database("postgresql://nowhere", size=1)
    assert made == []


def test_a_connection_is_used_again(made):
    pool = Database("postgresql://nowhere", size=2)
    for _ in range(3):
        with pool.transaction():
            pass
    assert len(made) == 1


def test_a_connection_whose_other_side_is_gone_is_replaced(made):
    pool = Database("postgresql://nowhere", size=1)
    with pool.transaction():
        pass
    made[0].theirs.close()
    with pool.transaction() as cursor:
        assert cursor is made[1]
    assert made[0].closed


def test_no_more_connections_than_agreed(made, monkeypatch):
    monkeypatch.setattr(database, "WAIT", 0.01)
    pool = Database("postgresql://nowhere", size=1)
    with pool.transaction(), pytest.raises(DatabaseUnavailableError), pool.transaction():
        pass
    with pool.transaction():  # given back
        pass
    assert len(made) == 1


def test_an_error_of_the_database_is_ours_and_the_connection_is_not_lost(made):
    pool = Database("postgresql://nowhere", size=1)
    with pytest.raises(DatabaseUnavailableError), pool.transaction():
        raise psycopg2.OperationalError("gone")
    with pool.transaction():
        pass


def test_an_answer_that_does_not_come_has_a_deadline(made, monkeypatch):
    monkeypatch.setattr(database, "ANSWER", 0.01)
    silent = psycopg2.connect()
    silent.poll = lambda: psycopg2.extensions.POLL_READ
    with pytest.raises(psycopg2.OperationalError, match="no answer"):
        database.answer_in_time(silent)
