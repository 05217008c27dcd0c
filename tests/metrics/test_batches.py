"""Tests that the score of a sequence never depends on the other sequences of its batch, not even by one bit."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from physbench.metrics import boxes, collisions, grouping, permanence, pixels, positions, rollout
from physbench.model import Gaussian

Arrays = Mapping[str, NDArray[Any]]


def scene(height: int, width: int) -> Arrays:
    """70 sequences of noise, some without collisions, some without a curtain, slots used by few."""
    rng = np.random.default_rng(height)
    groups = rng.integers(0, 4, (70, 6, height, width, 1), np.uint8)
    groups[::3] %= 3
    owners = rng.integers(0, 3, (70, 6, height, width), np.uint8)
    owners[11] = 200
    position = rng.uniform(0, width, (70, 6, 3, 2))
    identity = np.argsort(rng.random((70, 6, 3)), axis=2)[..., None]
    said = np.concatenate(
        [position[:, :, ::-1] + rng.normal(0, 2, position.shape), np.ones_like(position), identity], axis=3
    )
    said[rng.random((70, 6, 3)) < 0.3] = np.nan
    curtain = np.tile(np.array([2, 2, 4, 5], np.int16), (70, 1))
    curtain[::5] = 0
    return {
        "frames": (groups > 0).astype(np.uint8),
        "colours": rng.random((70, 6, height, width, 1)),
        "means": rng.random((70, 5, height, width, 1), dtype=np.float32),
        "collisions": ((rng.random(groups.shape) < 0.1) & (rng.random((70, 6, 1, 1, 1)) < 0.5)).astype(np.uint8),
        "groups": groups,
        "owners": owners,
        "curtain": curtain,
        "visible": ((rng.random((70, 6, 3)) < 0.4) * 5).astype(np.uint16),
        "position": position,
        "boxes": said,
        "radius": rng.uniform(0.5, 2, (70, 3)),
        "collided": rng.integers(0, 5, (70, 3)),
    }


SCORES: dict[str, Callable[[Arrays], list[NDArray[Any]]]] = {
    "bce": lambda s: [pixels.bce(s["frames"], s["means"])],
    "bce of colours": lambda s: [pixels.bce(s["colours"], s["means"])],
    "relational_bce": lambda s: [pixels.relational_bce(s["frames"], s["means"], s["collisions"])],
    "relational_bce of colours": lambda s: [pixels.relational_bce(s["colours"], s["means"], s["collisions"])],
    "log_likelihood": lambda s: [pixels.log_likelihood(s["frames"][:, 1:], s["means"], Gaussian(0.3))],
    "relational_log_likelihood": lambda s: [
        pixels.log_likelihood(s["frames"][:, 1:], s["means"], Gaussian(0.3), s["collisions"][:, 1:])
    ],
    "clipped_share": lambda s: [pixels.clipped_share(s["means"] * 1.5).numerator],
    "ari": lambda s: [grouping.ari(grouping.contingency(s["owners"], s["groups"], s["curtain"]))],
    "ari_video": lambda s: [grouping.ari_video(grouping.contingency(s["owners"], s["groups"], s["curtain"]))],
    "rollout": lambda s: [
        rollout.rollout_bce(s["frames"], s["means"][:, :3], 3),
        rollout.repeat_bce(s["frames"], 3, 3),
    ],
    "event_error": lambda s: both(
        collisions.event_error(
            s["frames"],
            s["means"],
            context=1,
            ahead=4,
            position=s["position"],
            radius=s["radius"],
            collided=s["collided"],
        )
    ),
    "permanence_bce": lambda s: both(
        permanence.permanence_bce(
            s["frames"], s["means"], s["groups"], s["visible"], s["curtain"], rates=[0.3, 0.01, *[math.nan] * 8]
        )
    ),
    "permanence_bce of colours": lambda s: both(
        permanence.permanence_bce(
            s["colours"], s["means"], s["groups"], s["visible"], s["curtain"], rates=[0.4, 0.6, *[0.5] * 8]
        )
    ),
    "rates near the curtain": lambda s: both(permanence.count_on(s["frames"], s["groups"], s["visible"], s["curtain"])),
    "rollout_position_error": lambda s: both(
        positions.rollout_position_error(s["means"][:, 3], s["position"][:, 4], s["radius"], s["visible"][:, 4])
    ),
    "boxes": lambda s: [part for figure in of_boxes(s) for part in both(figure)],
}


def of_boxes(s: Arrays) -> list[Any]:
    size = dict(zip(("height", "width"), s["frames"].shape[2:4], strict=True))
    box_of = boxes.match_boxes(s["boxes"], s["position"], s["visible"], **size)
    names = boxes.identities(box_of, s["boxes"])
    return [
        boxes.count_accuracy(s["boxes"], s["visible"]),
        boxes.box_recall(box_of, s["position"], s["visible"], **size),
        boxes.box_precision(box_of, s["boxes"]),
        boxes.identity_kept(names),
        boxes.identity_regained(names, s["visible"]),
    ]


def both(figure: Any) -> list[NDArray[Any]]:
    return [figure.numerator, figure.denominator]


@pytest.mark.parametrize("shape", [(32, 32), (5, 7)])
@pytest.mark.parametrize("name", SCORES)
def test_batches_of_1_7_and_64_in_any_order_score_the_same_to_the_bit(name: str, shape: tuple[int, int]) -> None:
    arrays, score = scene(*shape), SCORES[name]
    whole = score(arrays)
    assert any(np.nansum(part) for part in whole)
    for size in (1, 7, 64):
        order = np.random.default_rng(size).permutation(70)
        pieces = [score({key: array[order[i : i + size]] for key, array in arrays.items()}) for i in range(0, 70, size)]
        for k, part in enumerate(whole):
            np.testing.assert_array_equal(np.concatenate([piece[k] for piece in pieces]), part[order], strict=True)


@pytest.mark.parametrize("name", SCORES)
def test_arrays_that_are_views_score_the_same_to_the_bit(name: str) -> None:
    """The file has time first; its readers hand out transposed views."""
    arrays, score = scene(6, 8), SCORES[name]
    turned = {key: np.moveaxis(np.ascontiguousarray(np.moveaxis(array, 0, -1)), -1, 0) for key, array in arrays.items()}
    for one, other in zip(score(arrays), score(turned), strict=True):
        np.testing.assert_array_equal(one, other)
