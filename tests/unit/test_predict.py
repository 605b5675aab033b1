"""A guess is read when it is compared, and is the stated default where nobody guessed."""

from __future__ import annotations

import math
from typing import Any

from servicelab.predict import predict


def test_with_nobody_there_the_default_stands() -> None:
    guess = predict("How many requests fail?", unit="requests", default=0)
    bundle = guess._repr_mimebundle_()
    assert bundle["text/plain"] == "How many requests fail? [requests]"
    verdict = guess.against(312, model=300)
    assert repr(verdict).splitlines() == [
        "How many requests fail?",
        "your guess    0 requests",
        "measured    312 requests",
        "the model   300 requests",
    ]
    assert math.isinf(verdict.factor)


def test_what_is_typed_counts_with_the_button_and_without() -> None:
    guess = predict("How long?", unit="ms", default=1.5)
    guess._repr_mimebundle_()
    number, button, said = _parts(guess._widget)
    number.value = 20.0
    assert guess.against(10).guess == 20
    assert guess.against(10).factor == guess.against(40).factor == 2
    assert not guess.committed
    button.click()
    assert guess.committed
    assert button.disabled
    assert said.value


def _parts(box: Any) -> Any:
    return box.children[1].children
