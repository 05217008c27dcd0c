"""Tests of which suites a model is scored on, given what it was trained on."""

from __future__ import annotations

import pytest

from physbench import registry
from physbench.errors import TrainingError
from physbench.suites import SUITES
from physbench_baselines.releasing.worlds import WORLDS, suites_of, world_of, yardstick

BALLS = ("balls", "extrapolation", "curtain", "simulation", "crop50")


@pytest.mark.parametrize(
    ("dataset", "suites"),
    [
        ("balls4mass64", BALLS),
        ("balls3curtain64", BALLS),
        ("balls4mass64-crop50", ("crop50", "balls", "extrapolation")),
        ("balls-leave50", ("leave",)),
        ("invaders84", ("invaders", "probe")),
        ("shapes", ("segmentation-shapes",)),
        ("tetris", ("segmentation-tetris",)),
        ("multi-dsprites", ("segmentation-multi-dsprites",)),
        ("multi-dsprites-binary", ("segmentation-multi-dsprites-binary",)),
    ],
)
def test_the_suites_of_a_model_are_those_of_the_world_that_it_learnt(dataset: str, suites: tuple[str, ...]) -> None:
    assert suites_of(dataset) == suites and yardstick(dataset, ["curtain"]) == suites[0]


def test_whatever_a_ranked_suite_asks_and_can_be_learnt_is_of_one_world() -> None:
    asked = {task.name for suite in SUITES.values() if suite.ranked_by for task in suite.tasks}
    learnt = [
        name
        for name in registry.datasets.names()
        if name in asked and registry.datasets.get(name).splits.get("training")
    ]
    assert learnt
    for name in learnt:
        assert sum(name in world.datasets for world in WORLDS) == 1, name


def test_what_a_table_shows_is_asked_and_the_first_figure_is_what_the_first_suite_ranks_by() -> None:
    for world in WORLDS:
        assert next(iter(world.figures.values())) == (world.first, *(SUITES[world.first].ranked_by or ()))
        for suite, task, _ in world.figures.values():
            assert suite in world.suites
            assert task in {each.names(asking) for each in SUITES[suite].tasks for asking in each.askings}


def test_for_data_that_no_suite_has_the_suites_must_be_named() -> None:
    assert (
        world_of("mine") is None
        and yardstick("mine", ["curtain", "balls"]) == "curtain"
        and yardstick("mine", []) is None
    )
    with pytest.raises(
        TrainingError, match="the suites for models that learnt 'mine' are not known: name them with --suites"
    ):
        suites_of("mine")
