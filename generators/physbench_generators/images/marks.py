"""What pictures of images show beside pixels and labels: what each object is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from physbench.scene import Marks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray


def mark_images(arrays: Mapping[str, NDArray[Any]], shapes: Sequence[str]) -> Marks:
    """Name the objects of one image by their shapes, which count from 1. Nothing in the arrays may be believed: they
    can be a stranger's."""
    numbers = arrays["shape"][: int(arrays["count"])].tolist()
    return Marks(
        names=tuple(
            f"{label}  {shapes[number - 1] if 1 <= number <= len(shapes) else '?'}"
            for label, number in enumerate(numbers, 1)
        )
    )
