"""The page at an address of this machine alone. It opens from its file too; a server is for browsers that run elsewhere, behind a tunnel."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SHUT_RDWR
from threading import BoundedSemaphore, Timer
from typing import TYPE_CHECKING, Any, cast

from physbench.errors import StorageError
from physbench.files import open_regular_file, require_regular_file
from physbench_leaderboard.page import NAME, PageError

if TYPE_CHECKING:
    from pathlib import Path
    from socket import socket

LOOPBACK = "127.0.0.1"
PATIENCE = 30.0  # seconds, of a connection from its beginning to its end
MOST_CONNECTIONS = 64  # at a time; others are closed


class Server(ThreadingHTTPServer):
    """Of one page. It is read again at each request."""

    daemon_threads = True  # a reader who lingers keeps nobody from ending it

    def __init__(self, page: Path, port: int) -> None:
        super().__init__((LOOPBACK, port), Reader)
        self.page = page
        self._free = BoundedSemaphore(MOST_CONNECTIONS)

    def run(self) -> None:
        """Until Ctrl-C."""
        with suppress(KeyboardInterrupt), self:
            self.serve_forever()

    def verify_request(self, request: Any, client_address: Any) -> bool:
        return self._free.acquire(blocking=False)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        end = Timer(PATIENCE, _cut_off, [request])
        end.daemon = True
        try:
            end.start()
            super().process_request_thread(request, client_address)
        finally:
            end.cancel()
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), OSError):  # who went away is no news
            super().handle_error(request, client_address)


class Reader(BaseHTTPRequestHandler):
    """One request."""

    server_version, sys_version = "physbench", ""

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""

    def do_GET(self) -> None:
        server = cast("Server", self.server)
        if self.headers.get("Host") not in {f"{name}:{server.server_port}" for name in (LOOPBACK, "localhost")}:
            return self.send_error(HTTPStatus.MISDIRECTED_REQUEST)  # a page of another name that points here
        if not self.path.startswith("/"):
            return self.send_error(HTTPStatus.BAD_REQUEST)
        if self.path.partition("?")[0] not in ("/", f"/{NAME}"):
            return self.send_error(HTTPStatus.NOT_FOUND)
        try:
            page = open_regular_file(server.page)
        except StorageError:
            return self.send_error(HTTPStatus.NOT_FOUND)
        with page:
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("X-Content-Type-Options", "nosniff")
            self.send_header("Cache-Control", "no-store")
            self.send_header("Content-Length", str(os.fstat(page.fileno()).st_size))
            self.end_headers()
            if self.command == "GET":
                shutil.copyfileobj(page, self.wfile)

    do_HEAD = do_GET


def serve(folder: Path, *, port: int = 0) -> tuple[Server, str]:
    """A server that waits for `run`, and the address to open. port: 0 for any that is free."""
    try:
        require_regular_file(folder / NAME)
        server = Server(folder / NAME, port)
    except StorageError as error:
        raise PageError(f"{error}: physbench leaderboard build --out {folder} makes it") from None
    except (OSError, OverflowError) as error:
        raise PageError(f"port {port} cannot be listened on ({getattr(error, 'strerror', None) or error}): choose another") from None
    return server, f"http://{LOOPBACK}:{server.server_port}/"


def _cut_off(connection: socket) -> None:
    with suppress(OSError):  # it has just ended by itself
        connection.shutdown(SHUT_RDWR)
