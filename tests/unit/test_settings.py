"""Whose stacks these are."""

import pytest

from servicelab import settings


@pytest.mark.parametrize("name", ["ada", "lab-04-1f2e3d", "ada_l"])
def test_a_name_that_docker_takes_stays(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVICELAB_LEARNER", name)
    assert settings.learner() == name


def test_names_that_look_alike_to_docker_are_different_learners(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["a-b", "a.b", "A-B", "a@b", "-a-b", "王", "李"]
    learners = []
    for name in names:
        monkeypatch.setenv("SERVICELAB_LEARNER", name)
        learners.append(settings.learner())
    assert len(set(learners)) == len(names), learners
    assert learners[1].startswith("a-b-")
