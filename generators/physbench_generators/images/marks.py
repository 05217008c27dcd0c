"""What a picture of an image shows beside pixels and labels: the name of each object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from physbench.scene import Marks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray


def mark_images(arrays: Mapping[str, NDArray[Any]], shapes: Sequence[str]) -> Marks:
    """Name the objects of one image by their shapes, which count from 1.

    The arrays may come from an untrusted file, so nothing in them is assumed to be valid.
    """
    numbers = arrays["shape"][: int(arrays["count"])].tolist()
    return Marks(
        names=tuple(
            f"{label}  {shapes[number - 1] if 1 <= number <= len(shapes) else '?'}"
            for label, number in enumerate(numbers, 1)
        )
    )
