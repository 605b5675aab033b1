"""The virtual environment: ``.venv``, filled from requirements.lock, once."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from servicelab_start.steps import CommandError, Say, Steps, Trouble

NEEDS_MB = 700  # measured: 420 MB installed, the rest for wheels on their way in


def python_of(venv: Path) -> Path:
    """The interpreter in ``venv``, there or not."""
    return venv / "Scripts" / "python.exe" if os.name == "nt" else venv / "bin" / "python"


def wanted(root: Path) -> dict[str, str]:
    """What the environment has to have been made from. Another value of any of these makes it anew."""
    digest = hashlib.sha256()
    for name in ("requirements.lock", "pyproject.toml"):
        digest.update((root / name).read_bytes())
    return {"inputs": digest.hexdigest(), "python": platform.python_version(), "root": str(root)}


def _marker(root: Path) -> Path:
    return root / ".venv" / "servicelab.json"


def ready(root: Path) -> bool:
    """Is ``.venv`` complete, and made from the files and the Python that are here now?"""
    try:
        made: object = json.loads(_marker(root).read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return made == wanted(root) and python_of(root / ".venv").exists()


def working_uv() -> str | None:
    """The path of a uv that runs. (A version manager's shim may be on PATH with nothing behind it.)"""
    uv = shutil.which("uv")
    if uv is None:
        return None
    try:
        subprocess.run([uv, "--version"], capture_output=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return None
    return uv


def can_make_venv() -> bool:
    """Debian ships a Python without ensurepip: ``venv`` then makes an environment without pip and fails."""
    return importlib.util.find_spec("ensurepip") is not None


def commands(root: Path, uv: str | None, *, fresh: bool, wheels: Path | None = None) -> list[list[str]]:
    """What to run, in order: make the environment (where ``fresh``), the locked packages, then this project itself.

    ``wheels``: the folder that the packages are in; by default they come from the package index.
    """
    venv, lock = str(root / ".venv"), str(root / "requirements.lock")
    python = str(python_of(root / ".venv"))
    if uv:
        make = [uv, "venv", "--quiet", "--clear", "--no-project", "--python", sys.executable, venv]
        install = [uv, "pip", "install", "--python", python]
        own = [*install, "--offline", "--no-deps", "--no-build-isolation", "--editable", str(root)]
    else:
        make = [sys.executable, "-m", "venv", "--clear", venv]
        install = [python, "-m", "pip", "install", "--no-compile", "--progress-bar", "off", "--disable-pip-version-check"]
        own = [*install, "--no-index", "--no-deps", "--no-build-isolation", "--editable", str(root)]
    if wheels:
        install = [*install, "--no-index", "--find-links", str(wheels)]
    packages = [*install, "--require-hashes", "--requirement", lock]
    return [*([make] if fresh else []), packages, own]


def make(root: Path, steps: Steps, say: Say, *, uv: str | None, wheels: Path | None = None) -> str:
    """Make ``.venv`` complete and mark it so; an interrupted one is finished. Returns what was done, in a few words.

    Raises ``Trouble`` for what a person can mend: the disk, the network, a certificate, rights.
    """
    venv = root / ".venv"
    fresh = not _usable(venv, with_pip=uv is None)
    if fresh and shutil.disk_usage(root).free < NEEDS_MB * 2**20:
        raise disk_full(root)
    try:
        _marker(root).unlink(missing_ok=True)
        for command in commands(root, uv, fresh=fresh, wheels=wheels):
            steps.run(command, _shortened(say), env=_environ(), cwd=root)
        _marker(root).write_text(json.dumps(wanted(root)), "utf-8")
    except CommandError as failure:
        raise explained(failure, root, steps.log) from failure
    except OSError as error:
        raise explained(CommandError(["write", str(venv)], 1, str(error)), root, steps.log) from error
    return f".venv made with {'uv' if uv else 'pip'}"


def _usable(venv: Path, *, with_pip: bool) -> bool:
    """Is there an environment of this very Python, which an interrupted run left? uv makes them without pip."""
    question = "import platform; print(platform.python_version())" + ("; import pip" if with_pip else "")
    try:
        answer = subprocess.run([str(python_of(venv)), "-c", question], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return False
    return answer.returncode == 0 and answer.stdout.strip() == platform.python_version()


def _environ() -> dict[str, str]:
    drop = ("VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONHOME", "PYTHONPATH", "PIP_REQUIRE_VIRTUALENV", "PIP_USER", "PIP_TARGET")
    return {name: value for name, value in os.environ.items() if name not in drop}


def _shortened(say: Say) -> Callable[[str], None]:
    # pip names each package three times, with its address: the name is enough to see it move.
    def told(line: str) -> None:
        match = re.match(r"(Collecting|Downloading|Installing|Building|Prepared|Resolved|Installed)\S* +(\S+)", line)
        if match:
            say(f"{match[1].lower()} {match[2].split('==')[0]}")

    return told


def disk_full(root: Path) -> Trouble:
    """The disk of ``root``, or the one for temporary files, has too little room left."""
    places = {place: shutil.disk_usage(place).free // 2**20 for place in (root, Path(tempfile.gettempdir()))}
    place = min(places, key=lambda place: places[place])
    return Trouble(
        f"The disk is full: {places[place]} MB are free where {place} is, and the environment needs {NEEDS_MB} MB.",
        "make room there (or clone the repository to another disk, or set TMPDIR), then run this again.",
    )


# The output of pip and uv, and what it means. First match wins: a full disk also makes downloads fail.
_MEANINGS: list[tuple[str, str, str]] = [
    (
        r"certificate verify failed|CERTIFICATE_VERIFY_FAILED|UnknownIssuer|invalid peer certificate|SSLCertVerification",
        "The package index was reached, but its certificate was not accepted: a proxy in between re-encrypts the traffic.",
        "point SSL_CERT_FILE and PIP_CERT at the bundle with your company's certificate authority, then run this again.",
    ),
    (
        r"do not match the hashes|[Hh]ash mismatch|THESE PACKAGES DO NOT MATCH",
        "A downloaded package is not the one that requirements.lock names.",
        "the index or a proxy in between changes packages, or a download was cut: try again, then use another index.",
    ),
    (
        r"[Cc]ould not resolve|name resolution|[Nn]ame or service not known|dns error|getaddrinfo|nodename nor servname"
        r"|NewConnectionError|[Cc]onnection refused|[Nn]etwork is unreachable|[Cc]onnectTimeout|timed out"
        r"|[Cc]ould not connect|error sending request|ProxyError|Max retries exceeded|No route to host"
        r"|[Cc]onnection (reset|aborted|broken)|NameResolutionError|from versions: none",
        "The packages could not be downloaded: the package index is not reachable from here.",
        "check the network; behind a proxy set HTTPS_PROXY; for a mirror set PIP_INDEX_URL (UV_DEFAULT_INDEX with uv).\n"
        "Then run this again: what was downloaded is kept.",
    ),
    (
        r"Permission denied|EACCES|Errno 13|Read-only file system|Operation not permitted|[Aa]ccess is denied",
        "You have no right to write there.",
        "clone the repository into a folder of your own (or mend the owner of .venv), then run this again.",
    ),
    (
        r"(gcc|cc|clang|cl\.exe)['`\"]? (failed|not found|was not found)|command '.*(gcc|cc|clang)' failed"
        r"|No such file or directory: '?(gcc|cc|clang)|Microsoft Visual C\+\+|pg_config executable not found|Python\.h",
        "A package has no wheel for this machine and no C compiler built it.",
        "install a C compiler and Python's headers (Debian: apt-get install gcc python3-dev; on Windows use a Python for x64), "
        "then run this again.",
    ),
]


def explained(failure: CommandError, root: Path, log: Path) -> Trouble:
    """The failure of pip or uv as one sentence and a way out."""
    if re.search(r"No space left|ENOSPC|Errno 28|not enough space|[Dd]isk quota exceeded", failure.output):
        return disk_full(root)
    for pattern, what, fix in _MEANINGS:
        if re.search(pattern, failure.output):
            return Trouble(what, fix, detail="\n".join(failure.output.splitlines()[-3:]))
    return Trouble(
        f"The environment could not be made: {failure}.",
        f"run this again; if it fails in the same way, remove .venv first. All of its output is in {log}.",
        detail="\n".join(failure.output.splitlines()[-12:]),
    )
