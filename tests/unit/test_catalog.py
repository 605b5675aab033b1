"""The catalog's own tests, which are JavaScript, in this test run as well."""

import shutil
import subprocess
from pathlib import Path

import pytest

CATALOG = Path(__file__).parents[2] / "services" / "catalog"


def test_node_says_the_catalog_is_well() -> None:
    if shutil.which("node") is None or not (CATALOG / "node_modules").is_dir():
        pytest.skip("needs node, and `npm ci` in services/catalog; tests/integration runs these in the image")
    tests = sorted(str(path.relative_to(CATALOG)) for path in CATALOG.glob("tests/*.test.js"))
    assert tests
    done = subprocess.run(["node", "--test", *tests], cwd=CATALOG, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
