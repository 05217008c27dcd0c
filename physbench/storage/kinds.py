"""What a file is that is no dataset, and which command takes it: for errors that point to the right command."""

OTHER_FORMATS = {
    "physbench-inputs": "the inputs of a suite, written by `physbench export`; a program of yours reads them"
    " (docs/predictions.md)",
    "physbench-predictions": "predictions of a model: `physbench score FILE` scores them",
}
"""HDF5 files of physbench that are no datasets, by their attribute `format`."""

MAGIC = (
    (b"PK\x03\x04", "a zip archive, such as .npz (`physbench compare` takes two that eval wrote with --per-sequence)"),
    (b"\x1f\x8b", "a gzip file"),
    (b"\x80", "a pickle"),
    (b"\x89PNG", "a picture"),
    (b"GIF8", "a picture"),
    (b"suite,suite_version,", "a table of scores: `physbench leaderboard check FILE` reads it"),
)

LONGEST = 64
"""How many bytes from the beginning of a file are looked at."""


def describe_beginning(start: bytes) -> str:
    """Say what a file looks like that begins with these bytes and is not HDF5.

    >>> describe_beginning(b"PNG")
    "it begins with b'PNG'"
    """
    if not start:
        return "it is empty"
    if start.lstrip().lower().startswith((b"<!doctyp", b"<html")):
        return "it looks like a web page, perhaps an error message saved under this name"
    if start[8:10] == b'{"' and int.from_bytes(start[:8], "little") < 1 << 32:
        return "it looks like the weights of a model (safetensors): `physbench eval FILE` scores them"
    for magic, kind in MAGIC:
        if start.startswith(magic):
            return f"it looks like {kind}"
    return f"it begins with {start[:8]!r}"
