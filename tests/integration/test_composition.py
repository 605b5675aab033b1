"""profiles, users and orders on real sockets and databases: deadlines that end work, neighbours that move, graceful ends."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from jsonschema import Draft202012Validator

from servicelab import Stack

SERVICES = Path(__file__).parents[2] / "services"
LOCK = "BEGIN; LOCK TABLE orders; SELECT pg_sleep(300)"
PSQL = ["psql", "-U", "orders", "-d", "orders", "-XqAtc"]


@pytest.fixture(scope="module")
def shop() -> Iterator[Stack]:
    stack = Stack("composition")
    stack.down(volumes=True)  # what an earlier run may have left is no part of this one
    try:
        stack.up()
        yield stack
    finally:
        stack.down(volumes=True)


def get(stack: Stack, service: str, path: str, **headers: str) -> requests.Response:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.get(stack[service].url + path, timeout=60, headers=sent)


def eventually(answer: Callable[[], object], wanted: object) -> None:
    """Ask until the answer is WANTED: how long that takes is not what these tests are about."""
    deadline = time.monotonic() + 60
    while (seen := answer()) != wanted:
        assert time.monotonic() < deadline, f"wanted {wanted}, still {seen}"
        time.sleep(0.1)


def conforms(answer: requests.Response, contract: str) -> None:
    assert answer.status_code == 200, answer.text
    schema = json.loads((SERVICES / contract).read_text(encoding="utf-8"))
    Draft202012Validator(schema).validate(answer.json())


def sql(stack: Stack, statement: str) -> str:
    code, printed = stack["postgres"].exec([*PSQL, statement])
    assert code == 0, printed
    return printed.strip()


def test_they_answer_as_they_publish(shop: Stack) -> None:
    eventually(lambda: get(shop, "profiles", "/profiles/7").status_code, 200)
    conforms(get(shop, "profiles", "/profiles/7"), "profiles/contracts/profile.json")
    conforms(get(shop, "profiles", "/recommendations?user_ids=1,2"), "profiles/contracts/recommendations.json")
    conforms(get(shop, "recommendations", "/recommendations/7"), "recommendations/contracts/recommendation.json")
    assert get(shop, "plain", "/profiles/7").json()["user"] == get(shop, "users", "/users/7").json()


def test_a_neighbour_that_went_and_came_back_is_found_again(shop: Stack) -> None:
    started = shop["profiles"].container.attrs["State"]["StartedAt"]
    conforms(get(shop, "profiles", "/profiles/7"), "profiles/contracts/profile.json")  # its connections are open
    shop["users"].kill()
    assert get(shop, "profiles", "/profiles/7").status_code == 503
    shop["users"].start()
    eventually(lambda: get(shop, "profiles", "/profiles/7").status_code, 200)
    assert shop["profiles"].container.attrs["State"]["StartedAt"] == started


def test_a_query_ends_with_its_caller(shop: Stack) -> None:
    shop["postgres"].container.exec_run([*PSQL, LOCK], detach=True)
    locks = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted"
    eventually(lambda: sql(shop, locks), "1")
    answer = get(shop, "orders", "/orders?user_id=7", X_Deadline_Ms="500")
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "deadline_passed")
    ours = "state = 'active' AND query LIKE '%FROM orders WHERE%' AND pid <> pg_backend_pid()"
    active = f"SELECT count(*) FROM pg_stat_activity WHERE {ours}"
    assert sql(shop, active) == "0"
    assert get(shop, "profiles", "/profiles/7").json()["missing"] == {"orders": "peer_timeout"}
    assert sql(shop, locks) == "1"  # all that while the table was locked
    sql(shop, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'BEGIN; LOCK%'")
    eventually(lambda: get(shop, "profiles", "/profiles/7").json()["missing"], {})


def test_a_frozen_database_is_not_waited_for_beyond_the_deadline(shop: Stack) -> None:
    for database, service, path in [("mongo", "users", "/users/7"), ("postgres", "orders", "/orders/7")]:
        eventually(lambda service=service, path=path: get(shop, service, path).status_code, 200)  # type: ignore[misc]
        assert shop[database].exec(["bash", "-c", "kill -STOP -1"], user="root")[0] == 0
        try:
            answer = get(shop, service, path, X_Deadline_Ms="500")
        finally:
            assert shop[database].exec(["bash", "-c", "kill -CONT -1"], user="root")[0] == 0
        assert (answer.status_code, answer.json()["error"]["code"]) == (504, "deadline_passed"), service


def test_they_end_when_asked_to(shop: Stack) -> None:
    for service in ("profiles", "plain", "recommendations"):
        shop[service].stop()
        assert [row["exit_code"] for row in shop[service].status()] == [0]
