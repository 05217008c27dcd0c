"""The server: loopback alone, the files of one folder alone, to be read alone."""

from __future__ import annotations

import http.client
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from physbench_leaderboard.page import PageError
from physbench_leaderboard.serve import Server, serve


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Server]:
    folder = tmp_path / "site"
    (folder / "more").mkdir(parents=True)
    (folder / "index.html").write_text("<p>the page</p>")
    (folder / "more" / "table.csv").write_text("a,b\n")
    (folder / "what").write_bytes(b"\x00\x01")
    (tmp_path / "secret.txt").write_text("a secret")
    (folder / "out.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "up").symlink_to(tmp_path)
    server, _ = serve(folder)
    thread = threading.Thread(target=server.run)
    thread.start()
    yield server
    server.shutdown()
    thread.join()


def asked(server: Server, target: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    """The target goes over the wire as it stands here."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    connection.putrequest(method, target, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    found = answer.status, dict(answer.getheaders()), answer.read()
    connection.close()
    return found


def test_the_files_of_the_folder_are_served_as_what_they_are(served: Server) -> None:
    for target, kind, content in [
        ("/", "text/html; charset=utf-8", b"<p>the page</p>"),
        ("/index.html?a=b", "text/html; charset=utf-8", b"<p>the page</p>"),
        ("/more/table.csv", "text/csv; charset=utf-8", b"a,b\n"),
        ("/what", "application/octet-stream", b"\x00\x01"),
    ]:
        for method in ("GET", "HEAD"):
            status, headers, body = asked(served, target, method)
            assert (status, headers["Content-Type"], headers["Content-Length"]) == (200, kind, str(len(content)))
            assert body == (content if method == "GET" else b"") and headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "target",
    ["/../secret.txt", "/%2e%2e/secret.txt", "/more/../../secret.txt", "/..%2fsecret.txt", "/..%5csecret.txt", "/out.txt", "/up/secret.txt", "/up/",
     "//etc/passwd", "/%2fetc/passwd", "/etc/passwd", "/C:/secret.txt", "/index.html%00", "/nothing", "/more/", "/%ff", "/" + "a" * 5_000],
)  # fmt: skip
def test_nothing_else_is_to_be_had(served: Server, target: str) -> None:
    status, _, body = asked(served, target)
    assert status == 404 and b"secret" not in body.replace(target.encode(), b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_it_is_read_alone(served: Server, method: str) -> None:
    assert asked(served, "/", method)[0] == 501


def test_a_page_elsewhere_whose_name_points_here_gets_no_answer(served: Server) -> None:
    assert asked(served, "/", Host="evil.example")[0] == 421
    assert asked(served, "/", Host=f"evil.example:{served.server_port}")[0] == 421
    assert asked(served, "/", Host=f"localhost:{served.server_port}")[0] == 200


def test_only_the_loopback_address_listens(served: Server) -> None:
    assert served.server_address[0] == "127.0.0.1" and served.socket.getsockname()[0] == "127.0.0.1"
    with pytest.raises(OSError), socket.create_connection(("127.0.0.2", served.server_port), timeout=2):
        pass


def test_what_cannot_be_served_is_said(served: Server, tmp_path: Path) -> None:
    with pytest.raises(PageError, match="there is no folder .*nowhere"):
        serve(tmp_path / "nowhere")
    with pytest.raises(PageError, match=f"port {served.server_port} cannot be listened on"):
        serve(tmp_path, port=served.server_port)
    with pytest.raises(PageError, match="port 70000"):
        serve(tmp_path, port=70_000)


def test_ctrl_c_ends_it_even_while_somebody_is_connected(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("here")
    code = "import sys, pathlib\nfrom physbench_leaderboard.serve import serve\nserver, url = serve(pathlib.Path(sys.argv[1]))\n"
    code += "print(url, flush=True)\nserver.run()"
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout
    url = process.stdout.readline().strip()
    with urllib.request.urlopen(url, timeout=20) as answer:
        assert answer.read() == b"here"
    port = int(url.rstrip("/").rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)):
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 0 and errors == ""
