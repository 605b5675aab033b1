"""A stack's picture and what is behind it: pure, without an engine."""

from __future__ import annotations

import struct
import threading
from contextvars import ContextVar
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest

from servicelab import Stack, compose
from servicelab.views import draw, marks, queues, read, sockets, text
from servicelab.views.logs import Line, Reader
from servicelab.views.places import layered
from servicelab.views.rates import Rates
from servicelab.views.snapshot import Rate, Replica, Snapshot, Usage, changes, replicas
from servicelab.views.system import OUTSIDE, Arrow, System
from servicelab.views.widget import StackView

ROOT = Path(__file__).parents[2]
SHOP = """
name: shop
services:
  gateway: {image: gateway, ports: ["127.0.0.1::3000"], environment: {USERS: "http://users:3001", ORDERS: "http://orders/"}}
  users: {image: users, environment: {URL: "mongodb://app:secret@mongo:27017,mongo-2:27017/users", GREETING: "hello orders"}}
  orders:
    image: orders
    environment: {USERS_URL: "http://users:3001", DATABASE_URL: "postgresql://shop:p@postgres/shop", QUEUE: "amqp://rabbit:5672"}
    deploy: {replicas: 2}
    depends_on: {seed: {condition: service_completed_successfully}}
  seed: {image: orders, environment: {DATABASE_URL: "postgresql://shop:p@postgres/shop"}}
  mongo: {image: "docker.io/library/mongo:6.0"}
  mongo-2: {image: "docker.io/library/mongo:6.0"}
  postgres: {image: "docker.io/library/postgres:17"}
  rabbit: {image: "docker.io/library/rabbitmq:4"}
"""
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def shop(tmp_path: Path) -> System:
    (tmp_path / "shop.yaml").write_text(SHOP)
    return read(compose.load(tmp_path / "shop.yaml", {}))


def summary(service: str, number: int, state: str, status: str) -> dict[str, Any]:
    labels = {"com.docker.compose.service": service, "com.docker.compose.container-number": str(number)}
    return {"Id": f"{service}{number}", "State": state, "Status": status, "Labels": labels}


def test_nodes_and_who_calls_whom(shop: System) -> None:
    kinds = {name: (node.kind, node.technology) for name, node in shop.nodes.items()}
    assert kinds == {
        "gateway": ("gateway", ""), "users": ("service", ""), "orders": ("service", ""), "mongo": ("database", "MongoDB"),
        "mongo-2": ("database", "MongoDB"), "postgres": ("database", "PostgreSQL"), "rabbit": ("queue", "RabbitMQ"),
    }  # fmt: skip
    assert {(a.caller, a.callee, a.http) for a in shop.arrows} == {
        (OUTSIDE, "gateway", True), ("gateway", "users", True), ("gateway", "orders", True), ("users", "mongo", False),
        ("users", "mongo-2", False), ("orders", "users", True), ("orders", "postgres", False), ("orders", "rabbit", False),
    }  # fmt: skip


def test_layers_go_from_callers_to_called_and_long_arrows_keep_a_place(shop: System) -> None:
    nodes = [{slot for slot in layer if isinstance(slot, str)} for layer in shop.layers]
    assert nodes == [{OUTSIDE}, {"gateway"}, {"orders"}, {"users", "postgres", "rabbit"}, {"mongo", "mongo-2"}]
    assert Arrow("gateway", "users") in shop.layers[2]


def test_a_circle_of_calls_is_drawn(tmp_path: Path) -> None:
    file = tmp_path / "circle.yaml"
    file.write_text(
        "name: circle\nservices:\n  a: {image: a, environment: {B: 'http://b'}}\n  b: {image: b, environment: {A: 'http://a'}}\n"
    )
    system = read(compose.load(file, {}))
    assert {(a.caller, a.callee) for a in system.arrows} == {("a", "b"), ("b", "a")}
    ElementTree.fromstring(draw(system))


def test_nothing_overlaps(shop: System) -> None:
    places = layered(shop, dict.fromkeys(shop.nodes, 3))
    boxes = list(places.boxes.values())
    for index, one in enumerate(boxes):
        assert one.left >= 0
        assert one.left + one.width <= places.width
        assert one.top >= 0
        assert one.top + one.height <= places.height
        for other in boxes[index + 1 :]:
            apart_x = one.left + one.width <= other.left or other.left + other.width <= one.left
            apart_y = one.top + one.height <= other.top or other.top + other.height <= one.top
            assert apart_x or apart_y


def test_the_stored_picture_is_the_same_each_time_and_says_what_the_file_says(shop: System) -> None:
    picture = draw(shop)
    assert picture == draw(shop)
    root = ElementTree.fromstring(picture)
    words = [element.text for element in root.iter(f"{SVG}text")]
    assert "2 replicas" in words
    assert "RabbitMQ queue" in words
    assert "secret" not in picture
    assert root.find(f"{SVG}title").text == "The stack shop"  # type: ignore[union-attr]
    assert "orders calls postgres" in (root.find(f"{SVG}desc").text or "")  # type: ignore[union-attr]
    assert "prefers-color-scheme:dark" in picture
    assert text(shop) == "shop: gateway, users, orders, mongo, mongo-2, postgres, rabbit"


def live(shop: System, **options: Any) -> ElementTree.Element:
    snapshot = Snapshot(
        replicas={
            "gateway": (Replica(1, "running", "healthy", usage=Usage(48 * 2**20, 0.034)),),
            "users": (Replica(1, "running", "unhealthy", edited=True),),
            "orders": (Replica(1, "paused"), Replica(2, "exited", exit_code=137)),
            "postgres": tuple(Replica(n, "running", "healthy") for n in range(1, 10)),
        },
        faults={"users": ("latency 300 ms, jitter 50 ms, from gateway",)},
        rates={(OUTSIDE, "gateway"): Rate(120.04, 2.5), ("rabbit", "gateway"): Rate(1.0)},
        connections={"postgres": 7},
        depths={"rabbit": {"orders": 1, "mail": 12, **{f"q{n}": 0 for n in range(9)}}},
    )
    return ElementTree.fromstring(draw(shop, snapshot, **options))


def labels(root: ElementTree.Element) -> dict[str, str]:
    return {
        group.attrib["data-node"]: group.attrib["aria-label"] for group in root.iter(f"{SVG}g") if "data-node" in group.attrib
    }


@pytest.mark.parametrize("narrow", [False, True])
def test_a_live_picture_says_each_state_in_words(shop: System, narrow: bool) -> None:
    root = live(shop, narrow=narrow, selected="orders")
    said = labels(root)
    assert said["gateway"].startswith("gateway, gateway, healthy 48 MB 3%")
    assert said["users"].startswith("users, service, unhealthy, edited, latency 300 ms, jitter 50 ms, from gateway")
    assert said["orders"].startswith("orders, service, 1 paused, 2 exited 137")
    assert said["mongo"] == "mongo, MongoDB database, not there"
    assert "and 3 more, 3 of them well, 7 connections" in said["postgres"]
    assert said["rabbit"].startswith("rabbit, RabbitMQ queue, not there, mail 12 messages, orders 1 message, q0 0 messages, ")
    assert ", and 5 more queues 0 messages, " in said["rabbit"] + ", "
    chosen = [g.attrib["data-node"] for g in root.iter(f"{SVG}g") if g.attrib.get("aria-pressed") == "true"]
    assert chosen == ["orders"]
    assert all(g.attrib["tabindex"] == "0" for g in root.iter(f"{SVG}g") if "data-node" in g.attrib)
    words = " ".join(element.text or "" for element in root.iter(f"{SVG}text"))
    assert "120.0/s" in words
    assert "2.5 errors/s" in words
    assert root.attrib["role"] == "group", "inside of an img nobody could choose anything"


def test_a_narrow_picture_fits_a_phone(shop: System) -> None:
    assert int(live(shop, narrow=True).attrib["width"]) <= 360


def test_each_state_has_a_shape_of_its_own() -> None:
    differ = ["healthy", "running", "starting", "restarting", "unhealthy", "paused", "exited", "missing"]
    assert len({marks.MARKS[name][1] for name in differ}) == len(differ)


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("colours", [marks.LIGHT, marks.DARK], ids=["light", "dark"])
def test_words_can_be_read_on_both_grounds(colours: dict[str, str]) -> None:
    for ground in ("paper", "box"):
        for name in ("text", "dim", "bad"):
            light, dark = sorted((luminance(colours[ground]), luminance(colours[name])), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (ground, name)


def test_states_from_the_engines_list() -> None:
    found = replicas(
        [
            summary("web", 2, "running", "Up 3 minutes (unhealthy)"),
            summary("web", 1, "running", "Up 5 seconds (health: starting)"),
            summary("db", 1, "exited", "Exited (137) 2 hours ago"),
            summary("db", 2, "paused", "Up 2 minutes (Paused)"),
            summary("mq", 1, "running", "Up About an hour (healthy)"),
        ]
    )
    assert [r.words for r in found["web"]] == ["starting", "unhealthy"]
    assert [r.words for r in found["db"]] == ["exited 137", "paused"]
    assert [r.words for r in found["mq"]] == ["healthy"]


def test_what_changed_is_said_once() -> None:
    before = Snapshot(replicas={"web": (Replica(1, "running"), Replica(2, "running"))}, faults={"web": ("cpu 0.1",)})
    after = Snapshot(replicas={"web": (Replica(1, "exited", exit_code=0),)}, faults={"web": ("latency 300 ms",)})
    assert changes(before, after) == [
        "web-1: exited 0", "web-2: removed", "web: fault over, cpu 0.1", "web: fault, latency 300 ms",
    ]  # fmt: skip
    assert changes(after, after) == []


def logged(caller: str | None, status: int) -> Line:
    return Line("", f'{{"caller": {"null" if caller is None else chr(34) + caller + chr(34)}, "status": {status}}}')


def test_rates_by_caller_over_the_time_that_was_looked_at() -> None:
    rates = Rates({"orders"})
    rates.add("c1", "users", [logged("orders", 200)] * 50, 10.0)
    assert rates.now() == {}, "before the first look nobody knows how long it took to write them"
    rates.add(
        "c1", "users", [logged("orders", 200)] * 8 + [logged("load", 503), Line("", "starting"), Line("", "{broken")] * 2, 12.0
    )
    rates.add("c2", "users", [], 10.0)
    rates.add("c2", "users", [logged("orders", 404)] * 3, 11.0)
    assert rates.now() == {("orders", "users"): Rate(7.0, 0.0), (OUTSIDE, "users"): Rate(1.0, 1.0)}
    rates.keep(["c1"])
    assert rates.now()["orders", "users"] == Rate(4.0, 0.0)
    for second in range(13, 20):
        rates.add("c1", "users", [], float(second))
    assert rates.now() == {}, "an arrow without traffic has no number"


class Engine:
    """A log behind the API: gives the last ``tail`` lines from ``since`` on, in frames, and counts how often it was asked."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []
        self.asked = 0
        self.api = self
        self.base_url, self.api_version, self.timeout = "http://engine", "1.41", 1

    def get(self, _url: str, params: dict[str, Any], timeout: float) -> Any:
        self.asked += 1
        content = b""
        for time, words in self.lines[-params["tail"] :]:
            payload = f"{time} {words}\n".encode()
            content += b"\1\0\0\0" + struct.pack(">I", len(payload)) + payload
        return SimpleNamespace(status_code=200, content=content, raise_for_status=lambda: None)

    def write(self, first: int, count: int) -> None:
        self.lines += [(f"2026-11-26T00:00:00.{n:09d}Z", f"line {n}") for n in range(first, first + count)]


def test_a_reader_gives_each_line_once_however_many_there_are() -> None:
    engine: Any = Engine()
    engine.write(0, 10)
    reader = Reader("c")
    assert reader.read(engine) == [], "what was there before is not news"
    assert [line.text for line in reader.last] == [f"line {n}" for n in range(10)]
    engine.write(10, 3)
    assert [line.text for line in reader.read(engine)] == ["line 10", "line 11", "line 12"]
    assert reader.read(engine) == []
    engine.write(13, 5000)
    before = engine.asked
    assert [line.text for line in reader.read(engine)] == [f"line {n}" for n in range(13, 5013)]
    assert engine.asked - before < 10


def test_a_reader_of_an_empty_log_misses_nothing() -> None:
    engine: Any = Engine()
    reader = Reader("c")
    assert reader.read(engine) == []
    engine.write(0, 2)
    assert [line.text for line in reader.read(engine)] == ["line 0", "line 1"]


# 5432 (1538) is listened on; two from elsewhere, one from the container itself, one that it has opened to another (and one by IPv6)
SOCKETS = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000   999        0 1 1 0 100 0 0 10 0
   1: 0B0000EF:9C40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2 1 0 100 0 0 10 0
   2: 030012AC:1538 040012AC:B3A4 01 00000000:00000000 02:00000000 00000000   999        0 3 2 0 20 4 30 10 -1
   3: 030012AC:1538 040012AC:B3A6 01 00000000:00000000 02:00000000 00000000   999        0 4 2 0 20 4 30 10 -1
   4: 0100007F:1538 0100007F:B3A8 01 00000000:00000000 02:00000000 00000000   999        0 5 2 0 20 4 30 10 -1
   5: 030012AC:B111 050012AC:1538 01 00000000:00000000 02:00000000 00000000   999        0 6 2 0 20 4 30 10 -1
   6: 030012AC:1538 040012AC:B3AA 06 00000000:00000000 02:00000000 00000000     0        0 7 2 0 20 4 30 10 -1
"""
SOCKETS_6 = """\
  sl  local_address                         remote_address                        st tx_queue rx_queue
   0: 00000000000000000000000000000000:1538 00000000000000000000000000000000:0000 0A 00000000:00000000
   1: 0000000000000000FFFF0000030012AC:1538 0000000000000000FFFF0000040012AC:C350 01 00000000:00000000
   2: 0000000000000000FFFF00000100007F:1538 0000000000000000FFFF00000100007F:C352 01 00000000:00000000
"""


def test_connections_from_elsewhere_are_counted() -> None:
    assert sockets.connections(SOCKETS) == 2
    assert sockets.connections(SOCKETS + SOCKETS_6) == 3
    assert sockets.connections(SOCKETS + "cat: /proc/net/tcp6: No such file or directory\n") == 2
    assert sockets.connections("") == 0


METRICS = """\
HTTP/1.1 200 OK\r
content-type: text/plain\r
\r
# HELP rabbitmq_detailed_queue_messages Sum of ready and unacknowledged messages
rabbitmq_detailed_queue_messages_ready{vhost="/",queue="orders"} 2
rabbitmq_detailed_queue_messages{vhost="/",queue="orders"} 3
rabbitmq_detailed_queue_messages{vhost="/",queue="a \\"b\\" {c}"} 0
rabbitmq_detailed_queue_messages{vhost="other",queue="orders"} 4
"""


def test_the_messages_of_each_queue_are_counted() -> None:
    assert queues.depths(METRICS) == {"orders": 7, 'a \\"b\\" {c}': 0}
    assert queues.depths("bash: connect: Connection refused") == {}


def test_what_a_thread_sends_belongs_to_the_cell_that_made_the_view() -> None:
    cell: ContextVar[str] = ContextVar("cell")
    cell.set("made the view")
    view = StackView(Stack.of(ROOT / "tests" / "stacks" / "talking.yaml"))
    cell.set("a later one")
    sent: list[str] = []
    view.observe(lambda _change: sent.append(cell.get("none")), ["conditions", "busy"])
    thread = threading.Thread(target=view.show, args=(Snapshot(replicas={"front": (Replica(1, "running"),)}), None))
    thread.start()
    thread.join()
    act = view.handle({"kind": "act", "service": "nobody", "verb": "kill"})
    assert act is not None
    act.join()
    assert "nobody" in view.trouble
    assert len(sent) >= 2
    assert set(sent) == {"made the view"}
    view.close()
