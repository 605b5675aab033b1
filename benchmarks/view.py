"""What a live view costs, with ten containers and 200 requests/s: `python benchmarks/view.py [pairs]`.

A real kernel shows the shop (2 or 3 replicas of each service, two databases); half of the time somebody looks, the other half nobody
does, in turns. Printed, as the median of the pairs with the lowest and the highest: the kernel's CPU and memory, and the services'
CPU per request. Two halves without a view differ as well: that spread stands beside, and is what a difference has to be compared with.
At the end: how long after the end of a button's act the view has it in the kernel; and in a browser, where Chromium is installed
(`apt install chromium`), how long after the engine says that it was done the screen shows it.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("SERVICELAB_LEARNER", "bench-view")

import psutil
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import KernelManager, start_new_kernel
from playwright.sync_api import sync_playwright

from servicelab import Stack
from servicelab.traffic import load

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "browser"))

from lab import chromium, jupyterlab, launch, menu, node, profile, show, wait_for_state

SECONDS = 8.0
RATE = 200
SCALE = {"users": 3, "orders": 3, "catalog": 2}
SHOW = """
import threading, time
from servicelab import Stack
from servicelab.views.widget import StackView
shop = Stack("shop")
view, looked_at, shown = StackView(shop), threading.Event(), []

def beat():
    while True:
        looked_at.wait()
        view.handle({"kind": "here", "front": "a", "narrow": False})
        time.sleep(4)

threading.Thread(target=beat, daemon=True).start()
view.observe(lambda change: shown.append((time.monotonic(), change.new)), "conditions")
"""
LOOK = "looked_at.set()"
LOOK_AWAY = 'looked_at.clear(); view.handle({"kind": "gone", "front": "a"}); view._watcher.join()'
BUTTON = """
delays = []
for verb, state in (("pause", "paused"), ("unpause", "running")) * 10:
    view.handle({"kind": "act", "verb": verb, "service": "users", "replica": 1}).join()
    done = time.monotonic()
    while view.conditions.get("users", [[0, ""]])[0] != [1, state]:
        time.sleep(0.002)
    delays.append(max(0.0, time.monotonic() - done))
print(max(delays))
"""


def run(client: BlockingKernelClient, code: str) -> str:
    """Run CODE in the kernel; what it printed."""
    said: list[str] = []

    def hook(message: dict[str, Any]) -> None:
        if message["msg_type"] == "stream":
            said.append(message["content"]["text"])

    reply = client.execute_interactive(code, output_hook=hook, timeout=120)
    if reply["content"]["status"] != "ok":
        raise SystemExit("\n".join(reply["content"]["traceback"]))
    return "".join(said)


def services_cpu(stack: Stack) -> float:
    """CPU seconds that the services' containers have used so far."""
    spent = 0.0
    for name in SCALE:
        for container in stack[name].containers:
            spent += container.stats(stream=False, one_shot=True)["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9
    return spent


def half(stack: Stack, kernel: psutil.Process) -> tuple[float, float]:
    """SECONDS of traffic: the kernel's CPU as a part of one core, and the services' CPU per request in ms."""
    before = services_cpu(stack)
    traffic = load({"GET /orders/{id}": 1}, base=stack["orders"].urls, rate=RATE, seconds=SECONDS)
    times, started = kernel.cpu_times(), time.monotonic()
    traffic.wait()
    now, elapsed = kernel.cpu_times(), time.monotonic() - started
    used = (now.user + now.system - times.user - times.system) / elapsed
    return used, (services_cpu(stack) - before) / traffic.requests * 1000


ACTS = 10  # pauses, each with its end
PAUSED = "postgres"  # one container, whose state nothing else changes
WATCH = """
window.shown = [];
let before = null;
new MutationObserver(() => {
  const label = document.querySelector('.slv [data-node="postgres"]').getAttribute("aria-label");
  const paused = label.includes("paused");
  if (paused !== before) requestAnimationFrame(() => window.shown.push(Date.now()));
  before = paused;
}).observe(document.querySelector(".slv"), { subtree: true, childList: true, attributes: true });
"""


def on_screen(stack: Stack, executable: str) -> list[float]:
    """ms from the engine's word that PAUSED was paused, or goes on, to the frame of the browser in which the view says so."""
    with (
        tempfile.TemporaryDirectory() as folder,
        sync_playwright() as playwright,
        jupyterlab(Path(folder), stack.learner) as lab,
        profile(launch(playwright, executable)) as context,
    ):
        page = context.new_page()
        show(page, lab.write("view.ipynb", "from servicelab import Stack\nStack('shop')"))
        menu(page, "Run", "Run All Cells")
        wait_for_state(page, PAUSED, "healthy")
        node(page, PAUSED).click()
        page.evaluate(f"() => {{ {WATCH} }}")
        began = time.time()
        for _ in range(ACTS):
            page.get_by_role("button", name="Pause", exact=True).click()
            wait_for_state(page, PAUSED, "paused")
            page.get_by_role("button", name="Unpause").click()
            wait_for_state(page, PAUSED, "healthy|starting|running")
        page.wait_for_timeout(200)
        shown: list[float] = page.evaluate("() => window.shown")
    wanted = {"container": stack[PAUSED].container.id, "event": ["pause", "unpause"]}
    events = stack.client.events(since=int(began), until=int(time.time()) + 1, filters=wanted, decode=True)
    done = [event["timeNano"] / 1e6 for event in events if event["timeNano"] / 1e9 > began]
    shown = shown[-len(done) :]  # before the first act, the watch has seen that it runs
    return [seen - acted for seen, acted in zip(shown, done, strict=True)]


def spread(values: list[float], unit: str) -> str:
    return f"{median(values):.2f} {unit} ({min(values):.2f} to {max(values):.2f})"


def main(pairs: int) -> None:
    stack = Stack("shop")
    stack.up(scale=SCALE)
    manager: KernelManager
    client: BlockingKernelClient
    manager, client = start_new_kernel(startup_timeout=180)
    try:
        kernel = psutil.Process(int(run(client, "import os; print(os.getpid())")))
        run(client, "from servicelab import Stack\nStack('shop').status()")
        plain = kernel.memory_info().rss
        run(client, SHOW)
        seen: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
        for pair in range(pairs):
            for looking in (True, False) if pair % 2 else (False, True):
                run(client, LOOK if looking else LOOK_AWAY)
                seen[looking].append(half(stack, kernel))
        memory = kernel.memory_info().rss - plain
        run(client, LOOK)
        delay = float(run(client, BUTTON))
        run(client, LOOK_AWAY)
        executable = chromium()
        screen = on_screen(stack, executable) if executable else []
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        stack.down(volumes=True)
    cpu = {looking: [used * 100 for used, _ in own] for looking, own in seen.items()}
    request = {looking: [spent for _, spent in own] for looking, own in seen.items()}
    ratio = [with_view / without for with_view, without in zip(request[True], request[False], strict=True)]
    same = [b / a for a, b in zip(request[False], request[False][1:], strict=False)]
    print(f"kernel's CPU, view open       {spread(cpu[True], '% of a core')}   at most 5")
    print(f"kernel's CPU, nobody looks    {spread(cpu[False], '% of a core')}")
    print(f"kernel's memory for the view  {memory / 2**20:.0f} MB   at most 30")
    print(f"services' CPU, view open      {spread(request[True], 'ms per request')}")
    print(f"services' CPU, nobody looks   {spread(request[False], 'ms per request')}")
    print(f"ratio within a pair           {spread(ratio, '')}")
    print(f"ratio of two without a view   {spread(same, '')}")
    print(f"from an act's end to the view {delay * 1000:.0f} ms at most in 20 acts   at most 500")
    if screen:
        print(f"from an act to the screen     {spread(screen, 'ms')}   at most 500")
    else:
        print("from an act to the screen     not measured: no Chromium is installed")
    load_now = os.getloadavg()[0] / (os.cpu_count() or 1)
    print(f"load of this machine          {load_now:.1f} per core: above 1, times are mostly the queue for a core")


if __name__ == "__main__":
    main(max(2, int(sys.argv[1])) if len(sys.argv) > 1 else 10)  # identical runs take two
