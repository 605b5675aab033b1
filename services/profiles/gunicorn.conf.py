"""How gunicorn serves us: read from the working directory by itself.

The application is not preloaded, on purpose: each worker imports it and starts its own event loop after the fork,
and a reload (SIGHUP) sees changed code.
What it needs of others is imported here, in the master: it stays through a reload, and its memory is shared.
"""

import os

import aiohttp  # noqa: F401
import flask  # noqa: F401

bind = f"0.0.0.0:{os.environ.get('PORT', '3004')}"
workers = int(os.environ.get("WEB_CONCURRENCY", "1"))
worker_class = "gthread"
threads = 8  # each may be held by a call to another service
worker_tmp_dir = "/dev/shm"  # noqa: S108 - the heartbeat files: never on a disk that may stall
keepalive = 75  # longer than any client keeps an idle connection, so that it is never we who close one under a request
graceful_timeout = 8  # seconds for running requests after SIGTERM; docker's patience is 10
loglevel = "warning"  # gunicorn's own words, on stderr; requests are logged by the application, on stdout
control_socket_disable = True  # a way in for an operator that nobody here needs


def post_worker_init(worker):
    from profiles import logs

    logs.log.info("worker ready")
