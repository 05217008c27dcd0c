"""The header of a file of weights: text in JSON, the same in every container.

A file may come from an enemy, so everything in it is checked.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from physbench import registry
from physbench.errors import HostileFile, StorageError, suggest

FORMAT, FORMAT_VERSION = "physbench-checkpoint", 1

CARD = {
    "name": str,
    "model_link": str,
    "paper_link": str,
    "training": str,
    "train_seed": int,
    "steps": int,
    "sequences": int,
}
"""Fields of a card whose type is checked; there may be others."""


MOST_HEADER = 1 << 20
"""The most bytes of a header."""


@dataclass(frozen=True)
class Loan:
    """Weights that a file does not hold: those of a file beside it, which is pinned by its checksum."""

    file: str
    sha256: str


@dataclass(frozen=True)
class CheckpointHeader:
    """What a file says about its weights. The form is checked; whether the sizes make sense is not."""

    architecture: str
    sizes: Mapping[str, Any]
    card: Mapping[str, Any]
    borrows: Loan | None = None


def header_of(text: str, path: Path) -> CheckpointHeader:
    """Read a header, or refuse it."""
    if len(text) > MOST_HEADER or not text.isprintable() or not re.fullmatch(r'(?:[^\\]|\\["\\/])*', text):
        raise HostileFile(
            f"the header of {path} is longer than {MOST_HEADER:,} characters or holds some that cannot be printed"
        )
    told = parse(text.encode(), path)
    if told.get("format") != FORMAT:
        raise StorageError(f"{path} is not a checkpoint of physbench: its header does not say {FORMAT!r}")
    if type(told.get("version")) is not int or told["version"] != FORMAT_VERSION:
        raise StorageError(
            f"{path} is not of checkpoint version {FORMAT_VERSION}, the one this physbench reads; perhaps a newer"
            " physbench reads it"
        )
    architecture, sizes, card = told.get("architecture"), told.get("sizes"), told.get("card")
    borrows = _loan_of(told.pop("borrows"), path) if "borrows" in told else None
    if len(told) != 5 or not isinstance(architecture, str) or not isinstance(sizes, dict) or not isinstance(card, dict):
        raise HostileFile(f"the header of {path} does not have an architecture, sizes and a card, and nothing else")
    if ":" in architecture:
        if not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*", architecture) or len(architecture) > 200:
            raise HostileFile(
                f"{path} is of the architecture {architecture[:40]!r}, which is not written package.module:ATTRIBUTE"
            )
    elif architecture not in (known := registry.architectures.names()):
        hint = suggest(architecture, known)
        raise StorageError(
            f"{path} is of the architecture {architecture[:40]!r}, which this physbench does not have: {hint}"
        )
    header = CheckpointHeader(architecture, cast("dict[str, Any]", sizes), cast("dict[str, Any]", card), borrows)
    for name in CARD.keys() & header.card.keys():
        value: Any = header.card[name]
        if value is not None and type(value) is not CARD[name]:
            raise HostileFile(
                f"the card of {path} has a {type(value).__name__} for {name!r}: it is"
                f" {'text' if CARD[name] is str else 'a whole number'}"
            )
        if name.endswith("_link") and isinstance(value, str) and not value.startswith("https://"):
            raise HostileFile(f"the card of {path} has the {name} {value[:60]!r}: only https:// links are shown")
    return header


def _loan_of(told: Any, path: Path) -> Loan:
    """Read which file the weights are borrowed from: one in the same folder, and nowhere else."""
    loan = cast("dict[str, Any]", told) if isinstance(told, dict) else {}
    file, checksum = loan.get("file"), loan.get("sha256")
    if (
        len(loan) != 2
        or not (isinstance(file, str) and re.fullmatch(r"[A-Za-z0-9][\w.-]{0,200}\.safetensors", file, re.ASCII))
        or not (isinstance(checksum, str) and re.fullmatch(r"[0-9a-f]{64}", checksum))
    ):
        raise HostileFile(f"{path} borrows its weights, and does not say from which file beside it, and its sha256")
    return Loan(file, checksum)


def parse(raw: bytes, path: Path) -> dict[str, Any]:
    """Read a JSON object in which no name comes twice, or refuse it."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError("a name comes twice")
        return dict(pairs)

    try:
        told = json.loads(raw.decode(), object_pairs_hook=once)
        json.dumps(told, allow_nan=False)  # JSON has no number that is not finite, but Python reads them
    except (ValueError, RecursionError) as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)[:100]
        raise HostileFile(f"the header of {path} is not JSON as it should be: {why}") from None
    if not isinstance(told, dict):
        raise HostileFile(f"the header of {path} is not a JSON object")
    return cast("dict[str, Any]", told)
