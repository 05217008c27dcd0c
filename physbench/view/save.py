"""Saving of pictures. The suffix decides the kind, and a file is written completely or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from physbench.errors import StorageError
from physbench.files import write_whole
from physbench.view.canvas import png
from physbench.view.pictures import animation, strip
from physbench.view.player import page
from physbench.view.times import ALL_TIMES, Times

if TYPE_CHECKING:
    from physbench.view.clip import Clip


PLAYED = {".png": "a strip", ".gif": "an animation", ".html": "a page that plays it"}


def save(clip: Clip, out: Path, *, times: Times = ALL_TIMES) -> None:
    """Write some frames of a clip as .png, .gif or .html; an older file is replaced completely or not at all."""
    match suffix_of(out, PLAYED):
        case ".png":
            content = png(strip(clip, times=times))
        case ".gif":
            content = animation(clip, times=times)
        case _:
            content = page(clip, times=times).encode()
    write_whole(out, content)


def suffix_of(out: Path, kinds: Mapping[str, str]) -> str:
    """Return the suffix of a path, or raise an error if it is unknown or the path cannot be written.

    kinds: the known suffixes, and what each makes.
    """
    suffix = out.suffix.lower()
    if suffix not in kinds:
        *others, last = [f"{name} ({what})" for name, what in kinds.items()]
        raise StorageError(f"{out} must end in {', '.join(others)} or {last}")
    if not out.parent.is_dir():
        raise StorageError(f"there is no folder {out.parent}")
    if out.is_dir():
        raise StorageError(f"{out} is a folder")
    return suffix
