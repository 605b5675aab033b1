"""Tasks in parallel, each after those that it needs."""

from __future__ import annotations

import threading

import pytest

from servicelab.engine.graph import Cancelled, Tasks


def test_each_runs_after_what_it_needs() -> None:
    done: list[str] = []
    tasks = Tasks()
    tasks.add("c", lambda: done.append("c"), {"a", "b"})
    tasks.add("a", lambda: done.append("a"))
    tasks.add("b", lambda: done.append("b"), {"a", "not a task"})
    tasks.run()
    assert done == ["a", "b", "c"]


def test_what_is_independent_runs_at_the_same_time() -> None:
    both = threading.Barrier(2, timeout=10)  # breaks unless both are in it at once
    tasks = Tasks()
    tasks.add("a", lambda: both.wait() and None)
    tasks.add("b", lambda: both.wait() and None)
    tasks.run()


def test_the_first_failure_is_raised_and_the_others_are_called_off() -> None:
    ended: list[str] = []
    waiting = threading.Event()
    tasks = Tasks()

    def wait_for_ever() -> None:
        waiting.set()
        try:
            while True:
                tasks.pause(60)
        except Cancelled:
            ended.append("called off")
            raise

    def fail() -> None:
        waiting.wait(10)
        raise ValueError("no")

    tasks.add("waits", wait_for_ever)
    tasks.add("fails", fail)
    tasks.add("after", lambda: ended.append("after"), {"fails"})
    with pytest.raises(ValueError, match="no"):
        tasks.run()
    assert ended == ["called off"]
