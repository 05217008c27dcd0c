"""Programs with models for the other end of a pipe, and a check that nothing of them is left."""

from __future__ import annotations

import os
import shlex
import sys
import time
from pathlib import Path

import physbench

EXAMPLES = Path(physbench.__file__).parent.parent / "examples"
COPY = shlex.join([sys.executable, str(EXAMPLES / "pipe_copy.py")])

CLIENT = """
import json, math, os, signal, subprocess, sys, time
import numpy as np
sys.path.insert(0, {examples!r})
from pipe_copy import ANSWERS, receive, send

def say(data):
    ANSWERS.write(data)
    ANSWERS.flush()

def messages():
    while (message := receive())[0]:
        yield message

HELLO = {{"name": "mine", "likelihood": {{"kind": "bernoulli"}}}}
"""


def client(code: str, *words: str) -> str:
    """The command of a model of which this is the code."""
    Path("client.py").write_text(CLIENT.format(examples=str(EXAMPLES)) + code)
    return shlex.join([sys.executable, "client.py", *words])


def pids() -> list[int]:
    """What a client wrote into the file of this name: itself and its offspring."""
    return [int(pid) for pid in Path("pids").read_text().split()]


def require_gone(pids: list[int]) -> None:
    """A killed process may take a moment to vanish."""
    deadline = time.monotonic() + 10
    while alive := [pid for pid in pids if is_alive(pid)]:
        assert time.monotonic() < deadline, f"left behind: {alive}"
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    """Return whether a process is alive. A dead one stays as a zombie until it is waited for."""
    state = Path(f"/proc/{pid}/stat")
    try:
        os.kill(pid, 0)
        return not state.exists() or state.read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False
