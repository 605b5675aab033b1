"""X-Deadline-Ms: what comes in is honoured, and what is left of it goes along to peers and to the database."""

import time

import psycopg2
import pytest
import urllib3
from flask import Flask, g
from orders import database
from orders.database import Database, answer_in_time
from orders.deadline import DeadlinePassedError
from orders.errors import DatabaseUnavailableError
from orders.peers import Peer


class RecordingConnection:
    """A connection and its cursor in one: it keeps what is executed."""

    closed = 0

    def __init__(self, statements):
        self.statements = statements

    def cursor(self):
        return self

    def execute(self, statement, values=()):
        self.statements.append((statement, list(values)))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


@pytest.fixture
def statements(monkeypatch):
    """What reached the database."""
    seen = []
    monkeypatch.setattr(psycopg2, "connect", lambda *_, **__: RecordingConnection(seen))
    monkeypatch.setattr(psycopg2.extensions, "set_wait_callback", lambda _: None)
    return seen


@pytest.fixture
def in_a_request():
    with Flask("orders").app_context():
        g.request_id = "abc-1"
        yield


@pytest.mark.parametrize("left", ["0", "-5"])
def test_a_request_that_nobody_waits_for_is_not_worked_on(client, orders, left):
    orders.orders = None  # whoever looks there fails
    response = client.get("/orders/1", headers={"X-Deadline-Ms": left})
    assert (response.status_code, response.json["error"]["code"]) == (504, "deadline_passed")


def test_a_request_with_time_left_is_answered(client):
    assert client.get("/orders/1", headers={"X-Deadline-Ms": "60000"}).status_code == 200


@pytest.mark.parametrize("left", ["", "soon", "1.5", "1e3", "٣", "9" * 10])
def test_a_deadline_that_is_no_number_is_400_naming_the_header(client, left):
    response = client.get("/orders/1", environ_base={"HTTP_X_DEADLINE_MS": left})
    assert (response.status_code, response.json["error"]["field"]) == (400, "X-Deadline-Ms")


def test_postgresql_is_told_what_is_left(statements, in_a_request):
    g.deadline = time.monotonic() + 60
    with Database("postgresql://nowhere", size=1).transaction() as cursor:
        cursor.execute("SELECT 1")
    (limit, [milliseconds]), (query, _) = statements
    assert (limit, query) == ("SET LOCAL statement_timeout = %s", "SELECT 1")
    assert milliseconds == 5000, "never more than we wait ourselves"


def test_without_a_deadline_it_is_not_asked_one_thing_more(statements, in_a_request):
    with Database("postgresql://nowhere", size=1).transaction() as cursor:
        cursor.execute("SELECT 1")
    assert statements == [("SELECT 1", [])]


def test_no_connection_is_taken_when_the_deadline_has_passed(statements, in_a_request):
    g.deadline = time.monotonic() - 1
    with pytest.raises(DeadlinePassedError), Database("postgresql://nowhere", size=1).transaction():
        pass
    assert statements == []


def fail_late():
    g.deadline = time.monotonic() - 1
    raise psycopg2.errors.QueryCanceled("statement timeout")


def test_an_error_after_the_deadline_is_the_deadlines(statements, in_a_request):
    pool = Database("postgresql://nowhere", size=1)
    with pytest.raises(DatabaseUnavailableError), pool.transaction():
        raise psycopg2.errors.QueryCanceled("an administrator did it")
    pool = Database("postgresql://nowhere", size=1)
    g.deadline = time.monotonic() + 60
    with pytest.raises(DeadlinePassedError), pool.transaction():
        fail_late()


def test_a_frozen_database_is_not_waited_for_beyond_the_deadline(monkeypatch, in_a_request):
    monkeypatch.setattr(database, "ANSWER", 3600)
    monkeypatch.setattr(database, "MERCY", 0.01)
    g.deadline = time.monotonic() + 0.01
    silent = RecordingConnection([])
    silent.poll = lambda: psycopg2.extensions.POLL_READ
    monkeypatch.setattr(database.select, "select", lambda reading, writing, other, seconds: ([], [], []))
    with pytest.raises(psycopg2.OperationalError, match=r"no answer within 0\.\d s"):
        answer_in_time(silent)


def test_a_peer_is_told_what_is_left_and_not_waited_for_any_longer(monkeypatch, in_a_request):
    asked = []

    def request(self, method, url, *, headers, timeout):
        asked.append((int(headers["X-Deadline-Ms"]), timeout))
        return urllib3.HTTPResponse(b'{"id": 1}', status=200)

    monkeypatch.setattr(urllib3.PoolManager, "request", request)
    users = Peer("users", "http://users")
    assert users.get("/users/1", ("id",)) == {"id": 1}
    g.deadline = time.monotonic() + 1
    users.get("/users/1", ("id",))
    (without, _), (milliseconds, timeout) = asked
    assert without == 2000
    assert milliseconds <= 1000
    assert timeout.read_timeout <= 1
    g.deadline = time.monotonic() - 1
    with pytest.raises(DeadlinePassedError):
        users.get("/users/1", ("id",))
    assert len(asked) == 2
