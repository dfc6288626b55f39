"""A web server on the loopback interface that answers as it is told, well or badly, and remembers what it was asked."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Request:
    """What the server was asked, and when (monotonic seconds)."""

    path: str
    headers: dict[str, str]
    at_s: float
    body: bytes = b""


@dataclass
class Loopback:
    """The server: ``answers`` by path, used up in order, the last one for ever."""

    url: str
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)

    def on(self, path: str, *answers: Answer) -> str:
        """Answer this path so; return its address."""
        self.answers[path] = list(answers)
        return self.url + path

    def asked(self, path: str) -> list[Request]:
        """The requests for a path."""
        return [request for request in self.requests if request.path == path]


def content(
    body: bytes,
    *,
    etag: str | None = None,
    modified: str | None = None,
    ranges: bool = True,
    cut_after: int | None = None,
    announced: int | None = None,
    chunked: bool = False,
    pause_s: float = 0.0,
) -> Answer:
    """A file; ``cut_after`` closes the connection after so many bytes, ``announced`` lies about the length.

    With ``pause_s`` it comes in eight pieces with pauses between them.
    """

    def answer(handler: BaseHTTPRequestHandler) -> None:
        asked, condition = handler.headers.get("Range"), handler.headers.get("If-Range")
        begin = int(asked.removeprefix("bytes=").rstrip("-")) if asked and ranges else 0
        if condition is not None and condition not in (etag, modified):
            begin = 0
        if begin >= len(body) > 0:
            status(416, {"Content-Range": f"bytes */{len(body)}"})(handler)
            return
        handler.send_response(206 if begin else 200)
        if begin:
            handler.send_header("Content-Range", f"bytes {begin}-{len(body) - 1}/{len(body)}")
        for name, value in (("ETag", etag), ("Last-Modified", modified)):
            if value is not None:
                handler.send_header(name, value)
        part = body[begin:]
        sent = part if cut_after is None else part[:cut_after]
        if chunked:
            handler.send_header("Transfer-Encoding", "chunked")
            sent = b"%x\r\n%s\r\n" % (len(sent), sent) + (b"0\r\n\r\n" if cut_after is None else b"ff\r\nab")
        else:
            handler.send_header("Content-Length", str(len(part) if announced is None else announced))
        handler.end_headers()
        step = len(sent) if not pause_s else -(-len(sent) // 8)
        for start in range(0, len(sent), max(1, step)):
            with suppress(OSError):
                handler.wfile.write(sent[start : start + step])
            time.sleep(pause_s)

    return answer


def status(code: int, headers: dict[str, str] | None = None, body: bytes = b"") -> Answer:
    """An answer with this status."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    """Close the connection without an answer."""


def silence(seconds: float) -> Answer:
    """Say nothing for a while, then hang up."""
    return lambda handler: time.sleep(seconds)


@contextmanager
def loopback() -> Iterator[Loopback]:
    """Run the server as long as the block."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.close_connection = True
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            state.requests.append(Request(self.path, dict(self.headers), time.monotonic(), body))
            answers = state.answers.get(self.path, [status(404)])
            (answers.pop(0) if len(answers) > 1 else answers[0])(self)

        do_POST = do_GET

        def log_message(self, *arguments: object) -> None:
            """Be quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state = Loopback(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
