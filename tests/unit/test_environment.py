"""environment.yml, pyproject.toml and requirements.lock describe one environment."""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
LOCK = (ROOT / "requirements.lock").read_text("utf-8")


def locked() -> dict[str, list[Requirement]]:
    """The lock's entries by name; one name may stand there for several Pythons."""
    entries: dict[str, list[Requirement]] = {}
    for line in re.findall(r"^[^\s#].*?(?= \\$)", LOCK, flags=re.MULTILINE):
        requirement = Requirement(line)
        entries.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return entries


@pytest.mark.parametrize("line", PROJECT["dependencies"])
def test_each_dependency_is_locked_within_its_bounds(line: str) -> None:
    wanted = Requirement(line)
    entries = locked().get(canonicalize_name(wanted.name), [])
    assert entries, f"{wanted.name} is not in requirements.lock: run the command in its first lines"
    for entry in entries:
        assert wanted.specifier.contains(str(entry.specifier).removeprefix("==")), f"{entry} is not within {line}"


def test_what_the_dependencies_need_is_locked_too() -> None:
    entries = locked()
    for name in entries:
        try:
            needs = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue  # for another operating system or Python
        for line in needs:
            need = Requirement(line)
            if need.marker is None or need.marker.evaluate({"extra": ""}):
                assert canonicalize_name(need.name) in entries, f"{name} needs {need.name}"


def test_each_entry_is_pinned_and_hashed() -> None:
    blocks = re.split(r"\n(?=\S)", re.sub(r"(?m)^\s*#.*\n", "", LOCK))
    entries = [block for block in blocks if block.strip()]
    assert len(entries) == sum(len(same) for same in locked().values())
    for block in entries:
        assert re.match(r"[\w.-]+==[\w.!+]+( ; .+)? \\\n +--hash=sha256:[0-9a-f]{64}", block), block


def test_the_lock_names_no_place() -> None:
    assert "://" not in LOCK
    assert "--index" not in LOCK
    assert not re.search(r"(?m)^\s*#\s+(via )?/", LOCK)  # a path of the machine that made it
    assert "uv pip compile --universal --generate-hashes" in LOCK.splitlines()[1]


def test_conda_installs_this_project_with_a_python_that_it_supports() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))
    conda = [item for item in environment["dependencies"] if isinstance(item, str)]
    (pip,) = [item["pip"] for item in environment["dependencies"] if isinstance(item, dict)]
    assert environment["channels"] == ["conda-forge"]
    assert pip == ["-e ."], "what is needed stands in pyproject.toml, once"
    python = next(item for item in conda if item.startswith("python=")).removeprefix("python=")
    assert SpecifierSet(PROJECT["requires-python"]).contains(f"{python}.0")
    assert {item.split("=")[0] for item in conda} == {"python", "pip"}


def test_ci_runs_what_the_readme_says() -> None:
    lines = (ROOT / ".ci" / "run").read_text("utf-8").splitlines()
    assert [line for line in lines if line and not line.startswith(("#", "set ", "cd "))] == ["exec python3 start.py --yes test"]
    assert "python3 start.py test" in (ROOT / "README.md").read_text("utf-8")
