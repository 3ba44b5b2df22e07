"""A fake over TLS, in a thread: for an app in a process of its own, which is told its address and its root."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from passkeys.directories.asking import Question, Unanswered
from tests.fakes.trouble import Provider
from tests.passkeys.test_metadata_source import ROOT_PEM, SERVER_PEM


@contextmanager
def served(provider: Provider, folder: Path) -> Iterator[str]:
    """Serve it for as long as the block runs; its origin. Its root is in `folder`/root.pem."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "root.pem").write_bytes(ROOT_PEM)
    (folder / "server.pem").write_bytes(SERVER_PEM)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            question = Question(self.command, f"{origin}{self.path}", dict(self.headers), body)
            try:
                answer = asyncio.run(provider(question))
            except Unanswered:
                self.close_connection = True  # as a connection that breaks
                return
            data = b"not JSON" if answer.body is None else json.dumps(answer.body).encode()
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = _answer

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    origin = f"https://localhost:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield origin
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
