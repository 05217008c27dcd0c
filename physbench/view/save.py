"""A clip on disk: what the suffix asks for, there as a whole or not at all."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

from physbench.errors import StorageError
from physbench.view.canvas import png
from physbench.view.pictures import animation, strip
from physbench.view.player import page

if TYPE_CHECKING:
    from pathlib import Path

    from physbench.view.clip import Clip


def save(clip: Clip, out: Path) -> None:
    """Write .png, .gif or .html; what was there before is replaced at once or not at all."""
    suffix = out.suffix.lower()
    if suffix not in (".png", ".gif", ".html"):
        raise StorageError(f"{out} must end in .png (a strip), .gif (an animation) or .html (a page that plays it)")
    if not out.parent.is_dir():
        raise StorageError(f"there is no directory {out.parent}")
    if out.is_dir():
        raise StorageError(f"{out} is a directory")
    match suffix:
        case ".png":
            content = png(strip(clip))
        case ".gif":
            content = animation(clip)
        case _:
            content = page(clip).encode()
    beside = out.with_name(f"{out.name}.{secrets.token_hex(4)}.part")
    try:
        beside.write_bytes(content)
        os.replace(beside, out)
    except OSError as error:
        raise StorageError(f"{out} cannot be written: {error.strerror}") from None
    finally:
        beside.unlink(missing_ok=True)
