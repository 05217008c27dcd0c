"""Builders of dataset files from any arrays, and of what identifies a file."""

from __future__ import annotations

import zlib
from hashlib import sha256
from pathlib import Path
from typing import Any

import h5py

from physbench.recipe import Recipe
from physbench.scene import Scenes, Streams
from physbench.storage.block import block_of, spans
from physbench.storage.journal import DatasetJournal
from physbench.storage.writer import seal, workings_of
from tests.oracles.contract import canonical_text, digest_of


def digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def content(path: Path) -> str:
    with h5py.File(path) as file:
        return str(file.attrs["content_sha256"])


def alone_in(directory: Path, *paths: Path) -> None:
    assert sorted(directory.iterdir()) == sorted(paths)


def write(recipe: Recipe, path: Path, scenes: dict[str, Scenes], compress: Any = zlib.compress) -> Path:
    """Whatever the arrays hold, as a file with honest digests, by the project's own writer."""
    journal = DatasetJournal(recipe, workings_of(path))
    for span in spans(recipe):
        assert len(span) == recipe.splits[span.split]
        one = scenes[span.split]
        arrays = one.arrays()
        streams = {
            name: Streams.of([compress(array.tobytes(), 1) for array in arrays.pop(name)])
            for name in ("features", "groups", "collisions")
        }
        journal.append(block_of(recipe, span, streams, Scenes(truth=arrays, events=one.events)))
    seal(journal, path)
    return path


def put_digests_right(path: Path) -> Path:
    """After whatever was done to the arrays: a liar who knows the contract."""
    with h5py.File(path, "r+") as file:
        texts = {
            split: canonical_text(file[split], split) for split in ("training", "validation", "test") if split in file
        }
        for split, text in texts.items():
            file[split].attrs["content_sha256"] = digest_of(text)
        file.attrs["content_sha256"] = digest_of("".join(texts.values()))
    return path
