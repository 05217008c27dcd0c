"""Comparison of two runs of a model: whether they agree, and if not, by how much they differ and where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Rows: TypeAlias = "NDArray[np.int64]"  # (B,) numbers of sequences

TOLERANCE = 1e-4
"""The difference that is allowed, relative to the largest pixel of a predicted frame, because kernels round differently
in batches of another size."""

OWNERS = 1e-3
"""The share of a sequence's pixels that may change their owner, for the same reason."""

BOXES, NUDGE = 1e-2, 1e-2
"""The share of boxes that may appear, disappear, change their identity or move, for the same reason; and how far a box
may move, in pixels, before it counts as moved."""


@dataclass(frozen=True)
class Outcome:
    """What a model said about some sequences, in the order of their numbers."""

    rows: Rows
    means: NDArray[Any]  # (B, T, H, W, C)
    owners: NDArray[Any] | None  # (B, T, H, W)
    boxes: NDArray[Any] | None = None  # (B, T, N, 5)

    def first(self, count: int) -> Outcome:
        """Return the outcome for the first sequences."""
        owners, boxes = (None if each is None else each[:count] for each in (self.owners, self.boxes))
        return Outcome(self.rows[:count], self.means[:count], owners, boxes)


def agreement(
    found: Outcome, expected: Outcome, *, tolerance: float = TOLERANCE, owners: float = OWNERS
) -> tuple[bool, str]:
    """Compare two outcomes for the same sequences and steps; return whether they agree, and how well, in words."""
    if (found.owners is None) != (expected.owners is None):
        return False, "owner maps of the right shape come in only one of two runs"
    if (found.boxes is None) != (expected.boxes is None):
        return False, "boxes of the right shape come in only one of two runs"
    findings = [_of_means(found, expected, tolerance)]
    if found.owners is not None and expected.owners is not None:
        findings.append(_of_owners(found.rows, found.owners, expected.owners, owners))
    if found.boxes is not None and expected.boxes is not None:
        findings.append(_of_boxes(found.boxes, expected.boxes, *((BOXES, NUDGE) if tolerance else (0.0, 0.0))))
    return all(agree for agree, _ in findings), "; ".join(words for _, words in findings)


def _of_means(found: Outcome, expected: Outcome, tolerance: float) -> tuple[bool, str]:
    off = _relative(found.means, expected.means)
    if not off.any():
        return True, "no difference"
    sequence, step = np.unravel_index(int(off.argmax()), off.shape)
    amount = f"by up to {off.max():.2g} of the largest pixel (sequence {found.rows[sequence]}, step {step})"
    within = bool(off.max() <= tolerance)
    return within, f"the same within {tolerance:g}, different {amount}" if within else f"different {amount}"


def _relative(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
    """Return the largest difference of a pixel divided by the largest pixel: (B, T, H, W, C) twice -> (B, T).

    It is infinite where only one of the two is a number.
    """
    a, b = (means.reshape(*means.shape[:2], -1).astype(np.float64) for means in (a, b))
    with np.errstate(invalid="ignore"):
        off = np.abs(a - b)
    off = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.where(np.isnan(off), np.inf, off)).max(axis=-1)
    largest = np.where(np.isfinite(a) & np.isfinite(b), np.maximum(np.abs(a), np.abs(b)), 0.0).max(axis=-1)
    return np.divide(off, largest, out=off.copy(), where=(largest > 0) & (off > 0))


def _of_owners(rows: Rows, a: NDArray[Any], b: NDArray[Any], tolerance: float) -> tuple[bool, str]:
    share = (a != b).mean(axis=(1, 2, 3))
    if not share.any():
        return True, "no difference in the owner maps"
    return bool(
        share.max() <= tolerance
    ), f"{share.max():.2%} of the pixels of sequence {rows[share.argmax()]} have another owner"


def _of_boxes(a: NDArray[Any], b: NDArray[Any], tolerance: float, nudge: float) -> tuple[bool, str]:
    if a.shape != b.shape:
        return False, f"boxes in {a.shape[2]} rows, and in {b.shape[2]}"
    there = ~(np.isnan(a) & np.isnan(b)).all(axis=-1)
    with np.errstate(invalid="ignore"):
        changed = there & ~(np.abs(a.astype(np.float64) - b) <= nudge).all(axis=-1)
    share = changed.sum() / max(there.sum(), 1)
    if not share:
        return True, "the same boxes"
    return bool(share <= tolerance), f"{share:.2%} of the boxes are others"
