"""`servicelab lab`: nobody waits for an image that only a later lesson needs."""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
from typing import Any

import pytest

from servicelab import cli, commands, lessons, settings
from servicelab.engine import client, leases

PYTHON, CONSUL = "library/python:3.13-slim", "hashicorp/consul:1.22"


def test_later_lessons_images_are_made_by_a_process_beside(monkeypatch: pytest.MonkeyPatch) -> None:
    waited_for: list[str] = []
    beside: list[list[str]] = []
    became: list[list[str]] = []
    monkeypatch.setattr(commands, "_ensure_images", waited_for.extend)
    monkeypatch.setattr(subprocess, "Popen", lambda command, **options: beside.append(command))
    monkeypatch.setattr(commands, "_become", lambda command, cwd: became.append(command) or 0)
    monkeypatch.setattr(lessons, "learner_copy", lambda number: settings.root() / "work" / "00.ipynb")
    monkeypatch.setattr(client, "connect", io.BytesIO)  # whatever can be closed
    monkeypatch.setattr(leases, "sweep", lambda *_: None)
    arguments: Any = argparse.Namespace(number=None, no_browser=True)

    assert commands.lab(arguments, []) == 0

    assert PYTHON in waited_for
    assert CONSUL not in waited_for
    [command] = beside
    assert command[:3] == [sys.executable, "-m", "servicelab.cli"]
    parsed = cli.parser().parse_args(command[3:])
    assert CONSUL in parsed.names
    assert PYTHON not in parsed.names
    assert became[0][1:4] == ["-m", "jupyter", "lab"]
