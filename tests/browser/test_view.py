"""A stack's live view by keyboard, beside the notebook, narrow, dark, and read aloud."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from lab import menu, node, show, wait_for_state
from playwright.sync_api import Page, expect

STACK = Path(__file__).parents[1] / "stacks" / "talking.yaml"
UP = f"""from pathlib import Path
from servicelab import Stack
shop = Stack.of(Path({str(STACK)!r}))
shop.up()"""

Keep = Callable[[Page, str], None]


def serious(page: Page) -> list[str]:
    """What axe-core finds serious or worse within the view."""
    found = Axe().run(page, context=".slv", options={"resultTypes": ["violations"]}).response["violations"]
    return [f"{v['id']}: {v['nodes'][0]['html']}" for v in found if v["impact"] in ("serious", "critical")]


def test_by_keyboard_beside_the_notebook_narrow_and_dark(lab: Any, page: Page, keep: Keep) -> None:
    show(page, lab.write("view.ipynb", UP, "shop"))
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

    page.locator(".jp-OutputArea-output .slv").click(button="right", position={"x": 300, "y": 5})
    page.get_by_role("menuitem", name="Create New View for Cell Output").click()
    expect(page.locator('.slv [data-node="back"][aria-pressed="true"]')).to_have_count(2)
    keep(page, "view-beside")

    menu(page, "Settings", "Theme", "JupyterLab Dark")
    expect(page.locator('body[data-jp-theme-light="false"]')).to_be_attached()
    assert serious(page) == []
    keep(page, "view-dark")

    menu(page, "View", "Appearance", "Show Left Sidebar")
    page.set_viewport_size({"width": 480, "height": 1000})
    expect(page.locator('.slv svg[width="332"]').first).to_be_attached()
    keep(page, "view-narrow")
