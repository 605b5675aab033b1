"""How the tests run: notebooks as nbval has them, only stricter, and with nothing left on the engine at the end.

Plain ``pytest --nbval notebooks/`` is enough: the options that it needs are set here.
"""

from __future__ import annotations

import gc
import os
import re
import secrets
import warnings
from collections.abc import Generator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from nbval.plugin import IPyNbCell, IPyNbFile

from servicelab import leftovers
from servicelab.engine.client import connect
from servicelab.errors import EngineError
from servicelab.lessons import hygiene, notebooks

HERE = Path(__file__).resolve().parent
LESSONS = (HERE / "notebooks", HERE / "solutions")  # labs/ must fail, and work/ is the learner's
CELL_SECONDS = 300.0
OUTPUT_SECONDS = 60  # nbval gives up after 5 s, which a busy machine may take between two messages
NEEDS_DOCKER = re.compile(r"^\s*(?:import|from) (?:docker|servicelab)\b", re.MULTILINE)

session_learner = pytest.StashKey[str]()
stopped_at = pytest.StashKey[int]()


def pytest_configure(config: pytest.Config) -> None:
    """Set nbval's options, and a learner of this session's own, so that no test meets what someone has open."""
    if config.option.nbval_sanitize_with is None:
        config.option.nbval_sanitize_with = str(HERE / "tests" / "notebooks" / "sanitize.cfg")
    config.option.nbval_cell_timeout = min(config.option.nbval_cell_timeout, CELL_SECONDS)
    config.option.nbval_kernel_startup_timeout = max(config.option.nbval_kernel_startup_timeout, notebooks.STARTUP_TIMEOUT)
    config.option.nbval_current_env = config.option.nbval_kernel_name is None
    if "SERVICELAB_LEARNER" not in os.environ:
        config.stash[session_learner] = os.environ["SERVICELAB_LEARNER"] = f"test-{secrets.token_hex(4)}"


def pytest_unconfigure(config: pytest.Config) -> None:
    """Take the session's learner back."""
    if session_learner in config.stash:
        os.environ.pop("SERVICELAB_LEARNER", None)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Remove what the session made. nbval kills its kernels, so nothing in them could do it."""
    if session_learner in session.config.stash and not no_engine():
        leftovers.remove(session.config.stash[session_learner], images=True)


class LessonFile(IPyNbFile):
    """A notebook that nbval takes, refused as a whole where it would pass cells without a look at them."""

    def collect(self) -> Generator[pytest.Item]:
        """Its code cells."""
        notebook = notebooks.read(self.path)
        unrun = hygiene.unrun(notebook)
        if unrun:
            raise self.CollectError(
                f"{self.path.name}: {'; '.join(unrun)}.\nRun: servicelab lessons execute {self.path.name[:2]}"
            )
        docker = any(NEEDS_DOCKER.search(cell.source) for cell in notebooks.code_cells(notebook))
        for item in super().collect():
            item.output_timeout = OUTPUT_SECONDS
            # A lesson's own warnings stay in its kernel; here it could only be nbval that leaves a file to the collector.
            item.add_marker(pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"))
            if docker:
                item.add_marker(pytest.mark.docker)
            yield item


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> Generator[None, list[Any], list[Any]]:
    """Lessons and solutions are tested, and no other notebook."""
    found = yield
    return [
        LessonFile.from_parent(parent, path=file_path) if isinstance(collector, IPyNbFile) else collector
        for collector in found
        if not isinstance(collector, IPyNbFile) or file_path.parent in LESSONS
    ]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what can't be judged: Docker tests without an engine (never in CI), and the cells after one that failed."""
    if isinstance(item, IPyNbCell) and stopped_at in item.parent.stash:
        pytest.skip(f"the notebook stopped at cell {item.parent.stash[stopped_at]}")
    if item.get_closest_marker("docker") and (missing := no_engine()):
        if os.environ.get("CI"):
            pytest.fail(f"CI has to have a Docker engine: {missing}", pytrace=False)
        pytest.skip(missing)


@cache
def no_engine() -> str:
    """Why no Docker test can run; empty: they can."""
    try:
        connect().close()
    except EngineError as error:
        reason = str(error)
    else:
        return ""
    # The Docker SDK leaves the socket of a refused connection open. Collect it here: in a later test it would be an error.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
    return reason


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember the first cell of a notebook that failed: what comes after it would tell nothing."""
    report = yield
    if isinstance(item, IPyNbCell) and report.failed:
        item.parent.stash.setdefault(stopped_at, item.cell_num)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None]:
    """After a notebook that stopped half way, free the memory of its containers for the next."""
    yield
    last = nextitem is None or nextitem.parent is not item.parent
    if isinstance(item, IPyNbCell) and last and stopped_at in item.parent.stash and session_learner in item.config.stash:
        leftovers.remove(item.config.stash[session_learner])
