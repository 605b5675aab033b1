"""Lesson 02 as a reader has it on the screen: its own notebook, in which they kill a service by hand, in the view beside the chart."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from lab import PATIENCE, menu, node, show, until, wait_for_state, wait_until_ready
from playwright.sync_api import Locator, Page, expect

from servicelab import lessons
from servicelab.lessons import notebooks

LESSON = lessons.find("02").notebook
HANDS = "hands"  # the id of the cell whose chart grows while the reader breaks something
RUNS_WITHIN = 5 * PATIENCE  # ms; up to there it starts two stacks


def run_to(page: Page, cell: int) -> None:
    """Run the notebook's cells up to and with CELL."""
    page.evaluate("index => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = index }", cell)
    menu(page, "Run", "Run All Above Selected Cell")
    menu(page, "Run", "Run Selected Cell and Do not Advance")


def run_from(page: Page, cell: int) -> None:
    """Run the notebook's cells from CELL on, and save it when the last one has ended, or one has failed."""
    page.evaluate(
        """([cell, ms]) => {
          const { shell, commands } = window.jupyterapp;
          shell.currentWidget.content.activeCellIndex = cell;
          const late = new Promise((_, reject) => setTimeout(() => reject(new Error(`not done in ${ms} ms`)), ms));
          return Promise.race([commands.execute("notebook:run-all-below").then(() => commands.execute("docmanager:save")), late]);
        }""",
        [cell, RUNS_WITHIN],
    )


def counts(chart: Locator) -> tuple[int, int]:
    """What the chart's key says: requests answered, requests failed."""
    answered, failed = (chart.locator("text", has_text=re.compile(rf"^[\d,]+ {word}")).inner_html() for word in ("ok", "failed"))
    return tuple(int(words.split()[0].replace(",", "")) for words in (answered, failed))  # type: ignore[return-value]


def test_a_reader_kills_a_service_and_sees_the_errors_rise_and_end(
    lab: Any, page: Page, keep: Callable[[Page, str], None]
) -> None:
    hands = [cell["id"] for cell in notebooks.read(LESSON).cells].index(HANDS)
    show(page, lab.take(LESSON))
    run_to(page, hands)
    chart = page.locator(".jp-OutputArea-output svg").filter(has_text="orders with their user")
    expect(chart).to_be_attached(timeout=RUNS_WITHIN)
    page.locator(".jp-OutputArea-output .slv").click(button="right", position={"x": 300, "y": 5})
    page.get_by_role("menuitem", name="Create New View for Cell Output").click()
    beside = page.locator(".jp-LinkedOutputView .slv")
    users = beside.locator('[data-node="users"]')
    until(page, lambda: counts(chart)[0] >= 20, "visitors who are answered")
    numbers = beside.locator(".rate").filter(has_text=re.compile(r"^[1-9][0-9.]*/s$"))
    expect(numbers).to_have_count(2)  # from outside to orders, and on to users

    for database in ("postgres", "mongo"):
        expect(beside.locator(f'[data-node="{database}"]')).to_have_attribute(
            "aria-label", re.compile(r"healthy.* [1-9]\d* connection")
        )

    users.click()
    expect(beside.locator("pre")).to_contain_text("GET /users/")
    beside.get_by_role("button", name="Kill").click()
    expect(users).to_have_attribute("aria-label", re.compile("exited 137"))
    failed = counts(chart)[1]
    until(page, lambda: counts(chart)[1] >= failed + 20, "errors in the chart")
    assert "M" in (chart.locator("path.bad").first.get_attribute("d") or ""), "failed requests have bars of their own"
    expect(beside.locator(".rate.bad")).to_have_text(re.compile(r"errors/s"))
    chart.scroll_into_view_if_needed()
    keep(page, "lesson-killed")

    beside.get_by_role("button", name="Restart", exact=True).click()
    expect(users).to_have_attribute("aria-label", re.compile("healthy|starting"))

    def healed() -> bool:
        """20 more are answered, and nothing fails meanwhile."""
        before = counts(chart)
        until(page, lambda: counts(chart)[0] >= before[0] + 20, "visitors who are answered again")
        return counts(chart)[1] == before[1]

    until(page, healed, "an end of the errors")
    expect(beside.locator(".rate.bad")).to_have_count(0)
    keep(page, "lesson-healed")

    menu(page, "File", "Save Notebook")
    lab.wait_until_saved(page, LESSON.name, "vnd.jupyter.widget-view+json")
    page.reload()
    page.get_by_role(
        "tab", name=LESSON.name
    ).click()  # the output view is in front, as it was left, and has no kernel to wait for
    wait_until_ready(page)
    expect(node(page, "users")).to_have_attribute("aria-pressed", "true")  # it is the same view, as it was left
    page.locator(".slv").first.get_by_role("button", name="Pause", exact=True).click()
    wait_for_state(page, "users", "paused")
    page.locator(".slv").first.get_by_role("button", name="Unpause").click()
    wait_for_state(page, "users", "healthy|starting")

    run_from(page, hands + 1)
    outputs = [output for cell in notebooks.read(lab.folder / LESSON.name).cells for output in cell.get("outputs", ())]
    assert [output["evalue"] for output in outputs if output["output_type"] == "error"] == []
    wait_for_state(page, "users", "not there")  # its last cell removes all
