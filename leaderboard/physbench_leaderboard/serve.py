"""A server that shows the page on this machine only.

The page can also be opened as a file. A server is useful if the browser runs elsewhere and connects through a tunnel.
"""

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
    """A request handler that serves one page, and only to requests for this machine's own name."""

    timeout = 30  # seconds to wait for a request

    def send_head(self) -> io.BytesIO | None:  # type: ignore[override]
        """Send the page, or an error for any other path or host name."""
        if self.headers.get("Host", "").partition(":")[0] not in (LOOPBACK, "localhost"):
            return self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
        if self.path.partition("?")[0] not in ("/", f"/{NAME}"):
            return self.send_error(HTTPStatus.NOT_FOUND)
        self.path = f"/{NAME}"  # never a list of the folder
        return super().send_head()  # type: ignore[return-value]

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing, to keep the terminal clean."""


def serve(folder: Path, *, port: int = 0) -> tuple[ThreadingHTTPServer, str]:
    """Return a server to run with `serve_forever`, and the address to open. port: 0 for any free port."""
    try:
        require_regular_file(folder / NAME)
        server = ThreadingHTTPServer((LOOPBACK, port), partial(PageHandler, directory=str(folder)))
    except StorageError as error:
        raise PageError(f"{error}: make it with physbench leaderboard build --out {folder}") from None
    except (OSError, OverflowError) as error:
        raise PageError(
            f"port {port} cannot be listened on ({getattr(error, 'strerror', None) or error}): choose another"
        ) from None
    return server, f"http://{LOOPBACK}:{server.server_port}/"
