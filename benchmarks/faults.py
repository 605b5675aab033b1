"""Whether faults are what they say, as requests between two containers see them: `python benchmarks/faults.py [rounds]`.

Three questions: how long is a latency of 300 ms, does anything get through a partition, and how soon is a fault over once its block
has ended. Each figure is the median of the rounds with the lowest and the highest; two runs without a fault differ as well.

What was stopped or killed is over when it answers again: Docker starts the container, and then it starts itself. The same is done
by Docker's SDK alone, in turns, and stands beside: only what comes on top of that is ours.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("SERVICELAB_LEARNER", "bench-faults")

from servicelab import Stack

FILE = Path(__file__).with_suffix(".yaml")
LATENCY = 300.0  # ms
REQUESTS = 20  # of each round
TRIES = 1000  # at getting through a partition
HURT = 180.0  # ms; a request that takes longer, or fails, is hurt: all faults below that only delay do so by 200 or more
IN_A_ROW = 10  # requests, 100 ms or more: one that is slow by itself is no fault
Answer = tuple[float, str | None, float]
"""When a request began (s since the epoch), the body of its answer (None: an error), how long it took (ms)."""
KINDS: dict[str, tuple[dict[str, Any], str]] = {  # the fault, and what is asked while it lasts
    "latency": ({"latency": "300ms"}, "/"),
    "bandwidth": ({"bandwidth": "1k", "latency": "200ms"}, "/"),  # five bytes are through at any bandwidth
    "reset": ({"reset": True}, "/"),
    "timeout": ({"timeout": True}, "/"),
    "partition": ({"partition": "caller"}, "/"),
    "pause": ({"pause": True}, "/"),
    "cpu": ({"cpu": 0.02}, "/"),  # of a core: 2 ms in each 100, for requests that want ten times that
    "memory": ({"memory": "32m"}, "/memory"),
    "disk": ({"disk": "/data"}, "/disk"),
}
STARTED = ("stop", "kill")  # whose undo is a start of the container

# What runs in the caller. It prints JSON: its clock is ours.
PROGRAM = """
import http.client, json, socket, sys, threading, time
def ask(path="/", patience=10.0):
    begun = time.time()
    try:
        connection = http.client.HTTPConnection("callee", 8000, timeout=patience)
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read().decode()
        return begun, body if answer.status == 200 else None, (time.time() - begun) * 1000
    except (OSError, http.client.HTTPException):
        return begun, None, (time.time() - begun) * 1000
    finally:
        connection.close()
def together(count, act, every=0.0):
    found, threads = [], []
    for _ in range(count):
        threads.append(threading.Thread(target=lambda: found.append(act())))
        threads[-1].start()
        time.sleep(every)
    for thread in threads:
        thread.join()
    return found
def connect():
    try:
        socket.create_connection((address, 8000), 2.0).close()
        return 1
    except OSError:
        return 0
def in_turn(seconds, path):
    until, found = time.time() + seconds, []
    while time.time() < until:
        found.append(ask(path, 3.0))
        time.sleep(0.01)
    return found
what, count, address, path = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
if what == "one by one":
    print(json.dumps([ask() for _ in range(count)]))
elif what == "overlapping":
    print(json.dumps(together(count, lambda: ask(path, 3.0), every=0.01)))
elif what == "in turn":
    print(json.dumps(in_turn(count / 100, path)))
elif what == "connect":
    print(json.dumps(sum(sum(together(100, connect)) for _ in range(count // 100))))
elif what == "datagrams":
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for _ in range(count):
        try:
            sender.sendto(b"x", (address, 9000))
        except OSError:  # some engines say that it was dropped
            pass
        time.sleep(0.0005)
    print(json.dumps(None))
elif what == "received":
    print(json.dumps(int(ask("/datagrams")[1])))
"""


def run(what: str, count: int = 1, path: str = "/") -> Any:
    """Run a part of PROGRAM in the caller, and what it found. With a stack of its own: it may be called from a thread."""
    stack = Stack.of(FILE)
    networks = stack["callee"].container.attrs["NetworkSettings"]["Networks"]
    (address,) = (network["IPAddress"] for network in networks.values())
    code, output = stack["caller"].exec(["python", "-c", PROGRAM, what, str(count), address, path])
    stack.client.close()
    if code:
        raise SystemExit(output)
    return json.loads(output)


def spread(values: list[float], unit: str) -> str:
    return f"{median(values):.1f} {unit} ({min(values):.1f} to {max(values):.1f})"


def latency(stack: Stack, rounds: int) -> None:
    plain, slow = [], []
    for _ in range(rounds):
        plain.append(median(took for _, _, took in run("one by one", REQUESTS)))
        with stack.fault("callee", latency=f"{LATENCY:g}ms", caller="caller"):
            slow.append(median(took for _, _, took in run("one by one", REQUESTS)))
    added = [with_fault - without for with_fault, without in zip(slow, plain, strict=True)]
    ratio = [one / LATENCY for one in added]
    print(f"a request without a fault     {spread(plain, 'ms')}")
    print(f"with a latency of {LATENCY:g} ms      {spread(slow, 'ms')}")
    print(
        f"what it adds                  {spread(added, 'ms')}   ratio {median(ratio):.3f} ({min(ratio):.3f} to {max(ratio):.3f})"
    )
    print(f"off by                        {max(abs(one - 1) for one in ratio) * 100:.1f} % at most   at most 5")


def partition(stack: Stack) -> None:
    for words, block in (
        ("without a partition  ", nullcontext()),
        ("through a partition  ", stack.fault("callee", partition="caller")),
    ):
        before = run("received")
        with block:
            connected = run("connect", TRIES)
            run("datagrams", TRIES)
        print(f"{words}         {connected} of {TRIES} connections, {run('received') - before} of {TRIES} datagrams")


def undo(stack: Stack, rounds: int) -> None:
    """Requests begin every 10 ms: when does a row of IN_A_ROW begin that are all well, counted from the end of the block on?"""
    control = [sum(_hurt(answer) for answer in run("overlapping", 250)) for _ in range(rounds)]
    print(
        f"hurt without any fault        {spread([*map(float, control)], 'requests')} of 250: what a busy machine does by itself"
    )
    worst = []
    for name, (options, path) in KINDS.items():
        seen = [_round(name, stack.fault("callee", **options), path) for _ in range(rounds)]
        over, took = ([one[index] for one in seen] for index in (0, 1))
        worst += over
        print(f"over after the end of {name:<9} {spread(over, 'ms')}; its block ends in {spread(took, 'ms')}")
    print(f"undone within                 {max(worst):.0f} ms at most of {len(worst)}   at most 500")
    more = []
    for name in STARTED:
        ours, docker = [], []
        options = {name: True}
        for _ in range(rounds):
            ours.append(_round(name, stack.fault("callee", **options)))
            docker.append(_round(f"{name}, by Docker alone", _by_docker(stack, name)))
        for words, found in ((f"answers after the end of {name:<4}", ours), ("  by Docker alone", docker)):
            over, took = ([one[index] for one in found] for index in (0, 1))
            print(f"{words:<29} {spread(over, 'ms')}; its block ends in {spread(took, 'ms')}")
        more += [one[0] - other[0] for one, other in zip(ours, docker, strict=True)]
    print(f"beyond Docker's own start     {spread(more, 'ms')}   at most 500")
    load = os.getloadavg()[0] / (os.cpu_count() or 1)
    print(f"load of this machine          {load:.1f} per core: above 1, what is measured is mostly the queue for a core")


def _round(name: str, block: AbstractContextManager[object], path: str = "/") -> tuple[float, float]:
    """ms from the end of BLOCK until it is over, and until it has returned."""
    # what needs memory, or a file, would be in its own way
    what = "overlapping" if path == "/" else "in turn"
    with ThreadPoolExecutor(1) as pool:
        with block:
            asked = pool.submit(run, what, 400, path)
            time.sleep(2.0)
            ended = time.time()
        returned = time.time() - ended
        answers = sorted(asked.result(), key=lambda answer: answer[0])
    if not any(answer[0] < ended and _hurt(answer) for answer in answers):
        raise SystemExit(f"{name}: no request was hurt while it lasted; did they begin too late, on a busy machine?")
    return _over(answers, ended), returned * 1000


@contextmanager
def _by_docker(stack: Stack, how: str) -> Iterator[None]:
    """The callee stopped or killed, and started again, by the SDK's calls and no others."""
    container = stack["callee"].container
    getattr(container, how)()
    container.wait(condition="not-running")
    yield
    container.start()


def _over(answers: list[Answer], ended: float) -> float:
    """ms from ENDED to the last request that is hurt before IN_A_ROW are not."""
    last, well = ended, 0
    for answer in answers:
        if answer[0] < ended:
            continue
        well = 0 if _hurt(answer) else well + 1
        last = answer[0] if _hurt(answer) else last
        if well == IN_A_ROW:
            return (last - ended) * 1000
    return float("inf")


def _hurt(answer: Answer) -> bool:
    _, body, took = answer
    return body is None or took > HURT


def main(rounds: int) -> None:
    stack = Stack.of(FILE)
    stack.up()
    try:
        latency(stack, rounds)
        partition(stack)
        undo(stack, rounds)
    finally:
        stack.down(volumes=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
