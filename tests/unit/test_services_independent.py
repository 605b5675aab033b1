"""Services share contracts, never code: each can be deployed, changed and thrown away without a word to the others."""

import ast
import re
from pathlib import Path

import pytest

SERVICES = Path(__file__).parents[2] / "services"
NAMES = sorted(path.parent.name for path in SERVICES.glob("*/Dockerfile"))
JAVASCRIPT_IMPORT = re.compile(r"""(?:\bfrom|\bimport|\brequire\()\s*\(?['"]([^'"]+)['"]""")


def sources(service: str, pattern: str) -> list[Path]:
    """What goes into the image: tests do read the contracts of others."""
    skipped = {"tests", "node_modules"}
    return [path for path in sorted((SERVICES / service).rglob(pattern)) if not skipped & set(path.parts)]


def imported(source: str) -> set[str]:
    """The top-level packages that a Python source imports, relative ones aside."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.partition(".")[0])
        elif isinstance(node, ast.ImportFrom) and node.level > 1:
            found.add("..")
    return found


def test_there_is_something_to_look_at() -> None:
    assert {"monolith", "users", "orders", "catalog"} <= set(NAMES)
    assert all(sources(name, "*.py") or sources(name, "*.js") for name in NAMES)


@pytest.mark.parametrize("service", NAMES)
def test_no_service_imports_another_or_servicelab(service: str) -> None:
    others = set(NAMES) - {service} | {"servicelab", ".."}
    for path in sources(service, "*.py"):
        assert not imported(path.read_text(encoding="utf-8")) & others, path
    for path in sources(service, "*.js"):
        for target in JAVASCRIPT_IMPORT.findall(path.read_text(encoding="utf-8")):
            inside = (path.parent / target).resolve().is_relative_to(SERVICES / service)
            assert inside if target.startswith(".") else target.partition("/")[0] not in others, f"{path}: {target}"


@pytest.mark.parametrize(
    ("source", "found"),
    [("import users.store", "users"), ("def f():\n    from servicelab import Stack", "servicelab"), ("from .. import x", "..")],
)
def test_an_import_is_found_wherever_it_is(source: str, found: str) -> None:
    assert imported(source) == {found}


@pytest.mark.parametrize("service", NAMES)
def test_what_a_service_needs_is_pinned(service: str) -> None:
    requirements = SERVICES / service / "requirements.txt"
    if requirements.exists():
        lines = [line for line in requirements.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
        assert lines
        assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines)
    else:
        lock = (SERVICES / service / "package-lock.json").read_text(encoding="utf-8")
        assert '"integrity"' in lock
        assert '"resolved"' not in lock
