"""Tests of repeated trainings of a model: kept as cards without weights, all shown, and refused if more than the seed
differs."""

from __future__ import annotations

import math
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from physbench.errors import TrainingError
from physbench_baselines import bundled
from physbench_baselines.model_card import Card, Repeat
from physbench_baselines.releasing.repeat import find_repeats, require_repeat
from physbench_baselines.releasing.trainings import format_trainings, judge_trainings, list_values
from physbench_baselines.training.training_recipe import TrainingRecipe

PLACE = ("crop50", "balls4mass64-crop50/rollout-9+1", "log_likelihood")
VALUES = st.lists(st.floats(-1e3, 1e3), min_size=0, max_size=6)


@pytest.fixture
def shipped() -> Card:
    return bundled.card("sqair.balls4mass64-crop50")


def repeat_of(card: Card, seed: int, value: float) -> Repeat:
    row = {
        "suite": PLACE[0],
        "version": 2,
        "size": "lite",
        "task": PLACE[1],
        "metric": PLACE[2],
        "value": value,
        "low": value - 1,
        "high": value + 1,
    }
    known = {field: getattr(card, field) for field in Repeat.__dataclass_fields__}
    return Repeat(**{**known, "train_seed": seed, "scores": [row]})


def test_a_run_of_the_same_recipe_and_another_seed_is_a_repeat(shipped: Card) -> None:
    recipe = TrainingRecipe.from_dict(shipped.recipe)
    require_repeat(replace(recipe, seed=99), shipped, Path("run"))
    with pytest.raises(TrainingError, match="a repeat needs another seed"):
        require_repeat(recipe, shipped, Path("run"))
    with pytest.raises(TrainingError, match=r"no repeat of sqair.*its batch is 3, not 16"):
        require_repeat(replace(recipe, seed=99, batch=3), shipped, Path("run"))


def test_cards_of_repeats_are_read_as_they_were_written(shipped: Card) -> None:
    card = repeat_of(shipped, 7, 12.5)
    assert Repeat.from_json(card.to_json(), place="here") == card
    for broken in ("", "[]", "{}", '{"name": "x"}', card.to_json().replace("weights_sha256", "weights")):
        with pytest.raises(TrainingError, match="not the card of a model"):
            Repeat.from_json(broken, place="here")


def test_a_repeat_of_several_stages_repeats_them_all() -> None:
    shipped = bundled.card("iodine.shapes")
    recipe = replace(TrainingRecipe.from_dict(shipped.recipe), seed=99, initial="elsewhere/iodine.shapes.6")
    other = [{**stage, "recipe": {**stage["recipe"], "seed": 90 + at}} for at, stage in enumerate(shipped.before)]
    require_repeat(recipe, shipped, Path("run"), other)
    with pytest.raises(TrainingError, match="it had 1 stages before, not 2"):
        require_repeat(recipe, shipped, Path("run"), other[:1])
    with pytest.raises(TrainingError, match="had the seed 2 in stage 2"):
        require_repeat(recipe, shipped, Path("run"), [other[0], shipped.before[1]])
    with pytest.raises(TrainingError, match="in stage 1, its learning_rate is another"):
        strange = {**other[0], "recipe": {**other[0]["recipe"], "learning_rate": 0.1}}
        require_repeat(recipe, shipped, Path("run"), [strange, other[1]])


def test_repeats_that_come_along_are_of_models_that_come_along() -> None:
    places = (
        [path.name for path in (bundled.FOLDER / "repeats").iterdir()] if (bundled.FOLDER / "repeats").is_dir() else []
    )
    listed = {
        f"{name}.seed{card.train_seed}.json": (bundled.card(name), card)
        for name in bundled.names()
        for card in find_repeats(name)
    }
    assert sorted(places) == sorted(listed)
    for shipped, card in listed.values():
        require_repeat(TrainingRecipe.from_dict(card.recipe), shipped, Path(card.name), card.before)
        assert (card.steps_limit, card.minutes_limit) == (shipped.steps_limit, shipped.minutes_limit)
        assert card.data == shipped.data and card.weights_sha256 != shipped.weights_sha256


@given(VALUES, VALUES)
def test_all_of_one_have_to_beat_all_of_the_other(better: list[float], worse: list[float]) -> None:
    told = judge_trainings(better, worse, "log_likelihood")
    if len(better) < 3 or len(worse) < 3:
        assert told is None
    else:
        wins = sum(a > b for a in better for b in worse)
        losses = sum(a < b for a in better for b in worse)
        pairs = len(better) * len(worse)
        assert told == ("holds" if wins == pairs else "reversed" if losses == pairs else "cannot tell")
    turned = judge_trainings(better, worse, "relative_bce")
    assert (told, turned) in {
        (None, None),
        ("holds", "reversed"),
        ("reversed", "holds"),
        ("cannot tell", "cannot tell"),
    }


def test_three_against_three_are_in_order_by_chance_once_in_twenty() -> None:
    assert math.comb(6, 3) == 20


def test_the_table_names_every_seed_and_their_spread(shipped: Card) -> None:
    cards: list[Any] = [shipped, repeat_of(shipped, 2, 100.0), repeat_of(shipped, 3, 300.0)]
    values = list_values(cards, PLACE)
    assert values[1:] == [100.0, 300.0]
    text = format_trainings({"sqair": cards, "alone": [shipped]})
    assert "alone" not in text
    assert [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| seed")] == [
        "seed 1",
        "seed 2",
        "seed 3",
    ]
    assert f"{statistics.mean(values):.3f} ± {statistics.stdev(values):.3f}" in text
