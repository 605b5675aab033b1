"""Charts are well-formed, say in words what they draw, and look the same for the same results."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import pytest

from servicelab.traffic import TrafficError, compare
from servicelab.traffic.chart import one_run
from servicelab.traffic.plan import make_plan
from servicelab.traffic.results import Results

SVG = "{http://www.w3.org/2000/svg}"


def results(*outcomes: list[Any], seconds: float = 1.0, late: int = 0, name: str = "a", ended: bool = True) -> Results:
    """What a run has that saw these [bucket, request, outcome, count, slowest µs]."""
    made = Results(make_plan(f"http://127.0.0.1:1/{name}", rate=100, seconds=seconds))
    answered = [[request, slowest, count] for _, request, outcome, count, slowest in outcomes if outcome.isdigit()]
    sent = sum(row[3] for row in outcomes)
    lateness = [[100, sent - late], [50_000, late]]
    made.take({"elapsed": seconds, "sent": sent, "queued": 0, "outcomes": outcomes, "latencies": answered, "lateness": lateness})
    if ended:
        made.take_end({"seconds": seconds, "cpu": 0.1, "retries": 0, "own_errors": []})
    return made


def words(picture: str) -> str:
    return " | ".join(element.text or "" for element in ET.fromstring(picture).iter(SVG + "text"))


def bars(picture: str, kind: str) -> int:
    path = next(p for p in ET.fromstring(picture).iter(SVG + "path") if p.get("class") == kind)
    return (path.get("d") or "").count("M")


def test_a_run_with_failures_shows_and_says_them() -> None:
    run = results([0, 0, "200", 10, 900], [1, 0, "503", 4, 2000], [1, 0, "refused", 6, 50], [2, 0, "200", 10, 1500])
    run.marks.append((0.1, "killed <orders> & co"))
    picture = one_run(run)
    assert picture == one_run(run)
    assert bars(picture, "ok") == 2
    assert bars(picture, "bad") == 1
    assert "20 ok | 10 failed (503: 4, refused: 6)" in words(picture)
    assert "killed <orders> & co" in words(picture)
    assert "p99 2 ms" in words(picture)
    root = ET.fromstring(picture)
    assert root.findtext(SVG + "title") == "Traffic: GET /a"
    assert "10 failed" in (root.findtext(SVG + "desc") or "")
    assert repr(run.by_request["GET /a"].max) == repr(run.max)


def test_a_run_in_which_the_generator_was_the_limit_says_so() -> None:
    assert "limit" not in words(one_run(results([0, 0, "200", 100, 900], late=1)))
    assert "2 of 100 requests were sent more than 10 ms late" in words(one_run(results([0, 0, "200", 100, 900], late=2)))


@pytest.mark.parametrize(
    "run",
    [
        results(),
        results(ended=False),
        results([0, 0, "refused", 1, 10]),
        results([0, 0, "200", 1, 0]),
        results([5, 0, "timeout", 3, 3_599_000_000], seconds=0.01),
        results(*[[i, 0, "200", 5000, 1000 * i] for i in range(5000)], seconds=500.0),
    ],
    ids=["nothing", "running", "all refused", "one", "longest", "long"],
)
def test_every_run_can_be_drawn(run: Results) -> None:
    ET.fromstring(one_run(run))
    picture = compare(run, before=run)._repr_mimebundle_()["image/svg+xml"]
    ET.fromstring(picture)
    assert "nan" not in picture + one_run(run)
    assert len(one_run(run)) < 12_000  # a notebook keeps it


def test_runs_are_compared_in_words_and_in_lines() -> None:
    before = results([0, 0, "200", 90, 900], [0, 0, "503", 10, 900])
    after = results([0, 0, "200", 100, 1900])
    compared = compare(before=before, after=after)
    assert [line.split()[:4] for line in repr(compared).splitlines()[1:]] == [
        ["before", "100", "90", "10"],
        ["after", "100", "100", "0"],
    ]
    lines = [
        p
        for p in ET.fromstring(compared._repr_mimebundle_()["image/svg+xml"]).iter(SVG + "path")
        if "line" in str(p.get("class"))
    ]
    assert len({(p.get("class"), p.get("stroke-dasharray")) for p in lines}) == 2  # told apart by colour and by dash
    assert len(lines) == 2 * 3  # failures, latencies, the key
    with pytest.raises(TrafficError, match="nothing to compare"):
        compare()
