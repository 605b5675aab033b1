"""Discovery on a real Consul: what fails while instances are killed, replaced and forgotten. `pytest -s` prints the counts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from servicelab import Stack
from servicelab.traffic import Run

RATE = 100  # requests per second
SECONDS = 120  # a deadline for what takes five, on a machine that does much else


@pytest.fixture(scope="module")
def shop() -> Iterator[Stack]:
    stack = Stack("discovery")
    stack.down(volumes=True)  # what an earlier run may have left is no part of this one
    try:
        stack.up()
        eventually(lambda: len(passing(stack)) == 3)
        yield stack
    finally:
        stack.down(volumes=True)


def eventually(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def consul(stack: Stack, path: str) -> Any:
    return requests.get(f"{stack['consul'].url}/v1/{path}", timeout=30).json()


def passing(stack: Stack) -> dict[str, str]:
    """Addresses by id."""
    entries = [entry["Service"] for entry in consul(stack, "health/service/users?passing=1")]
    return {entry["ID"]: entry["Address"] for entry in entries}


def traffic(stack: Stack) -> Run:
    run = stack.load("gateway", "/api/users/{id}", rate=RATE, timeout=60)
    eventually(lambda: run.ok >= RATE)
    return run


def more(run: Run, requests: int) -> None:
    """Return when so many more have been answered, or failed."""
    so_far = run.requests
    eventually(lambda: run.requests >= so_far + requests)


def test_each_container_is_one_instance_at_its_own_address(shop: Stack) -> None:
    own = [c.attrs["NetworkSettings"]["Networks"][f"{shop.project}_front"]["IPAddress"] for c in shop["users"].containers]
    assert passing(shop) == {f"users-{number}": address for number, address in enumerate(own, 1)}


def test_killing_one_of_three_fails_no_request(shop: Stack) -> None:
    with traffic(shop) as run:
        shop["users"].kill(1)
        more(run, 3 * RATE)
        shop["users"].start(1)
    print(f"\nkill one of three: {run.failed} of {run.requests} failed")
    assert run.failed == 0, run


def test_replacing_all_three_fails_no_request(shop: Stack) -> None:
    old = {container.id for container in shop["users"].containers}
    with traffic(shop) as run:
        for replica in (1, 2, 3):
            shop["users"].stop(replica)
            assert f"users-{replica}" not in passing(shop)  # it said so itself
            shop["users"].replica(replica).remove()
            shop["users"].scale(3)
            eventually(lambda replica=replica: f"users-{replica}" in passing(shop))
            more(run, RATE)
    print(f"\nreplace all three: {run.failed} of {run.requests} failed")
    assert not old & {container.id for container in shop["users"].containers}
    assert run.failed == 0, run


def test_killing_consul_fails_no_request_and_it_learns_everything_again(shop: Stack) -> None:
    before = passing(shop)
    with traffic(shop) as run:
        shop["consul"].kill()
        more(run, 3 * RATE)
        shop["consul"].start()
        eventually(lambda: passing(shop) == before)
        more(run, RATE)
    print(f"\nkill Consul, and start an empty one: {run.failed} of {run.requests} failed")
    assert run.failed == 0, run


def test_an_instance_that_stops_while_consul_is_dead_ends_well(shop: Stack) -> None:
    shop["consul"].kill()
    shop["users"].stop(3)
    code = shop["users"].replica(3).attrs["State"]["ExitCode"]
    shop["consul"].start()
    shop["users"].start(3)
    eventually(lambda: len(passing(shop)) == 3)
    assert code == 0
