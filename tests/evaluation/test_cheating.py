"""Tests of predictors that know nothing, in every suite: none ranks above straight flight.

If one of them does well in a metric, the card of that metric says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, label

from physbench.askings import Colours
from physbench.evaluation.evaluate import extent
from physbench.evaluation.examples import source_of
from physbench.evaluation.memoryless import memoryless_rates
from physbench.evaluation.scoring import score_answer
from physbench.evaluation.window import ask
from physbench.metrics.catalogue import find
from physbench.metrics.permanence import collar
from physbench.metrics.sums import per_sequence, pool, value
from physbench.model import Batch, Bernoulli, Gaussian, Prediction
from physbench.suites import SUITES, Rollout, Task, Window
from physbench_baselines.reference import ConstantVelocity, Oracle
from tests.evaluation.toys import Array

COUNT = 24
"""Sequences; the figures on the cards are of 96."""


@dataclass(frozen=True)
class Trick:
    """Says the same of every frame, or of what it sees of it."""

    say: Callable[[Batch, Array], Array]
    owner: Callable[[Array], Array] | None = None
    likelihood: Any = Bernoulli()  # noqa: RUF009

    def begin(self, batch: Batch) -> Batch:
        return batch

    def observe(self, state: Batch, frame: Array, action: Any) -> tuple[Batch, Prediction]:
        mean = np.broadcast_to(self.say(state, frame), frame.shape).astype(np.float32)
        return state, Prediction(
            mean, None if self.owner is None else np.broadcast_to(self.owner(frame), frame.shape[:3]).astype(np.uint8)
        )


def blur(frame: Array, radius: float) -> Array:
    return 0.994 * gaussian_filter(frame, (0, radius, radius, 0)) + 0.003


CONSTANT: dict[str, Any] = {
    "all ones": Trick(lambda batch, frame: np.ones(1)),
    "grey": Trick(lambda batch, frame: np.full(1, 0.5)),
    "blank": Trick(lambda batch, frame: np.zeros(1)),
    "the rate at which objects come out": Trick(lambda batch, frame: np.full(1, 0.0015)),
    "0.9 everywhere": Trick(lambda batch, frame: np.full(1, 0.9)),
    "0.1 everywhere": Trick(lambda batch, frame: np.full(1, 0.1)),
    "the mean frame": Trick(lambda batch, frame: batch.training_mean()),  # type: ignore[misc]
}
SEEING: dict[str, Any] = {
    "copy": Trick(lambda batch, frame: frame),
    "soft copy": Trick(lambda batch, frame: blur(frame, 0.5)),
    "blurred copy": Trick(lambda batch, frame: blur(frame, 1.6)),
    "the opposite": Trick(lambda batch, frame: 1 - frame),
}
TRICKS = CONSTANT | SEEING

ASKED: dict[str, tuple[Task, Any]] = {
    "balls": (Task("balls4mass64", (Window(31),)), Window(31)),
    "extrapolation": (Task("balls678mass64", (Window(31),)), Window(31)),
    "curtain": (Task("balls3curtain64", (Window(51),)), Window(51)),
    "simulation": (Task("balls4mass64", (Rollout(5, 10),)), Rollout(5, 10)),
    "rims": (Task("balls4mass64", (Rollout(15, 35),)), Rollout(15, 35)),
    "leave": (Task("balls-leave50", (Window(31),)), Window(31)),
    "pixels": (Task("balls10-colour", (Colours(13),)), Colours(13)),
    "crop50": (Task("balls4mass64-crop50", (Rollout(9, 1, samples=5),)), Rollout(9, 1, samples=5)),
}
"""The task and asking that each suite is ranked by."""


@cache
def examples(suite: str, count: int = COUNT) -> Any:
    source = source_of(ASKED[suite][0])
    return source.examples(0, count), source


@cache
def rates(suite: str, count: int = COUNT) -> list[float] | None:
    task, asking = ASKED[suite]
    return memoryless_rates(extent(suite, limit=count), task, asking) if isinstance(asking, Window) else None


def figures(model: Any, suite: str, count: int = COUNT) -> dict[str, float]:
    task, asking = ASKED[suite]
    shown, source = examples(suite, count)
    found = score_answer(
        asking, ask(model, task, asking, shown, source, seed=0), shown, model.likelihood, rates=rates(suite, count)
    )
    return {
        name.removesuffix("[1]") if suite == "crop50" else name: value(pool([per_sequence(each)]))
        for name, each in found.items()
    }


@pytest.fixture(scope="module")
def flight() -> dict[str, dict[str, float]]:
    return {suite: figures(ConstantVelocity(), suite) for suite in ASKED}


@pytest.fixture(scope="module")
def tricks() -> dict[str, dict[str, dict[str, float]]]:
    return {suite: {name: figures(model, suite) for name, model in TRICKS.items()} for suite in ASKED}


def better(metric: str, one: float, other: float) -> bool:
    """Every direction is the card's."""
    return one < other if find(metric).better == "lower" else find(metric).better == "higher" and one > other


def test_every_suite_that_ranks_balls_is_tried() -> None:
    ranked = {name: suite for name, suite in SUITES.items() if suite.ranked_by and suite.tasks[0].shows == "features"}
    assert set(ASKED) == {name for name, suite in ranked.items() if "constant-velocity" in suite.references}
    for name, (task, asking) in ASKED.items():
        assert SUITES[name].ranked_by is not None and SUITES[name].ranked_by[0] == task.names(asking)  # type: ignore[index]


@pytest.mark.parametrize("suite", ASKED)
def test_no_constant_ranks_above_straight_flight(suite: str, flight: Any, tricks: Any) -> None:
    _, metric = SUITES[suite].ranked_by or ("", "")
    for name in CONSTANT:
        assert better(metric, flight[suite][metric], tricks[suite][name][metric]), name


@pytest.mark.parametrize("suite", [suite for suite in ASKED if suite != "extrapolation"])
def test_no_copy_however_soft_ranks_above_straight_flight(suite: str, flight: Any, tricks: Any) -> None:
    _, metric = SUITES[suite].ranked_by or ("", "")
    for name in SEEING:
        assert better(metric, flight[suite][metric], tricks[suite][name][metric]), name


def test_among_many_balls_a_blurred_copy_ranks_above_straight_flight_and_the_card_says_how_far() -> None:
    """Who is certain pays at every collision, and there are many."""
    blur, flight = (
        figures(model, "extrapolation", 96)["relative_bce"] for model in (SEEING["blurred copy"], ConstantVelocity())
    )
    few = figures(SEEING["blurred copy"], "balls", 96)["relative_bce"]
    caution = find("relative_bce").caution
    assert f"blurred by 1.6 pixels {few:.2f}" in caution
    assert (
        f"On 6-8 balls that blur still scores {blur:.2f}" in caution
        and f"{flight:.2f}" in caution.partition("6-8 balls")[2]
    )


ADMITTED = {
    "bce": "blurred by 1.6 pixels below constant-velocity",
    "relative_bce": "6-8 balls that blur",
    "relational_bce": "told where the objects are",
    "relative_relational_bce": "told where the objects are",
    "relational_log_likelihood": "told where the objects are",
    "log_likelihood": "blurred",
    "rollout_bce": "the best answer is a blur",
    "rollout_relative_bce": "mean training frame",
    "event_error": "blurs do not care who collided",
    "rollout_position_error": (
        "All ones score 6.8 at any step, 0.9 everywhere too, below copying (9.5) and constant-velocity (8.1) ten steps"
        " ahead"
    ),
}
"""Metrics in which some trick passes straight flight, and the words with which their cards admit it."""


def test_a_metric_in_which_a_trick_does_well_admits_it_on_its_card(flight: Any, tricks: Any) -> None:
    passed: dict[str, set[str]] = {}
    for suite, rows in tricks.items():
        for name, row in rows.items():
            for metric, figure in row.items():
                if better(metric, figure, flight[suite][metric]):
                    passed.setdefault(find(metric).name, set()).add(name)
    assert passed.keys() <= ADMITTED.keys(), passed
    assert {"0.9 everywhere", "all ones", "grey"} <= passed["relative_relational_bce"] and "the mean frame" in passed[
        "rollout_relative_bce"
    ]
    for metric in passed:
        assert ADMITTED[metric] in find(metric).caution, metric


@pytest.mark.parametrize(
    ("suite", "metric", "trick", "words"),
    [
        ("balls", "relative_bce", "grey", "grey scores {:.2f}"),
        ("balls", "relative_bce", "the mean frame", "the mean training frame {:.2f}"),
        ("balls", "relative_relational_bce", "0.9 everywhere", "p = 0.9 everywhere scores {:.2f}"),
        ("balls", "relative_relational_bce", "all ones", "all ones {:.2f}"),
        ("balls", "relative_relational_bce", "grey", "grey {:.2f}"),
        ("balls", "relative_bce", "soft copy", "soft edges {:.2f}"),
        ("balls", "relational_bce", "all ones", "All ones score {:.0f}"),
        ("balls", "relational_bce", "0.9 everywhere", "p = 0.9 everywhere {:.0f}"),
        ("balls", "relational_bce", "copy", "copying scores {:.0f}"),
    ],
)
def test_the_figures_on_a_card_are_measured(suite: str, metric: str, trick: str, words: str) -> None:
    assert words.format(figures(TRICKS[trick], suite, 96)[metric]) in find(metric).caution


def test_no_trick_that_remembers_nothing_is_below_1_in_permanence_and_the_card_has_their_figures(tricks: Any) -> None:
    assert all(row["permanence_bce"] > 1 for row in tricks["curtain"].values())
    constant, copy, blank = (
        figures(TRICKS[name], "curtain", 96)["permanence_bce"]
        for name in ("the rate at which objects come out", "copy", "blank")
    )
    assert copy == blank
    assert (
        f"The constant 0.0015, how often objects come out, scores {constant:.2f}; copy and blank {blank:.2f}"
        in " ".join(find("permanence_bce").caution.split())
    )


def counting_pixels(split: str, count: int) -> dict[str, Array]:
    """Of the transitions that count: whether a pixel is on, and what may be known of it without memory."""
    shown = source_of(ASKED["curtain"][0], split=split).examples(0, count)
    frames, groups, visible = (array[:, :51] for array in (shown.frames, shown.groups, shown.truth["visible"]))  # type: ignore[index]
    curtain = shown.truth["curtain"].astype(np.int64)
    n, t, r, c = np.nonzero(collar(groups, visible, curtain)[..., 0])
    y0, x0, y1, x1 = (curtain[n, side] for side in range(4))
    upright, level = (r >= y0).astype(int) + (r >= y1), (c >= x0).astype(int) + (c >= x1)
    beside = np.where(level == 1, np.abs(c + 0.5 - (x0 + x1) / 2), np.abs(r + 0.5 - (y0 + y1) / 2)).astype(int)
    return {
        "on": frames[n, t + 1, r, c, 0].astype(float),
        "distance": np.maximum(np.maximum(y0 - r, r - y1 + 1), np.maximum(x0 - c, c - x1 + 1)),
        "side": 3 * upright + level,
        "objects that show": (visible[n, t] > 0).sum(axis=1),
        "place along the side": np.where((upright != 1) & (level != 1), 63, beside),
    }


@pytest.mark.slow
def test_a_forecast_without_memory_that_knows_more_than_the_distance_scores_what_the_card_says() -> None:
    """Rates of 512 training sequences, told apart by what else is known, on the 96 test sequences of the card."""
    learnt, shown = counting_pixels("training", 512), counting_pixels("test", 96)
    surprise = {1: lambda p: -np.log(p), 0: lambda p: -np.log1p(-p)}
    below = np.clip(np.array(rates("curtain", 96))[shown["distance"] - 1], 1e-6, 1 - 1e-6)
    denominator = sum(surprise[x](below[shown["on"] == x]).sum() for x in (0, 1))
    caution = " ".join(find("permanence_bce").caution.split())
    for known, words in (
        ("side", "{:.2f} by the side"),
        ("objects that show", "{:.2f} by how many objects show"),
        ("place along the side", "{:.2f} by the place"),
    ):
        kinds, kind = (64 * each["distance"] + each[known] for each in (learnt, shown))
        on, pixels = np.bincount(kinds, learnt["on"], 1024), np.bincount(kinds, minlength=1024)
        p = np.clip((on + 1e-3) / (pixels + 1), 1e-6, 1 - 1e-6)[kind]
        assert words.format(sum(surprise[x](p[shown["on"] == x]).sum() for x in (0, 1)) / denominator) in caution


@pytest.mark.parametrize(("model", "words"), [
    (TRICKS["all ones"], "All ones score {:.1f} at any step"),
    (TRICKS["copy"], "below copying ({:.1f})"),
    (ConstantVelocity(), "constant-velocity ({:.1f}) ten steps ahead"),
    (Oracle(), "The oracle scores {:.2f}"),
    (TRICKS["grey"], "Grey, blank and the mean frame cost {:.0f}"),
    (TRICKS["blank"], "Grey, blank and the mean frame cost {:.0f}"),
    (TRICKS["the mean frame"], "Grey, blank and the mean frame cost {:.0f}"),
])  # fmt: skip
def test_imagined_places_cost_what_their_card_says(model: Any, words: str) -> None:
    scored = figures(model, "simulation", 96)
    assert (
        words.format(
            scored["rollout_position_error[5]" if words.startswith("The oracle") else "rollout_position_error[10]"]
        )
        in find("rollout_position_error").caution
    )


def test_a_rollout_of_ones_has_the_overlap_that_its_card_says(tricks: Any) -> None:
    shown, _ = examples("simulation")
    on = shown.frames[:, 5:15].mean(dtype=np.float64)
    assert tricks["simulation"]["all ones"]["rollout_overlap"] == pytest.approx(on, rel=1e-12)
    assert (
        tricks["simulation"]["the mean frame"]["rollout_overlap"]
        == tricks["simulation"]["grey"]["rollout_overlap"]
        == 0.0
    )
    assert "all ones score the share of the frame that is on" in find("rollout_overlap").caution


def test_a_density_passes_every_probability_and_the_card_says_so(flight: Any) -> None:
    """So a density must never be ranked among probabilities."""
    normal = Trick(lambda batch, frame: gaussian_filter(frame, (0, 1, 1, 0)), likelihood=Gaussian(0.2))
    scored = figures(normal, "crop50", 96)["log_likelihood"]
    assert scored > 0 > flight["crop50"]["log_likelihood"]
    assert f"scores {scored:.0f} on the crops of 4 balls" in find("log_likelihood").caution


def quarters(frame: Array) -> Array:
    half = np.arange(64) >= 32
    return 2 * half[:, None] + half


def blobs(frame: Array) -> Array:
    return np.stack([label(each[..., 0])[0] for each in frame])


def at_random(frame: Array) -> Array:
    return np.random.default_rng(int(frame.sum())).integers(4, size=frame.shape[:3])


OWNERS: dict[str, Callable[[Array], Array]] = {
    "quarters": quarters,
    "blobs": blobs,
    "random": at_random,
    "one slot": lambda frame: np.zeros((64, 64)),
    "a slot per pixel": lambda frame: np.arange(64 * 64).reshape(64, 64) % 255,
}


@pytest.fixture(scope="module")
def groupings() -> dict[str, dict[str, float]]:
    return {name: figures(Trick(lambda batch, frame: frame, owner), "balls", 96) for name, owner in OWNERS.items()}


@pytest.mark.parametrize("metric", ["ari", "ari_last", "ari_video"])
def test_owners_that_know_nothing_of_the_objects_score_nothing(groupings: Any, metric: str) -> None:
    assert abs(groupings["random"][metric]) < 0.01
    assert groupings["one slot"][metric] == 0.0
    assert abs(groupings["a slot per pixel"][metric]) < 0.02


def test_owners_that_are_places_or_blobs_score_what_the_cards_say(groupings: Any) -> None:
    for metric in ("ari", "ari_video"):
        assert f"{groupings['quarters'][metric]:.2f}" in find(metric).caution
    assert f"as a slot of its own scores {groupings['blobs']['ari']:.2f} without learning" in find("ari").caution
    assert f"ari_video cuts to {groupings['blobs']['ari_video']:.2f}" in find("ari").caution


def test_a_single_object_in_a_single_slot_is_grouped_well_and_the_card_says_so() -> None:
    one_slot = figures(Trick(lambda batch, frame: frame, OWNERS["one slot"]), "curtain")["ari"]
    shown, _ = examples("curtain")
    alone = [
        [len(np.unique(groups[groups > 0])) == 1 for groups in sequence[1:]]
        for sequence in shown.groups * ~behind(shown)
    ]
    enough = [[(groups > 0).sum() >= 2 for groups in sequence[1:]] for sequence in shown.groups * ~behind(shown)]
    assert one_slot == pytest.approx((np.array(alone) & enough).sum() / np.sum(enough), rel=1e-12)
    assert "and 1 where one does" in find("ari").caution


def behind(shown: Any) -> Array:
    """The pixels of each sequence's curtain."""
    mask = np.zeros(shown.groups.shape, bool)
    for sequence, (y0, x0, y1, x1) in zip(mask, shown.truth["curtain"].tolist(), strict=True):
        sequence[:, y0:y1, x0:x1] = True
    return mask
