"""The gateway beside other ways to have one, on this machine: `python benchmarks/gateway.py [rounds]`.

For each: CPU time per request (the container's own, counted by the kernel), and p99 at one fixed rate. They take turns, in another
order each round, because a machine is never the same twice; a ratio is taken within a round, and printed as the median of the rounds
with the lowest and the highest beside it.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import requests

from servicelab import Stack
from servicelab.traffic import load

RATE, SECONDS = 100, 6


@dataclass(frozen=True)
class Subject:
    name: str
    service: str
    path: str = "/api/catalog/1"


HELLO = Subject("Flask hello, no backend", "plain", "/health")
PLAIN = Subject("Flask, plain forwarder", "plain")
GATEWAY = Subject("Flask gateway", "gateway")
QUIET = Subject("Flask gateway, without log lines", "quiet")
EXPRESS = Subject("Express, http-proxy-middleware", "express")
NGINX = Subject("nginx", "nginx")
SUBJECTS = (HELLO, PLAIN, GATEWAY, QUIET, EXPRESS, NGINX)


@dataclass(frozen=True)
class Figures:
    cpu: float  # ms of CPU per request
    p99: float  # ms
    failed: int


def cpu_seconds(stack: Stack, service: str) -> float:
    """What the container has used so far."""
    stats = stack[service].container.stats(stream=False, one_shot=True)
    return float(stats["cpu_stats"]["cpu_usage"]["total_usage"]) / 1e9


def measure(stack: Stack, subject: Subject) -> Figures:
    url = stack[subject.service].url + subject.path
    load(url, rate=RATE, seconds=1).wait()  # connections, caches
    before = cpu_seconds(stack, subject.service)
    run = load(url, rate=RATE, seconds=SECONDS).wait()
    used = cpu_seconds(stack, subject.service) - before
    return Figures(used * 1000 / run.requests, run.p99, run.failed)


def ready(stack: Stack, subject: Subject) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            if requests.get(stack[subject.service].url + subject.path, timeout=5).ok:
                return
        except requests.RequestException:
            pass
        if time.monotonic() > deadline:
            raise SystemExit(f"{subject.name} does not answer:\n{stack[subject.service].logs(tail=20)}")
        time.sleep(0.1)


def spread(values: list[float]) -> str:
    return f"{median(values):6.2f}  ({min(values):.2f} to {max(values):.2f})"


def compare(rounds: list[dict[Subject, Figures]]) -> None:
    print(f"\n{RATE} requests/s, {len(rounds)} rounds of {SECONDS} s each: median (lowest to highest)\n")
    for subject in SUBJECTS:
        found = [figures[subject] for figures in rounds]
        cpu, p99 = spread([each.cpu for each in found]), spread([each.p99 for each in found])
        print(f"{subject.name:34} CPU ms/request {cpu:26} p99 ms {p99:26} failed {sum(each.failed for each in found)}")
    print()
    for what, over, under, aim in (
        ("Flask gateway / Flask hello", GATEWAY, HELLO, "at most 2"),
        ("Flask gateway, without log lines / Flask hello", QUIET, HELLO, ""),
        ("plain forwarder / Flask hello", PLAIN, HELLO, ""),
        ("Flask gateway / plain forwarder", GATEWAY, PLAIN, ""),
        ("deadlines, rate limit, headers (no log lines) / plain forwarder", QUIET, PLAIN, "at most 1.25"),
        ("Flask gateway / Express", GATEWAY, EXPRESS, ""),
        ("Flask gateway / nginx", GATEWAY, NGINX, ""),
    ):
        print(f"CPU {what:66} {spread([figures[over].cpu / figures[under].cpu for figures in rounds])}  {aim}".rstrip())


def main(rounds: int) -> None:
    stack = Stack.of(Path(__file__).with_suffix(".yaml"))
    stack.up()
    try:
        for subject in SUBJECTS:
            ready(stack, subject)
        compare(
            [
                {subject: measure(stack, subject) for subject in (SUBJECTS if number % 2 else reversed(SUBJECTS))}
                for number in range(rounds)
            ]
        )
    finally:
        stack.down(volumes=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
