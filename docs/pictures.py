"""The README's pictures, of the real thing: JupyterLab, the shop, a kill. Anyone can make them again:

.venv/bin/python docs/pictures.py      (needs Chromium, and Pillow for the animation: pip install pillow)
"""

from __future__ import annotations

import io
import re
import secrets
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

from servicelab import leftovers

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "browser"))

from lab import chromium, jupyterlab, launch, menu, node, profile, show, wait_for_state  # noqa: E402

CELLS = (
    'from servicelab import Stack\nshop = Stack("shop")\nshop.up()',
    "shop",
    'pages = {"GET /orders/{id}?expand=user,product": 1}\nrun = shop.load("orders", pages, rate=40, seconds=600, ids=range(1, 301))\nrun',
)
LOOK_BACK = (  # another notebook, the same shop
    CELLS[0],
    "import time\n"
    'run = shop.load("orders", "/orders/{id}?expand=user", rate=40, ids=range(1, 301))\n'
    "time.sleep(2)\n"
    'run.mark("restart")\nshop["orders"].restart()\nrun.mark("ready")\n'
    "run.stop()\nrun",
    'import requests\nshop.follow(requests.get(shop["orders"].url + "/orders/1?expand=user,product", timeout=30))',
)
FRAME = 500  # ms


def film(page: Page, seconds: float, frames: list[Image.Image]) -> None:
    """Add what the page shows, a frame each half second."""
    for _ in range(int(seconds * 1000 / FRAME)):
        page.wait_for_timeout(FRAME)
        box = page.locator(".jp-NotebookPanel").bounding_box()
        shot = Image.open(io.BytesIO(page.screenshot(clip=box)))
        shot.thumbnail((900, 900))
        frames.append(shot.convert("P", palette=Image.Palette.ADAPTIVE, colors=64))


def take(page: Page, url: str) -> None:
    show(page, url)
    page.keyboard.press("Control+b")  # the file browser away
    menu(page, "Run", "Run All Cells")
    rates = page.locator(".slv .rate").filter(has_text=re.compile(r"^[1-9][0-9.]*/s$"))
    expect(rates).to_have_count(3)
    node(page, "users").click()
    frames: list[Image.Image] = []
    film(page, 3, frames)
    page.get_by_role("button", name="Kill").click()
    wait_for_state(page, "users", "exited")
    film(page, 4, frames)
    page.screenshot(path=HERE / "lesson-02.png")
    page.get_by_role("button", name="Start", exact=True).click()
    wait_for_state(page, "users", "healthy|starting")
    film(page, 5, frames)
    frames[0].save(HERE / "shop.gif", save_all=True, append_images=frames[1:], duration=FRAME, loop=0, optimize=True)


def look_back(page: Page, url: str) -> None:
    page.set_viewport_size({"width": 1200, "height": 1800})  # all in sight: JupyterLab takes away what is not
    show(page, url)
    page.keyboard.press("Control+b")
    menu(page, "Run", "Run All Cells")
    for name, cell in (("follow.png", 2), ("load.png", 1)):
        picture = page.locator(".jp-CodeCell").nth(cell).locator(".jp-OutputArea-output").locator("svg, img").last
        expect(picture).to_be_visible()
        picture.screenshot(path=HERE / name)


def main() -> None:
    executable = chromium()
    if executable is None:
        sys.exit("Chromium is not here: apt-get install chromium")
    learner = f"pictures-{secrets.token_hex(3)}"
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        try:
            with jupyterlab(Path(folder), learner) as lab, profile(launch(playwright, executable), 1200, 900) as context:
                take(context.new_page(), lab.write("shop.ipynb", *CELLS))
                look_back(context.new_page(), lab.write("look-back.ipynb", *LOOK_BACK))
        finally:
            leftovers.remove(learner, images=True)


if __name__ == "__main__":
    main()
