"""A workshop on one engine: stacks of many learners at once, and one lesson run by several."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import docker
import pytest
import requests

from servicelab import Stack, leftovers
from servicelab.engine.spec import LEARNER

TEN = [f"soak-{number}" for number in range(10)]


def test_ten_learners_shops_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    shops = []
    for learner in TEN:
        monkeypatch.setenv("SERVICELAB_LEARNER", learner)
        shops.append(Stack("shop"))
    try:
        with ThreadPoolExecutor(len(shops)) as pool:
            list(pool.map(Stack.up, shops))
        client = docker.from_env()
        found = client.containers.list(filters={"label": LEARNER})
        owners = Counter(container.labels[LEARNER] for container in found if container.labels[LEARNER] in TEN)
        assert len(set(owners.values())) == 1, owners
        assert len({shop["orders"].url for shop in shops}) == len(TEN), "each has ports of its own"
        for shop in shops:
            shop["orders"].update("routes.py", shop_source("orders") + f"\n# edited by {shop.learner}\n")
        for shop in shops:
            code, text = shop["orders"].exec(["tail", "-1", "/app/orders/routes.py"])
            assert (code, text.strip()) == (0, f"# edited by {shop.learner}"), "each changes its own"
            addresses = {shop[name].url for name in ("users", "orders", "catalog")}
            assert {requests.get(f"{url}/health", timeout=30).status_code for url in addresses} == {200}
        shops[0].down(volumes=True)
        assert all(row["state"] in ("running", "exited") for shop in shops[1:] for row in shop.status())
        assert requests.get(f"{shops[1]['orders'].url}/orders/1", timeout=30).status_code == 200
        client.close()
    finally:
        for learner in TEN:
            leftovers.remove(learner, images=True)
    print(f"{len(TEN)} shops at once: {sum(owners.values())} containers, 0 collisions")


def test_a_lesson_run_by_three_at_once() -> None:
    command = [sys.executable, "-m", "servicelab.cli", "run", "02"]
    runs = [
        subprocess.Popen(
            command,
            env={**os.environ, "SERVICELAB_LEARNER": learner},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for learner in TEN[:3]
    ]
    outputs = [run.communicate()[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0], "\n".join(output[-2000:] for output in outputs)
    print("lesson 02 by three at once: 3 passed")


def shop_source(service: str) -> str:
    from servicelab import source

    return source.of(f"{service}/{service}/routes.py")
