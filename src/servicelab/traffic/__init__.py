"""Traffic: an open-loop load generator in a process of its own, and what it saw.

As in::

    run = load("http://127.0.0.1:8000/users/1", rate=200, seconds=10)    # returns as soon as it sends
    await run                                                            # in a notebook; elsewhere run.wait()
    run.requests, run.failed, run.statuses, run.p99
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from servicelab.traffic.chart import Comparison
from servicelab.traffic.errors import TrafficError
from servicelab.traffic.plan import Body, Target, make_plan
from servicelab.traffic.results import Results
from servicelab.traffic.run import Run
from servicelab.traffic.tally import Bucket, Counts, Tally

__all__ = ["Bucket", "Comparison", "Counts", "Run", "Tally", "TrafficError", "compare", "load"]


def load(
    target: Target,
    *,
    rate: float,
    seconds: float | None = None,
    base: str | Sequence[str] = "",
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: Body | None = None,
    timeout: float = 5.0,
    connections: int | None = None,
    keep_alive: bool = True,
    arrivals: str = "constant",
    seed: int = 1,
    ids: range | Mapping[str, range] = range(1, 1001),
    title: str = "",
) -> Run:
    """Start sending ``rate`` requests per second, and return the :class:`Run` as soon as the first is due.

    target       a URL; a list of URLs, sent to in turn; or a scenario: ``{"GET /users/{id}": 0.7, "POST /orders": 0.3}``,
                 requests with their weights. Paths are taken on ``base`` (a URL, or several that take turns).
    seconds      how long to send; None: until ``run.stop()``, or the end of ``with load(…) as run:``.
    body         text, bytes, or what becomes JSON; in a scenario it goes with its POST, PUT and PATCH.
    timeout      seconds from the sending of a request to the end of its answer.
    connections  the most that are open at once, in equal parts to each host; when all are busy, requests wait, and
                 the result says so (``run.limited``). Default: ``rate * timeout``, from 16 to 1,000.
    arrivals     "constant": evenly spaced; "poisson": at random (seeded) moments, as independent users come.
    ids          what ``{id}`` in a URL or body is drawn from (seeded); or a dict, for other names. ``{n}`` counts requests.

    ``rate * seconds`` requests are sent whatever the service does (open loop), and latencies count from the moment at
    which a request was *meant* to be sent. Raises TrafficError for what can't be sent.
    """
    plan = make_plan(
        target, rate=rate, seconds=seconds, base=base, method=method, headers=headers, body=body, timeout=timeout,
        connections=connections, keep_alive=keep_alive, arrivals=arrivals, seed=seed, ids=ids,
    )  # fmt: skip
    return Run(plan, title)


def compare(*runs: Results, **labelled: Results) -> Comparison:
    """Draw runs over each other: failures over time, and latency by percentile. ``compare(before=one, after=two)`` names them."""
    named = {f"{number}: {run.title}": run for number, run in enumerate(runs, 1)} | labelled
    if not named:
        raise TrafficError("there is nothing to compare", fix="compare(before=one, after=two)")
    return Comparison(named)
