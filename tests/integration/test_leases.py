"""A stack outlives its kernel, and not for ever: leases are renewed by who holds it, and what expired is swept by whoever comes next."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import docker
import pytest

from servicelab import Stack, cli, listing
from servicelab.engine import leases, owner
from servicelab.errors import StartError
from servicelab.faults import journal

OWNER_LIVES = owner.lives
TEXT = """
name: {name}
services: {{web: {{image: "{image}", command: [{command}], volumes: [data:/data]}}}}
volumes: {{data: }}
"""


@pytest.fixture
def stack(tmp_path: Path, registry: str, learner: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Stack]:
    monkeypatch.setenv("SERVICELAB_LEARNER", learner)

    def make(name: str, command: str = "sleep, infinity") -> Stack:
        file = tmp_path / f"{name}.yaml"
        file.write_text(TEXT.format(name=name, image=f"{registry}/library/python:3.13-slim", command=command), "utf-8")
        return Stack.of(file)

    return make


def say_of_ours(lives: bool | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """What this process wrote down is said to be of a kernel that LIVES; others' on this engine stay what they are."""
    me = owner.me()
    monkeypatch.setattr(owner, "lives", lambda who: lives if who == me else OWNER_LIVES(who))


def test_what_expired_is_swept_by_the_next_start(
    stack: Callable[..., Stack],
    client: docker.DockerClient,
    left: Callable[[], dict[str, list[str]]],
    learner: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old, new = stack("old"), stack("new")
    old.up()
    (row,) = [row for row in listing.stacks() if row.learner == learner]
    assert row.expires > row.since
    leases.renew(client, old._engine.labels, seconds=-1)  # as if a day had passed
    assert old.project not in leases.sweep(client), "its kernel, this process, lives"
    say_of_ours(False, monkeypatch)
    new.up()
    found = left()
    assert found["containers"] == [f"{learner}-new-web-1"]
    assert found["networks"] == [f"{learner}-new_default"]
    assert {name.partition("_")[0] for name in found["volumes"]} == {f"{learner}-new"}
    new.down(volumes=True)
    assert left() == {"containers": [], "networks": [], "volumes": []}


def test_a_live_kernel_renews(stack: Callable[..., Stack], client: docker.DockerClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVICELAB_LIFETIME", "4s")
    held = stack("held")
    held.up()
    first, deadline = leases.expiries(client)[held.project], time.monotonic() + 60
    while leases.expiries(client)[held.project] == first:
        assert time.monotonic() < deadline, "nobody renewed it"
        time.sleep(0.1)
    held.down(volumes=True)
    assert held.project not in leases.expiries(client)


def test_a_start_that_failed_leaves_no_lease(stack: Callable[..., Stack], left: Callable[[], dict[str, list[str]]]) -> None:
    with pytest.raises(StartError):
        stack("broken", command='"false"').up()
    assert left() == {"containers": [], "networks": [], "volumes": []}


def test_data_without_a_container_is_shown(
    stack: Callable[..., Stack], client: docker.DockerClient, learner: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """And when it expires; the lease alone, which `docker compose down -v` leaves, is nothing to show."""

    def shown() -> list[str]:
        capsys.readouterr()
        assert cli.main(["ps"]) == 0
        lines = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith(learner)]
        return [" ".join([*words[1:-4], *words[-2:]]) for words in lines]  # without the learner, and since when

    kept = stack("kept")
    kept.up()
    (row,) = [row for row in listing.stacks() if row.learner == learner]
    assert shown() == [f"kept 1/1 {row.expires}"]
    kept.down()
    assert shown() == [f"kept data only {row.expires}"]
    assert row.expires > row.since
    record = journal.write(client, kept._engine.labels, {"service": "web", "stop": True}, {})
    abandoned = []
    for forget in (lambda: None, lambda: journal.held.discard(record.id), lambda: journal.erase(client, kept.project, record)):
        forget()
        abandoned += [row.abandoned for row in listing.stacks() if row.learner == learner]
    assert abandoned == [0, 1, 0], "faults of a kernel that is gone"
    client.api.remove_volume(f"{kept.project}_data")
    journal.write(client, kept._engine.labels, {"service": "web", "stop": True}, {})
    assert shown() == []
    assert kept.project in leases.expiries(client)
    kept.down(volumes=True)
    print(f"ps: kept 1/1, data only, and nothing; expiry {row.expires} each time")


def test_the_lease_that_docker_compose_down_leaves_is_swept_by_the_next_start(
    stack: Callable[..., Stack],
    client: docker.DockerClient,
    left: Callable[[], dict[str, list[str]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gone, stays, new = stack("gone"), stack("stays"), stack("new")
    gone.up()
    stays.up()
    stays.down()  # its data is kept
    client.containers.get(f"{gone.project}-web-1").remove(force=True)  # as `docker compose down -v` does
    client.networks.get(f"{gone.project}_default").remove()
    client.api.remove_volume(f"{gone.project}_data")
    for lives in (True, None):  # here; on another machine, so that nobody can tell: it may be about to start
        say_of_ours(lives, monkeypatch)
        assert gone.project not in leases.sweep(client)
    say_of_ours(False, monkeypatch)
    new.up()
    found = left()
    assert {name.partition("_")[0] for name in found["volumes"]} == {stays.project, new.project}
    assert f"{stays.project}_data" in found["volumes"]
    assert stays.project in leases.expiries(client)
    print(f"1 lease alone: swept; left of the others: {len(found['volumes'])} volumes, as many as belong to them")
    for one in (gone, stays, new):
        one.down(volumes=True)
    assert left() == {"containers": [], "networks": [], "volumes": []}
