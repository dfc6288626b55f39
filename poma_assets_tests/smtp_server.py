"""A small SMTP server on the loopback interface: takes mails, or answers as it is told."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class MailServer:
    """The server: ``answers`` to a command (such as ``RCPT``), used up in order, then ``250``."""

    port: int
    answers: dict[str, list[str]] = field(default_factory=dict)
    mails: list[bytes] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)


@contextmanager
def mail_server() -> Iterator[MailServer]:
    """Run the server as long as the block."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self._say("220 ready")
            while line := self.rfile.readline().decode().strip():
                state.commands.append(line)
                word = line.split(" ")[0].upper()
                planned = state.answers.get(word, [])
                if planned:
                    self._say(planned.pop(0))
                elif word == "EHLO":
                    self._say("250-here\r\n250 AUTH PLAIN")
                elif word == "AUTH":
                    self._say("235 welcome")
                elif word == "DATA":
                    self._say("354 go on")
                    state.mails.append(self._mail())
                    self._say("250 taken")
                else:
                    self._say("250 fine")
                if word == "QUIT":
                    return

        def _mail(self) -> bytes:
            lines = []
            while (line := self.rfile.readline()) != b".\r\n":
                lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
            return b"".join(lines)

        def _say(self, text: str) -> None:
            self.wfile.write(text.encode() + b"\r\n")

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

    server = Server(("127.0.0.1", 0), Handler)
    state = MailServer(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
