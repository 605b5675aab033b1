"""The split shop on real databases: contracts, faults that stay where they are, graceful ends."""

from __future__ import annotations

import io
import json
import tarfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from jsonschema import Draft202012Validator

from servicelab import Stack

SERVICES = Path(__file__).parents[2] / "services"


@pytest.fixture(scope="module")
def shop() -> Iterator[Stack]:
    stack = Stack("shop")
    stack.down(volumes=True)  # what an earlier run may have left is no part of this one
    try:
        stack.up()
        yield stack
    finally:
        stack.down(volumes=True)


def get(stack: Stack, service: str, path: str, **options: Any) -> requests.Response:
    return requests.get(stack[service].url + path, timeout=30, **options)


def status(stack: Stack, service: str, path: str) -> int:
    return get(stack, service, path).status_code


def eventually(answer: Callable[[], object], wanted: object) -> None:
    """Ask until the answer is WANTED: how long that takes is not what these tests are about."""
    deadline = time.monotonic() + 60
    while (seen := answer()) != wanted:
        assert time.monotonic() < deadline, f"wanted {wanted}, still {seen}"
        time.sleep(0.1)


def conforms(document: Any, service: str, contract: str) -> None:
    schema = json.loads((SERVICES / service / "contracts" / contract).read_text(encoding="utf-8"))
    Draft202012Validator(schema).validate(document)


def test_they_answer_as_they_publish(shop: Stack) -> None:
    eventually(lambda: status(shop, "orders", "/orders/1?expand=user,product"), 200)
    conforms(get(shop, "users", "/users/1").json(), "users", "user.json")
    conforms(get(shop, "orders", "/orders/1?expand=user,product").json(), "orders", "order.json")
    conforms(get(shop, "catalog", "/products/1").json(), "catalog", "product.json")
    for service in ("users", "orders", "catalog"):
        health = get(shop, service, "/health")
        assert health.status_code == 200
        conforms(health.json(), service, "health.json")


def test_the_seed_is_complete_and_a_second_one_changes_nothing(shop: Stack) -> None:
    assert [user["id"] for user in get(shop, "users", "/users?after=9999").json()["users"]] == [10_000]
    assert [order["id"] for order in get(shop, "orders", "/orders?after=99999").json()["orders"]] == [100_000]
    assert len(get(shop, "orders", "/orders?user_id=1").json()["orders"]) == 10
    for service in ("users", "orders"):
        code, printed = shop[service].exec(["python", "-m", f"{service}.seed"])
        assert (code, printed.strip()) == (0, f"{service}: seeded already")


def test_a_deleted_user_is_told_from_one_that_never_was(shop: Stack) -> None:
    new = requests.post(shop["users"].url + "/users", json={"name": "A", "email": "a@example.org"}, timeout=30).json()["id"]
    for _ in range(2):  # a retry sees the same
        assert requests.delete(f"{shop['users'].url}/users/{new}", timeout=30).status_code == 204
    assert get(shop, "users", f"/users/{new}").json()["error"]["code"] == "deleted"
    answer = get(shop, "users", f"/users?ids=9999999,{new},2,1").json()
    conforms(answer, "users", "users-by-ids.json")
    assert ([user["id"] for user in answer["users"]], answer["deleted"]) == ([1, 2], [new])


def test_an_edit_right_after_another_does_not_wait_for_workers_that_still_finish(shop: Stack) -> None:
    source = (SERVICES / "users/users/routes.py").read_text(encoding="utf-8")
    for version in ("one", "two", "three"):
        with requests.Session() as session:  # a worker with an open connection goes on for two seconds
            session.get(shop["users"].url + "/users/1", timeout=30)
            shop["users"].update("routes.py", source.replace('"name": user.name', f'"version": "{version}", "name": user.name'))
        assert get(shop, "users", "/users/1").json()["version"] == version
    shop["users"].update("routes.py", source)
    conforms(get(shop, "users", "/users/1").json(), "users", "user.json")


def test_users_and_orders_can_be_added_and_an_email_only_once(shop: Stack) -> None:
    new = {"name": "Åsa", "email": "asa@example.org"}
    user = requests.post(shop["users"].url + "/users", json=new, timeout=30)
    assert user.status_code == 201
    assert get(shop, "users", user.headers["Location"]).json() == user.json()
    assert requests.post(shop["users"].url + "/users", json=new, timeout=30).status_code == 409
    order = {"user_id": user.json()["id"], "product_id": 1, "quantity": 2}
    ordered = requests.post(shop["orders"].url + "/orders", json=order, timeout=30)
    assert (ordered.status_code, ordered.json()["total_cents"]) == (201, 2 * 12395)
    assert get(shop, "orders", ordered.headers["Location"]).json() == ordered.json()


def test_one_request_can_be_followed_through_all_logs(shop: Stack) -> None:
    request = uuid.uuid4().hex
    get(shop, "orders", "/orders/1?expand=user,product", headers={"X-Request-ID": request})

    def seen() -> dict[str, list[tuple[Any, ...]]]:
        logs = {service: shop[service].logs().splitlines() for service in ("users", "orders", "catalog")}
        found = {service: [json.loads(line) for line in lines if request in line] for service, lines in logs.items()}
        return {service: [(e["caller"], e["route"], e["status"]) for e in entries] for service, entries in found.items()}

    wanted = {
        "orders": [(None, "/orders/<id>", 200)],
        "users": [("orders", "/users/<id>", 200)],
        "catalog": [("orders", "/products/<id>", 200)],
    }
    eventually(seen, wanted)


def test_a_dead_service_costs_only_what_needs_it(shop: Stack) -> None:
    shop["catalog"].kill()
    assert status(shop, "orders", "/orders/1?expand=product") == 503
    eventually(lambda: status(shop, "orders", "/orders/1?expand=user"), 200)
    eventually(lambda: status(shop, "users", "/users/1"), 200)
    shop["catalog"].start()
    eventually(lambda: status(shop, "orders", "/orders/1?expand=product"), 200)


@pytest.mark.parametrize(("service", "database", "path"), [("users", "mongo", "/users/1"), ("orders", "postgres", "/orders/1")])
def test_a_database_that_goes_away_and_comes_back_needs_no_restart(shop: Stack, service: str, database: str, path: str) -> None:
    started = shop[service].container.attrs["State"]["StartedAt"]
    eventually(lambda: status(shop, service, path), 200)  # its connections are open
    shop[database].kill()
    assert status(shop, service, path) == 503
    unhealthy = get(shop, service, "/health")
    assert (unhealthy.status_code, unhealthy.json()["checks"]) == (503, {"database": "down"})
    shop[database].start()
    eventually(lambda: status(shop, service, path), 200)
    assert shop[service].container.attrs["State"]["StartedAt"] == started


@pytest.mark.parametrize(("service", "database", "path"), [("users", "mongo", "/users/1"), ("orders", "postgres", "/orders/1")])
def test_a_frozen_database_costs_an_error_and_no_thread_for_ever(shop: Stack, service: str, database: str, path: str) -> None:
    assert signal_all(shop, database, "STOP") == 0
    try:
        assert status(shop, service, path) == 503
    finally:
        assert signal_all(shop, database, "CONT") == 0
    eventually(lambda: status(shop, service, path), 200)


def signal_all(shop: Stack, service: str, name: str) -> int:
    """A signal to every process of the service. STOP is as good as `docker pause`, which old runc refuses on a busy machine."""
    return shop[service].exec(["bash", "-c", f"kill -{name} -1"], user="root")[0]


def test_the_tests_of_the_catalog_in_its_own_image(shop: Stack) -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.add(SERVICES / "catalog/tests", "app/tests")
        tar.add(SERVICES / "orders/contracts/expects", "orders/contracts/expects")
    assert shop["catalog"].container.put_archive("/", archive.getvalue())
    code, printed = shop["catalog"].exec(["node", "--test", "--test-reporter=tap", "tests/catalog.test.js"])
    assert code == 0, printed
    assert "as orders expects" in printed


def test_they_end_when_asked_to(shop: Stack) -> None:
    for service in ("users", "orders", "catalog"):
        shop[service].stop()
        assert [row["exit_code"] for row in shop[service].status()] == [0]
