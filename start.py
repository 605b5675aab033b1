#!/usr/bin/env python3
"""From a bare machine to a running lesson. Needs nothing but Python.

    python3 start.py               make .venv, find or install a Docker engine, open JupyterLab on the first lesson
    python3 start.py run 02        the same, but run lesson 02 here and print what it shows
    python3 start.py test          run every test there is
    python3 start.py --help        the rest

What it is made of is in src/servicelab_start/. This file stays readable by every Python, 2.7 too, so that one that is too old gets
a sentence and not a SyntaxError.
"""

import os
import sys

OLDEST = (3, 11)


def too_old(version, executable):
    """What to say to a Python that is too old; None for one that will do."""
    if tuple(version[:2]) >= OLDEST:
        return None
    newer = ["python3.{}".format(minor) for minor in range(14, OLDEST[1] - 1, -1)]
    found = [
        name
        for name in newer
        for folder in os.environ.get("PATH", "").split(os.pathsep)
        if os.access(os.path.join(folder, name), os.X_OK) and works(os.path.join(folder, name))
    ]
    if found:
        way_out = "run: {} start.py".format(found[0])
    elif sys.platform == "darwin":
        way_out = "brew install python@3.13, then: python3.13 start.py"
    elif os.name == "nt":
        way_out = "install Python 3.13 from the Microsoft Store, then: py -3.13 start.py"
    else:
        way_out = (
            "install a newer one (Debian 12, Ubuntu 24.04 and Fedora have it as python3; "
            "elsewhere: uv python install 3.13, then: uv run --no-project --python 3.13 start.py)"
        )
    return "Servicelab needs Python {}.{} or newer, and {} is Python {}.{}.\nfix: {}".format(
        OLDEST[0], OLDEST[1], executable or "this", version[0], version[1], way_out
    )


def works(program):
    """Does it run? A version manager's shim may stand for a Python that isn't chosen here."""
    import subprocess

    try:
        with open(os.devnull, "w") as nowhere:
            return subprocess.call([program, "-c", ""], stdout=nowhere, stderr=nowhere) == 0
    except OSError:
        return False


if __name__ == "__main__":
    sentence = too_old(sys.version_info, sys.executable)
    if sentence:
        sys.exit(sentence)
    root = os.path.dirname(os.path.abspath(__file__))
    sys.dont_write_bytecode = True  # a read-only checkout must still get as far as saying so
    sys.path.insert(0, os.path.join(root, "src"))
    from servicelab_start.main import main

    sys.exit(main(sys.argv[1:], root))
