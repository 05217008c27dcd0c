"""Tests of a user's own suite, metric and likelihood: they are run, shown and marked, and errors are reported in one
line."""

from __future__ import annotations

import csv
import io
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import logistic

import physbench
from physbench import registry
from physbench.errors import ModelError, PhysbenchError, RecipeError, UnknownName
from physbench.evaluation.beside import reference_scores
from physbench.evaluation.contestant import own_suite
from physbench.evaluation.evaluate import extent
from physbench.evaluation.result_text import as_text, to_json
from physbench.evaluation.scoring import score_answer
from physbench.evaluation.watch import watch
from physbench.evaluation.window import Answer
from physbench.metrics import catalogue
from physbench.metrics.catalogue import METRICS
from physbench.metrics.metric import Metric
from physbench.metrics.pixels import require_likelihood
from physbench.metrics.sums import Sums, mean, value
from physbench.model import Bernoulli, Gaussian, Prediction
from physbench.notices import listen
from physbench.suites import SUITES, Rollout, Still, Suite, Task, Window
from physbench_baselines.framewise import Blobs
from physbench_baselines.reference import Copy
from physbench_leaderboard.submission import cell_of
from physbench_leaderboard.submission_checks import list_wanted, problems

MINE = Suite(
    "mine",
    1,
    "a few frames",
    (Task("balls4mass64", (Window(4), Rollout(2, 3))),),
    ("balls4mass64", "bce"),
    references=("copy", "blank"),
)


# Suites


def test_a_users_own_suite_is_scored_and_marked_unranked_everywhere(tmp_path: Path) -> None:
    result = physbench.evaluate(Copy(), MINE, limit=3)
    assert result.provenance.size == "unranked-limit-3"
    assert {row["size"] for row in csv.DictReader(io.StringIO(result.to_csv()))} == {"unranked-limit-3"}
    assert "Unranked: mine pins no digests" in as_text(result, extent(MINE, limit=3))
    (tmp_path / "mine.csv").write_text(result.to_csv())
    assert any("unranked" in line or "no suite is called mine" in line for line in problems(tmp_path / "mine.csv"))


def test_scores_do_not_depend_on_whose_suite_asks() -> None:
    ours = physbench.evaluate(Copy(), "simulation", limit=2).score("balls4mass64/rollout-5+10", "rollout_overlap")
    theirs = physbench.evaluate(Copy(), Suite("x", 1, "", (Task("balls4mass64", (Rollout(5, 10),)),)), limit=2)
    assert theirs.score("balls4mass64/rollout-5+10", "rollout_overlap") == ours


def test_a_users_own_world_needs_no_entry_point_in_a_users_own_suite() -> None:
    usual = registry.datasets.get("balls")
    recipe = replace(usual, dataset="few", generator=replace(usual.generator, n=(2, 2), size=24, radius=3.0))
    mean_row = physbench.evaluate("mean", Suite("few", 1, "", (Task(recipe, (Window(4),)),)), limit=2)
    assert mean_row.score("few", "relative_bce").value < 1


def test_a_suite_without_pins_asks_for_no_more_than_its_recipes_have_and_misses_no_rows_in_silence() -> None:
    usual = registry.datasets.get("balls")
    few, more = (
        replace(usual, dataset=name, generator=replace(usual.generator, n=(2, 2), size=24, radius=3.0), splits=splits)
        for name, splits in (("few", {"test": 300, "training": 20}), ("more", {"test": 4_000}))
    )
    suite = Suite("x", 1, "", (Task(few, (Window(3),)), Task(more, (Window(3),))), references=("copy",))
    chosen = extent(suite)
    assert (chosen.count, chosen.size) == (300, "unranked-lite")
    assert extent(replace(suite, tasks=suite.tasks[:1]), split="training").count == 20
    assert extent(replace(suite, tasks=suite.tasks[1:])).count == 1_000
    assert extent(suite, limit=500).count == 500 and extent("balls").count == 1_000
    result = physbench.evaluate("blank", suite)
    assert result.scores[0].sequences == 300
    line = "No reference rows: none are stored for these sequences; --limit 256 or fewer scores them."
    assert reference_scores(chosen) == [] and line in as_text(result, chosen, [])
    limited = extent(suite, limit=256)
    rows = reference_scores(limited)
    assert {row.model for row in rows} == {"copy"}
    assert line not in as_text(physbench.evaluate("blank", suite, limit=256), limited, rows)


def test_a_suite_is_ranked_where_it_pins_its_sequences_and_refused_where_the_digest_is_another() -> None:
    few = replace(MINE, sequences=2)
    digest = physbench.evaluate(Copy(), few).provenance.data_sha256["balls4mass64"]
    pinned = replace(few, pins=replace(few.pins, digests={("balls4mass64", 2): digest}))
    assert physbench.evaluate(Copy(), pinned).provenance.size == "lite"
    with pytest.raises(PhysbenchError, match="would not compare"):
        physbench.evaluate(Copy(), replace(few, pins=replace(few.pins, digests={("balls4mass64", 2): "0" * 64})))


def test_the_command_runs_a_suite_from_a_module_and_says_so(
    cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    Path("ownsuite.py").write_text(
        "from physbench.suites import Suite, Task, Window\nSUITE = Suite('own', 1, '', (Task('balls4mass64',"
        " (Window(3),)),))\nNONE = 3\n"
    )
    ran = cli("eval", "copy", "--suite", "ownsuite:SUITE", "--limit", "2", "--csv", "a.csv")
    assert ran.exit_code == 0 and "running the code of ownsuite:SUITE" in ran.stderr
    assert "size" in Path("a.csv").read_text() and "unranked-limit-2" in Path("a.csv").read_text()
    assert cli("leaderboard", "check", "a.csv").exit_code == 2
    with pytest.raises(UnknownName, match="leads to a int, not a Suite"):
        own_suite("ownsuite:NONE")


@pytest.mark.parametrize(
    ("suite", "words"),
    [
        (lambda: Suite("x", 1, "", ()), "asks nothing"),
        (
            lambda: Suite("x", 1, "", (Task("balls4mass64", (Window(3),)), Task("balls4mass64", (Still(0, 1),)))),
            "two tasks of one dataset",
        ),
        (
            lambda: physbench.evaluate(Copy(), Suite("x", 1, "", (Task("balls4mass64", (Window(60),)),)), limit=1),
            "asks about 60 frames of balls4mass64",
        ),
        (
            lambda: physbench.evaluate(Copy(), Suite("x", 1, "", (Task("balls4mass64", (Still(3, 2),)),)), limit=1),
            "only owner maps are asked for",
        ),
        (
            lambda: watch(Copy(), Suite("x", 1, "", (Task("balls4mass64", (Still(3, 2),)),))),
            "nothing is predicted that could be drawn",
        ),
    ],
)
def test_a_suite_that_cannot_be_says_why(suite: Any, words: str) -> None:
    with pytest.raises((RecipeError, ModelError), match=words):
        suite()


def test_the_suite_of_the_rims_papers_shows_15_frames_and_asks_for_15_and_35() -> None:
    """On R-NEM's three files; sequences have 51 frames, of which 50 are used."""
    assert [task.name for task in SUITES["rims"].tasks] == ["balls4mass64", "balls678mass64", "balls3curtain64"]
    assert {(asking.context, asking.horizon) for task in SUITES["rims"].tasks for asking in task.askings} == {
        (15, 15),
        (15, 35),
    }  # type: ignore[union-attr]


# Metrics


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Puts a metric where those of installed packages are."""

    def install(card: Metric) -> None:
        monkeypatch.setattr(catalogue.registry, "metrics", Fake("metric", "physbench.metrics", {}, card))
        for function in (catalogue.all_metrics, catalogue.headlines, catalogue.find):
            function.cache_clear()

    yield install
    monkeypatch.undo()
    for function in (catalogue.all_metrics, catalogue.headlines, catalogue.find):
        function.cache_clear()


@dataclass(frozen=True)
class Fake(registry.Registry):
    card: Metric

    def _foreign(self) -> dict[str, Any]:
        return {self.card.name: EntryPoint(self.card.name, "mine:OWN", self.group)}

    def get(self, name: str) -> Metric:
        return self.card


ON = Metric(
    name="on_share",
    better="neither",
    definition="The share of pixels that are on.",
    asked_of=("window", "still"),
    needs=("groups",),
    function=lambda e: mean((e.truth["groups"][:, e.shown] > 0).mean(axis=(2, 3, 4))),
    place=99,
)


def test_a_users_own_metric_is_in_the_result_the_table_and_the_explanation(installed: Any, cli: Any) -> None:
    installed(ON)
    result = physbench.evaluate(Copy(), "balls", limit=2)
    groups = registry.datasets.get("balls4mass64").scenes("test", 0, 2).groups
    assert result.score("balls4mass64", "on_share").value == pytest.approx((groups[:, :31] > 0).mean(), rel=1e-12)
    assert "on_share" in as_text(result, extent("balls", limit=2)) and "on_share" in to_json(result)
    assert "The share of pixels that are on" in cli("explain", "on_share").output
    wanted = [each for each in list_wanted(MINE) if "on_share" in each.metrics]
    assert [each.optional for each in wanted] == [True]


@pytest.mark.slow
def test_a_table_of_a_suite_of_ours_holds_no_metric_of_somebody_else(
    installed: Any, cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody without the package could check it, list it or compare it; the sums keep it."""
    installed(ON)
    monkeypatch.chdir(tmp_path)
    mine = cli("eval", "copy", "--suite", "smoke", "--name", "mine", "--csv", "mine.csv", "--per-sequence", "mine.npz")
    cli("eval", "blank", "--suite", "smoke", "--name", "other", "--per-sequence", "other.npz")
    assert "on_share" in mine.stdout and "on_share" not in Path("mine.csv").read_text()
    assert [line for line in mine.stderr.splitlines() if "mine.csv leaves out on_share" in line]
    with np.load("mine.npz") as arrays:
        assert "balls4mass64|on_share|numerator" in arrays
    written = (tmp_path / "mine.csv").read_text()
    assert problems(tmp_path / "mine.csv") == []
    assert cli("leaderboard", "verify", "mine.csv", "--model", "copy").exit_code == 0
    row = next(csv.DictReader(io.StringIO(written)))
    with_it = written + ",".join({**row, "metric": "on_share", "value": "0.5"}.values()) + "\n"
    (tmp_path / "with.csv").write_text(with_it)
    assert "on_share on balls4mass64, a metric that does not come with physbench" in problems(tmp_path / "with.csv")[0]
    monkeypatch.undo()
    for function in (catalogue.all_metrics, catalogue.headlines, catalogue.find):
        function.cache_clear()
    monkeypatch.chdir(tmp_path)
    assert cli("leaderboard", "recompute", "mine.csv", "mine.npz").exit_code == 0
    notices: list[str] = []
    monkeypatch.setattr("physbench.compare.announce", notices.append)
    compared = cli("compare", "mine.npz", "other.npz")
    assert compared.exit_code == 0 and "relative_bce" in compared.stdout and "on_share" not in compared.stdout
    assert notices == ["not compared: on_share; no installed package has a metric of this name"]


def test_a_table_of_a_suite_of_ones_own_keeps_a_metric_of_ones_own(installed: Any) -> None:
    installed(ON)
    result = physbench.evaluate(Copy(), MINE, limit=2)
    assert "on_share" in result.to_csv() and result.left_out == ()


def test_a_metric_whose_needs_the_data_do_not_meet_is_left_out(installed: Any) -> None:
    installed(replace(ON, needs=("reward",)))
    assert not any(score.metric == "on_share" for score in physbench.evaluate(Copy(), "balls", limit=1).scores)


@pytest.mark.parametrize(
    "returned", [3.0, Sums(np.ones(1), np.ones(1)), Sums(np.ones(2, np.float32), np.ones(2, np.float32)), {"1": 2}]
)
def test_a_metric_that_returns_no_sums_is_refused_by_its_name(installed: Any, returned: Any) -> None:
    installed(replace(ON, function=lambda e: returned))
    with pytest.raises(PhysbenchError, match="the metric on_share returned"):
        physbench.evaluate(Copy(), "balls", limit=2)


def test_a_metric_takes_no_name_of_ours(installed: Any) -> None:
    installed(replace(ON, name="bce"))
    registry._warn_of_ignored.cache_clear()
    notices: list[str] = []
    with listen(notices.append):
        assert catalogue.all_metrics()["bce"] is METRICS["bce"]
    assert "the metric 'bce' of mine:OWN is ignored" in notices[0]


@pytest.mark.parametrize("suite", ["balls", "simulation", "crop50"])
def test_every_figure_lies_within_the_bounds_that_its_record_declares(suite: str) -> None:
    for score in physbench.evaluate(Blobs(), suite, limit=3).scores:
        card = catalogue.find(score.metric)
        pixels = 64 * 64 if card.per_pixel else 1
        if math.isfinite(score.value) and not score.metric.partition("[")[0].endswith("_std"):
            assert card.bounds[0] * pixels <= score.value <= card.bounds[1] * pixels, score


def test_a_record_gives_the_names_that_its_function_gives() -> None:
    result = physbench.evaluate(Blobs(), "simulation", limit=1)
    for task in SUITES["simulation"].tasks:
        for asking in task.askings:
            named = {name for card in METRICS.values() if asking.kind in card.asked_of for name in card.rows(asking)}
            assert {score.metric for score in result.scores if score.task == task.names(asking)} == named


# Likelihoods


@dataclass(frozen=True)
class Logistic:
    scale: float

    support = (-math.inf, math.inf)

    @property
    def note(self) -> str:
        return f"likelihood-logistic-{self.scale}"

    def log_prob(self, pixels: Any, means: Any) -> Any:
        z = (pixels - means) / self.scale
        return -z - np.log(self.scale) - 2 * np.log1p(np.exp(-z))


def test_a_users_own_likelihood_is_computed_noted_and_clipped_for_bce() -> None:
    model = Copy()
    object.__setattr__(model, "likelihood", Logistic(0.25))
    result = physbench.evaluate(model, "balls", limit=2)
    frames = registry.datasets.get("balls4mass64").scenes("test", 0, 2).features[:, :31].astype(float)
    expected = logistic.logpdf(frames[:, 1:], frames[:, :-1], 0.25).sum(axis=(2, 3, 4)).mean()
    assert result.score("balls4mass64", "log_likelihood").value == pytest.approx(expected, rel=1e-9)
    assert result.provenance.notes == ("likelihood-logistic-0.25",)
    assert result.score("balls4mass64", "clipped_share").value == 0
    assert "densities of its own kind, logistic-0.25" in as_text(result, extent("balls", limit=2))


def test_notes_of_settings_and_likelihoods_may_stand_in_a_submission() -> None:
    for note in (
        "set-refinement_steps-7",
        "set-K2-10000",
        "set-shift--0.5",
        "likelihood-logistic-0.25",
        "likelihood-mixture",
        "gaussian-0.3",
    ):
        assert cell_of("notes", note) == (note,)
    for note in ("set-a b-1", "likelihood-<b>-1", "set-x-1e9", "likelihood-"):
        with pytest.raises(PhysbenchError):
            cell_of("notes", note)


@pytest.mark.parametrize(
    ("likelihood", "words"),
    [
        (Bernoulli, "is a class"),
        ("bernoulli", "lacks support"),
        (Gaussian(0.0), "above 0"),
        (replace(Logistic(1.0), scale=-1), "likelihood-NAME"),
    ],
)
def test_values_that_are_not_likelihoods_are_refused(likelihood: Any, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        require_likelihood(likelihood)


def test_ours_are_what_scipy_says() -> None:
    from scipy.stats import bernoulli, norm

    x, p = np.array([0.0, 1.0, 1.0]), np.array([0.2, 0.7, 1.0])
    np.testing.assert_allclose(Bernoulli().log_prob(x, p), bernoulli.logpmf(x, np.clip(p, 1e-6, 1 - 1e-6)), rtol=1e-9)
    np.testing.assert_allclose(Gaussian(0.3).log_prob(x, p), norm.logpdf(x, p, 0.3), rtol=1e-12)


# What a world does not have


@dataclass
class Steered:
    """Says which actions it was given, in its mean."""

    seen: list[Any]
    likelihood = Bernoulli()

    def begin(self, batch: Any) -> int:
        self.seen.append(batch.actions)
        return 0

    def observe(self, state: int, frame: Any, action: Any) -> Any:
        self.seen.append(None if action is None else action.tolist())
        return state, Prediction(frame, (frame[..., 0] > 0).astype(np.uint8))


def test_the_action_of_a_still_frame_is_given_with_it() -> None:
    from physbench.evaluation.examples import Examples
    from physbench.evaluation.window import ask

    class Source:
        shape, frames, training_mean = (4, 4, 1), 3, None

    actions = np.eye(3, dtype=np.uint8)[None]
    examples = Examples(np.arange(1), np.zeros((1, 3, 4, 4, 1), np.uint8), actions=actions)
    model = Steered([])
    ask(model, Task("x", (Still(1, 2),)), Still(1, 2), examples, Source(), seed=0)  # type: ignore[arg-type]
    assert model.seen == [3, [[0, 1, 0]], [[0, 1, 0]]]


def test_without_radii_there_are_no_position_errors_and_no_key_error() -> None:
    from physbench.evaluation.examples import Examples

    rng = np.random.default_rng(0)
    frames = rng.integers(2, size=(2, 9, 6, 6, 1)).astype(np.uint8)
    truth = {"position": np.zeros((2, 9, 1, 2)), "visible": np.ones((2, 9, 1))}
    events = {"sequence": np.zeros(1, int), "time": np.ones(1), "a": np.zeros(1, int), "b": np.zeros(1, int)}
    answer = Answer(means=np.full((2, 6, 6, 6, 1), 0.5, np.float32))
    found = score_answer(Rollout(3, 6), answer, Examples(np.arange(2), frames, truth=truth, events=events), Bernoulli())
    assert set(found) == {"rollout_relative_bce", "rollout_overlap", *(f"rollout_bce[{h}]" for h in range(1, 7))}
    assert value(found["rollout_bce[1]"]) == pytest.approx(36 * math.log(2))


# What an author gets wrong


def test_a_signature_that_does_not_fit_is_said_before_anything_is_shown() -> None:
    class Short(Copy):
        def observe(self, state: Any, frame: Any) -> Any:  # type: ignore[override]
            return state, Prediction(frame)

    with pytest.raises(ModelError) as refused:
        physbench.evaluate(Short(), "balls", limit=1)
    assert str(refused.value) == (
        "Short.observe(state, frame) cannot be called: too many positional arguments; it is given"
        " observe(state, frame, action)"
    )


def test_a_traceback_begins_in_the_code_of_its_author(
    cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    Path("faulty.py").write_text(
        "from physbench_baselines.reference import Copy\nclass Faulty(Copy):\n    def observe(self, state, frame,"
        " action):\n        return divide(frame, 0)\ndef divide(a, b):\n    return 1 // b\n"
    )
    told = cli("eval", "--model", "faulty:Faulty", "--limit", "1")
    assert told.exit_code == 2 and "faulty:Faulty raised ZeroDivisionError" in told.stderr
    lines = told.stderr[told.stderr.index("Traceback") :].splitlines()
    assert "faulty.py" in lines[1] and "in observe" in lines[1] and "in divide" in told.stderr
    assert [line for line in lines if line.startswith("  File")] == [line for line in lines if "faulty.py" in line]


def test_a_world_that_can_be_changed_is_refused() -> None:
    usual = registry.datasets.get("balls")

    @dataclass
    class Loose:
        name = "loose"
        version = 1
        arrays = ("features",)
        objects = 0
        shape = (4, 4, 1)

    with pytest.raises(
        RecipeError, match=r"the world loose is of a class that can be changed: write @dataclass\(frozen"
    ):
        replace(usual, generator=Loose())


@pytest.mark.parametrize("name", ["my_suite", "Mine", "", "2d", "a" * 65, "a b"])
def test_a_name_that_no_table_may_hold_is_refused_at_once(name: str) -> None:
    with pytest.raises(RecipeError, match="a suite is called by small letters"):
        replace(SUITES["smoke"], name=name)
