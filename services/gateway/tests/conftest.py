"""The gateway without containers: in front of a real HTTP server on loopback, which says of each request what came."""

import json
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))

from gateway import create_app
from gateway.config import Config


class Backend(ThreadingHTTPServer):
    """Answers as ``answer`` says: bytes, or pieces of them, sent as they are; or None, the request as JSON. What came is in ``seen``."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.seen = []
        self.answer = None
        self.answers = {}  # by target, where there are several
        self.hold = threading.Event()
        self.hold.set()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle_one_request(self):
        try:
            super().handle_one_request()
        except ConnectionError:
            self.close_connection = True

    def do(self):
        body = self.chunks() if "chunked" in self.headers.get("Transfer-Encoding", "") else None
        if body is None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = [(name.lower(), value) for name, value in self.headers.items()]
        self.server.seen.append({"method": self.command, "target": self.path, "headers": dict(headers), "body": body})
        self.server.hold.wait(30)
        answer = self.server.answers.get(self.path, self.server.answer)
        if answer is not None:
            self.close_connection = True
            for piece in [answer] if isinstance(answer, bytes) else answer:
                self.wfile.write(piece)
            return
        answer = json.dumps({"target": self.path, "length": len(body)}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = do  # noqa: N815 - as http.server calls them

    def chunks(self):
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def log_message(self, *arguments):
        pass


@contextmanager
def serving():
    with Backend() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.hold.set()
            server.shutdown()
            thread.join()


@pytest.fixture
def backend():
    with serving() as server:
        yield server


@pytest.fixture
def gateway(backend):
    """``gateway(**configuration)``: a client of a gateway in front of ``backend``. A busy machine is no finding: patience."""

    def make(**configuration):
        backends = dict.fromkeys(("users", "orders", "catalog"), backend.url)
        options = {"backends": backends, "patience": 60.0, "rate": 0} | configuration
        return create_app(Config(**options)).test_client()

    return make


@pytest.fixture
def client(gateway):
    return gateway()
