"""A child process that runs a command and exchanges bytes with this process.

Whatever the child does, no exchange takes longer than its timeout or more memory than its answer, and in the end no
process of its process group is left.
"""

from __future__ import annotations

import contextlib
import math
import os
import selectors
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

from physbench.errors import ModelError
from physbench.evaluation.messages import LONGEST_HEADER, excerpt
from physbench.printable import printable

Size = Callable[[bytes], int]

TIMEOUT = 120.0
"""Seconds that a child has for an answer, by default. The first answer includes the time for loading."""

PATIENCE = 5.0
"""Seconds that a child has to end after its standard input was closed."""

LAST_GASP = 1.0
"""Seconds of silence after which we check whether a child has ended; also the seconds that a child has to end after it
closed a pipe."""

GLANCE = 0.05
"""Seconds between two checks whether a child has ended."""

PIECE = 1 << 18
"""Bytes that are read or written at a time."""

LONGEST_TAIL, MOST_LINES, LONGEST_LINE = 1 << 13, 30, 200
"""How many bytes of the standard error of a child are kept; how many lines, and characters of each line, are shown."""


class Child:
    """A process in a separate process group that answers one question at a time."""

    def __init__(self, command: str, *, timeout: float = TIMEOUT) -> None:
        if not 0 < timeout < math.inf:
            raise ModelError(f"a timeout is a number of seconds above 0, not {timeout:g}")
        self.command = command
        self.timeout = timeout
        self._failure: str | None = None
        self._answered = self._gone = False
        self._tail = b""
        self._process = _spawn(command)
        self._selector = selectors.DefaultSelector()
        self._stdin, self._stdout, self._stderr = (pipe.fileno() for pipe in self._pipes())
        for pipe in (self._stdin, self._stdout, self._stderr):
            os.set_blocking(pipe, False)
        self._selector.register(self._stdout, selectors.EVENT_READ)
        self._selector.register(self._stderr, selectors.EVENT_READ)

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let the child end by itself if there was no error, and kill it otherwise."""
        if kind is None:
            self.close()
        else:
            self.kill()

    def __str__(self) -> str:
        text = printable(" ".join(self.command.split()))
        return text if len(text) <= LONGEST_LINE else f"{text[:LONGEST_LINE]}..."

    def exchange(self, question: Sequence[memoryview], size: Size, topic: str) -> tuple[bytes, bytearray]:
        """Send a question; return the first line of the answer and the bytes that follow it.

        size: a function that reads from that line how many bytes follow. topic: the question in words, for error
        messages. Any failure ends the process.
        """
        if self._failure is not None:
            raise ModelError(self._failure)
        try:
            return self._exchange([piece for piece in question if piece.nbytes], size, topic)
        except ModelError as error:
            self._failure = f"{self}: {error}"
            self.kill()
            raise ModelError(self._failure) from None
        except BaseException:
            self._failure = f"{self}: it was stopped"
            self.kill()
            raise

    def close(self) -> None:
        """Close the standard input of the child and wait until it ends; if it does not, kill its process group."""
        try:
            if self._gone:
                return
            self._pipes()[0].close()
            deadline = time.monotonic() + PATIENCE
            while self._process.poll() is None and (left := deadline - time.monotonic()) > 0:
                for key, _ in self._selector.select(min(left, GLANCE)):
                    self._read(key.fd)  # what it still writes is not used, but a full pipe would block the child
        finally:
            self.kill()

    def kill(self) -> None:
        """Kill the child and its process group."""
        if self._gone:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):  # when no process of the group is left
            os.killpg(self._process.pid, signal.SIGKILL)
        self._pipes()[0].close()  # a process of another user cannot be killed, but sees the end of its input
        self._wait(PATIENCE)
        self._drain()
        self._gone = True
        self._selector.close()
        for pipe in self._pipes():
            pipe.close()

    def last_words(self) -> list[str]:
        """Return the last lines that the child wrote to its standard error, safe to print."""
        if not self._gone:
            self._drain()
        lines = [line for line in self._tail.decode("utf-8", "replace").splitlines() if line.strip()]
        return [printable(line.expandtabs(4))[:LONGEST_LINE] for line in lines[-MOST_LINES:]]

    def _exchange(self, outgoing: list[memoryview], size: Size, topic: str) -> tuple[bytes, bytearray]:
        deadline = time.monotonic() + self.timeout
        received, line, body_size = bytearray(), b"", None
        if self._answered and (early := self._read(self._stdout)):
            raise ModelError(f"it spoke before it was asked {topic}: {excerpt(early)}")
        self._selector.register(self._stdin, selectors.EVENT_WRITE)
        while outgoing or body_size is None or len(received) < body_size:
            left = deadline - time.monotonic()
            if left <= 0:
                raise ModelError(f"it did not answer {topic} within {self.timeout:g} seconds (--timeout)")
            ready = self._selector.select(min(left, LAST_GASP))
            if not ready and self._process.poll() is not None:  # a process that it started may hold the pipes open
                raise ModelError(self._half_an_answer(topic, len(received), body_size))
            for key, _ in ready:
                if key.fd == self._stdin:
                    self._write(outgoing, topic)
                elif key.fd == self._stderr:
                    self._read(key.fd)
                else:
                    missing = (LONGEST_HEADER if body_size is None else body_size) - len(received)
                    received += self._read(key.fd, missing + 1) or b""
            if self._stdout not in self._selector.get_map():
                raise ModelError(self._half_an_answer(topic, len(received), body_size))
            if body_size is None and (found := _split_line(received)):
                line = found
                del received[: len(line)]
                body_size = size(line)
            if body_size is not None and len(received) > body_size:
                surplus = excerpt(bytes(received[body_size:]))
                raise ModelError(f"it said more than its answer to {topic}: {surplus} is left over")
        self._answered = True
        return line, received

    def _write(self, outgoing: list[memoryview], topic: str) -> None:
        try:
            written = os.write(self._stdin, outgoing[0][:PIECE])
        except BlockingIOError:
            return
        except BrokenPipeError:
            raise ModelError(f"{self._ending('input')} before it had read {topic}") from None
        outgoing[0] = outgoing[0][written:]
        if not outgoing[0]:
            outgoing.pop(0)
        if not outgoing:
            self._forget(self._stdin)

    def _read(self, pipe: int, most: int = PIECE) -> bytes | None:
        """Return some bytes, or None if none are ready. A pipe that has ended is not watched any more."""
        try:
            data = os.read(pipe, min(most, PIECE))
        except BlockingIOError:
            return None
        if not data:
            self._forget(pipe)
        if pipe == self._stderr:
            self._tail = (self._tail + data)[-LONGEST_TAIL:]
        return data

    def _drain(self) -> None:
        """Read what is left in the pipe of the standard error, up to a limit: a process may still be writing to it."""
        for _ in range(64):
            if self._stderr not in self._selector.get_map() or not self._read(self._stderr):
                return

    def _half_an_answer(self, topic: str, received: int, body_size: int | None) -> str:
        if body_size is None:
            return f"{self._ending('output')} before it had answered {topic}"
        return f"{self._ending('output')} after {received:,} of the {body_size:,} bytes of its answer to {topic}"

    def _ending(self, pipe: str) -> str:
        """Say in words how the child ended."""
        code = self._wait(LAST_GASP)
        if code is None:
            return f"it closed its standard {pipe}"
        if code < 0:
            return f"it was killed by signal {-code} ({signal.strsignal(-code) or 'unknown'})"
        return f"it ended with exit code {code}"

    def _wait(self, seconds: float) -> int | None:
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def _forget(self, pipe: int) -> None:
        if pipe in self._selector.get_map():
            self._selector.unregister(pipe)

    def _pipes(self) -> list[Any]:
        return [self._process.stdin, self._process.stdout, self._process.stderr]


def split_command(command: str) -> list[str]:
    """Split a command into words as a shell would. No shell ever sees it."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ModelError(f"{command!r} is no command: {error}") from None
    if not words:
        raise ModelError("the command is empty: give the program of a model and its arguments")
    return words


def _spawn(command: str) -> subprocess.Popen[bytes]:
    words = split_command(command)
    pipe = subprocess.PIPE
    try:
        return subprocess.Popen(words, bufsize=0, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True)
    except FileNotFoundError:
        raise ModelError(f"there is no program {words[0]!r} to run") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise ModelError(f"{words[0]!r} cannot be run: {reason}") from None


def _split_line(received: bytearray) -> bytes | None:
    """Return the first line of the bytes, or None if it is not complete yet."""
    end = received.find(b"\n", 0, LONGEST_HEADER)
    if end < 0 and len(received) >= LONGEST_HEADER:
        beginning = excerpt(bytes(received))
        raise ModelError(f"the first line of its answer is longer than {LONGEST_HEADER:,} bytes: {beginning}")
    return bytes(received[: end + 1]) if end >= 0 else None
