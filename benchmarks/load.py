"""The traffic generator beside wrk and hey, on this machine: `python benchmarks/load.py [rounds]`.

Both are Debian packages: `apt install wrk hey`. One that is not installed is left out, and the output says so. The tools take turns, and
each figure is a median of the rounds with the lowest and the highest beside it: two runs of the same tool differ as well, and that
spread is what a ratio has to be compared with.

The last lines are about the kernel: the generator is a process of its own, and what is left in the kernel is reading its reports and,
where a cell awaits the run, drawing the chart.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import psutil
from jupyter_client.manager import start_new_kernel

from servicelab.traffic import Run, load

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CONNECTIONS = 32


class Server(asyncio.Protocol):
    """/fast answers at once, /burn after 0.5 ms of CPU (what a Flask hello costs), /sleep after 5 ms of waiting."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if data.startswith(b"GET /sleep"):
            asyncio.get_running_loop().call_later(0.005, self.transport.write, ANSWER)
            return
        if data.startswith(b"GET /burn"):
            until = time.thread_time() + 0.0005
            while time.thread_time() < until:
                pass
        self.transport.write(ANSWER)


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def spread(values: list[float], unit: str) -> str:
    return f"{median(values):,.4g} {unit} ({min(values):,.4g} to {max(values):,.4g})"


def in_turns(rounds: int, *tools: Callable[[], float]) -> list[list[float]]:
    """What each tool measured, round by round."""
    measured: list[list[float]] = [[] for _ in tools]
    for _ in range(rounds):
        for tool, values in zip(tools, measured, strict=True):
            values.append(tool())
    return measured


def timing_error(url: str) -> float:
    """ms behind its time at which one in a hundred requests is sent, at 500/s."""
    run = load(url + "/fast", rate=500, seconds=5).wait()
    return float(run.lateness.get_value_at_percentile(99)) / 1000


def requests_per_cpu_second(url: str) -> float:
    run = load(url + "/fast", rate=4000, seconds=3, connections=CONNECTIONS).wait()
    return run.requests / run.generator_cpu


def saturation(url: str) -> float:
    """Answers per second of a server that gets more than it can do."""
    return load(url + "/burn", rate=4000, seconds=2, connections=CONNECTIONS, timeout=60).wait().rate


def wrk_saturation(url: str) -> float:
    out = subprocess.run(["wrk", "-t1", f"-c{CONNECTIONS}", "-d4s", url + "/burn"], capture_output=True, text=True, check=True)
    return float(re.search(r"Requests/sec:\s+([\d.]+)", out.stdout)[1])  # type: ignore[index]


def one_user(url: str) -> Run:
    return load(url + "/sleep", rate=100, seconds=5, connections=1).wait()


def hey_latencies(url: str) -> str:
    # One worker: several would all send at the same moment.
    return subprocess.run(
        ["hey", "-c", "1", "-q", "100", "-z", "5s", url + "/sleep"], capture_output=True, text=True, check=True
    ).stdout


def hey_percentile(report: str, q: int) -> float:
    return float(re.search(rf"{q}%+ in ([\d.]+) secs", report)[1]) * 1000  # type: ignore[index]


KERNEL_RATE = 500
CELLS = {  # what the kernel does while its CPU is measured
    "nothing": "await asyncio.sleep({seconds})",
    f"{KERNEL_RATE}/s, not awaited": "run = load('{url}', rate={rate}, seconds={seconds}); await asyncio.sleep({seconds}); run.wait()",
    f"{KERNEL_RATE}/s, awaited, with its chart": "run = load('{url}', rate={rate}, seconds={seconds}); await run",
}


def kernel_share(url: str, rounds: int, seconds: float = 6.0) -> None:
    """Print the CPU of a real kernel's process, as a part of one core, while it runs each of CELLS, and the generator's beside it."""
    manager, client = start_new_kernel(startup_timeout=180)

    def run(code: str) -> str:
        said: list[str] = []

        def hook(message: dict[str, Any]) -> None:
            said.append(message["content"].get("text", ""))

        reply = client.execute_interactive(code, output_hook=hook, timeout=120)
        if reply["content"]["status"] != "ok":
            raise SystemExit("\n".join(reply["content"]["traceback"]))
        return "".join(said)

    try:
        kernel = psutil.Process(int(run("import os; print(os.getpid())")))
        # imports and the first chart are no part of a load
        run(f"import asyncio; from servicelab.traffic import load; await load('{url}', rate=10, seconds=1)")
        share: dict[str, list[float]] = {name: [] for name in CELLS}
        generator: list[float] = []
        for _ in range(rounds):
            for name, cell in CELLS.items():
                before, started = kernel.cpu_times(), time.monotonic()
                run(cell.format(url=url, rate=KERNEL_RATE, seconds=seconds))
                now, elapsed = kernel.cpu_times(), time.monotonic() - started
                share[name].append((now.user + now.system - before.user - before.system) / elapsed * 100)
                if name != "nothing":
                    generator.append(float(run("print(run.generator_cpu)")) / seconds * 100)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    for name, used in share.items():
        print(f"kernel's CPU, {name}: {median(used):.2f} % of a core ({min(used):.2f} to {max(used):.2f})")
    print(f"CPU of the generator, a process of its own: {median(generator):.1f} % of a core, for the same loads")


def main(rounds: int) -> None:
    with subprocess.Popen([sys.executable, __file__, "serve"], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}"
        try:
            (errors,) = in_turns(rounds, lambda: timing_error(url))
            print(f"timing error at 500/s, p99: {spread(errors, 'ms')}   below 1 on an idle core")
            (rates,) = in_turns(rounds, lambda: requests_per_cpu_second(url))
            print(f"requests per second of the generator's CPU: {spread(rates, '1/s')}   2,000 or more")
            if shutil.which("wrk"):
                ours, wrk = in_turns(rounds, lambda: saturation(url), lambda: wrk_saturation(url))
                print(
                    f"saturation throughput: {spread(ours, '1/s')}; wrk {spread(wrk, '1/s')}; ratio {median(ours) / median(wrk):.3f}"
                )
            else:
                print("saturation throughput: not compared, `apt install wrk` first")
            if shutil.which("hey"):
                runs, reports = [], []
                for _ in range(rounds):
                    runs.append(one_user(url))
                    reports.append(hey_latencies(url))
                for q in (50, 99):
                    ms = [run.percentile(q) for run in runs]
                    hey = [hey_percentile(report, q) for report in reports]
                    print(f"p{q} at 100/s: {spread(ms, 'ms')}; hey {spread(hey, 'ms')}; ratio {median(ms) / median(hey):.3f}")
            else:
                print("latencies: not compared, `apt install hey` first")
            kernel_share(url + "/fast", rounds)
            load_now = os.getloadavg()[0] / (os.cpu_count() or 1)
            print(f"load of this machine: {load_now:.1f} per core; above 1, times are mostly the queue for a core")
        finally:
            server.terminate()


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        asyncio.run(serve())
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
