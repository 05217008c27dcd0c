"""What a picture of balls shows beside pixels and labels: which are heavier, what they hit, and the curtain."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physbench.scene import HIT_OBJECT, WALL, Marks

WORDS = {
    "cores": "dark core: heavier",
    "outlined": "white outline: hits another object within a frame",
    "ticks": "tick: hits the wall",
    "hidden": "hatched: the curtain",
    "moments": "two objects hit",
}


def mark_balls(arrays: Mapping[str, NDArray[Any]], events: Mapping[str, NDArray[Any]]) -> Marks:
    """Return the marks of one sequence.

    The arrays may come from an untrusted file, so nothing in them is assumed to be valid.
    """
    count = min(int(arrays["count"]), len(arrays["mass"]))
    weights = _weigh(arrays["mass"][:count])
    radius = np.where(weights > 1, 0.4 * arrays["radius"][:count].astype(float), 0.0)
    position = arrays["position"][:, :count].astype(float)
    walls = events["b"] == WALL
    return Marks(
        names=tuple(
            f"{label}" + f"  ({weight:.3g}x)" * (weight > 1) for label, weight in enumerate(weights.tolist(), 1)
        ),
        cores=np.dstack([position, np.broadcast_to(radius, position.shape[:2])]),
        outlined=(arrays["contact"][:, :count] & HIT_OBJECT).astype(bool),
        ticks=np.column_stack([events["time"], events["position"]])[walls],
        hidden=arrays["curtain"],
        words=WORDS,
    )


def _weigh(mass: NDArray[Any]) -> NDArray[np.float64]:
    """Return each mass as a multiple of the lightest one, or 1 if there are no valid masses."""
    mass = np.nan_to_num(mass.astype(float))
    lightest = mass.min(initial=np.inf)
    return (mass / lightest).round(3) if 0 < lightest < np.inf else np.ones(len(mass))
