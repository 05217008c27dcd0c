"""Predict that nothing moves: the least model that `physbench eval --command "python3 pipe_copy.py"` can score.

Plain Python and NumPy, without physbench. The protocol is in docs/pipe.md.
"""

import json
import math
import os
import sys

import numpy as np

ANSWERS = os.fdopen(os.dup(1), "wb")
os.dup2(2, 1)  # so that nothing that some library prints gets among the answers


def receive():
    """Read a header and its arrays; an empty header at the end."""
    line = sys.stdin.buffer.readline()
    header, arrays = json.loads(line or "{}"), {}
    for entry in header.get("arrays", []):
        dtype = np.dtype(entry["dtype"]).newbyteorder("<")
        data = sys.stdin.buffer.read(math.prod(entry["shape"]) * dtype.itemsize)
        arrays[entry["name"]] = np.frombuffer(data, dtype).reshape(entry["shape"])
    return header, arrays


def send(header, **arrays):
    """Write a header and its arrays, which are little-endian and in C order."""
    entries = [{"name": name, "dtype": array.dtype.name, "shape": array.shape} for name, array in arrays.items()]
    ANSWERS.write(json.dumps({**header, "arrays": entries} if entries else header).encode() + b"\n")
    for array in arrays.values():
        ANSWERS.write(array.astype(array.dtype.newbyteorder("<")).tobytes())
    ANSWERS.flush()


if __name__ == "__main__":
    while (message := receive())[0]:
        header, arrays = message
        if header["ask"] == "hello":
            send({"name": "pipe-copy", "likelihood": {"kind": "bernoulli"}})
        elif header["ask"] == "begin":
            send({})  # a model with a memory empties it here
        else:
            send({}, mean=arrays["frame"])
