"""A real browser on a real JupyterLab: Debian's Chromium under Playwright."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
import requests
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from servicelab import leftovers, notebooks

HERE = Path(__file__).parent
KEPT = HERE.parents[1] / ".servicelab" / "screenshots"
PATIENCE = 120_000
"""Milliseconds that Playwright waits for a condition: a machine with two busy cores needs many times what an idle one does."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder drives a stack."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.docker)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of Chromium. Installed where that can be done; in CI it has to be there, elsewhere its absence skips."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found:
        return found
    if hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get") and os.environ.get("CI"):
        quiet = {"check": True, "stdout": subprocess.DEVNULL, "env": os.environ | {"DEBIAN_FRONTEND": "noninteractive"}}
        subprocess.run(["apt-get", "update", "-qq"], **quiet)
        subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium", "fonts-dejavu-core"], **quiet)
        return shutil.which("chromium") or pytest.fail("apt-get installed no chromium")
    why = "the browser tests need Chromium: apt-get install chromium"
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield started
        started.close()


class Lab:
    """A running JupyterLab. ``folder``: what it serves."""

    def __init__(self, url: str, token: str, folder: Path) -> None:
        self.url, self.token, self.folder = url, token, folder

    def write(self, name: str, *cells: str) -> str:
        """A notebook with these code cells; returns the address under which it opens."""
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        notebook.metadata["kernelspec"] = notebooks.KERNELSPEC
        nbformat.write(notebook, self.folder / name)
        return f"{self.url}/lab/tree/{name}?token={self.token}"

    def wait_until_saved(self, name: str, content: str) -> None:
        """Return when the stored notebook NAME has CONTENT in it."""
        until = time.monotonic() + PATIENCE / 1000
        while content not in (self.folder / name).read_text("utf-8"):
            assert time.monotonic() < until, f"{name} was not saved"
            time.sleep(0.1)


@pytest.fixture
def lab(tmp_path: Path, learner: str) -> Iterator[Lab]:
    """JupyterLab on a free port of the loopback, with a token, and no settings of this user's."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder, token = tmp_path / "notebooks", secrets.token_hex(16)
    folder.mkdir()
    quiet = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}}
    overrides = tmp_path / "app" / "settings"
    overrides.mkdir(parents=True)
    (overrides / "overrides.json").write_text(json.dumps(quiet))
    homes = {f"JUPYTER_{kind}_DIR": str(tmp_path / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")}
    log = (tmp_path / "jupyter.log").open("w")
    server = subprocess.Popen(
        [
            sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}",
            "--ServerApp.port_retries=0", f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder}",
            f"--LabApp.user_settings_dir={tmp_path / 'user'}", f"--LabApp.workspaces_dir={tmp_path / 'spaces'}",
            f"--LabApp.app_settings_dir={overrides}", "--ServerApp.terminals_enabled=False",
            "--LabApp.expose_app_in_browser=True",
        ],
        env=os.environ | homes | {"SERVICELAB_LEARNER": learner, "JUPYTERLAB_SETTINGS_DIR": str(tmp_path / "user")},
        stdout=log, stderr=subprocess.STDOUT,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(url, token, server, tmp_path / "jupyter.log")
        yield Lab(url, token, folder)
    finally:
        server.terminate()  # it ends its kernels
        try:
            server.wait(60)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        log.close()


def _wait_for(url: str, token: str, server: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < until:
        if server.poll() is not None:
            break
        try:
            if requests.get(f"{url}/api/status", params={"token": token}, timeout=5).ok:
                return
        except requests.ConnectionError:
            time.sleep(0.1)
    pytest.fail(f"JupyterLab did not start:\n{log.read_text()[-2000:]}")


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A fresh profile."""
    made = browser.new_context(viewport={"width": 1500, "height": 1000})
    made.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)  # it has a limit of its own, of 5 s
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page; what it showed when a test failed is kept."""
    made = context.new_page()
    yield made
    KEPT.mkdir(parents=True, exist_ok=True)
    made.screenshot(path=KEPT / f"{request.node.name}-end.png")


@pytest.fixture
def keep() -> Any:
    """``keep(page, "name")`` stores a screenshot as an artefact."""

    def screenshot(page: Page, name: str) -> None:
        KEPT.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=KEPT / f"{name}.png")

    return screenshot


@pytest.fixture
def learner() -> Iterator[str]:
    """A learner of this test's own. All that is left of them is removed, whatever happened."""
    name = f"test-{secrets.token_hex(4)}"
    yield name
    leftovers.remove(name, images=True)
