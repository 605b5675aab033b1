"""The spare call: when there is one, who wins, and how many there can be."""

import asyncio

import pytest
from profiles import spare
from profiles.errors import ApiError
from profiles.peers import PeerError
from profiles.spare import Spare

GONE = PeerError(503, "peer_unavailable", "gone", may_pass=True)
WRONG = PeerError(502, "peer_failed", "wrong")


class Calls:
    """The n-th call gives the n-th of these: an error is raised, None never answers. ``ended`` counts those that were cancelled."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.made = self.ended = 0

    async def __call__(self):
        answer = self.answers[self.made]
        self.made += 1
        if isinstance(answer, Exception):
            raise answer
        if answer is None:
            try:
                await asyncio.sleep(3600)
            finally:
                self.ended += 1
        return answer


def outcome(calls, policy):
    async def run():
        try:
            return await policy.first_answer(calls)
        finally:
            await asyncio.sleep(0)  # what was cancelled gets its turn to end

    return asyncio.run(run())


@pytest.fixture
def policy():
    """One that knows what is late."""
    policy = Spare()
    policy._took.extend([0.001] * spare.KNOWN)
    return policy


def test_a_call_that_answers_has_no_spare(policy):
    calls = Calls("one", "two")
    policy._took.extend([3600] * 100)  # on a busy machine too
    assert (outcome(calls, policy), calls.made) == ("one", 1)


def test_a_call_that_failed_is_made_once_more(policy):
    assert outcome(Calls(GONE, "two"), policy) == "two"
    calls = Calls(GONE, GONE, "three")
    with pytest.raises(ApiError):
        outcome(calls, policy)
    assert calls.made == 2


def test_what_will_not_pass_is_not_tried_again(policy):
    calls = Calls(WRONG, "two")
    with pytest.raises(ApiError):
        outcome(calls, policy)
    assert calls.made == 1


def test_a_late_call_gets_a_second_and_the_loser_is_cancelled(policy):
    calls = Calls(None, "two")
    assert outcome(calls, policy) == "two"
    assert (calls.made, calls.ended) == (2, 1)


def test_a_spare_that_fails_does_not_end_the_first(policy):
    async def first_late():
        await asyncio.sleep(0.05)
        return "one"

    calls = iter([first_late, Calls(GONE)])
    assert asyncio.run(policy.first_answer(lambda: next(calls)())) == "one"


def test_nothing_is_late_before_enough_is_known():
    policy = Spare()
    for known in range(spare.KNOWN):
        assert policy.late_after() is None, known
        outcome(Calls("one"), policy)
    assert policy.late_after() is not None


def test_late_is_what_19_of_20_were_sooner_than(policy):
    policy._took.clear()
    policy._took.extend(range(100))
    assert policy.late_after() == 95


def test_spare_calls_are_a_tenth_of_all_and_ten_to_begin_with(policy):
    made = 0
    for _ in range(300):
        calls = Calls(GONE, GONE)
        with pytest.raises(ApiError):
            outcome(calls, policy)
        made += calls.made
    assert 300 + 30 <= made <= 300 + 30 + 10
