"""A pause that the kernel refuses on a busy machine is tried again, for so long and no longer."""

import docker
import pytest

from servicelab.service import freeze


class Container:
    def __init__(self, refusals: int, explanation: str = "OCI runtime pause failed: unable to freeze: unknown") -> None:
        self.refusals, self.explanation = refusals, explanation

    def pause(self) -> None:
        if self.refusals:
            self.refusals -= 1
            raise docker.errors.APIError("500", explanation=self.explanation)


def test_a_pause_that_is_refused_is_tried_again() -> None:
    busy = Container(3)
    freeze(busy)  # type: ignore[arg-type]
    assert not busy.refusals


def test_not_for_ever_and_not_for_another_reason() -> None:
    with pytest.raises(docker.errors.APIError):
        freeze(Container(10**6), patience=0)  # type: ignore[arg-type]
    wrong = Container(10, "is not running")
    with pytest.raises(docker.errors.APIError):
        freeze(wrong)  # type: ignore[arg-type]
    assert wrong.refusals == 9
