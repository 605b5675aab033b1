"""The configuration: from the environment, and from nowhere else."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

SERVICES = ("users", "orders", "catalog")


class ConfigError(Exception):
    """Something has to be set before this service can run."""


@dataclass(frozen=True)
class Config:
    backends: Mapping[str, str]  # service -> base URL
    consul_url: str = ""  # where to look up the services that have no URL; empty: nowhere
    patience: float = 1.0  # all deadlines are that many times as long: for a machine that is slower than production
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()  # whose X-Forwarded-… we believe
    rate: float = 200.0  # requests a second that one client may send for ever; 0: no limit
    burst: int = 400  # requests that one client may send at once, after a rest
    in_flight: int = 20  # requests of one worker that may be at one service: all services together hang, and threads are left
    max_body: int = 32 * 1024 * 1024  # bytes
    buckets: str = ""  # a file in memory, where the workers count together; empty: each counts alone
    log_level: str = "INFO"

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Config:
        names = {service: f"{service.upper()}_URL" for service in SERVICES}
        missing = [name for name in names.values() if not environ.get(name)]
        consul_url = environ.get("CONSUL_URL", "").rstrip("/")
        if missing and not consul_url:
            raise ConfigError(
                f"gateway: set {', '.join(missing)}, or CONSUL_URL, in the environment: missing, and without a default"
            )
        return cls(
            backends={service: environ[name].rstrip("/") for service, name in names.items() if name not in missing},
            consul_url=consul_url,
            patience=number(environ, "PATIENCE", cls.patience),
            trusted_proxies=networks(environ.get("TRUSTED_PROXIES", "")),
            rate=number(environ, "RATE_LIMIT", cls.rate),
            burst=int(number(environ, "RATE_BURST", cls.burst, least=1)),
            buckets=environ.get("RATE_BUCKETS", "/dev/shm/gateway-buckets"),  # noqa: S108 - no disk, and ours alone
            in_flight=int(number(environ, "IN_FLIGHT", cls.in_flight, least=1)),
            max_body=int(number(environ, "MAX_BODY", cls.max_body)),
            log_level=environ.get("LOG_LEVEL", "INFO").upper(),
        )


def networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """What is in TRUSTED_PROXIES: networks, with commas between them."""
    try:
        return tuple(ip_network(each.strip()) for each in text.split(",") if each.strip())
    except ValueError as error:
        raise ConfigError(f"gateway: TRUSTED_PROXIES is a list of networks such as 10.0.0.0/8 with commas: {error}") from None


def number(environ: Mapping[str, str], name: str, default: float, *, least: float = 0) -> float:
    given = environ.get(name, str(default))
    try:
        value = float(given)
    except ValueError:
        value = -1
    if not least <= value < float("inf"):
        raise ConfigError(f"gateway: {name} is a number from {least:g} on, not {given!r}")
    return value
