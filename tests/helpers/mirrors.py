"""A local server that misbehaves in every way a mirror can."""

from __future__ import annotations

import hashlib
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BODY = bytes(range(256)) * 800  # 204,800 bytes
SHA256 = hashlib.sha256(BODY).hexdigest()
HALF = len(BODY) // 2


class Handler(BaseHTTPRequestHandler):
    """Answers a path by the next behaviour in ``server.script[path]``; the last one repeats."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.log.append((self.path, self.headers.get("Range")))
        script = self.server.script[self.path]
        behaviour = script.pop(0) if len(script) > 1 else script[0]
        behaviour(self)
        self.close_connection = True

    def log_message(self, *args):
        pass

    def send(self, status, body=b"", promised=None, **headers):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if promised is None else promised))
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def start(self):
        asked = self.headers.get("Range")
        return int(asked.removeprefix("bytes=").split("-")[0]) if asked else 0

    def part(self, until=None):
        """A correct answer, with Range if asked, that stops at byte ``until`` without saying so."""
        start = self.start()
        if start >= len(BODY):
            return self.send(416, Content_Range=f"bytes */{len(BODY)}")
        extra = {"Content_Range": f"bytes {start}-{len(BODY) - 1}/{len(BODY)}"} if start else {}
        return self.send(
            206 if start else 200, BODY[start:until], promised=len(BODY) - start, **extra
        )


def good(handler):
    handler.part()


def truncates(handler):
    handler.part(until=max(HALF, handler.start() + 1000))


def wrong_bytes(handler):
    handler.send(200, b"<html>please log in</html>")


def right_length_wrong_bytes(handler):
    handler.send(200, BODY[::-1])


def ignores_range(handler):
    handler.send(200, BODY)


def wrong_range(handler):
    (
        handler.send(206, BODY[5:], Content_Range=f"bytes 5-{len(BODY) - 1}/{len(BODY)}")
        if handler.start()
        else truncates(handler)
    )


def not_found(handler):
    handler.send(404, b"gone")


def server_error(handler):
    handler.send(500, b"oops")


def silent(handler):
    time.sleep(0.8)


def stalls_halfway(handler):
    handler.part(until=max(HALF, handler.start() + 1000))
    time.sleep(0.8)


def hangs_up(handler):
    handler.connection.close()


def loops(handler):
    handler.send(302, Location=handler.path)


def redirects(handler):
    handler.send(302, Location="/good")


def start_server() -> ThreadingHTTPServer:
    """A server at a free port; ``server.script`` maps paths to behaviours, ``log`` is what was
    asked.
    """
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    httpd.handle_error = lambda *args: None
    httpd.log = []
    httpd.script = {"/good": [good]}
    httpd.root = f"http://127.0.0.1:{httpd.server_port}"
    return httpd
