"""Our engine beside docker compose, and beside a bare script: `python benchmarks/compose.py [PART…] [--rounds N]`.

Parts: up, growth, adopt, edit, reset, memory; none: all. What is compared takes turns, in another order each round, because a machine
is never the same twice; a ratio is taken within a round, and printed as the median of the rounds with the lowest and the highest.
Warm: the images are there, and each has been up once. docker compose is compiled first, see docker_compose/__init__.py.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("SERVICELAB_LEARNER", "bench-compose")

import edit_to_live
import psutil
from engines import HEALTH, PYTHON, SERVER, Bare, Compose, Ours, compose_file
from jupyter_client.manager import start_new_kernel

from servicelab import images, progress, settings

SMALL, FEW, MANY = 8, 4, 32  # services


def seconds(act: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


def up_and_down(contenders: list[Any], rounds: int) -> list[dict[str, tuple[float, float]]]:
    """By round and name: seconds of up and of down. One round before the first is thrown away: it warms caches."""
    found = []
    try:
        for number in range(rounds + 1):
            turn = number % len(contenders)
            order = contenders[turn:] + contenders[:turn]
            found.append({each.name: (seconds(each.up), seconds(each.down)) for each in order})
    finally:
        for each in contenders:
            each.down()
    return found[1:]


def report(what: str, values: list[float], unit: str = "", aim: str = "") -> None:
    spread = f"{median(values):.2f}{unit} ({min(values):.2f} to {max(values):.2f})"
    print(f"{what:64} {spread:28}{f' aim: {aim}' if aim else ''}", flush=True)


def part_up(folder: Path, rounds: int) -> None:
    file = compose_file(folder, SMALL)
    found = up_and_down([Ours(file), Compose(file), Bare(file, SMALL)], rounds)
    for index, act in enumerate(("up", "down")):
        for name in found[0]:
            report(f"{act}, {SMALL} services in two layers, {name}", [one[name][index] for one in found], " s")
    up = [{name: times[0] for name, times in one.items()} for one in found]
    down = [{name: times[1] for name, times in one.items()} for one in found]
    report("up / docker compose up --wait", [one["servicelab"] / one["docker compose"] for one in up], aim="0.55 at most")
    report("up / bare script", [one["servicelab"] / one["bare script"] for one in up], aim="1.15 at most")
    report("down / docker compose down", [one["servicelab"] / one["docker compose"] for one in down], aim="1.00 at most")


def part_growth(folder: Path, rounds: int) -> None:
    contenders = []
    for size in (FEW, MANY):
        file = compose_file(folder, size)
        for each in (Ours(file), Compose(file)):
            each.name = f"{each.name} {size}"
            contenders.append(each)
    grown: dict[str, list[float]] = {"servicelab": [], "docker compose": []}
    for one in up_and_down(contenders, rounds):
        for name, steps in grown.items():
            steps.append(one[f"{name} {MANY}"][0] - one[f"{name} {FEW}"][0])
    for name, steps in grown.items():
        report(f"up of {MANY} services - up of {FEW}, {name}", steps, " s")
    ratios = [ours / theirs for ours, theirs in zip(grown["servicelab"], grown["docker compose"], strict=True)]
    report("growth / docker compose's", ratios, aim="1.00 at most")


def part_adopt(folder: Path, rounds: int) -> None:
    ours = Ours(compose_file(folder, SMALL))
    ratios, adopted = [], []
    try:
        for number in range(rounds + 1):
            up, again = seconds(ours.up), seconds(ours.up)
            ours.down()
            if number:
                adopted.append(again)
                ratios.append(again / up)
    finally:
        ours.down()
    report("up() of what runs and is unchanged", adopted, " s")
    report("the same / its warm up()", ratios, aim="0.10 at most")


def part_edit(folder: Path, rounds: int) -> None:
    """From a changed source file to the first answer by the new code, with requests coming in all the time."""
    for name in ("compose", "services"):
        shutil.copytree(settings.root() / name, folder / name)
    (folder / "compose" / "alone.yaml").write_text(edit_to_live.ALONE, "utf-8")
    for stack, service, path in (("alone", "recommendations", "/recommendations/1"), ("shop", "orders", "/orders/1")):
        found, failed, sent = edit_to_live.edit(folder / "compose" / f"{stack}.yaml", service, path, rounds)
        report(f"{service} of {stack}: update()", [one for one, _ in found], " s")
        report(f"{service} of {stack}: docker compose up -d --build", [two for _, two in found], " s")
        report("update() / docker compose up --build", [one / two for one, two in found], aim="0.10 at most")
        print(f"{'failed requests during update()':64} {f'{failed} of {sent}':28} aim: 0")


SEEDED = f"""
name: seeded
services:
  seed:
    image: "${{REGISTRY}}/{PYTHON}"
    command: [python, -c, "for n in range(2000): open(f'/data/{{n}}', 'wb').write(b'x' * 10000)"]
    volumes: ["data:/data"]
  web:
    image: "${{REGISTRY}}/{PYTHON}"
    command: {SERVER!r}
    volumes: ["data:/data"]
    healthcheck: {{test: {["CMD", *HEALTH]!r}, interval: 1s}}
    depends_on: {{seed: {{condition: service_completed_successfully}}}}
volumes: {{data: }}
"""


def part_reset(folder: Path, rounds: int) -> None:
    file = folder / "seeded.yaml"
    file.write_text(SEEDED, "utf-8")
    ours = Ours(file)

    def reset() -> None:
        with progress.told(progress.silent):
            ours.stack.reset()

    def down_and_up() -> None:
        ours.down()
        ours.up()

    found = []
    try:
        ours.up()
        for _ in range(rounds):
            again = seconds(down_and_up)
            first = seconds(reset)  # makes the data anew, and keeps a copy
            found.append((again, first, seconds(reset)))
    finally:
        ours.down()
    report("down(volumes=True), up(): two services, 20 MB of data", [again for again, _, _ in found], " s")
    report("reset(), the first", [first for _, first, _ in found], " s")
    report("reset(), a later one", [later for _, _, later in found], " s")
    report("reset() / down and up", [later / again for again, _, later in found], aim="below 1")


BARE_KERNEL = "import docker; docker.from_env().ping()"
OUR_KERNEL = """
from pathlib import Path
from servicelab import Stack
stack = Stack.of(Path({file!r}))
stack.up()
run = stack.load("s1", "/", rate=20, seconds=2).wait()
display(stack, run)
"""


def part_memory(folder: Path, rounds: int) -> None:
    """Two kernels: one with docker alone; one that has a stack up, has put load on it, and shows both."""
    file = compose_file(folder, SMALL)
    ours = Ours(file)
    found = []
    try:
        ours.up()
        for _ in range(rounds):
            found.append((_memory(BARE_KERNEL), _memory(f"{BARE_KERNEL}\n{OUR_KERNEL.format(file=str(file))}")))
    finally:
        ours.down()
    for index, kind in enumerate(("USS", "RSS")):
        report(f"{kind} of a kernel with docker imported", [bare[index] for bare, _ in found], " MB")
        report(f"{kind} more, with a stack up and shown", [own[index] - bare[index] for bare, own in found], " MB", "60 at most")


def _memory(code: str) -> tuple[float, float]:
    manager, client = start_new_kernel(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        reply = client.execute_interactive(code, timeout=300, output_hook=lambda message: None)
        if reply["content"]["status"] != "ok":
            raise SystemExit("\n".join(reply["content"]["traceback"]))
        client.execute_interactive("import gc; gc.collect()", timeout=60)
        found = psutil.Process(manager.provisioner.pid).memory_full_info()
        return found.uss / 1e6, found.rss / 1e6
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


PARTS: dict[str, Callable[[Path, int], None]] = {
    name.removeprefix("part_"): act for name, act in list(globals().items()) if name.startswith("part_")
}


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="servicelab-bench-") as folder:
        yield Path(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    if unknown := set(asked.parts) - PARTS.keys():
        parser.error(f"there is no part {unknown.pop()}; there are: {', '.join(PARTS)}")
    settings.store({"REGISTRY": images.ensure([PYTHON])})
    for name in asked.parts or PARTS:
        print(f"\n{name}, {asked.rounds} rounds: median (lowest to highest); load of this machine {os.getloadavg()[0]:.1f}")
        with scratch() as folder:
            PARTS[name](folder, asked.rounds)


if __name__ == "__main__":
    main()
