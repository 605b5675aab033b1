"""The README's pictures, of the real thing: JupyterLab, the shop, a kill. Anyone can make them again:

.venv/bin/python docs/pictures.py      (needs Chromium, and Pillow for the animation: pip install pillow)
"""

from __future__ import annotations

import io
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
import requests
from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

from servicelab import leftovers, notebooks

HERE = Path(__file__).parent
PATIENCE = 120_000  # ms
CELLS = (
    'from servicelab import Stack\nshop = Stack("shop")\nshop.up()',
    "shop",
    'pages = {"GET /orders/{id}?expand=user,product": 1}\nrun = shop.load("orders", pages, rate=40, seconds=600, ids=range(1, 301))\nrun',
)
FRAME = 500  # ms


@contextmanager
def jupyterlab(folder: Path) -> Iterator[str]:
    """A JupyterLab on loopback that serves FOLDER: the address of its notebook."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(16)
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}"]
    command += [f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder}", "--LabApp.news_url=None"]
    command += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate", "--LabApp.expose_app_in_browser=True"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + PATIENCE / 1000
        while True:
            try:
                requests.get(f"http://127.0.0.1:{port}/api", timeout=5).raise_for_status()
                break
            except requests.RequestException:
                if time.monotonic() > until:
                    raise
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/lab/tree/shop.ipynb?token={token}"
    finally:
        server.terminate()
        server.wait(60)


def film(page: Page, seconds: float, frames: list[Image.Image]) -> None:
    """Add what the page shows, a frame each half second."""
    for _ in range(int(seconds * 1000 / FRAME)):
        page.wait_for_timeout(FRAME)
        box = page.locator(".jp-NotebookPanel").bounding_box()
        shot = Image.open(io.BytesIO(page.screenshot(clip=box)))
        shot.thumbnail((900, 900))
        frames.append(shot.convert("P", palette=Image.Palette.ADAPTIVE, colors=64))


def take(page: Page, url: str) -> None:
    page.goto(url)
    expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible()
    page.add_style_tag(content=".Toastify { display: none }")  # JupyterLab asks about its news
    page.keyboard.press("Control+b")  # the file browser away
    for plugin in ("@jupyter-widgets/jupyterlab-manager:plugin", "anywidget:plugin"):
        page.wait_for_function("plugin => window.jupyterapp.isPluginActivated(plugin)", arg=plugin)
    labels = page.locator(".lm-MenuBar-itemLabel, .lm-Menu-itemLabel")
    for name in ("Run", "Run All Cells"):
        labels.filter(has_text=re.compile(f"^{name}$")).click()
    rates = page.locator(".slv .rate").filter(has_text=re.compile(r"^[1-9][0-9.]*/s$"))
    expect(rates).to_have_count(3)
    users = page.locator('.slv [data-node="users"]').first
    users.click()
    frames: list[Image.Image] = []
    film(page, 3, frames)
    page.get_by_role("button", name="Kill").click()
    expect(users).to_have_attribute("aria-label", re.compile("exited"))
    film(page, 4, frames)
    page.screenshot(path=HERE / "lesson-02.png")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(users).to_have_attribute("aria-label", re.compile("healthy|starting"))
    film(page, 5, frames)
    frames[0].save(HERE / "shop.gif", save_all=True, append_images=frames[1:], duration=FRAME, loop=0, optimize=True)


def main() -> None:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("Chromium is not here: apt-get install chromium")
    learner = os.environ["SERVICELAB_LEARNER"] = f"pictures-{secrets.token_hex(3)}"
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
        notebook.metadata["kernelspec"] = notebooks.KERNELSPEC
        nbformat.write(notebook, Path(folder) / "shop.ipynb")
        try:
            with jupyterlab(Path(folder)) as url:
                browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-dev-shm-usage"])
                page = browser.new_page(viewport={"width": 1200, "height": 900})
                page.set_default_timeout(PATIENCE)
                expect.set_options(timeout=PATIENCE)
                take(page, url)
                browser.close()
        finally:
            leftovers.remove(learner, images=True)


if __name__ == "__main__":
    main()
