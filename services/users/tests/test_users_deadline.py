"""X-Deadline-Ms at users: a request that nobody waits for is not worked on, and MongoDB gets what is left."""

import time

import pymongo
import pytest
from flask import Flask, g
from pymongo.errors import NetworkTimeout
from users.deadline import DeadlinePassedError
from users.errors import DatabaseUnavailableError
from users.store import ANSWER, translated


@pytest.fixture
def in_a_request():
    with Flask("users").app_context():
        yield


@pytest.mark.parametrize("left", ["0", "-5"])
def test_a_request_that_nobody_waits_for_is_not_worked_on(client, users, left):
    users.users = None  # whoever looks there fails
    response = client.get("/users/1", headers={"X-Deadline-Ms": left})
    assert (response.status_code, response.json["error"]["code"]) == (504, "deadline_passed")


def test_a_request_with_time_left_is_answered(client):
    assert client.get("/users/1", headers={"X-Deadline-Ms": "60000"}).status_code == 200


def test_a_deadline_that_is_no_number_is_400_naming_the_header(client):
    response = client.get("/users/1", headers={"X-Deadline-Ms": "soon"})
    assert (response.status_code, response.json["error"]["field"]) == (400, "X-Deadline-Ms")


def test_mongodb_gets_what_is_left_and_never_more_than_we_wait(monkeypatch, in_a_request):
    given = []
    real = pymongo.timeout
    monkeypatch.setattr(pymongo, "timeout", lambda seconds: given.append(seconds) or real(seconds))
    with translated():
        pass
    g.deadline = time.monotonic() + 1
    with translated():
        pass
    assert given[0] == ANSWER
    assert given[1] <= 1


def fail_late():
    g.deadline = time.monotonic() - 1
    raise NetworkTimeout("too late")


def test_an_error_after_the_deadline_is_the_deadlines(in_a_request):
    with pytest.raises(DatabaseUnavailableError), translated():
        raise NetworkTimeout("gone")
    g.deadline = time.monotonic() + 60
    with pytest.raises(DeadlinePassedError), translated():
        fail_late()
