"""All notebooks under nbval, again and again, in an order that chance makes: SERVICELAB_SOAK=50 rounds, or ten."""

from __future__ import annotations

import os
import random
import subprocess
import sys

import pytest

from servicelab import settings

ROUNDS = int(os.environ.get("SERVICELAB_SOAK", "10"))


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_all_notebooks_in_random_order(seed: int) -> None:
    root = settings.root()
    notebooks = sorted(
        str(path.relative_to(root)) for folder in ("notebooks", "solutions") for path in (root / folder).glob("*.ipynb")
    )
    random.Random(seed).shuffle(notebooks)
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "--nbval", *notebooks], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-5000:]
    print(f"round {seed + 1}: {done.stdout.splitlines()[-1]}")
