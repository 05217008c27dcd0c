"""Published R-NEM, run on TensorFlow with random weights: what its code reports, recomputed from its predictions and
gammas.

Where the definitions differ: published upper-bound losses add KL(Bernoulli(0) || Bernoulli(max psi)) on every pixel, so
only their second column (`intra`) is a cross-entropy; they are means over the batch, per step, in float32; the
published ARI takes the mean over frames and sequences of a float32 formula that gives 0 where one slot owns one object,
and more than 1 where objects are large.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from physbench.metrics import grouping, pixels, sums

HERE = Path(__file__).parent.parent / "golden" / "nem"
NAMES = ("rnn", "lstm", "rnn_em", "r_nem", "r_nem_no_attention", "r_nem_actions")

Reference = dict[str, NDArray[Any]]


@pytest.fixture(params=NAMES)
def published(request: pytest.FixtureRequest) -> Reference:
    """Beside what is published stand the maximum of the predictions over the slots and the strongest slot; both are
    computed where one slot is all."""
    with np.load(HERE / f"{request.param}.npz") as file:
        arrays = {name: file[name] for name in file.files if not name.startswith(("w/", "gradnorm/"))}
    return {"means": arrays["preds"], "owners": np.zeros(arrays["gammas"].shape, np.uint8), **arrays}


def sequences_first(array: NDArray[Any]) -> NDArray[Any]:
    """(T + 1, B, 1, H, W, 1) -> (B, T + 1, H, W, 1), 0 or 1 or small whole numbers."""
    return array[:, :, 0].swapaxes(0, 1).astype(np.uint8)


def means(published: Reference) -> NDArray[Any]:
    """(B, T, H, W, 1): the maximum over the slots. means[0] is of the start state and is not scored; means[t + 1] is of
    frame t + 1."""
    return published["means"][1:, :, 0].swapaxes(0, 1)


def tables(published: Reference) -> NDArray[Any]:
    """gammas[t] is formed with frame t at hand: it owns that frame."""
    owners = published["owners"][:, :, 0, ..., 0].swapaxes(0, 1)
    return grouping.contingency(owners, sequences_first(published["groups"]))


def test_bce_is_the_intra_part_of_the_upper_bound(published: Reference) -> None:
    ours = pixels.bce(sequences_first(published["targets"]), means(published))
    np.testing.assert_allclose(sums.curve(sums.mean(ours)), published["other_ub_losses"][:, 1], rtol=1e-5)


def test_the_whole_upper_bound_is_bce_plus_the_divergence_from_black(published: Reference) -> None:
    """KL(Bernoulli(0) || Bernoulli(p)) = -ln(1 - p), on every pixel."""
    ours = pixels.bce(sequences_first(published["targets"]), means(published))
    black = pixels.bce(np.zeros_like(sequences_first(published["targets"])), means(published))
    np.testing.assert_allclose(sums.curve(sums.mean(ours + black)), published["other_ub_losses"][:, 0], rtol=1e-4)
    assert sums.value(sums.mean(ours + black)) == pytest.approx(float(published["ub_loss"]), rel=1e-4)


def test_relational_bce_is_the_intra_part_of_the_relational_upper_bound(published: Reference) -> None:
    """Flags of index t on the loss of frame t + 1: one index further, and the numbers are others."""
    frames, flags = sequences_first(published["targets"]), sequences_first(published["collisions"])
    ours = pixels.relational_bce(frames, means(published), flags)
    np.testing.assert_allclose(sums.curve(sums.mean(ours)), published["r_other_ub_losses"][:, 1], rtol=1e-5)
    shifted = pixels.bernoulli_bce(frames[:, 1:], means(published), flags[:, 1:])
    assert not np.allclose(sums.curve(sums.mean(shifted)), published["r_other_ub_losses"][:, 1], rtol=1e-3)


def test_ari_is_the_published_one(published: Reference) -> None:
    ours = sums.mean_where_defined(grouping.ari(tables(published)))
    assert (ours.denominator == 1).all()
    assert sums.value(ours) == pytest.approx(float(published["ari_seq"]), abs=2e-6)
    assert sums.value(sums.last(ours)) == pytest.approx(float(published["ari_last"]), abs=2e-6)


def test_one_slot_scores_0_where_several_objects_show(published: Reference) -> None:
    if published["gammas"].shape[2] == 1:
        assert not grouping.ari(tables(published)).any()


def published_ari(owner: NDArray[Any], group: NDArray[Any]) -> float:
    """The published formula for one frame: float32, a millionth against division by zero, the denominator clipped to
    1e-6 .. 1e6."""
    table = np.zeros((int(owner.max()) + 1, int(group.max()) + 1), np.float32)
    for o, g in zip(owner.tolist(), group.tolist(), strict=True):
        table[o, g] += g > 0
    n = table.sum()
    pairs, a, b = ((each * (each - 1)).sum() for each in (table, table.sum(axis=1), table.sum(axis=0)))
    expected = a * b / (n * (n - 1) + np.float32(1e-6))
    return float((pairs - expected) / np.clip((a + b) / 2 - expected, np.float32(1e-6), np.float32(1e6)))


def test_the_published_formula_written_here_gives_the_published_numbers(published: Reference) -> None:
    owners, groups = published["owners"][:, :, 0, ..., 0], sequences_first(published["groups"])[..., 0].swapaxes(0, 1)
    each = [
        [published_ari(o.ravel(), g.ravel()) for o, g in zip(*frames, strict=True)]
        for frames in zip(owners[1:], groups[1:], strict=True)
    ]
    assert np.mean(each) == pytest.approx(float(published["ari_seq"]), abs=1e-6)


@pytest.mark.parametrize("size", [3, 12, 20])
def test_one_correct_object_scores_1_here_and_0_in_the_published_formula(size: int) -> None:
    group = np.array([0] + [1] * size**2, np.uint8)
    owner = np.array([2] + [0] * size**2, np.uint8)
    assert published_ari(owner, group) == 0.0
    assert (
        grouping.adjusted_rand(grouping.contingency(owner.reshape(1, 1, 1, -1), group.reshape(1, 1, 1, -1, 1))).item()
        == 1.0
    )


def test_large_objects_score_at_most_1_here_and_more_in_the_published_formula() -> None:
    """Its denominator ends at 1e6, which two objects of 1,100 pixels pass."""
    group = np.repeat(np.array([1, 2], np.uint8), 1100)
    owner = np.where(np.arange(2200) < 1000, 0, 1).astype(np.uint8)
    ours = grouping.adjusted_rand(
        grouping.contingency(owner.reshape(1, 1, 1, -1), group.reshape(1, 1, 1, -1, 1))
    ).item()
    assert published_ari(group, group) > 1.1
    assert published_ari(owner, group) > ours + 0.1
