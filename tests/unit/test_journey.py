"""One request's way, from the lines that services logged: who called whom within what, and in which order it is drawn."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest

from servicelab.errors import ServicelabError
from servicelab.journey import Journey
from servicelab.trail import Entries, Entry, request_id


def line(service: str, caller: str | None, start: float, end: float, status: int = 200, **more: object) -> Entry:
    """As a service logs it: at its END (ms), with how long it took."""
    ts = datetime.fromtimestamp(1_790_000_000 + end / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    fields = {
        "ts": ts, "service": service, "request_id": "r1", "caller": caller, "method": "GET", "route": f"/{service}",
        "status": status, "duration_ms": end - start, "message": f"GET /{service} {status}",
    }  # fmt: skip
    return Entry(ts, service, 1, json.dumps(fields | more))


def arrows(journey: Journey) -> list[str]:
    return [f"{step.source}>{step.target}" for step in journey.steps]


def test_calls_lie_within_the_call_that_made_them() -> None:
    journey = Journey(
        "r1",
        [
            line("users", "orders", 12, 14),
            line("catalog", "orders", 15, 18, 503),
            line("orders", "gateway", 10, 20),
            line("gateway", None, 8, 21),
        ],
    )
    assert arrows(journey) == [
        "outside>gateway", "gateway>orders", "orders>users", "users>orders", "orders>catalog", "catalog>orders",
        "orders>gateway", "gateway>outside",
    ]  # fmt: skip
    assert [step.at for step in journey.steps] == sorted(step.at for step in journey.steps)
    assert [step.words for step in journey.steps if step.failed] == ["503 in 3.0 ms"]
    assert journey.participants == ["outside", "gateway", "orders", "users", "catalog"]


def test_clocks_that_count_in_milliseconds_do_not_turn_a_call_inside_out() -> None:
    journey = Journey("r1", [line("orders", None, 10.4, 12), line("users", "orders", 10, 13)])
    assert arrows(journey) == ["outside>orders", "orders>users", "users>orders", "orders>outside"]


def test_calls_side_by_side_are_drawn_as_they_overlapped() -> None:
    journey = Journey("r1", [line("orders", None, 0, 100), line("users", "orders", 10, 60), line("catalog", "orders", 20, 40)])
    assert arrows(journey)[1:-1] == ["orders>users", "orders>catalog", "catalog>orders", "users>orders"]


def test_a_retry_and_a_circle() -> None:
    retried = Journey(
        "r1",
        [
            line("orders", "gateway", 10, 20, 503),
            line("orders", "gateway", 30, 40),
            line("users", "orders", 32, 38),
            line("gateway", None, 5, 45),
        ],
    )
    assert arrows(retried)[3:7] == ["gateway>orders", "orders>users", "users>orders", "orders>gateway"]
    circle = Journey("r1", [line("a", "b", 0, 10), line("b", "a", 2, 8)])
    assert sorted(call.service for call in circle.calls) == ["a", "b"], "each call is drawn once"


def test_other_lines_of_the_request_are_not_calls() -> None:
    plain = Entry("2026", "orders", 1, '{"request_id": "r1", "message": "looked in the cache"}')
    assert len(Journey("r1", [plain, line("orders", None, 0, 5)]).calls) == 1


def test_the_diagram_and_its_text() -> None:
    journey = Journey("r1", [line("orders", None, 0, 5), line("users", "orders", 1, 4, 500, route="/users/<id>")])
    bundle = journey._repr_mimebundle_()
    root = ElementTree.fromstring(bundle["image/svg+xml"])
    words = [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "GET /users/<id>" in words
    assert "✕ 500 in 3.0 ms" in words, "an error is seen without colour too"
    assert "outside --> orders: GET /orders" in bundle["text/plain"]
    assert "orders <-- users: 500 in 3.0 ms" in bundle["text/plain"]


def test_entries_are_in_time_order_and_know_their_request() -> None:
    late, early, other = (
        line("users", None, 5, 9),
        line("orders", None, 1, 2),
        Entry("2025", "db", 1, "ready to accept connections"),
    )
    entries = Entries([late, early, other])
    assert [entry.service for entry in entries] == ["db", "orders", "users"]
    assert [entry.service for entry in entries.of("r1")] == ["orders", "users"]
    assert isinstance(entries[1:], Entries)
    assert "GET /orders 200 in 1 ms" in repr(entries)
    assert "ready to accept connections" in repr(entries)


def test_where_a_request_id_is_found() -> None:
    assert request_id("abc") == "abc"
    assert request_id(SimpleNamespace(headers={"X-Request-ID": "abc"})) == "abc"
    with pytest.raises(ServicelabError, match="carries no request id"):
        request_id(SimpleNamespace(headers={}))
