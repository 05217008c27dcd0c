"""Tests of random numbers: every sequence has its own seed, which SplitMix64 makes from counters."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import physbench
from physbench import registry
from physbench.recipe import Recipe, mix
from physbench_generators.balls import kernels
from physbench_generators.balls.scenes import Balls
from tests.builders.launches import SEEDS, SOME
from tests.oracles.splitmix import GOLDEN, KNOWN, WORD, splitmix


def test_the_stream_of_the_kernels_is_splitmix64() -> None:
    stream = np.array([1234567], np.uint64)
    for step, number in enumerate(KNOWN, 1):
        assert splitmix(1234567 + step * GOLDEN) == number
        assert kernels.draw(stream) == (number >> 11) * 2.0**-53
        assert int(stream[0]) == (1234567 + step * GOLDEN) % WORD


def test_mixed_is_the_finalizer_of_splitmix64() -> None:
    assert [mix((1234567 + step * GOLDEN) % WORD) for step in range(1, 6)] == KNOWN


def recipe(seed: int = 0) -> Recipe:
    return Recipe(dataset="balls4mass64", generator=Balls(), seed=seed)


@SOME
@given(SEEDS, st.sampled_from(["training", "validation", "test"]), st.integers(0, 2**32 - 40), st.integers(0, 30))
def test_seeds_are_what_big_integers_say(seed: int, split: str, first: int, count: int) -> None:
    numbers = [
        (["training", "validation", "test"].index(split) * 2**40 + i + 1) * GOLDEN for i in range(first, first + count)
    ]
    assert recipe(seed).seeds(split, first, first + count).tolist() == [
        splitmix(splitmix(seed) + number) for number in numbers
    ]


@SOME
@given(SEEDS, st.data())
def test_slices_of_seeds_agree(seed: int, data: st.DataObject) -> None:
    start, stop = sorted(data.draw(st.tuples(st.integers(0, 1_000), st.integers(0, 1_000))))
    whole = recipe(seed).seeds("validation", 0, 1_000)
    np.testing.assert_array_equal(recipe(seed).seeds("validation", start, stop), whole[start:stop])


@pytest.mark.parametrize("seed", [0, 1, 2**64 - 1])
def test_no_two_sequences_share_a_seed(seed: int) -> None:
    everything = np.concatenate([recipe(seed).seeds(split, 0, 70_000) for split in ("training", "validation", "test")])
    assert np.unique(everything).size == everything.size


def test_seeds_of_neighbouring_recipes_have_nothing_in_common() -> None:
    assert not np.intersect1d(recipe(0).seeds("training", 0, 50_000), recipe(1).seeds("training", 0, 50_000)).size


def test_a_dataset_with_a_name_of_its_own_has_a_random_stream_of_its_own() -> None:
    """The named balls of version 1 share one, which their bytes are frozen with."""
    named = registry.datasets.get("balls4mass64")
    names = (
        "balls4mass64",
        "balls678mass64",
        "balls3curtain64",
        "balls4mass64-crop50",
        "balls678mass64-crop50",
        "balls",
    )
    shared = [registry.datasets.get(name).seeds("test", 0, 8).tolist() for name in names]
    others = [replace(named, dataset=name).seeds("test", 0, 8).tolist() for name in ("balls10", "balls-leave50")]
    assert all(seeds == shared[0] for seeds in shared)
    assert not set(others[0]) & set(others[1]) and not set(shared[0]) & {*others[0], *others[1]}


def test_later_balls_start_further_out_as_the_card_says() -> None:
    """They are placed one after another, each uniformly over what is still free."""
    recipe = registry.datasets.get("balls4mass64")
    position = recipe.generator.throw(recipe.seeds("training", 0, 100_000), 2)[0]["position"][:, 0].astype(np.float64)
    distance = np.hypot(*np.moveaxis(position - 32.0, -1, 0)).mean(axis=0)
    assert np.all(np.diff(distance) > 0)
    card = (Path(physbench.__file__).parents[1] / "generators" / "README.md").read_text(encoding="utf-8")
    assert f"rises from {distance[0]:.1f} px for the first" in card and f"to {distance[-1]:.1f} px for the last" in card
