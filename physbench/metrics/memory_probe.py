"""Linear probes of a console's memory: how much of it can be read from a model's codes of the frames?

A probe is a ridge regression on standardised codes. It predicts each bit of the bytes that are scored, and a few bytes
as numbers. The probe is the same for every model. Only the ridge is chosen, on the last fifth of the training
sequences, which come from other games than the rest.

M training sequences, S frames of each, N numbers of a code, F things to read: the bits, then V variables.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from physbench.metrics.sums import Floats, Sums, ratio

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

RIDGES = (1.0, 10.0, 100.0, 1e3, 1e4, 1e5)
"""The ridges that are tried. A ridge is added to the diagonal, for codes of variance 1."""

HELD_OUT = 5
"""One in so many training sequences is held out to choose the ridge."""

CHUNK = 1024
"""How many numbers of a code are processed together in double precision."""


@dataclass(frozen=True)
class MemoryProbe:
    """A fitted probe."""

    centre: Floats  # (N,)
    spread: Floats  # (N,)
    weights: Floats  # (N, F)
    means: Floats  # (F,)
    slots: NDArray[np.bool_]  # (128,) the bytes whose bits are read
    units: Floats  # (V,) the spread of each variable in training
    ridge: float

    @staticmethod
    def fit(
        codes: NDArray[np.float32], ram: NDArray[np.uint8], slots: NDArray[np.bool_], variables: Sequence[int]
    ) -> MemoryProbe:
        """Fit a probe to codes (M, S, N) and ram (M, S, 128).

        slots (128,): the bytes whose bits are wanted. variables: the addresses of the bytes that are read as numbers.
        """
        fitted, frames = max(len(codes) - len(codes) // HELD_OUT, 1), codes.shape[1]
        ram = ram.reshape(-1, ram.shape[2])
        x, centre, spread = _standardise(codes.reshape(-1, codes.shape[2]))
        numbers = ram[:, list(variables)].astype(np.float64)
        units = numbers.std(axis=0)
        units = np.where(units > 0, units, 1.0)
        y = np.concatenate([_bits(ram, slots), numbers / units], axis=1)
        ridge, weights = solve_ridges(x, y, fitted * frames)
        return MemoryProbe(centre, spread, weights, y.mean(axis=0), slots, units, ridge)

    def read(self, codes: NDArray[np.float32]) -> MemoryReading:
        """Read the bytes and the variables from codes (B, S, N)."""
        found = ((codes - self.centre) / self.spread) @ self.weights + self.means
        count = 8 * int(self.slots.sum())
        ram = np.zeros((*codes.shape[:2], len(self.slots)), np.uint8)
        ram[..., self.slots] = np.packbits(found[..., :count].reshape(*codes.shape[:2], -1, 8) > 0.5, axis=-1)[..., 0]
        return MemoryReading(ram, found[..., count:], self.means[count:], self.units)


@dataclass(frozen=True)
class MemoryReading:
    """What a probe has read from codes."""

    ram: NDArray[np.uint8]  # (B, S, 128) 0 where nothing is read
    values: Floats  # (B, S, V) of the variables, in their units
    means: Floats  # (V,) of training, in the same units
    units: Floats  # (V,)

    def explain(self, values: NDArray[np.uint8]) -> Sums:
        """Compare with the true values (B, S, V): the explained variance of the variables over the whole -> (B, S).

        Each variable is measured in its unit.
        """
        there = values / self.units
        every = ((there - self.means) ** 2).sum(axis=2)
        return ratio(every - ((there - self.values) ** 2).sum(axis=2), every)


def solve_ridges(
    x: NDArray[np.float32], y: Floats, fitted: int, ridges: Sequence[float] = RIDGES
) -> tuple[float, Floats]:
    """Choose a ridge, and fit weights with it: x (R, N), y (R, F) -> the ridge, and weights (N, F).

    The ridge is the one with the least error on the later rows, after a fit to the first `fitted` rows. The weights are
    then fitted to all rows. The normal equations are solved where a code is short, and otherwise their dual.
    """
    system = _Primal(x, fitted) if x.shape[1] <= len(x) else _Dual(x, fitted)
    mean = y[:fitted].mean(axis=0)
    errors = [np.square(y[fitted:] - mean - system.held_out(y[:fitted] - mean, ridge)).sum() for ridge in ridges]
    ridge = ridges[int(np.argmin(errors))]
    return ridge, system.weights(y - y.mean(axis=0), ridge)


class _Primal:
    """The system (X'X + ridge) w = X'y."""

    def __init__(self, x: NDArray[np.float32], fitted: int) -> None:
        self.x, self.fitted = x.astype(np.float64), fitted
        self.first = self.x[:fitted].T @ self.x[:fitted]
        self.all = self.first + self.x[fitted:].T @ self.x[fitted:]

    def held_out(self, y: Floats, ridge: float) -> Floats:
        return self.x[self.fitted :] @ _solve(self.first, self.x[: self.fitted].T @ y, ridge)

    def weights(self, y: Floats, ridge: float) -> Floats:
        return _solve(self.all, self.x.T @ y, ridge)


class _Dual:
    """The system w = X'a, (XX' + ridge) a = y."""

    def __init__(self, x: NDArray[np.float32], fitted: int) -> None:
        self.x, self.fitted = x, fitted
        self.kernel = np.zeros((len(x), len(x)))
        for part in self._parts():
            self.kernel += part @ part.T

    def held_out(self, y: Floats, ridge: float) -> Floats:
        m = self.fitted
        return self.kernel[m:, :m] @ _solve(self.kernel[:m, :m], y, ridge)

    def weights(self, y: Floats, ridge: float) -> Floats:
        found = _solve(self.kernel, y, ridge)
        return np.concatenate([part.T @ found for part in self._parts()])

    def _parts(self) -> Iterator[Floats]:
        """Yield the columns of x, a few at a time: (R, CHUNK)."""
        return (self.x[:, start : start + CHUNK].astype(np.float64) for start in range(0, self.x.shape[1], CHUNK))


def _standardise(codes: NDArray[np.float32]) -> tuple[NDArray[np.float32], Floats, Floats]:
    """Standardise codes (R, N) to mean 0 and variance 1, some columns at a time.

    Return them, with what was subtracted (N,) and what they were divided by (N,).
    """
    x, centre, spread = np.empty_like(codes), np.empty(codes.shape[1]), np.empty(codes.shape[1])
    for start in range(0, codes.shape[1], CHUNK):
        columns = slice(start, start + CHUNK)
        part = codes[:, columns].astype(np.float64)
        centre[columns], deviation = part.mean(axis=0), part.std(axis=0)
        spread[columns] = np.where(
            deviation > 1e-6 * (np.abs(centre[columns]) + 1), deviation, np.inf
        )  # a number that never changes carries no information
        x[:, columns] = (part - centre[columns]) / spread[columns]
    return x, centre, spread


def _solve(matrix: Floats, right: Floats, ridge: float) -> Floats:
    return np.linalg.solve(matrix + ridge * np.eye(len(matrix)), right).astype(np.float64)


def _bits(ram: NDArray[np.uint8], slots: NDArray[np.bool_]) -> Floats:
    """Return the bits of the slots: (R, 128) -> (R, 8 * slots), the highest bit of a byte first."""
    return np.unpackbits(ram[:, slots, None], axis=2).reshape(len(ram), -1).astype(np.float64)
