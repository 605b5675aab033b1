"""A failed check has to say what was expected, what was seen, the evidence, and where to look."""

from types import SimpleNamespace

import pytest

from servicelab import checks


def test_a_claim_that_holds_prints_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    checks.that("nothing is lost", expected=0, seen=lambda: 0, evidence=lambda: pytest.fail("fetched for nothing"))
    assert capsys.readouterr().out == "ok: nothing is lost\n"


def test_a_claim_that_fails_says_all_it_knows(capsys: pytest.CaptureFixture[str]) -> None:
    response = SimpleNamespace(
        status_code=500,
        text='{"error": "no database"}',
        request=SimpleNamespace(method="GET", url="http://127.0.0.1:3002/orders/1"),
    )
    with pytest.raises(checks.CheckFailed) as failed:
        checks.that("an order is found", expected=200, seen=500, evidence=response, look="the log of orders")
    assert str(failed.value) == (
        "not so: an order is found\n"
        "why:  expected 200\n"
        "      seen     500\n"
        "      evidence:\n"
        "      GET http://127.0.0.1:3002/orders/1 -> 500\n"
        '      {"error": "no database"}\n'
        "fix:  look at the log of orders"
    )
    assert capsys.readouterr().out == ""


def test_a_system_that_does_not_answer_is_what_was_seen() -> None:
    def refused() -> int:
        raise ConnectionError("connection refused")

    with pytest.raises(checks.CheckFailed, match="seen     ConnectionError: connection refused"):
        checks.that("it answers", expected="anything", holds=lambda seen: True, seen=refused, evidence=refused)


def test_an_exercise_that_is_to_be_done_is_not_a_finding() -> None:
    def to_be_done() -> int:
        raise NotImplementedError("your code here")

    with pytest.raises(NotImplementedError, match="your code here"):
        checks.that("it is done", expected=1, seen=to_be_done)


def test_a_condition_decides_in_place_of_equality() -> None:
    checks.that("it is fast", expected="under 50 ms", seen=49, holds=lambda ms: ms < 50)
    with pytest.raises(checks.CheckFailed, match=r"expected under 50 ms\n.*seen     50"):
        checks.that("it is fast", expected="under 50 ms", seen=50, holds=lambda ms: ms < 50)


def test_of_a_long_log_the_end_is_shown() -> None:
    with pytest.raises(checks.CheckFailed) as failed:
        checks.that("it lives", expected=True, seen=False, evidence="early line\n" + "x\n" * 5000 + "exit code 137")
    assert "exit code 137" in str(failed.value)
    assert "early line" not in str(failed.value)
