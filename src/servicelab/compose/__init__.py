"""A Compose file, read, interpolated, validated and normalised. No I/O beyond the file itself.

``load(path, variables)`` gives an `Application`. What can't be carried out is a `ComposeError` with file, line and fix.
The format is the Compose Specification; its published JSON Schema (Apache-2.0) lies beside this file.
"""

from servicelab.compose.loader import load
from servicelab.compose.model import (
    Application,
    Build,
    Dependency,
    Healthcheck,
    Mount,
    Network,
    Port,
    Service,
    Volume,
)

__all__ = [
    "Application",
    "Build",
    "Dependency",
    "Healthcheck",
    "Mount",
    "Network",
    "Port",
    "Service",
    "Volume",
    "load",
]
