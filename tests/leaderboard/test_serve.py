"""The server: loopback alone, one page alone, to be read alone."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import pytest

from physbench_leaderboard.page import PageError
from physbench_leaderboard.serve import MOST_CONNECTIONS, Server, serve

LARGE = 3 << 20


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Server]:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "index.html").write_text("<p>the page</p>")
    (folder / "secret.txt").write_text("a secret")
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


def said(server: Server, request: bytes) -> bytes:
    """What comes back for these bytes, to the end."""
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=20) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(1 << 16), b""))


def test_the_page_is_served_and_read_again_each_time(served: Server) -> None:
    for content in (b"<p>the page</p>", bytes(LARGE)):
        served.page.write_bytes(content)
        for target, method in product(("/", "/index.html", "/index.html?a=b", "/?x#y"), ("GET", "HEAD")):
            status, headers, body = asked(served, target, method)
            assert (status, headers["Content-Type"], headers["Content-Length"]) == (200, "text/html; charset=utf-8", str(len(content)))
            assert body == (content if method == "GET" else b"") and headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "target",
    ["/secret.txt", "/../secret.txt", "/%2e%2e/secret.txt", "/./index.html", "//etc/passwd", "/%2fetc/passwd", "/etc/passwd", "/C:/secret.txt",
     "/index.html%00", "/nothing", "/%ff", "/" + "a" * 5_000],
)  # fmt: skip
def test_nothing_else_is_to_be_had(served: Server, target: str) -> None:
    status, _, body = asked(served, target)
    assert status == 404 and b"secret" not in body.replace(target.encode(), b"")


def test_a_page_that_is_gone_or_no_file_any_more_is_not_waited_for(served: Server) -> None:
    served.page.unlink()
    assert asked(served, "/")[0] == 404
    os.mkfifo(served.page)
    assert asked(served, "/")[0] == 404


@pytest.mark.parametrize(
    "request_line",
    [
        b"GET http://[ HTTP/1.1",
        b"GET http://[::1 HTTP/1.1",
        b"GET",
        b"GET / HTTP/x",
        b"GET / HTTP/1.1 more",
        b"\xff\xfe",
        b"GET \x00 HTTP/1.1",
        b"GET * HTTP/1.1",
    ],
)
def test_what_is_no_request_is_answered_and_printed_nowhere(served: Server, capfd: pytest.CaptureFixture[str], request_line: bytes) -> None:
    answer = said(served, request_line + b"\r\nHost: localhost:%d\r\n\r\n" % served.server_port)
    assert b"400" in answer.splitlines()[0] or b"Error code: 400" in answer
    assert capfd.readouterr().err == ""


def test_who_goes_away_in_the_middle_is_no_news(served: Server, capfd: pytest.CaptureFixture[str]) -> None:
    served.page.write_bytes(bytes(30 << 20))
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", served.server_port), timeout=20) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost:%d\r\n\r\n" % served.server_port)
            connection.recv(100)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # closed at once, with a reset
    until(lambda: threads_at_work() == 0)
    assert capfd.readouterr().err == ""


def test_a_connection_ends_in_time_even_if_something_drips(served: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("physbench_leaderboard.serve.PATIENCE", 1.0)
    with socket.create_connection(("127.0.0.1", served.server_port), timeout=20) as connection:
        for _ in range(200):
            try:
                connection.sendall(b"X")
            except OSError:
                break
            time.sleep(0.1)
        else:
            pytest.fail("it was still listened to after 20 s of dripping")
    until(lambda: threads_at_work() == 0)


def test_so_many_connections_at_a_time_and_free_again_afterwards(served: Server) -> None:
    waiting = [socket.create_connection(("127.0.0.1", served.server_port), timeout=20) for _ in range(MOST_CONNECTIONS)]
    until(lambda: threads_at_work() == MOST_CONNECTIONS)
    with socket.create_connection(("127.0.0.1", served.server_port), timeout=20) as one_more:
        assert one_more.recv(1) == b"", "closed without a thread"
    for connection in waiting:
        connection.close()
    until(lambda: threads_at_work() == 0)
    assert asked(served, "/")[0] == 200


def threads_at_work() -> int:
    return sum("process_request_thread" in thread.name for thread in threading.enumerate())


def until(holds: Callable[[], bool]) -> None:
    for _ in range(1_000):
        if holds():
            return
        time.sleep(0.02)
    pytest.fail("it did not come to that")


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
    with pytest.raises(PageError, match="there is no file .*nowhere.*leaderboard build --out .*nowhere makes it"):
        serve(tmp_path / "nowhere")
    with pytest.raises(PageError, match=f"port {served.server_port} cannot be listened on"):
        serve(served.page.parent, port=served.server_port)
    with pytest.raises(PageError, match="port 70000"):
        serve(served.page.parent, port=70_000)


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
