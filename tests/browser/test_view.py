"""A stack's live view by keyboard while a cell awaits, beside the notebook, narrow, dark, read aloud, and closed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from lab import menu, node, show, until, wait_for_state
from playwright.sync_api import Page, expect

from servicelab.engine.client import connect

STACK = Path(__file__).parents[1] / "stacks" / "talking.yaml"
UP = f"""from pathlib import Path
from servicelab import Stack
shop = Stack.of(Path({str(STACK)!r}))
shop.up()"""
TRAFFIC = """run = shop.load("front", rate=10, timeout=30)
run.watch(lambda: Path("enough").exists() and (Path("enough").unlink(), run.end_sending()))
await run
print("failed while it was awaited:", run.failed > 0)"""

# In the kernel: a thread that tells this test, at any time, its threads for the stack, and how many connections to the engine there
# are more than without a view.
TELLS = """import json, os, socket, threading, time

def connections():
    # Only the engine's socket has a name: Jupyter's own are TCP, or pairs.
    found = 0
    for number in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{number}").startswith("socket:"):
                with socket.fromfd(int(number), socket.AF_UNIX, socket.SOCK_STREAM) as copy:
                    found += copy.getpeername() != "" and isinstance(copy.getpeername(), str)
        except OSError:  # it listens, or was closed meanwhile
            continue
    return found

def tell():
    while True:
        threads = [thread.name for thread in threading.enumerate() if shop.project in thread.name]
        Path("new").write_text(json.dumps([threads, connections() - before]))
        os.replace("new", "there")
        time.sleep(0.1)

shop["front"].urls  # as load() asks for them: what the stack itself keeps open is open now
before = connections()
threading.Thread(target=tell, daemon=True).start()"""

Keep = Callable[[Page, str], None]


def serious(page: Page) -> list[str]:
    """What axe-core finds serious or worse within the view."""
    found = Axe().run(page, context=".slv", options={"resultTypes": ["violations"]}).response["violations"]
    return [f"{v['id']}: {v['nodes'][0]['html']}" for v in found if v["impact"] in ("serious", "critical")]


def tab_to(page: Page, name: str) -> None:
    """Press Tab until the button NAME of the first view has the focus."""
    button = page.locator(".slv").first.get_by_role("button", name=name, exact=True)
    for _ in range(20):
        if button.evaluate("button => button === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not reach {name}")


def test_by_keyboard_while_a_cell_awaits_dark_narrow_beside_the_notebook_and_closed(
    lab: Any, page: Page, keep: Keep, learner: str
) -> None:
    def container() -> str:
        with closing(connect()) as client:
            return str(client.containers.get(f"{learner}-talking-back-1").status)

    def everywhere(views: int, words: str) -> None:
        """Until each of the VIEWS says WORDS of back."""
        nodes = page.locator('.slv [data-node="back"]')
        expect(nodes).to_have_count(views)
        for index in range(views):
            expect(nodes.nth(index)).to_have_attribute("aria-label", re.compile(words))

    def looked_at() -> bool:
        threads, connections = json.loads((lab.folder / "there").read_text())
        return f"servicelab-view-{learner}-talking" in threads and connections > 0

    def nothing_left() -> bool:
        threads, connections = json.loads((lab.folder / "there").read_text())
        return threads == [] and connections <= 0

    awaits = page.locator(".jp-InputPrompt", has_text="[*]:")
    show(page, lab.write("view.ipynb", UP, TELLS, "shop", "shop", TRAFFIC))
    menu(page, "Run", "Run All Cells")
    wait_for_state(page, "back", "healthy|starting")
    assert serious(page) == []

    node(page, "back").focus()
    page.keyboard.press("Enter")
    expect(node(page, "back")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("group", name="Act on back")).to_be_visible()
    expect(node(page, "back")).to_be_focused()
    assert serious(page) == []
    keep(page, "view-light")

    tab_to(page, "Kill")
    page.keyboard.press("Enter")
    everywhere(2, "exited 137")
    assert container() == "exited"
    expect(awaits).to_have_count(1)
    assert serious(page) == []

    menu(page, "Settings", "Theme", "JupyterLab Dark")
    expect(page.locator('body[data-jp-theme-light="false"]')).to_be_attached()
    assert serious(page) == []
    keep(page, "view-dark")

    menu(page, "View", "Appearance", "Show Left Sidebar")
    page.set_viewport_size({"width": 480, "height": 1000})
    expect(page.locator('.slv svg[width="332"]').first).to_be_attached()
    assert serious(page) == []
    keep(page, "view-narrow")

    page.set_viewport_size({"width": 1500, "height": 1000})
    node(page, "back").focus()
    tab_to(page, "Restart")
    page.keyboard.press("Space")
    everywhere(2, "healthy|starting")
    assert container() == "running"
    expect(awaits).to_have_count(1)

    expect(page.locator(".slv .rate")).to_have_count(4)  # in each view from outside to front, and on to back
    node(page, "back").focus()
    (lab.folder / "enough").touch()
    expect(page.get_by_text("failed while it was awaited: True")).to_be_attached()
    expect(page.locator(".slv .rate")).to_have_count(0)
    expect(node(page, "back")).to_be_focused()  # it is still the same: what came and went stands before it

    page.locator(".jp-OutputArea-output .slv").first.click(button="right", position={"x": 300, "y": 5})
    page.get_by_role("menuitem", name="Create New View for Cell Output").click()
    everywhere(3, "healthy|starting")
    expect(page.locator('.slv [data-node="back"][aria-pressed="true"]')).to_have_count(2)
    keep(page, "view-beside")

    for index in (3, 2):
        page.evaluate("index => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = index }", index)
        menu(page, "Edit", "Delete Cell")
    everywhere(1, "healthy|starting")
    until(page, looked_at, "a thread that looks for the view beside")
    page.locator(".lm-TabBar-tab", has_text="Output View").locator(".lm-TabBar-tabCloseIcon").click()
    until(page, nothing_left, "an end of the thread and of its connections, without a cell that shows them")
    for _ in range(2):
        menu(page, "Edit", "Undo Cell Operation")
    until(page, looked_at, "a thread that looks again")
    menu(page, "File", "Save Notebook")
    lab.wait_until_saved(page, "view.ipynb", "vnd.jupyter.widget-view+json")
    page.locator(".lm-TabBar-tab", has_text="view.ipynb").locator(".lm-TabBar-tabCloseIcon").click()
    until(page, nothing_left, "an end of the thread and of its connections, after the notebook's tab was closed")
    page.goto(lab.address("view.ipynb"))
    until(page, looked_at, "a thread that looks for the notebook that was opened again")
    blank = page.context.new_page()
    page.close()
    until(blank, nothing_left, "an end of the thread and of its connections, after the page was closed")
