"""The configuration: from the environment, and from nowhere else."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass


class ConfigError(Exception):
    """Something has to be set before this service can run."""


@dataclass(frozen=True)
class Config:
    database_url: str
    users_url: str
    catalog_url: str
    log_level: str = "INFO"

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Config:
        missing = [name for name in ("DATABASE_URL", "USERS_URL", "CATALOG_URL") if not environ.get(name)]
        if missing:
            raise ConfigError(f"orders: set {', '.join(missing)} in the environment: missing, and without a default")
        return cls(
            database_url=environ["DATABASE_URL"],
            users_url=environ["USERS_URL"].rstrip("/"),
            catalog_url=environ["CATALOG_URL"].rstrip("/"),
            log_level=environ.get("LOG_LEVEL", "INFO").upper(),
        )
