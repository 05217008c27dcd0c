"""The page at an address of this machine alone. It opens from its file too; a server is for browsers that run
elsewhere, behind a tunnel."""

import io
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from physbench.errors import StorageError
from physbench.files import require_regular_file
from physbench_leaderboard.board_page import NAME, PageError

LOOPBACK = "127.0.0.1"


class PageHandler(SimpleHTTPRequestHandler):
    """Give away one page, and not to a page of another name that points here."""

    timeout = 30  # seconds without a word

    def send_head(self) -> io.BytesIO | None:  # type: ignore[override]
        if self.headers.get("Host", "").partition(":")[0] not in (LOOPBACK, "localhost"):
            return self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
        if self.path.partition("?")[0] not in ("/", f"/{NAME}"):
            return self.send_error(HTTPStatus.NOT_FOUND)
        self.path = f"/{NAME}"  # never a list of the folder
        return super().send_head()  # type: ignore[return-value]

    def log_message(self, format: str, *args: object) -> None:
        """Keep the terminal clean."""


def serve(folder: Path, *, port: int = 0) -> tuple[ThreadingHTTPServer, str]:
    """Return a server to run with `serve_forever`, and the address to open. port: 0 for any that is free."""
    try:
        require_regular_file(folder / NAME)
        server = ThreadingHTTPServer((LOOPBACK, port), partial(PageHandler, directory=str(folder)))
    except StorageError as error:
        raise PageError(f"{error}: physbench leaderboard build --out {folder} makes it") from None
    except (OSError, OverflowError) as error:
        raise PageError(
            f"port {port} cannot be listened on ({getattr(error, 'strerror', None) or error}): choose another"
        ) from None
    return server, f"http://{LOOPBACK}:{server.server_port}/"
