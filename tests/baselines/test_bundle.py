"""Tests of releasing a run as a model: small weights with the same scores, and a card that is true."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

import physbench
from physbench.errors import PhysbenchError, TrainingError
from physbench.suites import suite_of
from physbench_baselines import checkpoint
from physbench_baselines.adapter import TorchModel
from physbench_baselines.architecture import find_architecture
from physbench_baselines.containers import arrays
from physbench_baselines.model_card import Card, RunCard
from physbench_baselines.nem_sizes import NemSizes
from physbench_baselines.releasing import origin, scoring_options
from physbench_baselines.releasing import repeat as repeating
from physbench_baselines.releasing.bundle import bundle, main
from physbench_baselines.releasing.scored import score_release, unplayable
from physbench_baselines.releasing.scoring_options import Scoring
from physbench_baselines.releasing.shrink import difference
from physbench_baselines.training.folder import Folder, LogRow
from physbench_baselines.training.run import train
from physbench_baselines.training.training_recipe import TrainingRecipe

SIZES = {"channels": [4, 6, 8], "dense": 24, "hidden": 20}
TWO = Scoring(limit=2)
"""Two sequences of each suite."""
PAPER = "https://arxiv.org/abs/1802.10353"


def recipe(**changed: Any) -> TrainingRecipe:
    return TrainingRecipe(
        model="rnn", sizes=SIZES, batch=3, frames=(3,), validation=2, scored=0, log_every=1, evaluate_every=2, **changed
    )


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model after four steps."""
    out = tmp_path_factory.mktemp("runs") / "tiny"
    train(recipe(seed=7), out, steps=4, device="cpu", workers=0)
    return out


@pytest.fixture
def run(learnt: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(learnt, tmp_path / "run"))


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Matrices of a tiny model are small ones."""
    monkeypatch.setattr(arrays, "MANY", 500_000)


@pytest.fixture
def many(few: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Matrices of a tiny model are big ones."""
    monkeypatch.setattr(arrays, "MANY", 100)


@pytest.fixture
def scored_suites(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The suites that were evaluated, in order."""
    suites: list[str] = []
    evaluate = scoring_options.evaluate

    def notice(model: Any, suite: str, **words: Any) -> Any:
        suites.append(f"{suite} without noise" if model.origin.settings else suite)
        return evaluate(model, suite, **words)

    monkeypatch.setattr(scoring_options, "evaluate", notice)
    return suites


def bundle_run(run: Path, folder: Path, **words: Any) -> Card:
    return bundle(run, "tiny", folder=folder, **{"suites": ("balls",), "how": TWO, **words})


def kinds(path: Path) -> dict[str, str]:
    """The types of the arrays of a safetensors file, by its description."""
    raw = path.read_bytes()
    entries = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    return {name: entry["dtype"] for name, entry in entries.items() if name != "__metadata__"}


def figures(model: Any, suite: str) -> dict[tuple[str, str], float]:
    return {(score.task, score.metric): score.value for score in physbench.evaluate(model, suite, limit=2).scores}


def plain(value: float) -> float | None:
    return value if value == value else None


@pytest.mark.slow
def test_weights_and_card_say_the_same(run: Path, tmp_path: Path) -> None:
    card = bundle_run(run, tmp_path)
    path = tmp_path / "tiny.safetensors"
    assert Card.from_json((tmp_path / "tiny.json").read_text(), place="tiny.json") == card
    assert card.weights_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert card.bytes == path.stat().st_size
    best = checkpoint.load(run / "best.safetensors")
    assert card.parameters == sum(tensor.numel() for tensor in best.network.state_dict().values())
    assert (card.architecture, card.sizes["recurrence"], card.sizes["dense"]) == ("nem", "rnn", 24)
    assert card.recipe == json.loads((run / "recipe.json").read_text())
    for name in ("steps", "sequences", "hours", "hardware", "data"):
        assert getattr(card, name) == best.card[name]
    assert (card.ended, card.steps_limit, card.minutes_limit) == ("steps", 4, None)
    words = (
        f"{3 * card.steps} sequences; the paper trains until validation has not improved for 10 epochs of 50,000"
        " sequences"
    )
    inside = dict(checkpoint.inspect(path).card)
    assert inside == {
        "name": "tiny", "model_link": PAPER, "paper_link": PAPER, "training": words, "train_seed": 7, "steps": card.steps, "sequences": 3 * card.steps
    }  # fmt: skip
    assert {name: getattr(card, name) for name in inside} == inside
    assert set(kinds(path).values()) == {"F16"}


def test_the_scores_are_those_of_the_weights_that_are_given_away(run: Path, tmp_path: Path) -> None:
    card = bundle_run(run, tmp_path)
    found = {(row["task"], row["metric"]): row["value"] for row in card.scores}
    wanted = {
        key: value
        for key, value in figures(checkpoint.model(tmp_path / "tiny.safetensors"), "balls").items()
        if "[" not in key[1]
    }
    assert found == {key: plain(value) for key, value in wanted.items()}
    assert found != {
        key: value
        for key, value in figures(checkpoint.model(run / "best.safetensors"), "balls").items()
        if key in found
    }
    assert {(row["suite"], row["version"], row["size"]) for row in card.scores} == {
        ("balls", suite_of("balls").version, "limit-2")
    }
    assert all(row["low"] <= row["value"] <= row["high"] for row in card.scores if row["metric"] == "bce")


@pytest.mark.usefixtures("many")
def test_big_matrices_are_int8_where_no_score_notices(run: Path, tmp_path: Path, scored_suites: list[str]) -> None:
    card = bundle_run(run, tmp_path)
    exact = figures(TorchModel(checkpoint.load(run / "best.safetensors").network), "balls")  # type: ignore[arg-type]
    small = figures(checkpoint.model(tmp_path / "tiny.safetensors"), "balls")
    told = {(row["task"], row["metric"]): (row["float32"], row["int8"]) for row in card.comparison["figures"]}
    assert told == {key: (plain(value), plain(small[key])) for key, value in exact.items()}
    close = [
        abs(small[key] - value) <= (0.005 if key[1].startswith("ari") else 0.005 * abs(value))
        for key, value in exact.items()
        if value == value
    ]
    assert card.comparison["agreed"] and card.int8 and all(close)
    assert "I8" in kinds(tmp_path / "tiny.safetensors").values()
    assert scored_suites == ["balls", "balls", "balls without noise"], "the comparison has scored these very weights"
    assert bundle_run(run, tmp_path) == card


@pytest.mark.usefixtures("many")
def test_matrices_that_int8_would_spoil_stay_as_they_are(run: Path, tmp_path: Path) -> None:
    """One huge number in every row leaves no steps for the others; a norm takes it away again where it is the same in
    all rows."""
    best = checkpoint.load(run / "best.safetensors")
    with torch.no_grad():
        best.network.encoder.dense.linear.weight[:, 0] = 3000.0  # type: ignore[union-attr,index]
        best.network.decoder.dense[0].linear.weight[:, 0] = 3000.0  # type: ignore[union-attr,index]
    checkpoint.save(run / "best.safetensors", best.network, card=best.card)
    card = bundle_run(run, tmp_path)
    assert not card.comparison["agreed"] and not card.int8
    assert card.comparison["largest"]["difference"] > 0.005
    assert set(kinds(tmp_path / "tiny.safetensors").values()) == {"F16"}
    assert bundle_run(run, tmp_path, quantise=True).int8, "unless it is asked for"


@pytest.mark.slow
def test_a_bundling_that_was_killed_goes_on_at_the_suite_where_it_was(
    run: Path, tmp_path: Path, scored_suites: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    suites = ("balls", "curtain", "extrapolation")
    whole = bundle_run(run, tmp_path, suites=suites, table=tmp_path)
    table = (tmp_path / "tiny.csv").read_text()
    (tmp_path / "again").mkdir()

    def be_killed(text: str) -> None:
        if "curtain" in text:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bundle_run(run, tmp_path / "again", suites=suites, table=tmp_path / "again", how=replace(TWO, doing=be_killed))
    scored_suites.clear()
    assert bundle_run(run, tmp_path / "again", suites=suites, table=tmp_path / "again") == whole
    assert scored_suites == ["curtain", "extrapolation", "balls without noise"]
    again = (tmp_path / "again" / "tiny.csv").read_text()
    assert [row[:9] for row in csv.reader(again.splitlines())] == [row[:9] for row in csv.reader(table.splitlines())]
    assert again.count("suite_version") == 1
    (tmp_path / "again" / "tiny.csv").unlink()
    scored_suites.clear()
    bundle_run(run, tmp_path / "again", suites=("balls",), table=tmp_path / "again")
    assert scored_suites == ["balls"], "a table needs more than is on the card"


def test_a_table_holds_what_the_evaluator_says(run: Path, tmp_path: Path) -> None:
    bundle_run(run, tmp_path, table=tmp_path, suites=("balls", "simulation"))
    rows = list(csv.DictReader((tmp_path / "tiny.csv").read_text().splitlines()))
    found = {(row["task"], row["metric"]): float(row["value"] or "nan") for row in rows if row["suite"] == "simulation"}
    wanted = figures(checkpoint.model(tmp_path / "tiny.safetensors"), "simulation")
    assert repr(found) == repr(wanted)
    notes = "trained-less-than-the-paper cpu-hours-0.01 sequences-12"
    assert {(row["model"], row["notes"], row["paper_link"]) for row in rows} == {("tiny", notes, PAPER)}
    assert {row["suite"] for row in rows} == {"balls", "simulation"}


@pytest.mark.usefixtures("many")
def test_a_score_that_was_known_before_the_card_has_the_cost_too(run: Path, tmp_path: Path) -> None:
    """The suite that decided about int8 is not played again."""
    bundle_run(run, tmp_path, table=tmp_path, suites=("balls", "curtain"))
    rows = csv.DictReader((tmp_path / "tiny.csv").read_text().splitlines())
    assert {row["notes"] for row in rows} == {"trained-less-than-the-paper cpu-hours-0.01 sequences-12"}


def test_scores_of_other_weights_are_forgotten(run: Path, tmp_path: Path, scored_suites: list[str]) -> None:
    first = bundle_run(run, tmp_path, table=tmp_path)
    bundle_run(run, tmp_path, suites=("curtain",))
    best = checkpoint.load(run / "best.safetensors")
    with torch.no_grad():
        best.network.decoder.dense[0].linear.weight.mul_(1.5)  # type: ignore[union-attr,index]
    checkpoint.save(run / "best.safetensors", best.network, card=best.card)
    second = bundle_run(run, tmp_path, table=tmp_path)
    assert scored_suites == ["balls", "balls without noise", "curtain", "balls", "balls without noise"]
    assert len(second.scores) == len(first.scores) and second.scores != first.scores
    rows = list(csv.DictReader((tmp_path / "tiny.csv").read_text().splitlines()))
    assert {row["weights_sha256"] for row in rows} == {second.weights_sha256}


@pytest.mark.usefixtures("many")
def test_who_learnt_another_world_is_asked_its_suites_and_made_smaller_by_the_first_of_them(
    tmp_path: Path, scored_suites: list[str]
) -> None:
    sizes = {"encoder": [4], "decoder": [4], "slot_size": 8, "hidden": 16, "features": 8}
    wanted = TrainingRecipe(
        model="slot-attention", data="shapes", frames=(1,), sizes=sizes, batch=2, validation=2, scored=0
    )
    train(wanted, tmp_path / "run", steps=1, device="cpu", workers=0)
    card = bundle(tmp_path / "run", "tiny", folder=tmp_path, how=TWO)
    assert card.data == "shapes" and card.comparison and card.comparison["suite"] == "segmentation-shapes"
    assert (
        {row["suite"] for row in card.scores} == {"segmentation-shapes"}
        and card.not_played == {}
        and card.scores_without_noise == []
    )
    assert scored_suites == ["segmentation-shapes"] * (2 if card.comparison["agreed"] else 3)
    (tmp_path / "tiny.json").write_text(replace(card, scores=[]).to_json())
    assert score_release("tiny", folder=tmp_path, how=TWO).scores == card.scores


@pytest.mark.slow
def test_a_model_may_borrow_what_it_has_from_another(tmp_path: Path) -> None:
    """Its encoder stayed as it was, so its file does not hold it."""
    sizes = {**SIZES, "slots": 3, "attention": 8}
    wanted = replace(recipe(seed=7), model="r-nem", sizes=sizes)
    train(wanted, tmp_path / "run", steps=2, device="cpu", workers=0)
    lent = bundle_run(tmp_path / "run", tmp_path, quantise=True)
    part = replace(wanted, model="r-nem-regrouped", initial=f"{tmp_path}/tiny.safetensors")
    part = replace(part, reuse=f"encoder={tmp_path}/tiny.safetensors,recurrence.linear={tmp_path}/tiny.safetensors")
    train(part, tmp_path / "part", steps=2, device="cpu", workers=0)
    trained, path = checkpoint.load(tmp_path / "part" / "best.safetensors"), tmp_path / "grouped.safetensors"
    card = bundle(tmp_path / "part", "grouped", folder=tmp_path, suites=("balls",), how=TWO, lender="tiny")
    held = {name.removesuffix(".scale") for name in kinds(path)}
    frozen = {name for name in trained.network.state_dict() if name.startswith(("encoder.", "recurrence.linear."))}
    assert held and not held & frozen and held < set(trained.network.state_dict()) - frozen | {"__metadata__"}
    found, lender = checkpoint.load(path), checkpoint.load(tmp_path / "tiny.safetensors")
    for name in frozen:
        assert torch.equal(found.network.state_dict()[name], lender.network.state_dict()[name])
    for name, tensor in trained.network.state_dict().items():
        torch.testing.assert_close(found.network.state_dict()[name], tensor, rtol=2e-2, atol=2e-2)
    assert card.bytes == path.stat().st_size < lent.bytes and card.parameters == lent.parameters
    assert card.architecture == "nem-regrouped" and len(card.before) == 1, "what is begun with and reused is one stage"
    with pytest.raises(PhysbenchError, match="has no weights to lend"):
        bundle(tmp_path / "part", "third", folder=tmp_path, suites=("balls",), how=TWO, lender="grouped")


def test_for_a_users_own_data_the_suites_must_be_named(run: Path, tmp_path: Path, scored_suites: list[str]) -> None:
    best = checkpoint.load(run / "best.safetensors")
    checkpoint.save(run / "best.safetensors", best.network, card={**best.card, "data": "mine"})
    with pytest.raises(TrainingError, match="the suites for models that learnt 'mine' are not known"):
        bundle(run, "tiny", folder=tmp_path, how=TWO)
    assert {row["suite"] for row in bundle_run(run, tmp_path).scores} == {"balls"} and scored_suites == ["balls"], (
        "without noise is asked what is of its world"
    )


def test_shares_are_compared_as_they_stand_and_amounts_by_their_size() -> None:
    for metric in ("ari", "ari_video", "rollout_overlap", "probe_shape", "probe_position"):
        assert difference(metric, 0.01, 0.014) == pytest.approx(0.004)
    for metric in ("bce", "bce_last", "relative_bce", "reconstruction_mse", "rollout_bce[3]"):
        assert difference(metric, 0.01, 0.014) == pytest.approx(0.4)


def test_scores_without_noise_are_those_of_the_model_when_it_is_set_to_none(run: Path, tmp_path: Path) -> None:
    card = bundle_run(run, tmp_path)
    found = {(row["task"], row["metric"]): row["value"] for row in card.scores_without_noise}
    clean = figures(checkpoint.model(tmp_path / "tiny.safetensors", settings={"noise": 0}), "balls")
    assert found == {key: plain(value) for key, value in clean.items()}
    noisy = {(row["task"], row["metric"]): row["value"] for row in card.scores}
    assert found["balls4mass64", "bce"] != noisy["balls4mass64", "bce"]


def test_missing_scores_are_added_without_the_run(run: Path, tmp_path: Path, scored_suites: list[str]) -> None:
    bundle_run(run, tmp_path, table=tmp_path)
    shutil.rmtree(run)
    scored_suites.clear()
    card = score_release("tiny", folder=tmp_path, suites=("balls", "curtain"), how=TWO, table=tmp_path)
    assert scored_suites == ["curtain"] and {row["suite"] for row in card.scores} == {"balls", "curtain"}
    assert Card.from_json((tmp_path / "tiny.json").read_text(), place="tiny.json") == card
    rows = list(csv.DictReader((tmp_path / "tiny.csv").read_text().splitlines()))
    assert {row["suite"] for row in rows} == {"balls", "curtain"}
    (tmp_path / "tiny.json").write_text(replace(card, weights_sha256="0" * 64).to_json())
    with pytest.raises(TrainingError, match="is not the card of the weights in"):
        score_release("tiny", folder=tmp_path)
    (tmp_path / "tiny.json").unlink()
    with pytest.raises(TrainingError, match="there is no card"):
        score_release("tiny", folder=tmp_path)


def test_a_suite_of_other_frames_is_listed_with_the_reason(run: Path, tmp_path: Path) -> None:
    card = bundle_run(run, tmp_path, suites=("crop50",))
    assert card.scores == []
    assert list(card.not_played) == ["crop50"]
    assert "(64, 64, 1)" in card.not_played["crop50"] and "(50, 50, 1)" in card.not_played["crop50"]


@pytest.mark.parametrize(("told", "played"), [(0, True), (6, True), (5, False)])
def test_whether_a_model_can_be_told_the_actions_of_a_suite_is_known_without_a_game(
    told: int, played: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "physbench_generators.invaders.scenes.Invaders.scenes", lambda *_: pytest.fail("a game was played")
    )
    sizes = NemSizes(
        "r-nem", slots=2, height=84, width=84, channels=(2, 2), dense=8, hidden=8, attention=4, actions=told
    )
    why = unplayable(TorchModel(sizes.build()), "invaders")
    assert why is None if played else "actions" in str(why)


@pytest.mark.parametrize(
    ("changed", "ended", "at", "short"),
    [
        ({}, "patience", 4, False),
        ({}, "patience", 1, True),  # a result of before it was resumed
        ({}, "time", 4, True),
        ({"patience": 2}, "patience", 4, True),
        ({"epoch": 90}, "patience", 4, True),
    ],
)
def test_only_a_run_as_long_as_the_papers_is_not_called_short(
    run: Path, changed: dict[str, int], ended: str, at: int, short: bool
) -> None:
    (run / "recipe.json").write_text(recipe(**changed).to_json())
    (run / "result.json").write_text(json.dumps({"ended": ended, "step": at}))
    card = RunCard.from_mapping(dict(checkpoint.load(run / "best.safetensors").card), place=run)
    told = origin.header(card, find_architecture("nem"), run, "tiny")["training"]
    assert (told is not None) == short


def test_a_path_of_the_machine_does_not_get_onto_the_card(run: Path, tmp_path: Path) -> None:
    best = checkpoint.load(run / "best.safetensors")
    checkpoint.save(
        run / "best.safetensors",
        best.network,
        card={**best.card, "recipe": {**best.card["recipe"], "data": "/somewhere/of/mine/balls.h5"}},
    )
    assert bundle_run(run, tmp_path, suites=()).recipe["data"] == "balls.h5"
    stage = {"steps": 1, "recipe": {"data": "/somewhere/of/mine/first.h5", "initial": "/somewhere/of/mine/first.pt"}}
    checkpoint.save(run / "best.safetensors", best.network, card={**best.card, "before": [stage]})
    (told,) = bundle_run(run, tmp_path, suites=()).before
    assert told["recipe"] == {"data": "first.h5", "initial": "first.pt"}
    assert "/somewhere" not in (tmp_path / "tiny.json").read_text()


def row(step: int, measured: bool) -> LogRow:
    return LogRow(step, step, step / 60, 12.3456789, 1e-3, 31, 1 / 3, {"validation_loss": 2 / 3} if measured else {})


@pytest.mark.parametrize(("rows", "every"), [(7, 2), (100, 5), (101, 5), (4321, 5), (4321, 10_000), (300, 1)])
def test_a_thinned_log_has_at_most_100_rows_from_all_over_the_run(rows: int, every: int) -> None:
    log = [row(step, step % every == 0) for step in range(1, rows + 1)]
    kept = origin.thin(log)
    assert len(kept) == min(rows, 100) or (every == 1 and len(kept) == 50)
    assert (
        [each.step for each in kept] == sorted({each.step for each in kept})
        and kept[-1] == log[-1]
        and all(each in log for each in kept)
    )
    quarter = [each.step for each in kept if each.step <= rows / 4]
    assert rows < 10 or len(quarter) >= len(kept) / 5


def test_a_card_has_a_line_for_every_row(run: Path, tmp_path: Path) -> None:
    card = bundle_run(run, tmp_path)
    lines = (tmp_path / "tiny.json").read_text().splitlines()
    assert sum(line.startswith('{"step"') for line in lines) == len(card.log) == len(Folder(run).rows())
    assert sum(line.startswith('{"suite"') for line in lines) == len(card.scores) + len(card.scores_without_noise)
    assert [each["step"] for each in card.log] == [asdict(each)["step"] for each in Folder(run).rows()]


def without(name: str) -> Callable[[Path], object]:
    return lambda run: (run / name).unlink()


@pytest.mark.parametrize(
    ("spoil", "words", "message"),
    [
        (without("best.safetensors"), {}, "there is no file"),
        (without("recipe.json"), {}, "there is no run in"),
        (
            lambda run: (run / "result.json").write_text("[]"),
            {},
            "is not the result of a run: put it back or delete it",
        ),
        (lambda run: None, {"name": "../tiny"}, r"small letters, digits, and - or \. between them, not '../tiny'"),
        (lambda run: None, {"folder": Path("nowhere")}, "there is no folder nowhere: make it first"),
        (lambda run: None, {"table": Path("nowhere")}, "there is no folder nowhere: make it first"),
        (lambda run: None, {"suites": ("bowls",)}, "no suite is called 'bowls'"),
    ],
)
def test_what_cannot_be_bundled_says_so(
    run: Path, tmp_path: Path, spoil: Callable[[Path], object], words: dict[str, Any], message: str
) -> None:
    spoil(run)
    (tmp_path / "there").mkdir()
    with pytest.raises(PhysbenchError, match=message):
        bundle(run, **{"name": "tiny", "folder": tmp_path / "there", "how": TWO, **words})
    assert not list((tmp_path / "there").iterdir())


@pytest.mark.parametrize("text", ["mine", "[]", '{"scores": []}'])
def test_a_file_that_is_not_a_card_is_not_overwritten(run: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "tiny.json").write_text(text)
    with pytest.raises(TrainingError, match="is not the card of a model: put it back or delete it"):
        bundle_run(run, tmp_path)
    assert (tmp_path / "tiny.json").read_text() == text


def test_the_command_bundles(run: Path, tmp_path: Path) -> None:
    words = [
        str(run),
        "tiny",
        "--suites",
        "balls,crop50",
        "--limit",
        "2",
        "--device",
        "cpu",
        "--folder",
        str(tmp_path / "out"),
        "--csv",
        str(tmp_path),
    ]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["tiny.json", "tiny.safetensors"]
    assert (tmp_path / "tiny.csv").exists()
    done = CliRunner().invoke(main, [str(tmp_path), "tiny", "--folder", str(tmp_path / "out")])
    assert done.exit_code == 2 and done.output.startswith("Error: there is no file")


def test_a_repeat_of_another_budget_is_refused_before_it_is_scored(
    run: Path, tmp_path: Path, scored_suites: list[str]
) -> None:
    folder, words = tmp_path / "released", dict[str, Any](suites=("balls",), how=TWO)
    folder.mkdir()
    shipped = bundle_run(run, folder)
    scored_suites.clear()
    train(recipe(seed=8), tmp_path / "short", steps=2, device="cpu", workers=0)
    with pytest.raises(TrainingError, match=r"short was given 2 steps, and tiny 4 steps: .* equal budgets"):
        repeating.repeat(tmp_path / "short", "tiny", folder=folder, **words)
    assert scored_suites == [] and not (folder / "repeats").exists()
    train(recipe(seed=8), tmp_path / "equal", steps=4, device="cpu", workers=0)
    kept = repeating.repeat(tmp_path / "equal", "tiny", folder=folder, **words)
    assert scored_suites[0] == "balls" and kept.train_seed == 8
    assert (kept.steps_limit, kept.minutes_limit) == (shipped.steps_limit, shipped.minutes_limit) == (4, None)
    assert [path.name for path in (folder / "repeats").iterdir()] == ["tiny.seed8.json"]
