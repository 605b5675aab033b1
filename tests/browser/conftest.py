"""A browser, a JupyterLab and a learner for each test of this folder."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from servicelab import leftovers

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # for lab.py: pytest imports each of these files for itself

from lab import Lab, asked, chromium, jupyterlab, launch, profile  # noqa: E402

KEPT = HERE.parents[1] / ".servicelab" / "screenshots"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder drives a stack."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.docker)


@pytest.fixture(scope="session")
def executable() -> str:
    """The path of Chromium. Installed where that can be done; in CI it has to be there, elsewhere its absence skips."""
    if found := chromium():
        return found
    if hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get") and os.environ.get("CI"):
        quiet = {"check": True, "stdout": subprocess.DEVNULL, "env": os.environ | {"DEBIAN_FRONTEND": "noninteractive"}}
        subprocess.run(["apt-get", "update", "-qq"], **quiet)
        subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium", "fonts-dejavu-core"], **quiet)
        return chromium() or pytest.fail("apt-get installed no chromium")
    why = "the browser tests need Chromium: apt-get install chromium"
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)


@pytest.fixture(scope="session")
def browser(executable: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = launch(playwright, executable)
        yield started
        started.close()


@pytest.fixture
def lab(tmp_path: Path, learner: str) -> Iterator[Lab]:
    """JupyterLab, with a kernel's containers as this test's learner."""
    with jupyterlab(tmp_path, learner) as running:
        yield running


@pytest.fixture
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page in a fresh profile; what it showed at the end of the test is kept. Nobody but this machine may be asked for anything."""
    with profile(browser) as context:
        hosts = asked(context)
        made = context.new_page()
        yield made
        if not made.is_closed():
            _screenshot(made, f"{request.node.name}-end")
    assert hosts == {"http://127.0.0.1", "ws://127.0.0.1"}


@pytest.fixture
def keep() -> Any:
    """``keep(page, "name")`` stores a screenshot as an artefact."""
    return _screenshot


def _screenshot(page: Page, name: str) -> None:
    KEPT.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=KEPT / f"{name}.png")


@pytest.fixture
def learner() -> Iterator[str]:
    """A learner of this test's own. All that is left of them is removed, whatever happened."""
    name = f"test-{secrets.token_hex(4)}"
    yield name
    leftovers.remove(name, images=True)
