"""The index of a dataset that lies in shards: a JSON file in their folder that names each of them.

A shard is an ordinary dataset file with consecutive sequences of one split. The index says which, and carries the
digest of the whole. It can be a stranger's, so nothing in it is believed before it is checked: every shard must lie in
the folder of the index, and the shards must follow one another without gaps.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from physbench.errors import DamagedFile, HostileFile, StorageError
from physbench.files import read_regular_file, write_whole
from physbench.plainjson import dump
from physbench.recipe import MAX_SEQUENCES, SPLITS
from physbench.scene import Span
from physbench.storage.admit import require_object
from physbench.storage.layout import BLOCK

INDEX = "index.json"
"""The name of an index in the folder of its shards."""

FORMAT = "physbench-index"
VERSION = 1
MOST_BYTES = 1 << 27
"""Of an index: enough for half a million shards."""

FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}")
TEXTS = ("dataset", "recipe", "recipe_sha256", "content_sha256", "created_with")


@dataclass(frozen=True)
class Shard:
    """A dataset file with a part of the sequences."""

    file: str
    """Its name, in the folder of the index."""
    split: str
    start: int
    stop: int
    events: int
    """Rows in its table of events."""
    bytes: int
    content_sha256: str

    @property
    def span(self) -> Span:
        return Span(self.split, self.start, self.stop)


@dataclass(frozen=True)
class ShardIndex:
    """What a dataset in shards says of itself. The texts are those that a dataset file has as attributes."""

    dataset: str
    recipe: str
    recipe_sha256: str
    content_sha256: str
    created_with: str
    digests: Mapping[str, str]  # per split
    shards: Sequence[Shard]

    @property
    def splits(self) -> dict[str, int]:
        """Count the sequences of each split."""
        return {shard.split: shard.stop for shard in self.shards}

    def shard_recipe(self, shard: Shard) -> str:
        """Write the recipe that the file of a shard carries."""
        whole = json.loads(self.recipe)
        splits = {shard.split: shard.stop - shard.start}
        excerpt = {"start": shard.start, "of": whole["splits"]}
        return json.dumps({**whole, "splits": splits, "excerpt": excerpt}, sort_keys=True, separators=(",", ":"))

    def write(self, folder: Path) -> Path:
        """Write the index into the folder of its shards, whole or not at all."""
        content = {"format": FORMAT, "format_version": VERSION, **asdict(self)}
        write_whole(folder / INDEX, dump(content) + "\n")
        return folder / INDEX


def find_index(path: Path) -> Path | None:
    """Return the index that a path leads to: itself, or the one in the folder; None where it leads to neither."""
    if path.is_dir():
        return path / INDEX if (path / INDEX).exists() else None
    return path if path.suffix == ".json" else None


def read_index(path: Path) -> ShardIndex:
    """Read an index, and refuse one that contradicts itself."""
    try:
        told = json.loads(read_regular_file(path, MOST_BYTES))
    except (ValueError, RecursionError):
        raise HostileFile(f"{path} is not the index of a dataset in shards: it is not JSON") from None
    if not isinstance(told, dict) or (content := cast("dict[str, Any]", told)).get("format") != FORMAT:
        raise StorageError(f"{path} is not the index of a dataset in shards: its format is not {FORMAT!r}")
    if content.get("format_version") != VERSION:
        version = str(content.get("format_version"))[:40]
        raise HostileFile(f"{path} has format version {version}; this physbench reads version {VERSION}")
    texts = {name: _require_text(content, name, path) for name in TEXTS}
    for name in ("recipe", "created_with"):
        require_object(texts[name], f"{path}: {name!r}")
    splits = _require_recipe(texts, path)
    digests: Any = content.get("digests")
    if not isinstance(digests, dict) or set(cast("dict[str, Any]", digests)) != set(splits):
        raise HostileFile(f"{path}: its digests are not those of {', '.join(splits)}")
    digests = {split: _require_text(cast("dict[str, Any]", digests), split, path) for split in splits}
    rows: Any = content.get("shards")
    if not isinstance(rows, list) or not rows:
        raise HostileFile(f"{path} names no shards")
    shards = [_read_shard(row, path) for row in cast("list[Any]", rows)]
    _require_whole(shards, splits, path)
    return ShardIndex(**texts, digests=digests, shards=shards)


def _require_text(content: Mapping[str, Any], name: str, path: Path) -> str:
    text = content.get(name)
    if not isinstance(text, str) or not text.isprintable() or len(text) > 1 << 16:
        raise HostileFile(f"{path}: {name!r} is not a text")
    return text


def _require_recipe(texts: Mapping[str, str], path: Path) -> dict[str, int]:
    """The number of sequences of each split, by the recipe."""
    try:
        recipe = json.loads(texts["recipe"])
        splits: Any = recipe["splits"]
        parameters: Any = recipe.get("parameters", {})
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        raise HostileFile(f"{path}: its recipe is not one") from None
    if hashlib.sha256(texts["recipe"].encode()).hexdigest() != texts["recipe_sha256"]:
        raise DamagedFile(f"{path}: the recipe is not what its digest says")
    if not isinstance(splits, dict) or not isinstance(parameters, dict) or not splits or "excerpt" in recipe:
        raise HostileFile(f"{path}: its recipe is not that of a whole dataset")
    counts = cast("dict[str, Any]", splits)
    if any(type(count) is not int or not 0 < count < MAX_SEQUENCES for count in counts.values()):
        raise HostileFile(f"{path}: its recipe has a split whose size is not a whole number from 1 to 2^32 - 1")
    if unknown := [name for name in counts if name not in SPLITS]:
        raise HostileFile(f"{path}: its recipe has a split {unknown[0][:40]!r}, which the format does not know")
    return {split: counts[split] for split in SPLITS if split in counts}


def _read_shard(row: Any, path: Path) -> Shard:
    try:
        shard = Shard(**row)
    except TypeError:
        raise HostileFile(f"{path} describes a shard by other fields than the format has") from None
    kinds = {"file": str, "split": str, "content_sha256": str, "start": int, "stop": int, "events": int, "bytes": int}
    if any(type(getattr(shard, name)) is not kind for name, kind in kinds.items()):
        raise HostileFile(f"{path} describes a shard by values of the wrong type")
    if not FILE.fullmatch(shard.file):
        raise HostileFile(f"{path} names a shard {shard.file[:60]!r}: shards are files in the folder of the index")
    if not 0 <= shard.start < shard.stop < MAX_SEQUENCES or not 0 <= shard.events < 1 << 62:
        raise HostileFile(f"{path}: the numbers of shard {shard.file} are out of range")
    return shard


def _require_whole(shards: Sequence[Shard], splits: Mapping[str, int], path: Path) -> None:
    """The shards of each split follow one another from 0 to its end, cut between blocks; each is another file."""
    if len({shard.file for shard in shards}) != len(shards):
        raise HostileFile(f"{path} names a shard twice")
    ends: dict[str, int] = {}
    for shard in shards:
        if shard.start != ends.get(shard.split, 0) or shard.start % BLOCK:
            raise HostileFile(f"{path}: the shards of {shard.split[:40]} do not follow one another at {shard.file}")
        ends[shard.split] = shard.stop
    if list(ends) != list(splits) or ends != splits:
        raise HostileFile(f"{path}: the shards do not hold the sequences that its recipe makes")
