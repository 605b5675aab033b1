"""What an edit that does not boot is told to have run into."""

from servicelab.engine.live_edit import _reason

WORKER = """\
[7] [ERROR] Exception in worker process
Traceback (most recent call last):
  File "/app/monolith/reports.py", line 10, in <module>
    from flask import Bluepint
ImportError: cannot import name 'Bluepint' from 'flask'
[7] [ERROR] Worker (pid:17) exited with code 3.
"""
MASTER = """\
Traceback (most recent call last):
  File "arbiter.py", line 683, in reap_workers
gunicorn.errors.HaltServer: <HaltServer 'Worker failed to boot.' 3>
"""


def test_the_workers_own_error_and_not_that_of_the_master_which_gives_up() -> None:
    said = _reason('{"message": "GET /users/1 200"}\n' + WORKER + MASTER)
    assert said.splitlines()[-1] == "ImportError: cannot import name 'Bluepint' from 'flask'"
    assert "GET /users/1" not in said


def test_without_a_worker_the_last_traceback_else_the_last_lines() -> None:
    assert _reason("a line\n" + MASTER).startswith("Traceback")
    assert _reason("one\ntwo") == "one\ntwo"
