"""How gunicorn serves us: read from the working directory by itself.

The application is not preloaded, on purpose: each worker imports it and opens its own database connections after the fork,
and a reload (SIGHUP) sees changed code.
What it needs of others is imported here, in the master: it stays through a reload, and its memory is shared.
"""

import importlib.util
import os

import flask  # noqa: F401
import jsonschema  # noqa: F401
import pymongo  # noqa: F401

bind = f"0.0.0.0:{os.environ.get('PORT', '3001')}"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
worker_class = "gthread"
threads = 4
worker_tmp_dir = "/dev/shm"  # noqa: S108 - the heartbeat files: never on a disk that may stall
keepalive = 75  # longer than any client keeps an idle connection, so that it is never we who close one under a request
graceful_timeout = 8  # seconds for running requests after SIGTERM; docker's patience is 10
loglevel = "warning"  # gunicorn's own words, on stderr; requests are logged by the application, on stdout
control_socket_disable = True  # a way in for an operator that nobody here needs


def when_ready(server):
    """In the master, before the first worker: one entry in Consul for all of them, where there is a Consul."""
    if not os.environ.get("CONSUL_URL"):
        return
    found = importlib.util.spec_from_file_location("registration", "users/registration.py")
    registration = importlib.util.module_from_spec(found)
    found.loader.exec_module(registration)
    entry = registration.Registration.from_environment()
    entry.start()
    drain = server.handle_term

    def leave_and_drain():
        entry.leave()
        drain()

    server.handle_term = leave_and_drain  # gunicorn's own hook, on_exit, comes when the last request is over: too late


def post_worker_init(worker):
    from users import logs

    logs.log.info("worker ready")
