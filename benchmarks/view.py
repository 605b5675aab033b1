"""What a live view costs, with ten containers and 200 requests/s: `python benchmarks/view.py [pairs]`.

A real kernel shows the shop (2 or 3 replicas of each service, two databases); half of the time somebody looks, the other half nobody
does, in turns. Printed, as the median of the pairs with the lowest and the highest: how often the view is updated, the kernel's CPU and
memory, and the CPU per request of the services and of their databases. Two halves without a view differ as well: that spread stands
beside, and is what a difference has to be compared with.

At the end, where Chromium is installed (`apt install chromium`): from the click on a button to the frame that shows what it did, for
each kind of act. In turns with it, the same is asked of Docker alone, by its SDK's calls and no others: the difference is the view's.
Before, and without Chromium: how long after the end of a pause the view has it in the kernel.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

os.environ.setdefault("SERVICELAB_LEARNER", "bench-view")

import psutil
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager, start_new_kernel
from playwright.sync_api import Page, expect, sync_playwright

from servicelab import Stack, settings
from servicelab.engine.client import Clients
from servicelab.faults import network
from servicelab.traffic import load

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "browser"))

from lab import chromium, jupyterlab, launch, menu, node, profile, show, wait_for_state

SECONDS = 8.0
RATE = 200
SCALE = {"users": 3, "orders": 3, "catalog": 2}
DATABASES = ("mongo", "postgres")
SHOW = """
import threading, time
from servicelab import Stack
from servicelab.views.widget import StackView
shop = Stack("shop")
view, looked_at, looks, sent = StackView(shop), threading.Event(), [], []

def beat():
    while True:
        looked_at.wait()
        view.handle({"kind": "here", "front": "a", "narrow": False})
        time.sleep(4)

threading.Thread(target=beat, daemon=True).start()
show = view.show
view.show = lambda seen, look: (show(seen, look), looks.append(time.monotonic()))
view.observe(lambda change: sent.append(time.monotonic()), "wide")
"""
LOOK = "looked_at.set()"
UPDATES = "import json; print(json.dumps([looks, sent]))"
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


def cpu(stack: Stack) -> tuple[float, float]:
    """CPU seconds that the containers of the services have used so far, and those of the databases."""
    clients = Clients()

    def used(container: str) -> float:
        stats = clients.get().api.stats(container, stream=False, one_shot=True)
        return float(stats["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9)

    with ThreadPoolExecutor(16) as pool:  # all at one time: the engine takes up to a second for each
        ids = [[container.id for name in names for container in stack[name].containers] for names in (SCALE, DATABASES)]
        services, databases = [pool.map(used, own) for own in ids]
        spent = sum(services), sum(databases)
    clients.close()
    return spent


class Half(NamedTuple):
    """SECONDS of traffic: from when to when, the kernel's CPU as a part of one core, and CPU per request in ms."""

    began: float
    ended: float
    kernel: float
    services: float
    databases: float


def half(stack: Stack, kernel: psutil.Process) -> Half:
    before = cpu(stack)
    traffic = load({"GET /orders/{id}": 1}, base=stack["orders"].urls, rate=RATE, seconds=SECONDS)
    times, began = kernel.cpu_times(), time.monotonic()
    traffic.wait()
    now, ended = kernel.cpu_times(), time.monotonic()
    used = (now.user + now.system - times.user - times.system) / (ended - began)
    services, databases = ((late - early) / traffic.requests * 1000 for late, early in zip(cpu(stack), before, strict=True))
    return Half(began, ended, used, services, databases)


ROUNDS = 4  # of all acts
ACTS = (  # a button, what it is for, and what the service's node says (a regular expression) once it is done
    ("pause", "postgres", "paused"),
    ("unpause", "postgres", "healthy|starting"),
    ("kill", "postgres", "exited"),
    ("start", "postgres", "healthy|starting"),
    ("restart", "postgres", "starting"),  # healthy, before
    ("more", "catalog", ", 3 (healthy|starting)"),
    ("fewer", "catalog", "^(?!.*, 3 )"),
    ("latency", "postgres", "latency 300 ms"),
    ("latency", "postgres", "^(?!.*latency)"),
)
NAMES = ("pause", "unpause", "kill", "start", "restart", "a replica more", "a replica fewer", "latency", "latency off")
WATCH = """
window.seen = [];
const before = {};
document.addEventListener("click", () => { window.clicked = Date.now(); }, true);
new MutationObserver(() => {
  for (const name of ["postgres", "catalog"]) {
    const label = document.querySelector(`.slv [data-node="${name}"]`).getAttribute("aria-label");
    if (label !== before[name]) requestAnimationFrame(() => window.seen.push([Date.now(), name, label]));
    before[name] = label;
  }
}).observe(document.querySelector(".slv"), { subtree: true, childList: true, attributes: true });
"""
SEEN = "([name, words]) => window.seen.find(([, own, label]) => own === name && RegExp(words).test(label))?.[0]"


def on_screen(stack: Stack, executable: str) -> tuple[list[list[float]], list[list[float]]]:
    """For each of ACTS, round by round: ms from the click to the frame that shows it done, and ms that Docker alone needs for it."""
    screen: list[list[float]] = []
    docker: list[list[float]] = []
    with stack.fault("postgres", latency="1ms"):  # the button waits for no image
        pass
    with (
        tempfile.TemporaryDirectory() as folder,
        sync_playwright() as playwright,
        jupyterlab(Path(folder), stack.learner) as lab,
        profile(launch(playwright, executable)) as context,
    ):
        page = context.new_page()
        show(page, lab.write("view.ipynb", "from servicelab import Stack\nStack('shop')"))
        menu(page, "Run", "Run All Cells")
        wait_for_state(page, "postgres", "healthy")
        page.evaluate(f"() => {{ {WATCH} }}")
        for _ in range(ROUNDS):
            screen.append([click(page, *act) for act in ACTS])
            docker.append(by_docker(stack))
    return screen, docker


def click(page: Page, verb: str, service: str, words: str) -> float:
    """ms from the click on a button to the frame in which the node of SERVICE says WORDS."""
    if verb == "restart":
        wait_for_state(page, service, "healthy")
    if page.locator(".slv-name").inner_text() != service:
        node(page, service).click()
    button = page.locator(f'.slv button[data-verb="{verb}"]')
    expect(button).to_have_attribute("aria-disabled", "false")
    page.evaluate("window.seen = []")
    button.click()
    shown = page.wait_for_function(SEEN, arg=[service, words], polling=50).json_value()
    expect(page.locator(".slv-note")).to_have_text(
        ""
    )  # the act has returned: more than is seen, where it waits until all is ready
    return float(shown - page.evaluate("window.clicked"))


def by_docker(stack: Stack) -> list[float]:
    """ms of Docker's for each of ACTS, by the calls of its SDK that can't be left out."""
    api, postgres, catalog = stack.client.api, stack["postgres"].container, stack["catalog"].container
    mine = {"servicelab.learner": stack.learner}
    made: list[str] = []

    def more() -> None:
        config = {
            key: catalog.attrs["Config"][key] for key in ("Image", "Env", "Cmd", "Entrypoint", "ExposedPorts", "Healthcheck")
        }
        networks: dict[str, object] = {name: {} for name in catalog.attrs["NetworkSettings"]["Networks"]}
        host = {"HostConfig": catalog.attrs["HostConfig"], "NetworkingConfig": {"EndpointsConfig": networks}, "Labels": mine}
        made.append(api.create_container_from_config(config | host)["Id"])
        api.start(made[-1])

    def fewer() -> None:
        api.stop(made[-1])
        api.remove_container(made.pop(), v=True, force=True)

    def latency() -> None:
        options: dict[str, Any] = {"network_mode": f"container:{postgres.id}", "labels": mine, "detach": True}
        for image, command in ((network.PROXY, ["-host=127.0.0.1"]), (network.RULES, ["sleep", "60"])):
            made.append(stack.client.containers.run(f"{settings.registry()}/{image}", command, **options).id)

    def no_latency() -> None:
        while made:
            api.remove_container(made.pop(), force=True)

    def kill() -> None:
        postgres.kill()
        postgres.wait(condition="not-running")

    took = []
    try:
        for act in (postgres.pause, postgres.unpause, kill, postgres.start, postgres.restart, more, fewer, latency, no_latency):
            if act == postgres.restart:  # before it is ready, PostgreSQL does not end when it is asked to
                stack["postgres"].ready()
            began = time.monotonic()
            act()
            took.append((time.monotonic() - began) * 1000)
    finally:
        no_latency()
        stack["postgres"].ready()
    return took


def spread(values: Sequence[float], unit: str) -> str:
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
        seen: dict[bool, list[Half]] = {True: [], False: []}
        for pair in range(pairs):
            for looking in (True, False) if pair % 2 else (False, True):
                run(client, LOOK if looking else LOOK_AWAY)
                seen[looking].append(half(stack, kernel))
        memory = kernel.memory_info().rss - plain
        looks, sent = json.loads(run(client, UPDATES))
        run(client, LOOK)
        delay = float(run(client, BUTTON))
        run(client, LOOK_AWAY)
        executable = chromium()
        screen, docker = on_screen(stack, executable) if executable else ([], [])
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        stack.down(volumes=True)
    for words, times in (("looks a second, view open   ", looks), ("of which sent to the screen ", sent)):
        rate = [sum(one.began < at < one.ended for at in times) / (one.ended - one.began) for one in seen[True]]
        print(f"{words}  {spread(rate, '')}   2 is meant")
    own = {looking: [one.kernel * 100 for one in halves] for looking, halves in seen.items()}
    print(f"kernel's CPU, view open       {spread(own[True], '% of a core')}   at most 5")
    print(f"kernel's CPU, nobody looks    {spread(own[False], '% of a core')}")
    print(f"kernel's memory for the view  {memory / 2**20:.0f} MB   at most 30")
    for whose in ("services", "databases"):
        request = {looking: [getattr(one, whose) for one in halves] for looking, halves in seen.items()}
        ratio = [with_view / without for with_view, without in zip(request[True], request[False], strict=True)]
        same = [b / a for a, b in zip(request[False], request[False][1:], strict=False)]
        print(f"{whose}' CPU, view open".ljust(29), spread(request[True], "ms per request"))
        print(f"{whose}' CPU, nobody looks".ljust(29), spread(request[False], "ms per request"))
        print(f"  ratio within a pair         {spread(ratio, '')}")
        print(f"  of two without a view       {spread(same, '')}")
    print(f"from pause's end to the view  {delay * 1000:.0f} ms at most in 20 acts   at most 500")
    for name, shown, alone in zip(NAMES, zip(*screen, strict=True), zip(*docker, strict=True), strict=bool(screen)):
        beyond = [one - other for one, other in zip(shown, alone, strict=True)]
        print(f"click to screen, {name}".ljust(33) + f"{spread(shown, 'ms')}; Docker alone {spread(alone, 'ms')}")
        print(f"  beyond what Docker needs    {spread(beyond, 'ms')}   at most 500")
    if not screen:
        print("from a click to the screen    not measured: no Chromium is installed")
    load_now = os.getloadavg()[0] / (os.cpu_count() or 1)
    print(f"load of this machine          {load_now:.1f} per core: above 1, times are mostly the queue for a core")


if __name__ == "__main__":
    main(max(2, int(sys.argv[1])) if len(sys.argv) > 1 else 10)  # identical runs take two
