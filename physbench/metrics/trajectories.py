"""Scores of predicted positions of objects, and of the physics that they violate. The side of the box is 1.

N sequences, S predicted states, K objects. An object of radius 0 does not exist, and never counts.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physbench.metrics.sums import Floats, Sums, ratio

Places = NDArray[Any]  # (N, S, K, 2)


def square_errors(there: Places, said: Places, radius: NDArray[Any]) -> Floats:
    """Add up the squared errors of all coordinates of a state: (N, S, K, 2) both, radius (N, K) -> (N, S)."""
    squares = ((there.astype(np.float64) - said) ** 2).sum(axis=3)
    return np.where(radius[:, None] > 0, squares, 0.0).sum(axis=2)


def position_mse(there: Places, said: Places, radius: NDArray[Any]) -> Sums:
    """Score the mean squared error of a coordinate: (N, S, K, 2) both, radius (N, K) -> (N, S)."""
    errors = square_errors(there, said, radius)
    return ratio(errors, np.broadcast_to(2 * (radius > 0).sum(axis=1)[:, None], errors.shape))


def kinetic_energies(before: NDArray[Any], places: Places, mass: NDArray[Any]) -> Floats:
    """Compute the kinetic energy from the distance that each object moves in each step.

    before (N, K, 2), then places (N, S, K, 2), mass (N, K) -> (N, S).
    """
    whole = np.concatenate([before[:, None], places], axis=1).astype(np.float64)
    return 0.5 * (mass[:, None] * (np.diff(whole, axis=1) ** 2).sum(axis=3)).sum(axis=2)


def energy_error(before: NDArray[Any], there: Places, said: Places, mass: NDArray[Any]) -> Sums:
    """Score the error of the energy as a share of the energy of the true steps.

    before (N, K, 2): the last shown state; then places (N, S, K, 2) twice, mass (N, K) -> (N, S).
    """
    true, imagined = (kinetic_energies(before, places, mass) for places in (there, said))
    return ratio(np.abs(imagined - true), true)


def penetration(said: Places, radius: NDArray[Any]) -> Sums:
    """Score how deep an object overlaps with others and with walls, as a share of its radius.

    said (N, S, K, 2), radius (N, K) -> (N, S).
    """
    places, reach = said.astype(np.float64), radius.astype(np.float64)
    there = reach > 0
    apart = np.sqrt(((places[:, :, :, None] - places[:, :, None]) ** 2).sum(axis=4))  # (N, S, K, K)
    in_others = np.maximum(reach[:, None, :, None] + reach[:, None, None] - apart, 0.0)
    both = there[:, :, None] & there[:, None] & ~np.eye(reach.shape[1], dtype=bool)
    depth = np.where(both[:, None], in_others, 0.0).sum(axis=3)
    edge = reach[:, None, :, None]
    depth += (np.maximum(edge - places, 0.0) + np.maximum(places + edge - 1.0, 0.0)).sum(axis=3)
    shares = np.where(there[:, None], depth / np.where(there, reach, 1.0)[:, None], 0.0).sum(axis=2)
    return ratio(shares, np.broadcast_to(there.sum(axis=1)[:, None], shares.shape))
