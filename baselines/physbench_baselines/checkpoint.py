"""Weights on disk: written completely or not at all, and loaded as data, never as code.

A checkpoint has weights by name, a header with their architecture and sizes, and perhaps the state of a training run,
in `.safetensors`. It may borrow the weights that it does not have from a file beside it. Older `.pt` files can still be
read. A reader uses the bytes and not the suffix, and checks every size before it uses it. It reads the file once, so
what is hashed is what is loaded.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_type_hints

import numpy as np

from physbench.errors import HostileFile, ModelError, StorageError, TrainingError
from physbench.files import read_regular_file, write_whole
from physbench.model import Origin
from physbench.notices import announce
from physbench_baselines.architecture import Architecture, architecture_of, find_architecture
from physbench_baselines.containers import archive, tensors
from physbench_baselines.containers.arrays import STATE, TYPES, Arrays, packed_state, restore, store, unpacked_state
from physbench_baselines.containers.header import FORMAT, FORMAT_VERSION, CheckpointHeader, Loan
from physbench_baselines.containers.tensors import MOST_BYTES
from physbench_baselines.training.folder import Folder
from physbench_baselines.training_stages import cost_of

if TYPE_CHECKING:
    from torch import nn

    from physbench_baselines.adapter import TorchModel


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint as its file describes it."""

    network: nn.Module
    header: CheckpointHeader
    sha256: str  # of the file
    training: dict[str, Any] | None = None  # the state of a run that can be resumed: tensors and plain numbers

    @property
    def card(self) -> Mapping[str, Any]:
        """The card in the header."""
        return self.header.card


def save(
    path: Path | str,
    network: nn.Module,
    *,
    card: Mapping[str, Any] | None = None,
    half: bool = False,
    quantise: bool = False,
    training: Mapping[str, Any] | None = None,
    lender: Path | None = None,
) -> None:
    """Write a network. A file that is there is replaced completely or not at all.

    half: as float16. quantise: big matrices as int8 with a scale per row. training: the state of a run, tensors on the
    CPU and plain numbers by name. lender: a file in the same folder with weights of its own. Only those that differ
    from its are written, and the others are read from there.
    """
    path = Path(path)
    try:
        arrays = {**store(network, half=half, quantise=quantise), **packed_state(training or {})}
    except (AttributeError, TypeError, OverflowError) as error:
        raise StorageError(
            f"nothing was written to {path}: the state of a run is tensors and plain numbers ({error})"
        ) from None
    if lender is None:
        return _write(path, network, card, arrays)
    if lender.parent.resolve() != path.parent.resolve():
        raise StorageError(f"{path} can borrow weights only from a file beside it, not from {lender}")
    content = _content(lender)
    header, theirs, _ = _read(content, lender)
    if lender.resolve() == path.resolve() or header.borrows:
        raise StorageError(f"{lender} has no weights to lend: it is the same file, or borrows some itself")
    same = _find_equal(network, theirs, lender)
    own = {name: array for name, array in arrays.items() if name.removesuffix(".scale") not in same}
    _write(path, network, card, own, Loan(lender.name, sha256(content).hexdigest()))


def _find_equal(network: nn.Module, theirs: Arrays, lender: Path) -> set[str]:
    """Return the names of the weights that are the same in a network and in the arrays of a file."""
    from physbench_baselines.adapter import weights_of

    return {
        name
        for name, array in weights_of(network).items()
        if name in theirs and np.array_equal(array, restore(name, theirs, lender))
    }


def _write(
    path: Path, network: nn.Module, card: Mapping[str, Any] | None, arrays: Arrays, borrows: Loan | None = None
) -> None:
    if path.suffix != ".safetensors":
        raise StorageError(f"{path} must end in .safetensors")
    if path.is_dir() or not path.parent.is_dir():
        raise StorageError(f"{path} is a folder" if path.is_dir() else f"there is no folder {path.parent}")
    architecture, sizes = architecture_of(network).name, cast("Any", network).sizes
    header = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "architecture": architecture,
        "sizes": asdict(sizes),
        "card": dict(card or {}),
        **({"borrows": asdict(borrows)} if borrows else {}),
    }
    try:
        text = json.dumps(header, allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise StorageError(f"the card for {path} is not plain JSON: {error}") from None
    content = tensors.pack(text, arrays)
    try:
        _read(content, path)
    except StorageError as error:
        raise StorageError(f"nothing was written, because it would not be read again: {error}") from None
    write_whole(path, content)


def load(path: Path | str, *, architecture: str | None = None) -> Checkpoint:
    """Load a network with its weights on the CPU.

    Anything but a whole checkpoint is an error of one sentence. The folder of a training run stands for its best
    weights, or for its last ones while none are validated. architecture: the user's package.module:ATTRIBUTE that the
    weights belong to; that code is imported, which runs it.
    """
    path = _weights_in(Path(path))
    content = _content(path)
    header, arrays, training = _read(content, path)
    if header.borrows:
        arrays = _complete(arrays, _borrow(header.borrows, path))
    found = _architecture_for(header, path, architecture)
    return Checkpoint(_fill(found, header, arrays, path), header, sha256(content).hexdigest(), training)


def model(
    path: Path | str,
    *,
    device: str = "cpu",
    settings: Mapping[str, float] | None = None,
    architecture: str | None = None,
) -> TorchModel:
    """Load a checkpoint as a model for the evaluator, with the origin that its card gives.

    settings: sizes to change, of those that its architecture allows at test time. architecture: as for `load`.
    """
    from physbench_baselines.adapter import TorchModel

    checkpoint = load(path, architecture=architecture)
    trained = cast("Any", checkpoint.network).sizes
    changed = {name: value for name, value in (settings or {}).items() if getattr(trained, name, None) != value}
    network = _set(checkpoint.network, changed) if changed else checkpoint.network
    code = architecture_of(network).name
    told: Any = {
        "cost": cost_of(checkpoint.card),
        "code": code if ":" in code else None,
        **{name: checkpoint.card.get(name) for name in ("train_seed", "model_link", "paper_link", "training")},
    }
    return TorchModel(
        cast("Any", network), device=device, origin=Origin(weights_sha256=checkpoint.sha256, settings=changed, **told)
    )


def _set(network: nn.Module, settings: Mapping[str, float]) -> nn.Module:
    """Return a network with other settings and the same weights."""
    from physbench_baselines.adapter import network_with, weights_of

    sizes, architecture = cast("Any", network).sizes, architecture_of(network)
    settable = architecture.settable_in(sizes)
    for name in settings:
        if name not in settable:
            known = f"there is {', '.join(settable)}" if settable else "it leaves nothing open"
            raise ModelError(f"there is no {name!r} to set in this model: {known}")
    changed = replace(sizes, **settings)
    return network_with(lambda: architecture.make(changed), weights_of(network))


def inspect(path: Path | str) -> CheckpointHeader:
    """Read the header only: no network is built, and for .safetensors torch is not needed."""
    path = _weights_in(Path(path))
    content = _content(path)
    return archive.unpack(content, path)[0] if content.startswith(archive.START) else tensors.describe(content, path)


def _weights_in(path: Path) -> Path:
    if not path.is_dir():
        return path
    run = Folder(path)
    found = next((place for place in (run.best, run.last) if place.is_file()), None)
    if found is None:
        raise StorageError(
            f"{path} is not the folder of a training run: it has no {run.best.name} and no {run.last.name}"
        )
    return found


def _content(path: Path) -> bytes:
    content = read_regular_file(path, MOST_BYTES)
    if not content.startswith(archive.START) and content[8:9] != b"{":
        raise StorageError(f"{path} is not a checkpoint: {_looks_like(content)}")
    return content


def _looks_like(content: bytes) -> str:
    start = content[:64].lstrip().lower()
    if start.startswith((b"<!doctyp", b"<html")):
        return "it looks like a web page, perhaps an error message saved under this name; download the file itself"
    if start.startswith(b"version https://git-lfs"):
        return "it is what Git LFS left in its place; run 'git lfs pull'"
    if start.startswith(b"\x80"):
        return (
            "it is a pickle, as old PyTorch wrote it too, which can run code and is never loaded; ask its author for"
            " .safetensors"
        )
    return f"it begins with {content[:8]!r}" if content else "it is empty; download it again"


def _read(content: bytes, path: Path) -> tuple[CheckpointHeader, Arrays, dict[str, Any] | None]:
    if content.startswith(archive.START):
        return archive.unpack(content, path)
    header, arrays = tensors.unpack(content, path)
    return header, {name: array for name, array in arrays.items() if not name.startswith(STATE)}, unpacked_state(arrays)


def _complete(own: Arrays, borrowed: Arrays) -> Arrays:
    """Add to the weights of a file those that it borrows, with their scales."""
    return {**{name: array for name, array in borrowed.items() if name.removesuffix(".scale") not in own}, **own}


def _borrow(loan: Loan, path: Path) -> Arrays:
    """Read the weights that a file borrows."""
    lender = path.with_name(loan.file)
    if not lender.exists():
        raise StorageError(f"{path} borrows the weights of {loan.file}, which is not beside it: put it there")
    content = _content(lender)
    if sha256(content).hexdigest() != loan.sha256:
        raise StorageError(f"{path} borrows the weights of {loan.file}, and the file beside it is another one")
    header, arrays, _ = _read(content, lender)
    if header.borrows:
        raise HostileFile(f"{path} borrows the weights of {loan.file}, which borrows some itself")
    return arrays


def _architecture_for(header: CheckpointHeader, path: Path, own: str | None) -> Architecture:
    """Find the architecture, which a file alone never decides if it is user code.

    User code is run only if the user names it, or if the run in the file's folder was started with it.
    """
    place = header.architecture
    if own is not None or ":" not in place:
        return find_architecture(own or place)
    try:
        named = Folder(path.parent).recipe().model
    except TrainingError:
        named = None
    if named != place:
        raise HostileFile(
            f"{path} is of the architecture {place!r}, code that does not come with physbench: read it, and allow it to"
            f" be run with --architecture {place}"
        )
    announce(f"running the code of {place}, the model of the run in {path.parent}")
    return find_architecture(place)


def _sizes(architecture: Architecture, header: CheckpointHeader, path: Path) -> Any:
    kind, what = architecture.sizes, architecture.name
    hints = get_type_hints(kind)
    names = {field.name: field.type for field in fields(kind)}
    for name in sorted(names.keys() ^ header.sizes.keys()):
        raise HostileFile(
            f"{path} does not have the sizes of a {what}: {name[:40]!r} is {'missing' if name in names else 'unknown'}"
        )
    words: dict[str, Any] = {
        name: tuple(cast("list[Any]", value)) if isinstance(value, list) else value
        for name, value in header.sizes.items()
    }
    for name, value in words.items():
        numbers = (
            hints[name] == tuple[int, ...]
            and isinstance(value, tuple)
            and all(type(part) is int for part in cast("tuple[Any, ...]", value))
        )
        if (
            not numbers
            and type(cast("Any", value)) is not hints[name]
            and not (hints[name] is float and type(cast("Any", value)) is int)
        ):
            raise HostileFile(
                f"{path} has a {type(cast('Any', value)).__name__} for the size {name!r} of its {what}, which is"
                f" {names[name]}"
            )
    return kind(**words)


def _fill(architecture: Architecture, header: CheckpointHeader, arrays: Arrays, path: Path) -> nn.Module:
    """Build the network, after checking every name and shape."""
    from physbench_baselines.adapter import network_with, shapes_of

    what = architecture.name
    try:
        sizes = _sizes(architecture, header, path)
        shapes = shapes_of(lambda: architecture.make(sizes))
    except (ModelError, RuntimeError, OverflowError, MemoryError, TypeError, ValueError) as error:
        raise HostileFile(
            f"{path} has sizes that no {what} can have: {str(error).partition(chr(10))[0][:200]}"
        ) from None
    if (needed := sum(4 * math.prod(shape) for shape in shapes.values())) > MOST_BYTES:
        raise HostileFile(f"{path} asks for a {what} of {needed:,} bytes; at most {MOST_BYTES:,} are made")
    scales = {f"{name}.scale" for name, array in arrays.items() if array.dtype == TYPES["I8"]}
    for name in sorted(shapes.keys() ^ (arrays.keys() - scales)):
        raise HostileFile(
            f"{path} does not have the weights of a {what} of its sizes: {name[:60]!r} is"
            f" {'missing' if name in shapes else 'unknown'}"
        )
    for name, shape in shapes.items():
        if arrays[name].shape != shape:
            raise HostileFile(
                f"{path}: {name!r} has the shape {arrays[name].shape}, and in a {what} of its sizes {shape}"
            )
    return network_with(lambda: architecture.make(sizes), {name: restore(name, arrays, path) for name in shapes})
