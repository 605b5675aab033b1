"""Plain ``pytest --nbval notebooks/`` with the real conftest.py and sanitize file, over samples named for their result."""

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import docker
import pytest
from nbval.plugin import get_sanitize_patterns

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = Path(__file__).parent / "samples"
SANITIZE = "tests/notebooks/sanitize.cfg"

Outcomes = dict[str, list[str]]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A workspace with the real options, conftest.py and sanitize file, and no notebooks."""
    for name in ("conftest.py", "pyproject.toml", SANITIZE):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "notebooks").mkdir()
    return tmp_path


def nbval(workspace: Path, **env: str) -> Outcomes:
    """The outcome of each cell, by notebook: passed, or the message of what else came."""
    # A test may itself run in CI, or under a learner's name: what a sample meets is said here.
    inherited = {name: value for name, value in os.environ.items() if name not in ("CI", "SERVICELAB_LEARNER")}
    command = [sys.executable, "-m", "pytest", "--nbval", "notebooks/", "--continue-on-collection-errors", "--junitxml=out.xml"]
    done = subprocess.run(command, cwd=workspace, env=inherited | env, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode in (0, 1), done.stdout + done.stderr  # 1: some failed; more: pytest itself did
    outcomes: Outcomes = {}
    for case in ElementTree.parse(workspace / "out.xml").iter("testcase"):
        name = re.sub(r".*notebooks[./]", "", case.get("classname") or case.get("name") or "").removesuffix(".ipynb")
        children = [f"{child.tag} {child.get('message')} {child.text}" for child in case]
        outcomes.setdefault(name, []).append(children[0] if children else "passed")
    assert outcomes, done.stdout + done.stderr
    return outcomes


@pytest.fixture
def sample(workspace: Path) -> Callable[..., None]:
    """Puts a sample among the lessons of the workspace, perhaps with one text in it replaced by another."""

    def put(name: str, old: str = "", new: str = "", *, become: str = "") -> None:
        text = (SAMPLES / f"{name}.ipynb").read_text(encoding="utf-8")
        assert old in text
        (workspace / "notebooks" / f"{become or name}.ipynb").write_text(text.replace(old, new, 1), encoding="utf-8")

    return put


def test_each_sample_gives_the_result_that_it_is_named_for(workspace: Path, sample: Callable[..., None]) -> None:
    sample("pass-what-may-differ")
    sample("pass-what-may-differ", "lost=0 status=503\\n", "lost=0 status=500\\n", become="fail-an-altered-digit")
    sample("fail-at-its-second-cell")
    sample("refuse-a-cell-that-was-not-run")
    sample("need-docker")
    outcomes = nbval(workspace, CI="true", DOCKER_HOST=f"unix://{workspace}/no.sock")
    assert outcomes["pass-what-may-differ"] == ["passed"] * 7
    altered = outcomes["fail-an-altered-digit"]
    assert "Cell outputs differ" in altered[0]
    assert all("the notebook stopped at cell 0" in cell for cell in altered[1:])
    stopped = outcomes["fail-at-its-second-cell"]
    assert [cell.split()[0] for cell in stopped] == ["passed", "failure", "skipped", "skipped"]
    assert "lost=1" in stopped[1]
    assert "the notebook stopped at cell 1" in stopped[2]
    assert "cell second was not run" in outcomes["refuse-a-cell-that-was-not-run"][0]
    assert "error" in outcomes["need-docker"][0]
    assert "CI has to have a Docker engine" in outcomes["need-docker"][0]


def test_on_a_laptop_without_an_engine_what_needs_one_is_skipped(workspace: Path, sample: Callable[..., None]) -> None:
    sample("need-docker")
    outcomes = nbval(workspace, DOCKER_HOST=f"unix://{workspace}/no.sock")
    assert outcomes["need-docker"][0].startswith("skipped")
    assert "no Docker engine answers" in outcomes["need-docker"][0]


@pytest.mark.docker
def test_nothing_is_left_on_the_engine(workspace: Path, sample: Callable[..., None]) -> None:
    sample("leave-a-network")
    token = secrets.token_hex(8)
    outcomes = nbval(workspace, SERVICELAB_TEST_TOKEN=token)
    assert outcomes["leave-a-network"] == ["passed"]
    client = docker.from_env()
    try:
        assert client.networks.list(filters={"label": f"servicelab-test={token}"}) == []
    finally:
        client.close()


@pytest.mark.parametrize(
    ("stored", "tested", "equal"),
    [
        ("http://127.0.0.1:49153/orders/7", "http://127.0.0.1:3201/orders/7", True),
        ("http://127.0.0.1:49153/orders/7", "http://127.0.0.1:49153/orders/8", False),
        ("author-02-monolith-shop-1", "test-0a1b2c3d-monolith-shop-1", True),
        ("author-02-monolith-shop-1", "test-0a1b2c3d-monolith-shop-2", False),
        ("<object at 0x7f0000000010>", "<object at 0x7f0000000020>", True),
        ("lost=0", "lost=1", False),
        ("status=503", "status=200", False),
        ("p99=12.5 ms", "p99=12.6 ms", False),
        ("exit code 137, uid 10001", "exit code 137, uid 10002", False),
        ("2026-11-25", "2026-11-26", False),
        ("100000 orders", "100001 orders", False),
        ("10:30:59", "10:30:58", False),
    ],
)
def test_the_sanitize_file_hides_what_may_differ_and_nothing_else(stored: str, tested: str, equal: bool) -> None:
    def sanitized(text: str) -> str:
        for pattern, replacement in get_sanitize_patterns((ROOT / SANITIZE).read_text(encoding="utf-8")):
            text = re.sub(pattern, replacement, text)
        return text

    assert (sanitized(stored) == sanitized(tested)) is equal


def test_the_samples_are_as_they_were_stored() -> None:
    """A sample that somebody executed anew would no longer give the result that it is named for."""
    failing = json.loads((SAMPLES / "fail-at-its-second-cell.ipynb").read_text(encoding="utf-8"))
    assert failing["cells"][1]["outputs"][0]["text"] == ["lost=1\n"]
