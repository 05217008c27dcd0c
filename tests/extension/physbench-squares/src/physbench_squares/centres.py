"""A metric: how far from the objects' middle a model puts the middle of its next frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from physbench.metrics.metric import Metric
from physbench.metrics.sums import Sums, mean

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from physbench.metrics.evidence import Evidence


def distances(means: NDArray[Any], position: NDArray[Any]) -> NDArray[np.float64]:
    """means (B, S, H, W, C), position (B, S, K, 2) -> (B, S) pixels between two middles; that of an empty frame is (0,
    0)."""
    weight = means.astype(np.float64).sum(-1)
    y, x = (np.arange(side) + 0.5 for side in weight.shape[2:])
    total = np.maximum(weight.sum((2, 3)), 1e-9)
    middle = np.stack([(weight.sum(2) * x).sum(2) / total, (weight.sum(3) * y).sum(2) / total], axis=-1)
    return np.linalg.norm(middle - position.mean(2), axis=-1)


def centre_error(evidence: Evidence) -> Sums:
    """Compare the predicted frames, which are all but the first, with the positions there."""
    assert evidence.means is not None
    return mean(distances(evidence.means, evidence.truth["position"][:, 1 : evidence.asking.frames]))


CENTRE_ERROR = Metric(
    name="centre_error",
    better="lower",
    definition="The distance from the middle of the objects to the centre of mass of the predicted frame, in pixels.",
    formula="mean over sequences and steps of |sum of p x place / sum of p - mean position of the objects|",
    caution="A blur around the right place is as good as a sharp prediction: read it beside bce.",
    asked_of=("window",),
    needs=("means", "position"),
    function=centre_error,
    bounds=(0.0, 1e6),
    last=True,
    place=1,
    example="""\
>>> import numpy as np
>>> from physbench_squares.centres import distances
>>> means = np.array([[0.0, 0.5, 0.5, 0.0]]).reshape(1, 1, 1, 4, 1)  # its middle lies at x = 2, y = 0.5
>>> float(distances(means, np.array([[[[5.0, 4.5]]]]))[0, 0])
5.0
""",
)
