"""A `Stack` as a lesson holds it: the real shop, driven, edited while it runs, broken and mended."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from servicelab import Stack, settings
from servicelab.engine import live_edit
from servicelab.errors import ServicelabError, UpdateError
from servicelab.service import Service


@pytest.fixture(scope="module")
def shop() -> Iterator[Stack]:
    stack = Stack("shop")
    stack.up()
    yield stack
    stack.down(volumes=True)


def source(service: str, path: str) -> str:
    return (settings.root() / "services" / service / service / path).read_text("utf-8")


def user_name(service: Service) -> str:
    return str(requests.get(f"{service.url}/users/1", timeout=5).json()["name"])


def lines_with(service: Service, text: str) -> list[str]:
    """The log lines with TEXT in them. The first one may come to the engine a moment after the answer came to us."""
    until = time.monotonic() + 30
    while not (found := [line for line in service.logs().splitlines() if text in line]) and time.monotonic() < until:
        time.sleep(0.05)
    return found


def test_each_service_answers_at_its_own_address(shop: Stack) -> None:
    for name in ("users", "orders", "catalog"):
        health = requests.get(f"{shop[name].url}/health", timeout=5)
        assert health.status_code == 200
        assert health.json()["service"] == name
        assert shop[name].url.startswith("http://127.0.0.1:")
    assert shop.services == list(shop.application.services)
    assert "users-1" in repr(shop)


def test_a_second_kernel_finds_what_the_first_one_left(shop: Stack) -> None:
    again = Stack("shop")
    before = {c.id for service in again for c in service.containers}
    again.up()
    assert {c.id for service in again for c in service.containers} == before


def test_what_is_not_there_is_said_with_what_is(shop: Stack) -> None:
    with pytest.raises(ServicelabError, match="it has: users"):
        shop["user"]
    with pytest.raises(ServicelabError, match="publishes no port"):
        _ = shop["mongo"].url
    with pytest.raises(ServicelabError, match="no replica 7"):
        shop["users"].kill(7)
    with pytest.raises(ServicelabError, match="can't have -1"):
        shop["users"].scale(-1)


def test_kill_start_stop_pause_restart(shop: Stack) -> None:
    catalog = shop["catalog"]
    catalog.kill()
    assert [(row["state"], row["exit_code"]) for row in catalog.status()] == [("exited", 137)]
    with pytest.raises(ServicelabError, match="is not running"):
        _ = catalog.url
    catalog.start()
    assert requests.get(f"{catalog.url}/products/1", timeout=5).status_code == 200
    catalog.stop()
    assert [row["exit_code"] for row in catalog.status()] == [0], "it ends by itself on SIGTERM"
    catalog.restart()
    assert requests.get(f"{catalog.url}/products/1", timeout=5).status_code == 200
    catalog.pause()
    with pytest.raises(requests.Timeout):
        requests.get(f"{catalog.url}/products/1", timeout=0.3)
    catalog.unpause()
    assert requests.get(f"{catalog.url}/products/1", timeout=5).status_code == 200
    with pytest.raises(ServicelabError, match="replica 1 is running"):
        catalog.unpause()


def test_scale_one_service_alone(shop: Stack) -> None:
    orders = shop["orders"]
    orders.scale(3)
    assert len(set(orders.urls)) == 3
    orders.kill(2)
    assert [row["state"] for row in orders.status()] == ["running", "exited", "running"]
    orders.start(2)
    orders.scale(1)
    assert len(orders.containers) == 1
    assert len(shop["users"].containers) == 1


def test_logs_are_json_lines_of_one_schema(shop: Stack) -> None:
    wanted = {"ts", "level", "service", "instance", "request_id", "caller", "method", "route", "status", "duration_ms", "message"}
    for name, path in (("users", "/users/2"), ("orders", "/orders/2"), ("catalog", "/products/2")):
        request_id = f"log-{name}"
        requests.get(f"{shop[name].url}{path}", timeout=5, headers={"X-Request-ID": request_id})
        (line,) = lines_with(shop[name], request_id)
        entry = json.loads(line)
        assert set(entry) == wanted
        assert (entry["service"], entry["instance"], entry["status"]) == (name, f"{name}-1", 200)


def test_follow_yields_lines_as_they_come(shop: Stack) -> None:
    users, found = shop["users"], threading.Event()

    def look() -> None:
        for line in users.follow():
            if "followed" in line:
                found.set()
                return

    threading.Thread(target=look, daemon=True).start()
    while not found.wait(0.1):  # the first ones may come before anyone follows
        requests.get(f"{users.url}/users/3", timeout=5, headers={"X-Request-ID": "followed"})


def test_exec_and_stats(shop: Stack) -> None:
    code, output = shop["users"].exec(["python", "-c", "print(6 * 7)"])
    assert (code, output) == (0, "42\n")
    assert shop["users"].exec(["sh", "-c", "exit 3"])[0] == 3
    (row,) = shop["users"].stats()
    assert row["name"] == "users-1"
    assert 5e6 < row["memory"] < 200e6


def test_no_service_reaches_the_database_of_another(shop: Stack) -> None:
    probe = "import socket; socket.create_connection(('{}', {}), 2)"
    assert shop["orders"].exec(["python", "-c", probe.format("postgres", 5432)])[0] == 0
    assert shop["orders"].exec(["python", "-c", probe.format("mongo", 27017)])[0] != 0
    assert shop["users"].exec(["python", "-c", probe.format("postgres", 5432)])[0] != 0


@pytest.mark.parametrize(("service", "database", "path"), [("users", "mongo", "/users/1"), ("orders", "postgres", "/orders/1")])
def test_a_database_that_comes_back_needs_no_restart_of_its_service(shop: Stack, service: str, database: str, path: str) -> None:
    started = shop[service].container.attrs["State"]["StartedAt"]
    shop[database].kill()
    assert requests.get(f"{shop[service].url}/health", timeout=15).status_code == 503
    assert requests.get(f"{shop[service].url}{path}", timeout=15).status_code == 503
    shop[database].start()
    shop[service].ready()
    assert requests.get(f"{shop[service].url}{path}", timeout=15).status_code == 200
    assert shop[service].container.attrs["State"]["StartedAt"] == started


class TestUpdate:
    """Edit to live."""

    def test_goes_live_in_every_replica_and_fails_no_request(self, shop: Stack) -> None:
        users = shop["users"]
        users.scale(2)
        stop, statuses = threading.Event(), []
        url = users.url

        def ask() -> None:
            with requests.Session() as session:
                while not stop.is_set():
                    statuses.append(session.get(f"{url}/users/1", timeout=10).status_code)

        asking = threading.Thread(target=ask)
        asking.start()
        try:
            old = user_name(users)
            users.update("routes.py", source("users", "routes.py").replace('"name": user.name', '"name": user.name.upper()'))
        finally:
            stop.set()
            asking.join()
        assert set(statuses) == {200}
        assert old != old.upper()
        for url in users.urls:
            assert requests.get(f"{url}/users/1", timeout=5).json()["name"] == old.upper()
        assert all(row["edited"] for row in users.status())
        assert "edited" in repr(shop)

    def test_later_replicas_get_it_and_a_new_kernel_keeps_it(self, shop: Stack) -> None:
        shop["users"].scale(3)
        Stack("shop").up(scale={"users": 3})
        names = {requests.get(f"{url}/users/1", timeout=5).json()["name"] for url in shop["users"].urls}
        assert len(names) == 1
        assert names.pop().isupper()

    @pytest.mark.parametrize(
        ("new", "said"),
        [
            ("def broken(:\n", "line 1 does not compile"),
            ("import no_such_module\n", "No module named 'no_such_module'"),
        ],
        ids=["syntax", "boot"],
    )
    def test_what_does_not_start_is_put_back(self, shop: Stack, new: str, said: str) -> None:
        users = shop["users"]
        users.scale(1)
        with pytest.raises(UpdateError, match=r"routes\.py of users") as caught:
            users.update("routes.py", new)
        assert said in str(caught.value)
        assert user_name(users).isupper(), "the last good file is the edited one"

    def test_it_arrives_byte_for_byte_and_so_does_what_is_put_back(self, shop: Stack) -> None:
        odd = source("users", "routes.py") + "# 'quoted' \"twice\" $HOME `id` %s \\n \\\\ é 😀\n\n# no newline at the end"
        shop["users"].update("routes.py", odd)
        assert live_edit.edits(shop["users"].container) == {"routes.py": odd}
        with pytest.raises(UpdateError):
            shop["users"].update("routes.py", "import no_such_module\n")
        assert live_edit.edits(shop["users"].container) == {"routes.py": odd}

    def test_what_no_command_can_carry_is_refused(self, shop: Stack) -> None:
        with pytest.raises(UpdateError, match="more than 100,000 bytes"):
            shop["users"].update("routes.py", "#" * (live_edit.LONGEST + 1))
        shop["users"].update("routes.py", source("users", "routes.py") + "#" * (live_edit.LONGEST - 20_000))

    def test_reset_undoes_it(self, shop: Stack) -> None:
        shop["users"].reset()
        assert not user_name(shop["users"]).isupper()
        assert not any(row["edited"] for row in shop["users"].status())

    @pytest.mark.parametrize(
        ("service", "path", "said"),
        [
            ("catalog", "server.js", "can't be changed while it runs"),
            ("users", "no_such.py", "it has: "),
            ("users", "../gunicorn.conf.py", "outside"),
        ],
    )
    def test_what_can_not_be_changed_says_why(self, shop: Stack, service: str, path: str, said: str) -> None:
        with pytest.raises(UpdateError, match=said):
            shop[service].update(path, "pass\n")

    def test_a_read_only_root_refuses(self, tmp_path: Path, shop: Stack) -> None:
        text = shop.file.read_text("utf-8").replace(
            "  users:\n    <<: *service\n", "  users:\n    <<: *service\n    read_only: true\n"
        )
        text = text.replace("../services", str(settings.root() / "services"))
        (tmp_path / "readonly.yaml").write_text(text.replace("name: shop", "name: readonly"), "utf-8")
        stack = Stack.of(tmp_path / "readonly.yaml")
        try:
            stack.up()
            with pytest.raises(UpdateError, match="its root is read-only"):
                stack["users"].update("routes.py", source("users", "routes.py"))
        finally:
            stack.down(volumes=True)


def test_reset_gives_the_first_state_again(shop: Stack) -> None:
    new = requests.post(f"{shop['users'].url}/users", json={"name": "Ada", "email": "ada@example.org"}, timeout=5).json()
    assert requests.get(f"{shop['users'].url}/users/{new['id']}", timeout=5).status_code == 200
    shop["orders"].scale(2)
    shop.reset()
    assert requests.get(f"{shop['users'].url}/users/{new['id']}", timeout=5).status_code == 404
    assert len(shop["orders"].containers) == 1
