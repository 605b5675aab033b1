"""Where the services are, by Consul: watched, remembered, spread over, and doubted by what we see ourselves.

Consul learns of a death by its next check, seconds later. We learn of it by the next request: what fails for us gets none for a
while, whatever Consul says. And where Consul itself is gone, what it said last is the best that anybody knows.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from urllib3.exceptions import HTTPError

from .backends import Backends, NoBackendError
from .consul import Consul
from .logs import log

EJECTED = 10.0  # seconds without requests for an instance that failed one: by then Consul has looked as well
FIRST = 2.0  # seconds for the first answer. A worker that took requests before it would know no instance
PAUSES = (0.1, 1.0)  # seconds between tries while Consul does not answer: the first, and the longest
REGATHERED = 15.0  # seconds after an outage of Consul: by then all that live have registered again, where it had forgotten them


@dataclass
class Instance:
    url: str
    in_flight: int = 0
    ejected_until: float = 0.0


class DiscoveredBackends:
    """One of these per worker, made after the fork: its threads watch one service each.

    SERVICES are looked up in Consul; where the others are, OTHERS knows.
    """

    def __init__(
        self, consul: Consul, services: Iterable[str], others: Backends, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._consul = consul
        self._others = others
        self._clock = clock
        self._lock = threading.Lock()
        self._instances: dict[str, dict[str, Instance]] = {service: {} for service in services}
        self._answered = {service: threading.Event() for service in self._instances}

    def start(self) -> DiscoveredBackends:
        """Watch. Returns with the first answers, or without them where Consul has none to give."""
        for service in self._instances:
            threading.Thread(target=self._watch, args=(service,), name=f"watch-{service}", daemon=True).start()
        until = self._clock() + FIRST
        for answered in self._answered.values():
            answered.wait(max(0.0, until - self._clock()))
        return self

    def pick(self, service: str, avoid: str | None = None) -> str:
        if service not in self._instances:
            return self._others.pick(service, avoid)
        with self._lock:
            there = [each for each in self._instances[service].values() if each.url != avoid]
            if not there:
                raise NoBackendError(f"Consul knows no {'other ' if avoid else ''}instance of {service}")
            now = self._clock()
            well = [each for each in there if each.ejected_until <= now]
            chosen = two_choices(well or there)  # when all are doubted, the doubt is not worth much
            chosen.in_flight += 1
            return chosen.url

    def report(self, service: str, url: str, *, ok: bool) -> None:
        if service not in self._instances:
            self._others.report(service, url, ok=ok)
            return
        with self._lock:
            instance = self._instances[service].get(url)
            if instance is None:  # it has left meanwhile
                return
            instance.in_flight = max(0, instance.in_flight - 1)
            if not ok:
                instance.ejected_until = self._clock() + EJECTED

    def learn(self, service: str, urls: Iterable[str], *, partial: bool = False) -> None:
        """What Consul says now. PARTIAL: it may have forgotten some; those that we know stay, and so they do when nobody is left."""
        with self._lock:
            known, said = self._instances[service], set(urls)
            told = said | set(known) if partial or not said else said
            self._instances[service] = {url: known.get(url) or Instance(url) for url in sorted(told)}
            changed = told != set(known)
        if changed:
            log.info("%s: %s", service, ", ".join(sorted(told)))

    def _watch(self, service: str) -> None:
        index, pause, whole_from = 0, 0.0, 0.0
        while True:
            try:
                urls, index = self._consul.passing(service, index)
            except (HTTPError, ValueError) as error:
                if not pause:
                    log.warning("Consul does not answer, staying with what it said last: %s", error)
                pause = min(max(2 * pause, PAUSES[0]), PAUSES[1])
                index = 0  # it may come back as another Consul, and count from another number
                time.sleep(pause)
                whole_from = self._clock() + REGATHERED
            else:
                pause = 0.0
                self.learn(service, urls, partial=self._clock() < whole_from)
                self._answered[service].set()


def two_choices(instances: list[Instance]) -> Instance:
    """Of two at random, the one with less to do. Next to as even as the least busy of all, and callers don't all run to one."""
    return min(random.sample(instances, min(2, len(instances))), key=lambda each: each.in_flight)
