"""The configuration: from the environment, and from nowhere else."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass


class ConfigError(Exception):
    """Something has to be set otherwise before this service can run."""


@dataclass(frozen=True)
class Config:
    """``slow_share`` of the requests, 0 to 1, take ``slow_seconds`` longer."""

    slow_share: float = 0.01
    slow_seconds: float = 0.4
    seed: int = 1
    log_level: str = "INFO"

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Config:
        try:
            share, seconds = float(environ.get("SLOW_SHARE", "0.01")), float(environ.get("SLOW_SECONDS", "0.4"))
            seed = int(environ.get("SEED", "1"))
        except ValueError as error:
            raise ConfigError(f"recommendations: SLOW_SHARE, SLOW_SECONDS and SEED are numbers: {error}") from None
        if not 0 <= share <= 1 or not 0 <= seconds <= 60:
            raise ConfigError("recommendations: SLOW_SHARE is from 0 to 1, SLOW_SECONDS from 0 to 60")
        return cls(share, seconds, seed, environ.get("LOG_LEVEL", "INFO").upper())
