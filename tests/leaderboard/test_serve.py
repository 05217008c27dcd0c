"""Tests of the server: it listens on loopback only, and serves only one page, for reading."""

from __future__ import annotations

import http.client
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from itertools import product
from pathlib import Path

import pytest

from physbench_leaderboard.board_page import PageError
from physbench_leaderboard.serve import serve


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    (folder / "other").mkdir(parents=True)
    (folder / "index.html").write_text("<p>the page</p>")
    for name in ("secret.txt", "other/index.html"):
        (folder / name).write_text("a secret")
    return folder


@pytest.fixture
def server(site: Path) -> Iterator[ThreadingHTTPServer]:
    server, _ = serve(site)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def answer(server: ThreadingHTTPServer, target: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
    """The target goes over the wire as it stands here."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    connection.putrequest(method, target, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    response = connection.getresponse()
    found = response.status, response.read()
    connection.close()
    return found


def test_the_page_is_served_and_read_again_each_time(server: ThreadingHTTPServer, site: Path) -> None:
    for content in (b"<p>the page</p>", bytes(3 << 20)):
        (site / "index.html").write_bytes(content)
        for target, method in product(("/", "/index.html", "/index.html?a=b", "/?x#y"), ("GET", "HEAD")):
            assert answer(server, target, method) == (200, content if method == "GET" else b"")


@pytest.mark.parametrize(
    "target",
    ["/secret.txt", "/../secret.txt", "/%2e%2e/secret.txt", "/./index.html", "/other/", "/other", "//etc/passwd", "/%2fetc/passwd", "/etc/passwd",
     "/index.html%00", "/nothing", "/%ff", "/" + "a" * 5_000],
)  # fmt: skip
def test_the_server_has_no_other_page(server: ThreadingHTTPServer, target: str) -> None:
    status, body = answer(server, target)
    assert status == 404 and b"secret" not in body.replace(target.encode(), b"")


def test_a_page_that_is_gone_is_not_replaced_by_a_list_of_the_folder(server: ThreadingHTTPServer, site: Path) -> None:
    (site / "index.html").unlink()
    status, body = answer(server, "/")
    assert b"secret" not in body and status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_the_server_only_answers_reads(server: ThreadingHTTPServer, method: str) -> None:
    assert answer(server, "/", method)[0] == 501


def test_a_page_elsewhere_whose_name_points_here_gets_no_answer(server: ThreadingHTTPServer) -> None:
    for host in ("evil.example", f"evil.example:{server.server_port}", ""):
        assert answer(server, "/", Host=host)[0] == 421
    assert answer(server, "/", Host=f"localhost:{server.server_port}")[0] == 200


def test_only_the_loopback_address_listens(server: ThreadingHTTPServer) -> None:
    assert server.socket.getsockname()[0] == "127.0.0.1"
    with pytest.raises(OSError), socket.create_connection(("127.0.0.2", server.server_port), timeout=2):
        pass


def test_a_page_that_cannot_be_served_is_refused_in_words(server: ThreadingHTTPServer, site: Path) -> None:
    with pytest.raises(
        PageError, match="there is no file .*nowhere.*make it with physbench leaderboard build --out .*nowhere"
    ):
        serve(site / "nowhere")
    with pytest.raises(PageError, match=f"port {server.server_port} cannot be listened on"):
        serve(site, port=server.server_port)
    with pytest.raises(PageError, match="port 70000"):
        serve(site, port=70_000)


def test_ctrl_c_ends_it_even_with_an_open_connection(site: Path) -> None:
    command = [sys.executable, "-m", "physbench", "leaderboard", "serve", "--site", str(site)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout
    url = process.stdout.readline().split()[0]
    with urllib.request.urlopen(url, timeout=20) as page:
        assert page.read() == b"<p>the page</p>"
    with socket.create_connection(("127.0.0.1", int(url.rstrip("/").rpartition(":")[2]))):
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 0 and errors == ""
