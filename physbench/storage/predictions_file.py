"""Files of predictions: what a model says about the test sequences of a suite. A file can be written where the model
runs and scored elsewhere. See docs/predictions.md.

N sequences, S steps, F frames with owner maps, H x W pixels, C channels, K boxes of a frame.
"""

# h5py has no types
# pyright: basic, reportAttributeAccessIssue=false

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from physbench.errors import StorageError
from physbench.files import publish
from physbench.model import MOST_BOXES
from physbench.renamed import find_renamed
from physbench.storage.codec import LEVEL, compress, shuffle
from physbench.storage.foreign import Array, Foreign
from physbench.storage.whole_file import lock_beside, refused_in_words, require_free

FORMAT = "physbench-predictions"
VERSION = 1
CLIP = 1e-6
"""Probabilities are clipped to this distance from 0 and 1 before they become logits."""

ARRAYS = ("mean", "owner", "log_likelihood", "boxes")
LONGEST = 200  # characters of a text


@dataclass(frozen=True, kw_only=True)
class PredictionsHeader:
    """What a file of predictions says about itself."""

    suite: str
    suite_version: int
    size: str
    sequences: int
    model: str
    seed: int
    likelihood: str  # bernoulli or gaussian
    sigma: float | None = None  # gaussian only
    values: str = "probabilities"  # in float32; or logits, in float16, for a bernoulli likelihood only

    def __post_init__(self) -> None:
        for name in ("suite", "size", "model", "likelihood", "values"):
            text = getattr(self, name)
            if not isinstance(text, str) or not 1 <= len(text) <= LONGEST or not text.isprintable():
                raise StorageError(f"{name!r} is a printable text of 1 to {LONGEST} characters, not {str(text)[:40]!r}")
        for name, least in (("suite_version", 1), ("sequences", 1), ("seed", 0)):
            number = getattr(self, name)
            if not isinstance(number, int) or isinstance(number, bool) or not least <= number < 1 << 63:
                raise StorageError(f"{name!r} is a whole number of {least} or more, not {str(number)[:40]!r}")
        if self.likelihood not in ("bernoulli", "gaussian"):
            raise StorageError(f"'likelihood' is bernoulli or gaussian, not {self.likelihood[:40]!r}")
        if self.values not in ("probabilities", "logits"):
            raise StorageError(f"'values' is probabilities or logits, not {self.values[:40]!r}")
        if self.likelihood == "bernoulli" and self.sigma is not None:
            raise StorageError(
                f"'sigma' belongs to a gaussian likelihood; a bernoulli one has none, not {str(self.sigma)[:40]}"
            )
        if self.likelihood == "gaussian":
            if (
                not isinstance(self.sigma, (int, float))
                or isinstance(self.sigma, bool)
                or not 0 < self.sigma < math.inf
            ):
                raise StorageError(f"a gaussian likelihood has a 'sigma' above 0, not {str(self.sigma)[:40]!r}")
            if self.values == "logits":
                raise StorageError("a gaussian likelihood has means as they are, not logits")

    def to_attributes(self) -> dict[str, str | int | float]:
        """Return the attributes of a file with this header."""
        told = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            "format": FORMAT,
            "version": VERSION,
            **{name: value for name, value in told.items() if value is not None},
        }

    @classmethod
    def from_attributes(cls, attributes: Mapping[str, str | int | float | None]) -> PredictionsHeader:
        """Read a header from the attributes of a file; every one must be there and have the right type."""
        if attributes.get("format") != FORMAT:
            raise StorageError(
                f"its attribute 'format' is {str(attributes.get('format'))[:40]!r}, not {FORMAT!r}: this is not a file"
                " of predictions"
            )
        if attributes.get("version") != VERSION or not isinstance(attributes.get("version"), int):
            raise StorageError(
                f"its format has version {str(attributes.get('version'))[:40]}; this physbench reads version {VERSION}"
            )
        told: dict[str, Any] = {field.name: attributes.get(field.name) for field in fields(cls)}
        missing = [name for name, value in told.items() if value is None and name != "sigma"]
        if missing:
            raise StorageError(f"the attribute {missing[0]!r} is missing")
        return cls(**told)


class PredictionsWriter:
    """A writer of a file of predictions. The file gets its name only when it is complete.

    The blocks of an asking must come in order; the askings may come in any order.
    """

    def __init__(
        self, path: str | os.PathLike[str], header: PredictionsHeader, *, half: bool = False, overwrite: bool = False
    ) -> None:
        """Prepare to write a file. half: write logits in half precision."""
        self.path = Path(path)
        self.header = replace(header, values="logits") if half else header
        self._overwrite = overwrite
        self._written: dict[str, dict[str, int]] = {}
        self._partial = self.path.with_name(self.path.name + ".partial")

    def __enter__(self) -> PredictionsWriter:
        require_free(self.path, self._overwrite)
        with refused_in_words(self.path):
            self._lock = lock_beside(self._partial)
            self._file = h5py.File(self._partial, "w", locking=False)
            self._file.attrs.update(self.header.to_attributes())
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        published = False
        try:
            with contextlib.suppress(OSError, RuntimeError) if kind else refused_in_words(self.path):
                self._file.close()
                if kind is None:
                    self._publish()
                    published = True
        finally:
            if not published:
                self._partial.unlink(missing_ok=True)
            self._lock.close()

    def add(
        self,
        name: str,
        start: int,
        mean: NDArray[Any] | None,
        owner: NDArray[np.uint8] | None = None,
        log_likelihood: NDArray[Any] | None = None,
        boxes: NDArray[Any] | None = None,
    ) -> None:
        """Add sequences of an asking, from number `start` on: mean (B, S, H, W, C), owner and log_likelihood
        (B, F, H, W), boxes (B, F, K, 5)."""
        _require_name(name)
        given = {"mean": mean, "owner": owner, "log_likelihood": log_likelihood, "boxes": boxes}
        block = {
            what: self._to_stored_type(name, what, np.asarray(values))
            for what, values in given.items()
            if values is not None
        }
        before = self._written.get(name) or dict.fromkeys(block, 0)
        if set(block) != set(before) or not block:
            raise StorageError(
                f"the blocks of {name!r} hold {' and '.join(before) or 'nothing'}; one that starts at {start} holds"
                f" {' and '.join(block)}"
            )
        for what, values in block.items():
            if start != before[what] or start + len(values) > self.header.sequences:
                raise StorageError(
                    f"{name}/{what} goes on at sequence {before[what]} of {self.header.sequences}, not with {start} to"
                    f" {start + len(values)}"
                )
            with refused_in_words(self.path):
                self._append(f"{name}/{what}", start, values)
        self._written[name] = {what: start + len(values) for what, values in block.items()}

    def _to_stored_type(self, name: str, what: str, values: NDArray[Any]) -> NDArray[Any]:
        """Return values in the type that the file stores."""
        axes = 5 if what == "mean" else 4
        if values.ndim != axes or not values.size:
            raise StorageError(f"{name}/{what} has {axes} axes, none of them of length 0: not the shape {values.shape}")
        if what == "owner":
            if values.dtype != np.uint8:
                raise StorageError(f"{name}/owner is uint8, not {values.dtype}")
            return values
        if what == "mean" and self.header.values == "logits":
            if not ((values >= -CLIP) & (values <= 1 + CLIP)).all():  # so far, it is rounding: the evaluator accepts it
                raise StorageError(f"{name}/mean is not within 0 to 1: it cannot be written as logits")
            p = np.clip(values.astype(np.float64), CLIP, 1 - CLIP)
            return np.log(p / (1 - p)).astype("<f2")
        return values.astype("<f4")

    def _append(self, path: str, start: int, values: NDArray[Any]) -> None:
        """Append values, one sequence per chunk. Shuffling and compressing here is many times faster than in HDF5."""
        chunk = (1, *values.shape[1:])
        if path not in self._file:
            shape = (self.header.sequences, *values.shape[1:])
            self._file.create_dataset(
                path, shape, values.dtype, chunks=chunk, compression="gzip", compression_opts=LEVEL, shuffle=True
            )
        dataset: Any = self._file[path]
        if dataset.chunks != chunk:
            raise StorageError(f"{path} has sequences of shape {dataset.chunks[1:]}, and now one of {values.shape[1:]}")
        for number, sequence in enumerate(values, start):
            stored = compress(np.frombuffer(shuffle(sequence.tobytes(), values.itemsize), np.uint8))
            dataset.id.write_direct_chunk((number, *[0] * (values.ndim - 1)), stored)

    def _publish(self) -> None:
        for name, written in self._written.items():
            if short := [what for what, count in written.items() if count < self.header.sequences]:
                raise StorageError(
                    f"{name}/{short[0]} ends after {written[short[0]]} of {self.header.sequences} sequences:"
                    f" {self.path} was not written"
                )
        if not self._written:
            raise StorageError(f"nothing was predicted: {self.path} was not written")
        os.fsync(self._lock.fileno())
        require_free(self.path, self._overwrite)
        publish(self._partial, self.path)


class Predictions:
    """A file of predictions, which may come from anyone."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._file = Foreign(path)
        self.path = self._file.path
        self._arrays: dict[str, Array | None] = {}
        try:
            names = ("format", "version", *(field.name for field in fields(PredictionsHeader)))
            self.header = PredictionsHeader.from_attributes({name: self._file.attribute(name) for name in names})
        except StorageError as error:
            told = str(error)
            raise type(error)(told if told.startswith(str(self.path)) else f"{self.path}: {told}") from None

    def names(self) -> list[str]:
        """List the names of all askings that the file has answers for."""
        paths = [name.rpartition("/") for name in self._file.names()]
        return sorted({group for group, _, what in paths if group and what in ARRAYS})

    def read(
        self, name: str, start: int, stop: int, *, frame: tuple[int, int, int], steps: int, maps: int
    ) -> tuple[
        NDArray[np.float32] | None, NDArray[np.uint8] | None, NDArray[np.float32] | None, NDArray[np.float32] | None
    ]:
        """Read sequences start..stop-1 of an asking: mean (B, steps, H, W, C), owner and log_likelihood
        (B, maps, H, W), boxes (B, maps, K, 5); None for each that is missing."""
        types = {
            "mean": "f2" if self.header.values == "logits" else "f4",
            "owner": "u1",
            "log_likelihood": "f4",
            "boxes": "f4",
        }
        shapes = {
            "mean": (steps, *frame),
            "owner": (maps, *frame[:2]),
            "log_likelihood": (maps, *frame[:2]),
            "boxes": (maps, None, 5),
        }
        arrays = {what: self._array(f"{name}/{what}", np.dtype(types[what]), shapes[what]) for what in ARRAYS}
        if not any(arrays.values()):
            there = ", ".join(self.names()) or "nothing"
            raise StorageError(f"{self.path} predicts nothing for {name!r}: it has {there}")
        mean, owner, log_likelihood, boxes = (array.read(start, stop) if array else None for array in arrays.values())
        if mean is not None and self.header.values == "logits":
            with np.errstate(over="ignore"):
                mean = (1 / (1 + np.exp(-mean.astype(np.float64)))).astype(np.float32)
        return mean, owner, log_likelihood, boxes

    def _array(self, path: str, dtype: np.dtype[Any], shape: tuple[int | None, ...]) -> Array | None:
        """Return an array after a check of its type and shape. None in a shape: any number of boxes that is allowed."""
        if path not in self._arrays:
            self._arrays[path] = self._file.array(path)
        array = self._arrays[path]
        if array is None:
            return None
        if array.dtype.newbyteorder("=") != dtype:
            raise StorageError(
                f"{array.where} is of type {array.dtype.name}; in a file of {self.header.values} it is {dtype.name}"
            )
        expected = (self.header.sequences, *shape)
        fits = [
            length == wanted if wanted is not None else 1 <= length <= MOST_BOXES
            for length, wanted in zip(array.shape, expected, strict=False)
        ]
        if len(array.shape) != len(expected) or not all(fits):
            words = ", ".join(f"1 to {MOST_BOXES}" if wanted is None else str(wanted) for wanted in expected)
            raise StorageError(f"{array.where} has shape {array.shape}; it should be ({words})")
        return array


def _require_name(name: str) -> None:
    parts = name.split("/")
    if not name.isprintable() or any(part in ("", ".", "..", *ARRAYS) for part in parts):
        raise StorageError(f"an asking is called like balls4mass64 or balls4mass64/rollout-5+10, not {name[:40]!r}")


def __getattr__(name: str) -> Any:
    return find_renamed(__name__, {"Header": PredictionsHeader}, name)
