"""Tests of the window of the evaluator: what a model is shown, when its answer is taken, and which answers are
valid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import adjusted_rand_score

import physbench
from physbench import registry
from physbench.errors import ModelError
from physbench.evaluation.result_text import to_json
from physbench.evaluation.scoring import score_answer
from physbench.evaluation.window import answers_of, ask
from physbench.metrics import sums
from physbench.model import Batch, Bernoulli, Gaussian, Prediction
from physbench.recipe import Recipe
from physbench.suites import Rollout, Still, Window
from physbench_baselines.reference import Copy, Oracle
from tests.evaluation.toys import Array, Noisy, Normal, Slots, Witness, task, world


def show(model: Any, asking: Any, **settings: Any) -> tuple[Any, Any]:
    """An answer, and what was asked about."""
    examples, source = world(**settings)
    return ask(model, task(asking), asking, examples, source, seed=0), examples


@pytest.mark.parametrize("colour", [False, True])
def test_frames_are_shown_one_by_one_and_nothing_leads_from_one_to_the_next(colour: bool) -> None:
    model = Witness()
    _, examples = show(model, Window(12), colour=colour)
    assert [name for name, *_ in model.calls] == ["observe"] * 12
    for t, (_, frame, action) in enumerate(model.calls):
        assert frame is not None and frame.dtype == np.float32 and action is None
        np.testing.assert_array_equal(frame, examples.frames[:, t])
        assert frame.base is None and not np.shares_memory(frame, examples.frames)
    assert model.batches[0].truth is None


def test_a_prediction_is_taken_before_its_frame_is_shown_and_an_owner_map_after() -> None:
    answer, examples = show(Witness(), Window(12))
    assert answer.means.shape == (3, 11, 6, 5, 1) and answer.owners.shape == (3, 12, 6, 5)
    for t in range(11):
        np.testing.assert_array_equal(
            answer.means[:, t], np.float32((t + 1) / 100)
        )  # what was said at frame t, of frame t + 1
    for t in range(12):
        np.testing.assert_array_equal(answer.owners[:, t], t)
    bce = score_answer(Window(12), answer, examples, Bernoulli())["bce"].numerator
    p, x = np.arange(1, 12)[None, :, None, None, None] / 100, examples.frames[:, 1:].astype(np.float64)
    np.testing.assert_allclose(bce, -(x * np.log(p) + (1 - x) * np.log(1 - p)).sum(axis=(2, 3, 4)), rtol=1e-6)


def test_a_window_shorter_than_the_sequence_shows_no_more_of_it() -> None:
    model = Witness()
    answer, _ = show(model, Window(5))
    assert len(model.calls) == 5 and answer.means.shape[1] == 4


def test_a_rollout_never_shows_a_frame_after_its_context() -> None:
    model = Witness()
    answer, examples = show(model, Rollout(4, 6))
    assert [name for name, *_ in model.calls] == ["observe"] * 4 + ["imagine"] * 5
    for t, (_, frame, _) in enumerate(model.calls[:4]):
        np.testing.assert_array_equal(frame, examples.frames[:, t])
    assert answer.means.shape[1] == 6 and answer.owners is None
    for h in range(6):
        np.testing.assert_array_equal(
            answer.means[:, h], np.float32((4 + h) / 100)
        )  # h = 0 is what was said at the last frame shown


def test_what_is_said_within_the_context_is_never_scored() -> None:
    class Late(Copy):
        """Silent until the last context frame."""

        def begin(self, batch: Batch) -> Any:
            return 0

        def observe(self, state: Any, frame: Array, action: Any) -> Any:
            return state + 1, Prediction(frame if state >= 3 else None)

    late, examples = show(Late(), Rollout(4, 6))
    copy, _ = show(Copy(), Rollout(4, 6))
    np.testing.assert_array_equal(late.means, copy.means)
    bce = score_answer(Rollout(4, 6), copy, examples, Bernoulli())
    wrong = np.abs(examples.frames[:, 4:10].astype(float) - examples.frames[:, 3:4]).sum()
    total = sum(sums.value(bce[f"rollout_bce[{h}]"]) for h in range(1, 7)) * 3
    assert total == pytest.approx(-wrong * np.log(1e-6), rel=1e-4)  # frames 4 to 9, and they alone


def test_without_imagine_a_model_is_shown_its_own_mean_and_no_frame() -> None:
    @dataclass
    class Halving(Witness):
        imagine: ClassVar[None] = None

        def observe(self, state: Any, frame: Array, action: Any) -> Any:
            self.calls.append(("observe", frame.copy(), action))
            frame /= 2
            return state, Prediction(frame)

    model = Halving()
    answer, examples = show(model, Rollout(4, 5))
    assert len(model.calls) == 8
    for h in range(5):
        np.testing.assert_array_equal(answer.means[:, h], np.float32(0.5 ** (h + 1)) * examples.frames[:, 3])
        if h:
            np.testing.assert_array_equal(model.calls[3 + h][1], answer.means[:, h - 1])


@pytest.mark.parametrize(("asking", "calls"), [(Window(12), 12), (Rollout(4, 6), 9)])
def test_every_step_comes_with_the_action_taken_in_it(asking: Any, calls: int) -> None:
    model = Witness()
    _, examples = show(model, asking, actions=5)
    assert model.batches[0].actions == 5 and len(model.calls) == calls
    for t, (_, _, action) in enumerate(model.calls):
        assert action is not None and action.dtype == np.float32
        np.testing.assert_array_equal(action, examples.actions[:, t])


def test_the_truth_is_for_those_who_declare_that_they_are_told_it() -> None:
    class Spy(Copy):
        privileged = True

    assert physbench.evaluate(Spy(), "balls", limit=1).provenance.notes == ("privileged",)
    assert physbench.evaluate(Oracle(), "balls", limit=1).provenance.notes == ("privileged",)
    assert physbench.evaluate(Copy(), "balls", limit=1).provenance.notes == ()


def crops(task_name: str, count: int) -> Array:
    recipe: Recipe = registry.datasets.get(task_name)
    generator: Any = replace(recipe.generator, crop=50)  # type: ignore[type-var]
    return generator.batch(recipe.seeds("test", 0, count), recipe.frames)


def test_a_crop_is_asked_for_five_times_each_time_with_other_randomness() -> None:
    model = Witness()
    physbench.evaluate(model, "crop50", limit=2)
    assert len(model.batches) == 10 and [batch.slots for batch in model.batches] == [4] * 5 + [8] * 5
    seeds = np.array([batch.seeds for batch in model.batches])
    assert len(np.unique(seeds[:5])) == len(np.unique(seeds[5:])) == 10
    assert [name for name, *_ in model.calls] == ["observe"] * 90, (
        "nine frames, and the tenth is what was said of it then"
    )
    other = Witness()
    physbench.evaluate(other, "crop50", limit=2, batch=1)
    np.testing.assert_array_equal(np.concatenate([batch.seeds for batch in other.batches[:5]]), seeds[:5, 0])
    reseeded = Witness()
    physbench.evaluate(reseeded, "crop50", limit=2, seed=1)
    assert not {*seeds.ravel().tolist()} & {seed for batch in reseeded.batches for seed in batch.seeds.tolist()}


def test_samples_of_a_model_without_randomness_do_not_differ() -> None:
    result = physbench.evaluate(Slots(), "crop50", limit=3)
    for name in ("balls4mass64-crop50/rollout-9+1", "balls678mass64-crop50/rollout-9+1"):
        for metric in ("log_likelihood", "relational_log_likelihood"):
            assert result.score(name, f"{metric}_std").value == 0.0
            assert {result.score(name, f"{metric}[{sample}]").value for sample in (1, 2, 3, 4, 5)} == {
                result.score(name, f"{metric}[1]").value
            }


def test_the_spread_of_samples_is_their_standard_deviation() -> None:
    result = physbench.evaluate(Noisy(), "crop50", limit=12)
    name = "balls4mass64-crop50/rollout-9+1"
    scenes = crops("balls4mass64", 12)
    on = scenes.features[:, 9].astype(bool)
    for metric, where in (
        ("log_likelihood", np.ones_like(on)),
        ("relational_log_likelihood", scenes.truth["collisions"][:, 8] > 0),
    ):
        model, expected = Witness(), []
        physbench.evaluate(model, "crop50", limit=12)
        for batch in model.batches[:5]:
            state = Noisy().begin(batch)
            p = np.zeros(on.shape)
            for t in range(9):
                state, prediction = Noisy().observe(state, scenes.features[:, t].astype(np.float32), None)
                assert prediction.mean is not None
                p = np.clip(prediction.mean.astype(np.float64), 1e-6, 1 - 1e-6)
            expected.append((np.log(np.where(on, p, 1 - p)) * where).sum() / 12)
        samples = [result.score(name, f"{metric}[{sample}]").value for sample in (1, 2, 3, 4, 5)]
        np.testing.assert_allclose(samples, expected, rtol=1e-9)
        assert result.score(name, metric).value == pytest.approx(np.mean(samples), rel=1e-12)
        assert result.score(name, f"{metric}_std").value == pytest.approx(np.std(samples), rel=1e-9)
        assert result.score(name, f"{metric}_std").value > 0


def test_a_single_frame_is_shown_fifteen_times_and_the_last_owner_map_is_scored() -> None:
    class Restless(Witness):
        """Owners drawn anew at every look."""

        def observe(self, state: Any, frame: Array, action: Any) -> Any:
            after, prediction = super().observe(state, frame, action)
            return after, Prediction(
                prediction.mean, np.random.default_rng(after[0]).integers(3, size=frame.shape[:3], dtype=np.uint8)
            )

    model = Restless()
    answer, examples = show(model, Still(7, shown=15))
    assert len(model.calls) == 15 and answer.means is None
    assert all(np.array_equal(frame, examples.frames[:, 7]) for _, frame, _ in model.calls if frame is not None)
    owners = np.random.default_rng(15).integers(3, size=(3, 6, 5), dtype=np.uint8)
    np.testing.assert_array_equal(answer.owners[:, 0], owners)
    groups = examples.groups[:, 7, :, :, 0]
    expected = [
        adjusted_rand_score(group[group > 0], owner[group > 0]) for group, owner in zip(groups, owners, strict=True)
    ]
    figures = score_answer(Still(7, shown=15), answer, examples, Bernoulli())
    assert list(figures) == ["ari"] and sums.value(figures["ari"]) == pytest.approx(np.mean(expected), rel=1e-12)


def good(frame: Array) -> Prediction:
    return Prediction(0.5 * frame, np.zeros(frame.shape[:3], np.uint8), np.full(frame.shape[:3], -1.0, np.float32))


@dataclass
class Spoiled:
    """Well-behaved but for one answer."""

    spoil: Callable[[Prediction, Array], Any]
    at: int
    likelihood: ClassVar[Bernoulli] = Bernoulli()

    def begin(self, batch: Batch) -> int:
        return 0

    def observe(self, state: int, frame: Array, action: Any) -> Any:
        return self.spoil(good(frame), frame) if state == self.at else (state + 1, good(frame))


RUBBISH: dict[str, tuple[Callable[[Prediction, Array], Any], str]] = {
    "nothing": (lambda said, frame: None, "a NoneType where .state, prediction. is expected"),
    "a prediction alone": (lambda said, frame: said, "a Prediction where .state, prediction. is expected"),
    "one too many": (lambda said, frame: (9, said, said), "a tuple where .state, prediction. is expected"),
    "an array in place of a prediction": (lambda said, frame: (9, frame), "a ndarray where a Prediction is expected"),
    "None in place of a prediction": (lambda said, frame: (9, None), "a NoneType where a Prediction is expected"),
    "NaN": (lambda said, frame: (9, Prediction(frame * np.nan)), "not a finite"),
    "one infinite pixel": (
        lambda said, frame: (9, Prediction(np.where(np.arange(5)[:, None] == 3, np.inf, frame))),
        "not a finite",
    ),
    "a little too much": (lambda said, frame: (9, Prediction(frame * np.float32(1.0001))), "from 0 to 1.0001"),
    "a little too little": (lambda said, frame: (9, Prediction(frame - np.float32(2e-6))), "from -2e-06"),
    "what no float32 can hold": (
        lambda said, frame: (9, Prediction(frame.astype(np.float64) + 1e300)),
        "float32 cannot hold",
    ),
    "text": (lambda said, frame: (9, Prediction(np.full(frame.shape, "a"))), "numbers of type <U1"),
    "complex numbers": (lambda said, frame: (9, Prediction(frame.astype(np.complex128))), "numbers of type complex128"),
    "whole numbers": (lambda said, frame: (9, Prediction(frame.astype(np.uint8))), "numbers of type uint8"),
    "one sequence too few": (lambda said, frame: (9, Prediction(frame[1:])), "an array of shape"),
    "no channel": (lambda said, frame: (9, Prediction(frame[..., 0])), "an array of shape"),
    "owners of another type": (
        lambda said, frame: (9, Prediction(said.mean, said.owner.astype(np.int64))),
        "not int64",
    ),  # type: ignore[union-attr]
    "owners of another shape": (
        lambda said, frame: (9, Prediction(said.mean, said.owner[:, :3])),
        "not uint8 of shape",
    ),  # type: ignore[index]
    "owners with a channel": (
        lambda said, frame: (9, Prediction(said.mean, said.owner[..., None])),
        "not uint8 of shape",
    ),  # type: ignore[index]
    "a likelihood of NaN": (
        lambda said, frame: (9, Prediction(said.mean, said.owner, said.log_likelihood * np.nan)),
        "finite",
    ),  # type: ignore[operator]
    "a likelihood without end": (
        lambda said, frame: (9, Prediction(said.mean, said.owner, said.log_likelihood + np.inf)),
        "finite",
    ),  # type: ignore[operator]
    "a likelihood of another shape": (lambda said, frame: (9, Prediction(said.mean, said.owner, frame)), "has shape"),
    "a likelihood of whole numbers": (
        lambda said, frame: (9, Prediction(said.mean, said.owner, said.owner)),
        "floating-point",
    ),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("asking", [Window(6), Rollout(3, 4), Still(2, shown=4)], ids=["window", "rollout", "still"])
@pytest.mark.parametrize("name", RUBBISH)
def test_an_answer_that_cannot_be_scored_is_named(name: str, asking: Any) -> None:
    spoil, words = RUBBISH[name]
    with pytest.raises(ModelError, match=words):
        show(Spoiled(spoil, at=2), asking)


@pytest.mark.parametrize(
    "some",
    [
        lambda said, frame: (3, Prediction(said.mean, None, said.log_likelihood)),
        lambda said, frame: (3, Prediction(said.mean, said.owner)),
    ],
)
def test_maps_are_given_of_all_frames_or_of_none(some: Any) -> None:
    with pytest.raises(ModelError, match="5 (owner|log_likelihood) maps for 6 frames: all or none"):
        show(Spoiled(some, at=2), Window(6))


@pytest.mark.parametrize(
    "likelihood",
    [
        Bernoulli,
        Gaussian,
        "bernoulli",
        None,
        Gaussian(0.0),
        Gaussian(-1.0),
        Gaussian(float("nan")),
        Gaussian(float("inf")),
    ],
)
def test_a_likelihood_is_a_distribution_that_exists(likelihood: Any) -> None:
    model = Copy()
    object.__setattr__(model, "likelihood", likelihood)
    with pytest.raises(ModelError, match="likelihood"):
        answers_of(model, 0)


@dataclass
class Thrifty:
    """Returns the same three arrays at every step."""

    reuse: bool
    likelihood: ClassVar[Bernoulli] = Bernoulli()

    def begin(self, batch: Batch) -> Any:
        shape = (len(batch.seeds), *batch.shape)
        return Prediction(np.zeros(shape, np.float32), np.zeros(shape[:3], np.uint8), np.zeros(shape[:3], np.float32))

    def observe(self, state: Any, frame: Array, action: Any) -> Any:
        return self._say(state, 0.5 * frame + 0.25, state.owner + 1, -1.0 - frame[..., 0])

    def imagine(self, state: Any, action: Any) -> Any:
        return self._say(state, 0.9 * state.mean, state.owner + 1, state.log_likelihood)

    def _say(self, state: Any, mean: Array, owner: Array, own: Array) -> Any:
        if not self.reuse:
            return (said := Prediction(mean, owner, own)), said
        state.mean[:], state.owner[:], state.log_likelihood[:] = mean, owner, own
        return state, state


@pytest.mark.parametrize("asking", [Window(8), Rollout(3, 6), Still(2, shown=5)], ids=["window", "rollout", "still"])
def test_a_model_may_use_its_arrays_again(asking: Any) -> None:
    (again, _), (fresh, _) = show(Thrifty(True), asking), show(Thrifty(False), asking)
    for name in ("means", "owners", "log_likelihoods"):
        np.testing.assert_array_equal(getattr(again, name), getattr(fresh, name))


@pytest.mark.parametrize("colour", [False, True])
def test_a_gaussian_model_is_judged_by_its_density_and_clipped_for_bce(colour: bool) -> None:
    answer, examples = show(Normal(), Window(12), colour=colour, shape=(6, 5, 3))
    figures = {
        name: sums.value(each) for name, each in score_answer(Window(12), answer, examples, Normal().likelihood).items()
    }
    x, near = examples.frames[:, 1:].astype(np.float64), examples.collisions[:, :-1].astype(np.float64)
    p = (1.5 * examples.frames[:, :-1].astype(np.float32) - 0.25).astype(np.float32).astype(np.float64)
    density = norm.logpdf(x, p, 0.3)
    assert figures["clipped_share"] == np.mean((p < 0) | (p > 1)) > 0.1
    assert figures["log_likelihood"] == pytest.approx(density.sum() / 33, rel=1e-12)
    assert figures["log_likelihood_last"] == pytest.approx(density[:, -1].sum() / 3, rel=1e-12)
    assert figures["relational_log_likelihood"] == pytest.approx((density * near).sum() / 33, rel=1e-12)
    q = np.clip(p, 1e-6, 1 - 1e-6)
    assert figures["bce"] == pytest.approx(-(x * np.log(q) + (1 - x) * np.log(1 - q)).sum() / 33, rel=1e-9)


@pytest.mark.filterwarnings("ignore:overflow")
def test_a_density_beyond_all_numbers_is_no_number_in_a_table() -> None:
    class Narrow(Normal):
        likelihood = Gaussian(1e-200)

    result = physbench.evaluate(Narrow(), "curtain", limit=1)
    assert result.score("balls3curtain64", "log_likelihood").value == -np.inf
    assert "Infinity" not in to_json(result) and "inf" not in result.to_csv()


def test_the_sample_of_a_gaussian_model_is_judged_by_its_density_too() -> None:
    asking = Rollout(9, 1, samples=5, sample=2)
    answer, examples = show(Normal(), asking)
    figures = score_answer(asking, answer, examples, Normal().likelihood)
    p = (1.5 * examples.frames[:, 8].astype(np.float32) - 0.25).astype(np.float64)
    density = norm.logpdf(examples.frames[:, 9], p, 0.3)
    assert sums.value(figures["log_likelihood[3]"]) == pytest.approx(density.sum() / 3, rel=1e-12)
    assert sums.value(figures["relational_log_likelihood[3]"]) == pytest.approx(
        (density * examples.collisions[:, 8]).sum() / 3, rel=1e-12
    )


class Sure(Copy):
    """Knows its likelihood better than its mean tells: minus a tenth of t at frame t."""

    def begin(self, batch: Batch) -> Any:
        return 0

    def observe(self, state: Any, frame: Array, action: Any) -> Any:
        return state + 1, Prediction(frame, None, np.full(frame.shape[:3], -state / 10, np.float32))


def test_a_likelihood_that_a_model_knows_itself_is_used_from_frame_1_on() -> None:
    answer, examples = show(Sure(), Window(12))
    figures = {name: sums.value(each) for name, each in score_answer(Window(12), answer, examples, Bernoulli()).items()}
    each = -np.arange(1, 12) / 10
    near = examples.collisions[:, :-1].sum(axis=(0, 2, 3, 4))  # flags of t weigh frame t + 1
    assert figures["log_likelihood"] == pytest.approx(30 * each.mean(), rel=1e-6)
    assert figures["log_likelihood_last"] == pytest.approx(30 * -1.1, rel=1e-6)
    assert figures["relational_log_likelihood"] == pytest.approx((near * each).sum() / 33, rel=1e-6)


def test_the_result_says_that_a_likelihood_is_the_models_own() -> None:
    result = physbench.evaluate(Sure(), "balls", limit=1)
    assert result.provenance.notes == ("self-computed-likelihood",)
    assert result.score("balls4mass64", "log_likelihood").value == pytest.approx(
        -64 * 64 * np.arange(1, 31).mean() / 10, rel=1e-6
    )
