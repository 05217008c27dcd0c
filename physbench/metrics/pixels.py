"""Scores of predicted pixels: binary cross-entropy and log-likelihood, in nats, summed over the pixels of a frame in
float64.

N sequences, T frames, H x W pixels, C channels; `...` stands for any leading axes, (N, T - 1) for a window. Frames are
0 or 1 as integers or booleans, otherwise floats in 0..1 (colour). means[:, t] is the prediction of frame t + 1, made
before that frame was shown.
"""

import math
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physbench.errors import ModelError
from physbench.metrics.sums import Floats, Sums, ratio
from physbench.model import CLIP, Gaussian, Likelihood

OWN_NOTE = re.compile(r"likelihood-[a-z][a-z0-9_]{0,39}(-[0-9]{1,12}(\.[0-9]{1,17})?)?")
"""The form of the note of a likelihood that is not built in."""

AT_ONCE = 1 << 16
"""How many pixels are processed at a time, so that they stay in the processor's cache."""

FACTORS = 32
"""The most probabilities that are multiplied before a logarithm is taken: 1e-6 to this power is far from underflow."""


def bce(frames: NDArray[Any], means: NDArray[Any]) -> Floats:
    """Compute the cross-entropy of each predicted frame: (N, T, H, W, C), (N, T - 1, H, W, C) -> (N, T - 1)."""
    return bernoulli_bce(frames[:, 1:], means)


def relational_bce(frames: NDArray[Any], means: NDArray[Any], collisions: NDArray[Any]) -> Floats:
    """Compute `bce` on the pixels of objects that hit another one.

    collisions (N, T, H, W, 1): index t chooses the pixels of frame t + 1.
    """
    _require_frames(frames, collisions, "collisions")
    return bernoulli_bce(frames[:, 1:], means, collisions[:, :-1])


def copy_frames(frames: NDArray[Any]) -> NDArray[Any]:
    """Return the means of the copy predictor, p_{t+1} = x_t: (N, T, H, W, C) -> (N, T - 1, H, W, C)."""
    return frames[:, :-1]


def bernoulli_bce(frames: NDArray[Any], means: NDArray[Any], where: NDArray[Any] | None = None) -> Floats:
    """Compute the cross-entropy of each frame and its prediction: (..., H, W, C), (..., H, W, C) -> (...).

    where (..., H, W, 1): only the pixels above 0 count; without it, all do.
    """
    if not _binary(frames):
        return masked_sum(bernoulli_surprise(frames, means), where)
    out = np.zeros(frames.shape[:-3])
    for rows, (x, p), mask in _rows(where, frames, means):
        likelihood = _likelihood(x, p)
        if mask is not None:
            likelihood[~mask] = 1.0
        out.reshape(-1)[rows] = 0.0 - np.log(_products(likelihood)).sum(axis=1)
    return out


def bernoulli_surprise(frames: NDArray[Any], means: NDArray[Any]) -> Floats:
    """Compute the cross-entropy of each pixel: (..., H, W, C), (..., H, W, C) -> (..., H, W, C)."""
    _require_same(frames, means)
    if _binary(frames):
        return 0.0 - np.log(_likelihood(frames, means))
    p = np.clip(means.astype(np.float64), CLIP, 1 - CLIP)
    x = frames.astype(np.float64)
    return -(x * np.log(p) + (1 - x) * np.log1p(-p))


def log_likelihood(
    frames: NDArray[Any], means: NDArray[Any], likelihood: Likelihood, where: NDArray[Any] | None = None
) -> Floats:
    """Compute the log-probability of each frame: (..., H, W, C), (..., H, W, C) -> (...).

    where (..., H, W, 1): only the pixels above 0 count; without it, all do.
    """
    if not likelihood.note:
        return 0.0 - bernoulli_bce(frames, means, where)
    out = np.zeros(frames.shape[:-3])
    for rows, (x, m), mask in _rows(where, frames, means):
        each = np.array(likelihood.log_prob(x, m.astype(np.float64)), np.float64)
        if each.shape != x.shape or (np.isnan(each) & ~np.isnan(m)).any():
            raise ModelError(
                f"the log_prob of {likelihood!r} gave {each.shape} for pixels of {x.shape}, or something that is no"
                " number"
            )
        if mask is not None:
            each[~mask] = 0.0
        out.reshape(-1)[rows] = each.sum(axis=1)
    return out


def square_error(frames: NDArray[Any], means: NDArray[Any]) -> Floats:
    """Compute the mean squared error over the pixels and channels of each frame: (..., H, W, C) twice -> (...)."""
    _require_same(frames, means)
    out = np.zeros(frames.shape[:-3])
    for rows, (x, m), _ in _rows(None, frames, means):
        out.reshape(-1)[rows] = ((x - m.astype(np.float64)) ** 2).mean(axis=1)
    return out


def require_likelihood(likelihood: Any) -> Likelihood:
    """Return a likelihood, or raise an error that says what is wrong with it."""
    missing = [name for name in ("support", "note", "log_prob") if not hasattr(likelihood, name)]
    if missing or isinstance(likelihood, type):  # a class has these attributes, but their values are useless
        lacks = f", which lacks {', '.join(missing)}" if missing else ", which is a class"
        raise ModelError(
            f"the likelihood of a model is Bernoulli(), Gaussian(sigma) or your own, not {likelihood!r}{lacks}"
        )
    if isinstance(likelihood, Gaussian) and not 0 < likelihood.sigma < math.inf:
        raise ModelError(f"the sigma of a Gaussian likelihood is above 0 and finite, not {likelihood.sigma!r}")
    if likelihood.note and not isinstance(likelihood, Gaussian) and not OWN_NOTE.fullmatch(likelihood.note):
        raise ModelError(
            f"the note of a likelihood is written likelihood-NAME or likelihood-NAME-NUMBER, not {likelihood.note!r}"
        )
    return likelihood


def masked_sum(each: NDArray[Any], where: NDArray[Any] | None = None) -> Floats:
    """Sum over all pixels of each frame, or those with where > 0: (..., H, W, C), (..., H, W, 1) -> (...)."""
    out = np.zeros(each.shape[:-3])
    for rows, (values,), mask in _rows(where, each):
        chosen = values.astype(np.float64) if mask is None else np.where(mask, values.astype(np.float64), 0.0)
        out.reshape(-1)[rows] = chosen.sum(axis=1)
    return out


def clipped_share(means: NDArray[Any]) -> Sums:
    """Score the share of the means (N, ...) of a Gaussian model that lie outside [0, 1], where `bce` clips them."""
    flat = means.reshape(len(means), -1)
    return ratio(((flat < 0) | (flat > 1)).sum(axis=1), np.full(len(flat), flat.shape[1]))


def curtain_pixels(curtain: NDArray[Any], height: int, width: int, grown: int = 0) -> NDArray[np.bool_]:
    """Find the pixels of the curtain: (N, 4) y0, x0, y1, x1, half-open -> (N, H, W).

    grown: by how many pixels the curtain is extended on every side. Without a curtain there are none.
    """
    y0, x0, y1, x1 = (curtain[:, side, None].astype(np.int64) for side in range(4))
    rows, columns = np.arange(height), np.arange(width)
    within_rows = (rows >= y0 - grown) & (rows < y1 + grown)
    within_columns = (columns >= x0 - grown) & (columns < x1 + grown)
    exists = (y1 > y0) & (x1 > x0)
    return within_rows[:, :, None] & (within_columns & exists)[:, None, :]


def _binary(frames: NDArray[Any]) -> bool:
    """Return whether frames are black and white.

    That is decided by their type, not by their values, so that the score of a sequence does not depend on its batch.
    """
    if frames.dtype.kind not in "ub":
        return False
    if frames.size and frames.max() > 1:
        raise ValueError(f"frames of {frames.dtype.name} are 0 or 1, not {frames.max()}: divide colours by 255")
    return True


def _likelihood(x: NDArray[Any], p: NDArray[Any]) -> Floats:
    """Return p where x is 1, and 1 - p where x is 0, after p was clipped."""
    likelihood = p.astype(np.float64, order="C")
    np.clip(likelihood, CLIP, 1 - CLIP, out=likelihood)
    likelihood -= x == 0
    return np.abs(likelihood, out=likelihood)


def _products(factors: Floats) -> Floats:
    """Multiply the halves of each row with each other, up to five times: (R, P) -> (R, P / 32).

    One logarithm, which is slow, then serves many pixels.
    """
    merged = 1
    while factors.shape[1] % 2 == 0 and merged < FACTORS:
        half = factors.shape[1] // 2
        factors = factors[:, :half] * factors[:, half:]
        merged *= 2
    return factors


def _rows(
    where: NDArray[Any] | None, *arrays: NDArray[Any]
) -> Iterator[tuple[Any, list[NDArray[Any]], NDArray[np.bool_] | None]]:
    """Yield frames as rows of pixels, some at a time: their indices, their arrays, and their mask.

    Frames in which the mask selects no pixel are skipped.
    """
    for array in arrays[1:]:
        _require_same(arrays[0], array)
    shape = arrays[0].shape
    at_once = max(AT_ONCE // max(math.prod(shape[-3:]), 1), 1)
    if where is None:
        count = math.prod(shape[:-3])
        for start in range(0, count, at_once):
            rows = slice(start, min(start + at_once, count))
            yield rows, [_take_rows(array, rows) for array in arrays], None
        return
    if where.shape != (*shape[:-1], 1):
        raise ValueError(f"pixels are chosen by an array of shape {(*shape[:-1], 1)}, not {where.shape}")
    touched = np.flatnonzero(where.any(axis=(-3, -2, -1)))
    for start in range(0, len(touched), at_once):
        rows = touched[start : start + at_once]
        yield (
            rows,
            [_take_rows(array, rows) for array in arrays],
            np.repeat(_take_rows(where, rows) > 0, shape[-1], axis=1),
        )


def _take_rows(array: NDArray[Any], rows: slice | NDArray[np.intp]) -> NDArray[Any]:
    """Return some frames as contiguous rows of pixels: (..., H, W, C) -> (R, P).

    They must be contiguous, because the last bit of a sum depends on the layout. At most these rows are copied.
    """
    *ahead, height, width, channels = array.shape
    pixels = height * width * channels
    if array.flags.c_contiguous:
        return array.reshape(math.prod(ahead), pixels)[rows]
    numbers = np.arange(math.prod(ahead))[rows]
    taken = array[None][np.unravel_index(numbers, (1, *ahead))]  # works also without leading axes
    return np.ascontiguousarray(taken.reshape(len(numbers), pixels))


def _require_same(frames: NDArray[Any], means: NDArray[Any]) -> None:
    if frames.shape != means.shape:
        raise ValueError(f"frames of shape {frames.shape} were predicted with shape {means.shape}")


def _require_frames(frames: NDArray[Any], other: NDArray[Any], name: str) -> None:
    if frames.shape[:2] != other.shape[:2]:
        raise ValueError(
            f"{name} of {other.shape[:2]} sequences and frames do not belong to frames of {frames.shape[:2]}"
        )
