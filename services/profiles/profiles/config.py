"""The configuration: from the environment, and from nowhere else."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

NEEDED = ("USERS_URL", "ORDERS_URL", "RECOMMENDATIONS_URL")


class ConfigError(Exception):
    """Something has to be set before this service can run."""


@dataclass(frozen=True)
class Config:
    users_url: str
    orders_url: str
    recommendations_url: str
    log_level: str = "INFO"

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Config:
        missing = [name for name in NEEDED if not environ.get(name)]
        if missing:
            raise ConfigError(f"profiles: set {', '.join(missing)} in the environment: missing, and without a default")
        urls = [environ[name].rstrip("/") for name in NEEDED]
        return cls(*urls, log_level=environ.get("LOG_LEVEL", "INFO").upper())
