"""Real receivers on free ports of this machine: an SMTP server and an HTTPS server that do as they are told."""

import contextlib
import json
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult


def certificate(folder: Path) -> tuple[Path, Path]:
    """A key and a certificate for localhost, signed by itself."""
    key, own = folder / "key.pem", folder / "own.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", own],
        check=True, capture_output=True,
    )  # fmt: skip
    return key, own


@dataclass
class Mailbox:
    """What an SMTP server took, and how it is to behave."""

    port: int = 0
    taken: list[tuple[list[str], EmailMessage]] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    """The next answers to DATA; 250 when they are used up."""
    unknown: set[str] = field(default_factory=set)
    log_ins: list[tuple[bytes, bytes]] = field(default_factory=list)

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if address in self.unknown:
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.answers:
            return self.answers.pop(0)
        mail = message_from_bytes(envelope.content, policy=policy.default)
        self.taken.append((envelope.rcpt_tos, mail))  # type: ignore[arg-type]
        return "250 OK"

    def log_in(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        self.log_ins.append((data.login, data.password))
        return AuthResult(success=data.password == b"open-sesame-9", handled=False)


@contextlib.contextmanager
def smtp_server(key: Path, own: Path) -> Iterator[Mailbox]:
    """An SMTP server that offers STARTTLS and, after it, a log-in."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own, key)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        box = Mailbox(probe.getsockname()[1])
    server = Controller(
        box, hostname="127.0.0.1", port=box.port, tls_context=context, authenticator=box.log_in, auth_require_tls=True
    )
    server.start()
    yield box
    server.stop(no_assert=True)


@dataclass
class Call:
    """One request that an HTTPS server got."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Reply = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Web:
    """What an HTTPS server got, and how it is to answer."""

    port: int = 0
    calls: list[Call] = field(default_factory=list)
    connections: int = 0
    replies: list[Reply] = field(default_factory=list)
    """The next answers; ``usual`` when they are used up."""
    usual: Reply = field(default_factory=lambda: says({"errcode": 0}))

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def wait(self, count: int) -> None:
        """Until so many requests have come."""
        until = time.monotonic() + 120  # a process starts slowly on a busy machine
        while len(self.calls) < count:
            assert time.monotonic() < until, f"{len(self.calls)} of {count} requests came"
            time.sleep(0.02)


def says(content: Any, status: int = 200, **headers: str) -> Reply:
    """An answer in JSON."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return reply


@contextlib.contextmanager
def https_server(key: Path, own: Path) -> Iterator[Web]:
    """An HTTPS server, a thread a request."""
    web = Web()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            web.calls.append(Call(self.path, dict(self.headers), body))
            with contextlib.suppress(OSError):  # who asked may be gone: some tests want it so
                (web.replies.pop(0) if web.replies else web.usual)(self)

        do_GET = do_POST

        def log_message(self, *args: Any) -> None:
            """Nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def process_request(self, request: Any, client_address: Any) -> None:
            web.connections += 1
            super().process_request(request, client_address)

        def finish_request(self, request: Any, client_address: Any) -> None:
            # The handshake in the request's own thread: a peer that never shakes hands stops nobody else.
            with contextlib.suppress(OSError), context.wrap_socket(request, server_side=True) as secure:
                super().finish_request(secure, client_address)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own, key)
    server = Server(("127.0.0.1", 0), Handler)
    web.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield web
    server.shutdown()
    server.server_close()
