"""Targets: what the values of actions should have been."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def trace_back(
    rewards: NDArray[np.float32], lost: NDArray[np.bool_], best: NDArray[np.float32], *, discount: float, trace: float
) -> NDArray[np.float32]:
    """Return the returns of Q(lambda), cut where a life was lost: (T, N).

    rewards, lost (T, N): of each step. best (T + 1, N): the highest value that the network gives before each step, and
    after the last one. R[t] = r[t] + discount * ((1 - trace) * best[t+1] + trace * R[t+1]), and R[T] is best[T]
    (Gallici et al. 2024, after Watkins).
    """
    returns = np.zeros_like(rewards)
    later = best[-1]
    for step in range(len(rewards) - 1, -1, -1):
        ahead = (1 - trace) * best[step + 1] + trace * later
        returns[step] = later = rewards[step] + discount * np.where(lost[step], 0, ahead)
    return returns
