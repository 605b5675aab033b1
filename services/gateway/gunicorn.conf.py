"""How gunicorn serves us: read from the working directory by itself.

The application is not preloaded, on purpose: each worker imports it and opens its own connections after the fork, and a reload
(SIGHUP) sees changed code.
What it needs of others is imported here, in the master: it stays through a reload, and its memory is shared.
"""

import os

import flask  # noqa: F401
import urllib3  # noqa: F401
from gunicorn.http.errors import InvalidHeader, UnsupportedTransferCoding
from gunicorn.workers.gthread import ThreadWorker


class Worker(ThreadWorker):
    """Answers an unknown transfer coding as it answers all that is malformed: 400.

    RFC 9112 would have 501. But a 5xx counts as a fault of ours, and callers try again.
    """

    def handle_error(self, req, client, addr, exc):
        super().handle_error(req, client, addr, InvalidHeader(str(exc)) if isinstance(exc, UnsupportedTransferCoding) else exc)


bind = f"0.0.0.0:{os.environ.get('PORT', '3000')}"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
worker_class = Worker
threads = int(os.environ.get("THREADS", "64"))  # they wait for backends: config.Config.in_flight of them for each, at most
worker_tmp_dir = "/dev/shm"  # noqa: S108 - the heartbeat files: never on a disk that may stall
keepalive = 75  # longer than any client keeps an idle connection, so that it is never we who close one under a request
graceful_timeout = 8  # seconds for running requests after SIGTERM; docker's patience is 10
loglevel = "warning"  # gunicorn's own words, on stderr; requests are logged by the application, on stdout
control_socket_disable = True  # a way in for an operator that nobody here needs


def post_worker_init(worker):
    from gateway import logs

    logs.log.info("worker ready")
