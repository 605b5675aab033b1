"""Traffic against a small server on loopback that misbehaves on request. Times are compared with lower bounds alone."""

from __future__ import annotations

import asyncio
import functools
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from servicelab import traffic
from servicelab.traffic import TrafficError, chart, view

load = functools.partial(traffic.load, timeout=60)  # a busy machine is not what is tested here


class MisbehavingServer:
    """Does what the path says: /status/503, /delay/50, /hang, /reset, /close, /chunked, /until-close, /garbage, /once."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, bytes]] = []
        self.hung_up = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def close(self) -> None:
        async def end() -> None:
            self._server.close()
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.sleep(0)  # the transports close

        asyncio.run_coroutine_threadsafe(end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answered = 0
            while await self._answer(reader, writer, answered):
                answered += 1
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answered: int) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next((int(line[15:]) for line in head.split("\r\n") if line.startswith("Content-Length:")), 0)
        self.seen.append((head, await reader.readexactly(length)))
        what, _, value = head.split()[1].strip("/").partition("/")
        if what == "hang":
            await reader.read()
            self.hung_up.set()
            return False
        if what == "reset":
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if what in ("reset", "close") or (what == "once" and answered):
            return False
        if what == "delay":
            await asyncio.sleep(int(value) / 1000)
        if what == "stall" and len(self.seen) == 50:
            time.sleep(1)  # all of the server stands still, as in a long garbage collection
        answers = {
            "chunked": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            "until-close": "HTTP/1.0 200 OK\r\n\r\nok",
            "garbage": "220 mail.example ESMTP\r\n\r\n",
        }
        status = value if what == "status" else "200"
        writer.write(answers.get(what, f"HTTP/1.1 {status} Such\r\nContent-Length: 2\r\n\r\nok").encode())
        await writer.drain()
        return what != "until-close"


@pytest.fixture
def server() -> Iterator[MisbehavingServer]:
    server = MisbehavingServer()
    yield server
    server.close()


def test_counts_what_it_sent_and_what_came_back(server: MisbehavingServer) -> None:
    run = load(server.url + "/status/204", rate=200, seconds=0.5).wait()
    assert (run.requests, run.ok, run.failed, run.errors) == (100, 100, 0, 0)
    assert run.statuses == {204: 100}
    assert len(server.seen) == 100
    assert [bucket.requests for bucket in run.timeline] == [20] * 5
    assert run.histogram.get_total_count() == run.lateness.get_total_count() == 100


@pytest.mark.parametrize("kind", ["reset", "close", "hang", "garbage"])
def test_names_the_kind_of_error(server: MisbehavingServer, kind: str) -> None:
    run = load(f"{server.url}/{kind}", rate=50, seconds=0.2, timeout=0.3 if kind == "hang" else 60).wait()
    named = {"reset": "reset", "close": "closed", "hang": "timeout", "garbage": "protocol"}[kind]
    assert run.error_kinds == {named: 10}
    assert (run.requests, run.ok, run.failed, run.errors, run.statuses) == (10, 0, 10, 10, {})


def test_a_timeout_counts_as_a_latency_and_a_refusal_does_not(server: MisbehavingServer) -> None:
    assert load(server.url + "/hang", rate=20, seconds=0.5, timeout=0.3).wait().p50 >= 300
    with socket.socket() as unheard:  # bound, and not listening
        unheard.bind(("127.0.0.1", 0))
        run = load(f"http://127.0.0.1:{unheard.getsockname()[1]}", rate=50, seconds=0.2).wait()
    assert run.error_kinds == {"refused": 10}
    assert run.p99 != run.p99  # NaN: nothing answered


def test_a_status_of_500_and_up_fails_and_is_not_an_error(server: MisbehavingServer) -> None:
    run = load({"GET /status/503": 1, "GET /status/302": 1}, base=server.url, rate=100, seconds=0.5).wait()
    assert run.ok + run.failed == 50
    assert run.failed == run.statuses[503] > 0
    assert run.errors == 0
    assert run.by_request["GET /status/302"].statuses == {302: run.ok}


@pytest.mark.parametrize("framing", ["chunked", "until-close"])
def test_reads_each_way_to_end_a_response(server: MisbehavingServer, framing: str) -> None:
    assert load(f"{server.url}/{framing}", rate=50, seconds=0.2).wait().statuses == {200: 10}


def test_latency_holds_the_delay_of_the_service(server: MisbehavingServer) -> None:
    run = load(server.url + "/delay/50", rate=50, seconds=0.4).wait()
    assert 50 <= run.p50 <= run.p90 <= run.p99 <= run.max == run.percentile(100)


@pytest.mark.parametrize("connections", [1, 200])
def test_a_stall_is_charged_to_all_who_would_have_met_it(server: MisbehavingServer, connections: int) -> None:
    run = load(server.url + "/stall", rate=100, seconds=2, connections=connections).wait()
    assert run.requests == run.ok == 200
    assert run.max >= 990  # to the histogram's three digits
    # A hundred requests were due in that second. A generator that waits for its answers sees one slow one in 200.
    assert run.percentile(80) >= 500
    assert run.p90 >= 700
    assert ("had to wait for one of 1 connections" in run.limited) == (connections == 1)


def test_sends_again_what_met_a_closing_connection(server: MisbehavingServer) -> None:
    run = load(server.url + "/once", rate=50, seconds=0.4, connections=1).wait()
    assert run.statuses == {200: 20}
    assert run.retries > 0
    posts = load(server.url + "/once", method="POST", body={"a": 1}, rate=50, seconds=0.4, connections=1).wait()
    assert posts.error_kinds["closed"] > 0  # it may have been carried out: not for a client to repeat


def test_says_that_it_was_the_limit(server: MisbehavingServer) -> None:
    run = load(server.url, rate=100_000, seconds=0.05).wait()
    assert run.requests == 5000
    assert "late" in run.limited
    assert "the generator was the limit" in repr(run)


def test_draws_ids_and_spreads_over_urls(server: MisbehavingServer) -> None:
    def paths(seed: int) -> list[str]:
        server.seen.clear()
        load("/users/{id}?n={n}", base=[server.url, server.url + "/b"], rate=200, seconds=0.2, ids=range(5, 9), seed=seed).wait()
        return sorted(head.split()[1] for head, _ in server.seen)

    first = paths(1)
    assert sum(path.startswith("/b/users/") for path in first) == 20
    assert {path.partition("?")[0].rpartition("/")[2] for path in first} == {"5", "6", "7", "8"}
    assert paths(1) == first != paths(2)


def test_sends_headers_and_json(server: MisbehavingServer) -> None:
    load(server.url + "/orders", method="POST", body={"user": 7}, headers={"X-Caller": "me"}, rate=10, seconds=0.1).wait()
    head, body = server.seen[0]
    assert head.startswith("POST /orders HTTP/1.1\r\n")
    assert "X-Caller: me\r\n" in head
    assert "Content-Type: application/json\r\n" in head
    assert body == b'{"user": 7}'


def test_poisson_arrivals_come_of_the_seed(server: MisbehavingServer) -> None:
    counts = [load(server.url, rate=200, seconds=0.5, arrivals="poisson", seed=seed).wait().requests for seed in (1, 1, 2)]
    assert counts[0] == counts[1] != counts[2]


def test_other_things_go_on_while_it_is_awaited(server: MisbehavingServer) -> None:
    async def cell() -> traffic.Run:
        run = load(server.url, rate=20, seconds=120)
        asyncio.get_running_loop().call_later(0.1, run.end_sending)  # a button that is pressed meanwhile
        return await run

    assert asyncio.run(cell()).requests < 120 * 20


def test_to_stop_twice_loses_nothing_that_is_under_way(server: MisbehavingServer) -> None:
    """As when an interrupted ``await run`` stands in a ``with load(…) as run``."""
    run = load(f"{server.url}/delay/500", rate=50)
    deadline = time.monotonic() + 60
    while not server.seen:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    run.end_sending()
    run.end_sending()
    run.wait()
    assert run.requests == run.ok > 0


def test_runs_until_stopped_and_loses_nothing_on_the_way(server: MisbehavingServer) -> None:
    with load(server.url + "/delay/200", rate=50) as run:
        while run.sent < 20:
            time.sleep(0.01)
        assert run.mark("enough") > 0
        assert run.running
    assert not run.running
    assert run.requests == run.ok == run.sent >= 20
    assert [label for _, label in run.marks] == ["enough"]


def test_a_notebook_shows_a_chart_that_grows_and_then_the_picture(
    server: MisbehavingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = SimpleNamespace(kernel=object(), execution_count=1)
    monkeypatch.setattr(view, "kernel_shell", lambda: shell)
    run = load(server.url + "/a", rate=50)
    growing = run._repr_mimebundle_()
    assert growing["text/plain"] == "GET /a at 50/s: running"  # the same each time: it is what is stored
    assert growing.keys() == {"text/plain", view.WIDGET}
    assert run._live is not None
    run.stop()
    assert run._live._widget.value == chart.one_run(run)
    shell.execution_count = 2
    assert run._repr_mimebundle_() == {"text/plain": repr(run), "image/svg+xml": chart.one_run(run)}
    assert run._live._widget.value
    shell.execution_count = 1  # in the cell that shows it already: once is enough
    run._repr_mimebundle_()
    assert not run._live._widget.value


def test_a_watcher_that_fails_costs_no_numbers(server: MisbehavingServer, caplog: pytest.LogCaptureFixture) -> None:
    run = load(server.url, rate=50)
    run.watch(lambda: 1 / 0)  # type: ignore[arg-type,return-value]
    assert run.stop().requests == run.sent
    assert "division by zero" in caplog.text


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_the_generator_ends_when_its_parent_is_killed(server: MisbehavingServer) -> None:
    code = (
        "import sys, time; from servicelab.traffic import load\n"
        "run = load(sys.argv[1], rate=20, timeout=600)\n"
        "while not run.sent: time.sleep(0.01)\n"
        "print('sent', flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code, server.url + "/hang"], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"sent\n"
        parent.send_signal(signal.SIGKILL)
    assert server.hung_up.wait(60)  # only the end of the generator closes its connections


def test_a_generator_that_dies_is_an_error(server: MisbehavingServer) -> None:
    run = load(server.url, rate=20)
    run._process.kill()
    with pytest.raises(TrafficError, match="ended early"):
        run.wait()


def test_a_name_that_nobody_knows_is_an_error() -> None:
    with pytest.raises(TrafficError, match=r"'nowhere\.invalid' can't be looked up"):
        load("http://nowhere.invalid/", rate=10, seconds=1)
