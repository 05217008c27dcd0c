"""The page on this machine alone: the files of one folder, to be read, on the loopback address."""

from __future__ import annotations

import mimetypes
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, cast
from urllib.parse import unquote, urlsplit

from physbench_leaderboard.page import NAME, PageError

if TYPE_CHECKING:
    from pathlib import Path

LOOPBACK = "127.0.0.1"

KINDS = {".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
         ".csv": "text/csv; charset=utf-8", ".txt": "text/plain; charset=utf-8", ".json": "application/json", ".png": "image/png"}  # fmt: skip

PATIENCE = 30.0
"""Seconds in which a request has to be made."""


class Server(ThreadingHTTPServer):
    """Of the files below a folder."""

    daemon_threads = True  # a reader who lingers keeps nobody from ending it

    def __init__(self, folder: Path, port: int) -> None:
        super().__init__((LOOPBACK, port), Reader)
        self.folder = folder.resolve()

    def run(self) -> None:
        """Until Ctrl-C."""
        try:
            self.serve_forever()
        except KeyboardInterrupt:
            pass
        finally:
            self.server_close()

    def found(self, address: str) -> Path | None:
        """The file that is asked for, if it lies below the folder, whatever links lead to."""
        parts = unquote(urlsplit(address).path, errors="replace").split("/")
        if any(part == ".." or "\0" in part or "\\" in part or ":" in part for part in parts):
            return None
        try:
            path = self.folder.joinpath(*filter(None, parts)).resolve()
            path = path / NAME if path.is_dir() else path
            return path if path.resolve().is_relative_to(self.folder) and path.is_file() else None
        except (OSError, ValueError, RuntimeError):
            return None

    def known_as(self, host: str) -> bool:
        """A page of another name that points here is not ours to answer."""
        return host in {f"{name}:{self.server_port}" for name in (LOOPBACK, "localhost")}


class Reader(BaseHTTPRequestHandler):
    """One request."""

    timeout = PATIENCE
    server_version, sys_version = "physbench", ""

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""

    def _answer(self, *, body: bool) -> None:
        server = cast("Server", self.server)
        if not server.known_as(self.headers.get("Host", "")):
            return self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
        path = server.found(self.path)
        try:
            content = None if path is None else path.read_bytes()
        except OSError:
            content = None
        if path is None or content is None:
            return self.send_error(HTTPStatus.NOT_FOUND)
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", KINDS.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if body:
            self.wfile.write(content)


def serve(folder: Path, *, port: int = 0) -> tuple[Server, str]:
    """A server that waits for `run`, and the address to open. port: 0 for any that is free."""
    if not folder.is_dir():
        raise PageError(f"there is no folder {folder}: physbench leaderboard build --out {folder} makes it")
    try:
        server = Server(folder, port)
    except (OSError, OverflowError) as error:
        raise PageError(f"port {port} cannot be listened on ({getattr(error, 'strerror', None) or error}): choose another") from None
    return server, f"http://{LOOPBACK}:{server.server_port}/"
