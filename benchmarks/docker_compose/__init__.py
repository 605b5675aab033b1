"""docker compose itself, to measure against and to agree with: compiled once from its Go module, kept in the user's cache."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from servicelab.images.locks import cache_folder

VERSION = "2.40.3"
MODULE = "github.com/docker/compose/v2"
HERE = Path(__file__).resolve().parent


def binary() -> Path:
    """The path of a ``docker-compose`` program. The first call compiles it: 90 s on two idle cores, and a Go toolchain (1.24)."""
    path = cache_folder() / f"docker-compose-{VERSION}"
    if path.is_file():
        return path
    if shutil.which("go") is None:
        raise SystemExit("docker compose has to be compiled, and there is no `go` here: install Go 1.24 or newer")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        made = Path(folder) / "docker-compose"
        flags = ["-trimpath", "-ldflags", f"-s -w -X {MODULE}/internal.Version=v{VERSION}"]
        nice = ["nice"] if shutil.which("nice") else []
        subprocess.run(
            [*nice, "go", "build", *flags, "-o", str(made), f"{MODULE}/cmd"],
            cwd=HERE,
            env={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly"},
            check=True,
        )
        made.replace(path)  # whole, or not there: an interrupted build leaves nothing
    return path
