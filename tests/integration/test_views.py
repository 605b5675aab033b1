"""The live view on a real stack: what it sees, what its buttons do, and that nothing of it stays."""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import kombu
import pytest
import requests

from servicelab import Stack, faults, images
from servicelab.errors import ServicelabError
from servicelab.views import system, watcher
from servicelab.views.logs import Reader
from servicelab.views.look import Look
from servicelab.views.snapshot import Rate, Snapshot
from servicelab.views.widget import StackView

FILE = Path(__file__).parents[1] / "stacks" / "talking.yaml"
PATIENCE = 90.0


@pytest.fixture
def stack(learner: str, registry: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    """Two services, one of which calls the other, running."""
    monkeypatch.setenv("SERVICELAB_LEARNER", learner)
    monkeypatch.setenv("REGISTRY", registry)
    made = Stack.of(FILE)
    made.up()
    yield made
    faults.mend(made)
    made.client.close()


@pytest.fixture
def look(stack: Stack) -> Iterator[Look]:
    made = Look(stack._engine, system.read(stack.application))
    yield made
    made.close()


@pytest.fixture
def view(stack: Stack) -> Iterator[StackView]:
    """A view that somebody looks at."""
    made = StackView(stack)
    made.handle({"kind": "here", "front": "a", "narrow": False})
    yield made
    made.handle({"kind": "gone", "front": "a"})
    made._watcher.join()
    made.close()


def until(ask: Callable[[], Any]) -> Any:
    """The first true answer."""
    deadline = time.monotonic() + PATIENCE
    while not (answer := ask()):
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.05)
    return answer


def act(view: StackView, verb: str, service: str, replica: int | None = None) -> None:
    thread = view.handle({"kind": "act", "verb": verb, "service": service, "replica": replica})
    assert thread is not None
    thread.join()


def sockets() -> int:
    """Open sockets of this process."""
    found = 0
    for name in os.listdir("/proc/self/fd"):
        try:
            found += os.readlink(f"/proc/self/fd/{name}").startswith("socket:")
        except FileNotFoundError:
            continue
    return found


def test_what_a_look_sees(stack: Stack, look: Look) -> None:
    session = requests.Session()
    seen = look.take({"back"})
    assert {name: [r.number for r in own] for name, own in seen.replicas.items()} == {"front": [1], "back": [1]}

    def rates() -> dict[tuple[str, str], Any]:
        session.get(stack["front"].url + "/hello", timeout=30)
        return dict(look.take({"back"}).rates)

    found = until(lambda: (known := rates()) and {("outside", "front"), ("front", "back")} <= known.keys() and known)
    assert found["front", "back"].requests > 0
    assert found["outside", "front"].errors == 0
    assert "GET /hello 200" in look.lines("back")[-1].text
    usage = until(lambda: look.take().of("front")[0].usage)
    assert usage.memory > 2**20

    stack["back"].kill()
    until(lambda: rates().get(("outside", "front"), Rate()).errors > 0)
    assert [r.words for r in look.take().of("back")] == ["exited 137"]
    with stack.fault("front", cpu=0.5):
        until(lambda: look.take().faults == {"front": ("cpu 0.5",)})
    until(lambda: look.take().faults == {})
    session.close()


def test_a_log_that_can_not_be_read_holds_up_nothing_else(stack: Stack, look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the engine has it while it starts a container: its log waits until it is up."""
    read, back, up = Reader.read, stack["back"].container.id, threading.Event()

    def held_up(reader: Reader, client: Any) -> Any:
        if reader.container == back:
            up.wait(15)
        return read(reader, client)

    monkeypatch.setattr(Reader, "read", held_up)
    requests.get(stack["front"].url + "/hello", timeout=30)
    stack["back"].stop()
    assert [r.state for r in look.take({"back"}).of("back")] == ["exited"]
    stack["back"].start()
    assert [r.state for r in look.take({"back"}).of("back")] == ["running"]
    assert look.lines("back") == []
    up.set()
    until(lambda: (look.take({"back"}), look.lines("back"))[1])


def test_a_queue_is_seen_to_fill_and_to_empty(learner: str, registry: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVICELAB_LEARNER", learner)
    monkeypatch.setenv("REGISTRY", registry)
    monkeypatch.setenv("RABBITMQ_PASSWORD", secrets.token_hex(8))
    images.ensure(["library/rabbitmq:4-management"], registry=registry)
    stack = Stack.of(FILE.with_name("queue.yaml"))
    stack.up()
    look = Look(stack._engine, system.read(stack.application))
    address = {"hostname": "127.0.0.1", "port": stack["rabbit"].port(5672), "userid": "shop"}
    with kombu.Connection(transport="amqp", password=os.environ["RABBITMQ_PASSWORD"], **address) as broker:
        jobs = broker.SimpleQueue("jobs")
        for number in range(3):
            jobs.put(number)
        seen = until(lambda: (now := look.take()).depths == {"rabbit": {"jobs": 3}} and now)
        assert seen.connections["rabbit"] == 1
        taken = [jobs.get(timeout=PATIENCE) for _ in range(3)]
        assert [message.payload for message in taken] == [0, 1, 2]
        for message in taken:
            message.ack()
        until(lambda: look.take().depths == {"rabbit": {"jobs": 0}})
        jobs.close()
    look.close()
    stack.client.close()


def test_buttons_act_on_real_containers_and_the_view_shows_it(stack: Stack, view: StackView) -> None:
    said: list[str] = []
    view.observe(lambda change: said.append(change.new), "said")
    until(lambda: view.conditions.get("front") == [[1, "running"]])
    for verb, state in (
        ("kill", "exited"),
        ("start", "running"),
        ("pause", "paused"),
        ("unpause", "running"),
        ("stop", "exited"),
    ):
        act(view, verb, "front")
        assert stack["front"].container.status == state
        until(lambda state=state: view.conditions["front"] == [[1, state]])
        assert view.trouble == ""
        assert view.busy == []
    assert "exited" in view.wide
    assert any("front-1: exited 137" in words for words in said)

    act(view, "restart", "front")
    act(view, "more", "front")
    until(lambda: view.conditions["front"] == [[1, "running"], [2, "running"]])
    act(view, "kill", "front", replica=2)
    until(lambda: view.conditions["front"] == [[1, "running"], [2, "exited"]])
    act(view, "fewer", "front")
    until(lambda: len(view.conditions["front"]) == 1)

    act(view, "unpause", "back")
    assert "nothing of back is paused" in view.trouble
    act(view, "explode", "back")
    assert "a view can't 'explode'" in view.trouble
    act(view, "pause", "back")
    assert view.trouble == "", "what went wrong is forgotten when the next thing goes well"


def test_latency_is_put_on_and_taken_off(stack: Stack, view: StackView) -> None:
    act(view, "latency", "back")
    assert view.trouble == ""
    assert [str(fault) for fault in stack.faults] == ["back: latency 300 ms"]
    until(lambda: view.delayed == ["back"])
    assert "latency 300 ms" in view.wide
    act(view, "latency", "back")
    assert stack.faults == []
    until(lambda: view.delayed == [])


def test_several_views_of_one_stack_agree_by_one_thread(stack: Stack, view: StackView) -> None:
    other = StackView(Stack.of(FILE))
    other.handle({"kind": "here", "front": "b", "narrow": True})
    act(other, "kill", "back")
    for one in (view, other):
        until(lambda one=one: one.conditions.get("back") == [[1, "exited"]])
    assert 'width="332"' in until(lambda: other.narrow)
    names = [thread.name for thread in threading.enumerate()]
    assert names.count(f"servicelab-view-{stack.project}") == 1
    other.handle({"kind": "gone", "front": "b"})
    other.close()


def test_the_selected_service_has_its_last_lines(stack: Stack, view: StackView) -> None:
    requests.get(stack["back"].url + "/find-me", timeout=30)
    view.selected = "back"
    lines = until(lambda: [line for line in view.lines if "/find-me" in line])
    assert "back-1  GET /find-me 200 in " in lines[0]


def test_nobody_there_no_thread_no_socket(stack: Stack) -> None:
    now = [0.0]
    shown: list[Snapshot] = []

    class View:
        selected = "front"
        busy: ClassVar[list[list[str]]] = []

        def show(self, seen: Snapshot, look: Look | None) -> None:
            shown.append(seen)

    before = sockets()
    watching = watcher.Watcher(stack.project, lambda: Look(stack._engine, system.read(stack.application)), clock=lambda: now[0])
    watching.here(View())
    until(lambda: len(shown) > 2)
    assert shown[-1].trouble == ""
    assert sockets() > before
    now[0] = watcher.PATIENCE - 1
    count = len(shown)
    until(lambda: len(shown) > count)
    now[0] = watcher.PATIENCE + 1
    watching.join()
    assert not [t.name for t in threading.enumerate() if stack.project in t.name]
    assert sockets() <= before
    count = len(shown)
    watching.here(View())
    until(lambda: len(shown) > count)
    now[0] = 1000.0
    watching.join()
    assert sockets() <= before


def test_a_request_is_followed_through_the_services(stack: Stack) -> None:
    answer = requests.get(stack["front"].url + "/order/7", timeout=30)
    journey = stack.follow(answer)
    assert [(call.caller, call.service, call.status) for call in journey.calls] == [
        ("outside", "front", 200),
        ("front", "back", 200),
    ]
    assert journey.participants == ["outside", "front", "back"]
    entries = stack.logs(request=answer)
    assert {entry.service for entry in entries} == {"front", "back"}
    assert len(stack.logs()) >= len(entries)
    assert len(stack.logs(since=time.time() + 3600)) == 0
    with pytest.raises(ServicelabError, match="no service has logged"):
        stack.follow("no-such-request")
