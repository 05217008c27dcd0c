"""A process that reads a file with flipped bytes and reports what happens. It may crash or hang."""

from __future__ import annotations

import json
import select
import subprocess
import sys
from pathlib import Path

JUDGE = """
import faulthandler, json, resource, sys, zlib
faulthandler.enable()
resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
import h5py, numpy as np, physbench
path, good = sys.argv[1], None
def everything():
    physbench.verify(path)
    file = physbench.open(path)
    arrays = [(split, name, array.tobytes()) for split in file for name, array in file[split][:].items()]
    rows = [(split, i, {k: v.tobytes() for k, v in file[split].events(i).items()}) for split in file for i in range(len(file[split]))]
    plain = []
    with h5py.File(path) as other:
        other.visititems(lambda name, item: plain.append((name, item[()].tobytes())) if isinstance(item, h5py.Dataset) else None)
    return arrays, rows, plain, file.attributes["content_sha256"], file.attributes["recipe"]
def use():
    file = physbench.open(path)
    for split in file:
        file[split][:]
        for i in range(len(file[split])): file[split].events(i)
sound = open(path, "rb").read()
good = everything()
for line in sys.stdin:
    spoiled = bytearray(sound)
    for at, value in json.loads(line):
        spoiled[at] ^= value
    open(path, "wb").write(spoiled)
    try:
        answer = "equal" if everything() == good else "different"
    except physbench.PhysbenchError as error:
        answer = "refused" if len(str(error).splitlines()) == 1 else "refused in many lines"
    except Exception as error:
        answer = f"verify: {type(error).__name__}: {error}".splitlines()[0]
    try:
        use()
    except physbench.PhysbenchError:
        pass
    except Exception as error:
        answer = f"read: {type(error).__name__}: {error}".splitlines()[0]
    print(answer, flush=True)
"""


class Judge:
    """What physbench makes of a file with some bytes flipped, told by another process."""

    def __init__(self, path: Path) -> None:
        self.path, self.sound = path, path.read_bytes()
        self.process: subprocess.Popen[str] | None = None

    def __call__(self, flips: list[tuple[int, int]]) -> str:
        if self.process is None:
            self.path.write_bytes(self.sound)
            self.process = subprocess.Popen(
                [sys.executable, "-c", JUDGE, str(self.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps(flips) + "\n")
        self.process.stdin.flush()
        ready, _, _ = select.select([self.process.stdout], [], [], 20)
        answer = self.process.stdout.readline().strip() if ready else "hangs"
        if not answer or answer == "hangs":
            self.close()
            return answer or "crashes"
        return answer

    def close(self) -> None:
        if self.process:
            self.process.kill()
            self.process.communicate()
            self.process = None
