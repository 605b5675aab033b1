"""JupyterLab in a real browser: Debian's Chromium under Playwright. For the tests here, and for docs/pictures.py."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
import requests
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Playwright, expect

from servicelab.lessons import notebooks

PATIENCE = 120_000
"""Milliseconds that Playwright waits for a condition: a machine with two busy cores needs many times what an idle one does."""


class Lab:
    """A running JupyterLab. ``folder``: what it serves; ``data``: where it keeps signatures."""

    def __init__(self, url: str, token: str, folder: Path, data: Path) -> None:
        self.url, self.token, self.folder, self.data = url, token, folder, data

    def address(self, name: str) -> str:
        """Where the notebook NAME opens."""
        return f"{self.url}/lab/tree/{name}?token={self.token}"

    def write(self, name: str, *cells: str) -> str:
        """A notebook with these code cells; returns the address under which it opens."""
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        notebook.metadata["kernelspec"] = notebooks.KERNELSPEC
        nbformat.write(notebook, self.folder / name)
        return self.address(name)

    def take(self, notebook: Path) -> str:
        """A copy of NOTEBOOK, as a learner gets one in work/; returns the address under which it opens."""
        shutil.copy(notebook, self.folder)
        notebooks.trust(self.folder / notebook.name, self.data)
        return self.address(notebook.name)

    def wait_until_saved(self, page: Page, name: str, content: str) -> None:
        """Return when the stored notebook NAME has CONTENT in it."""
        until = time.monotonic() + PATIENCE / 1000
        while content not in (self.folder / name).read_text("utf-8"):
            assert time.monotonic() < until, f"{name} was not saved"
            page.wait_for_timeout(100)  # not a sleep: Playwright makes the page's requests meanwhile


@contextmanager
def jupyterlab(folder: Path, learner: str) -> Iterator[Lab]:
    """JupyterLab on a free port of the loopback, with a token, and no settings of this user's. FOLDER holds all that is its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    served, token = folder / "notebooks", secrets.token_hex(16)
    served.mkdir()
    overrides = folder / "app" / "settings"
    overrides.mkdir(parents=True)
    quiet = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}}
    (overrides / "overrides.json").write_text(json.dumps(quiet))
    homes = {f"JUPYTER_{kind}_DIR": str(folder / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")}
    log = folder / "jupyter.log"
    with log.open("w") as said:
        server = subprocess.Popen(
            [
                sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}",
                "--ServerApp.port_retries=0", f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={served}",
                f"--LabApp.user_settings_dir={folder / 'user'}", f"--LabApp.workspaces_dir={folder / 'spaces'}",
                f"--LabApp.app_settings_dir={overrides}", "--ServerApp.terminals_enabled=False",
                "--LabApp.expose_app_in_browser=True",
            ],
            env=os.environ | homes | {"SERVICELAB_LEARNER": learner, "JUPYTERLAB_SETTINGS_DIR": str(folder / "user")},
            stdout=said, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            _wait_for(f"http://127.0.0.1:{port}", token, server, log)
            yield Lab(f"http://127.0.0.1:{port}", token, served, folder / "data")
        finally:
            server.terminate()  # it ends its kernels
            try:
                server.wait(60)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _wait_for(url: str, token: str, server: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < until and server.poll() is None:
        try:
            if requests.get(f"{url}/api/status", params={"token": token}, timeout=5).ok:
                return
        except requests.ConnectionError:
            time.sleep(0.1)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()[-2000:]}")


def chromium() -> str | None:
    """Where Chromium is, if it is there."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def launch(playwright: Playwright, executable: str) -> Browser:
    return playwright.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-dev-shm-usage"])


@contextmanager
def profile(browser: Browser, width: int = 1500, height: int = 1000) -> Iterator[BrowserContext]:
    """A fresh profile, in which JupyterLab comes up also while containers come and go.

    Whenever a network interface appears or goes, and each container has one, Chromium drops all requests that wait for a connection
    (ERR_NETWORK_CHANGED). JupyterLab, of which one of a hundred files is missing then, stays empty, or has no theme. So Playwright
    makes the requests and hands Chromium the answers; only web sockets, which last, are its own. Pages that came that way may open
    those only with a permission.
    """
    made = browser.new_context(viewport={"width": width, "height": height}, permissions=["local-network-access"])
    made.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)  # it has a limit of its own, of 5 s
    made.route("**/*", lambda route: route.fulfill(response=route.fetch(timeout=PATIENCE)))
    try:
        yield made
    finally:
        made.unroute_all(behavior="ignoreErrors")  # what a closed page still asked for
        made.close()


def asked(context: BrowserContext) -> set[str]:
    """Whom the pages of CONTEXT ask, from now on: ``{"http://127.0.0.1"}``. Without what a page carries in itself (data:, blob:)."""
    found: set[str] = set()

    def note(url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("data", "blob"):
            found.add(f"{parts.scheme}://{parts.hostname}")

    context.on("request", lambda request: note(request.url))
    context.on("page", lambda page: page.on("websocket", lambda opened: note(opened.url)))
    return found


def show(page: Page, url: str) -> None:
    """Open a notebook and return when it can run."""
    # JupyterLab waits a second and a half for its own theme, which is little on a busy machine.
    theme = page.locator(".jp-Dialog").filter(has_text="Error Loading Theme")
    page.add_locator_handler(theme, lambda dialog: dialog.get_by_role("button").last.click())
    page.goto(url)
    wait_until_ready(page)


def wait_until_ready(page: Page) -> None:
    """Until there is a kernel (before, JupyterLab asks for one) and what draws widgets (before, it shows a picture in their place)."""
    expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible()
    for plugin in ("@jupyter-widgets/jupyterlab-manager:plugin", "anywidget:plugin"):
        page.wait_for_function("plugin => window.jupyterapp.isPluginActivated(plugin)", arg=plugin)


def menu(page: Page, *names: str) -> None:
    """Choose an entry: ``menu(page, "Run", "Run All Cells")``."""
    labels = page.locator(".lm-MenuBar-itemLabel, .lm-Menu-itemLabel")
    for name in names:
        labels.filter(has_text=re.compile(f"^{name}$")).click()


def node(page: Page, name: str) -> Locator:
    """A service in the first view of a stack."""
    return page.locator(f'.slv [data-node="{name}"]').first


def wait_for_state(page: Page, name: str, words: str) -> None:
    """Until a service's node says WORDS (a regular expression)."""
    expect(node(page, name)).to_have_attribute("aria-label", re.compile(words))


def until(page: Page, reached: Callable[[], bool], what: str) -> None:
    """Return when it is so; WHAT says what was not seen by then."""
    deadline = time.monotonic() + PATIENCE / 1000
    while not reached():
        assert time.monotonic() < deadline, f"not seen: {what}"
        page.wait_for_timeout(100)
