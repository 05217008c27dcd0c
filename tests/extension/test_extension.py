"""Tests of a user's own package, through the command line: two worlds, two models, a metric and a suite."""

from __future__ import annotations

import ast
import csv
import json
import math
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pytest
from PIL import Image

from physbench import registry
from tests.extension.conftest import HERE, PACKAGE, SMALL, GeneratedFile, Machine, make

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result


ROOT = HERE.parents[1]
SHORTEST, SHORTEST_TRAINED = HERE / "mymodel.py", HERE / "pixelwise.py"
SOURCES = sorted(PACKAGE.rglob("*.py"))
PALETTE = {(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (255, 0, 255), (0, 255, 255)}
STEPS = np.array([[0, 0], [2, 0], [-2, 0], [0, 2], [0, -2]])


# What it may lean on


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_the_package_uses_no_private_name_and_patches_nothing(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names |= {*(node.module or "").split("."), *(alias.name for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {part for alias in node.names for part in alias.name.split(".")}
    assert not [name for name in names if name.startswith("_") and not name.endswith("__")]
    assert not {"setattr", "monkeypatch"} & {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def test_physbench_does_not_know_the_package() -> None:
    for wing in ("physbench", "generators", "baselines", "leaderboard"):
        assert not [
            path for path in (ROOT / wing).rglob("*.py") if "physbench_squares" in path.read_text(encoding="utf-8")
        ]


# Found by entry points alone


@pytest.mark.slow
def test_what_is_listed_is_what_the_entry_points_name(machine: Machine) -> None:
    expected = {
        "datasets": ("dataset", {"squares", "walk"}),
        "models": ("model", {"push"}),
        "suites": ("suite", {"squares"}),
    }
    for what, (key, names) in expected.items():
        assert names <= {entry[key] for entry in json.loads(machine.run("list", what, "--json").stdout)}
    assert "a white square that is walked about" in machine.run("list").stdout


def test_the_metric_explains_itself(machine: Machine) -> None:
    assert "centre of mass" in machine.run("explain", "centre_error").stdout
    code = """
import doctest
from physbench_squares.centres import CENTRE_ERROR
example = doctest.DocTestParser().get_doctest(CENTRE_ERROR.example, {}, "example", None, 0)
print(doctest.DocTestRunner().run(example))
"""
    assert machine.python(code) == "TestResults(failed=0, attempted=4)\n"


def test_parameters_are_options_with_their_words_and_bounds(machine: Machine) -> None:
    words = " ".join(machine.run("generate", "squares", "--help").stdout.split())
    assert "Most objects in a picture" in words and "--rings" in words
    refusal = machine.run("generate", "squares", "--most", 7, *SMALL, "--out", "no.h5", code=2).stderr
    assert "most" in refusal and "7" in refusal and "4" in refusal


@pytest.mark.slow
def test_a_package_that_cannot_be_imported_is_named_and_hides_no_other(machine: Machine) -> None:
    """An entry point of a package that is broken, among those that are not."""
    broken = next(machine.environment.glob("lib/*/site-packages")) / "broken-1.0.dist-info"
    broken.mkdir()
    try:
        (broken / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
        groups = ("generators", "models", "architectures", "metrics", "suites")
        (broken / "entry_points.txt").write_text(
            "".join(f"[physbench.{group}]\nbroken = physbench_broken:THING\n" for group in groups)
        )
        for words in (("list",), ("explain", "centre_error"), ("generate", "--help")):
            assert "physbench_broken:THING, of the installed package broken" in machine.run(*words).stderr
        for words in (
            ("generate", "broken"),
            ("eval", "broken"),
            ("eval", "push", "--suite", "broken"),
            ("explain", "broken"),
        ):
            assert "broken" in machine.run(*words, code=2).stderr
    finally:
        rmtree(broken)


# Worlds


@pytest.mark.parametrize("dataset", ["squares", "walk"])
def test_two_workers_make_what_one_makes(machine: Machine, dataset: str, request: pytest.FixtureRequest) -> None:
    alone: GeneratedFile = request.getfixturevalue(dataset)
    assert make(machine, dataset, f"{dataset}-two.h5", *SMALL, "--workers", 2).digest == alone.digest


@pytest.mark.slow
@pytest.mark.parametrize("dataset", ["squares", "walk"])
def test_shares_of_the_work_are_joined_to_the_same_file(
    machine: Machine, dataset: str, request: pytest.FixtureRequest
) -> None:
    whole: GeneratedFile = request.getfixturevalue(dataset)
    for part in ("1/2", "2/2"):
        machine.run("generate", dataset, "--out", f"{dataset}-parts.h5", *SMALL, "--part", part)
    assert make(machine, dataset, f"{dataset}-parts.h5", *SMALL).digest == whole.digest


@pytest.mark.slow
def test_a_dry_run_draws_a_contact_sheet_of_both(machine: Machine) -> None:
    for dataset in ("squares", "walk"):
        machine.run("generate", dataset, "--out", f"{dataset}-dry.h5", "--dry-run")
        assert Image.open(machine.folder / f"{dataset}-dry.png").width > 100
        assert not (machine.folder / f"{dataset}-dry.h5").exists()


def test_the_factors_of_a_picture_say_every_pixel(squares: GeneratedFile) -> None:
    """Painted here from the stored factors with loops, pixel by pixel."""
    with h5py.File(squares.path) as file:
        split = {name: array[()] for name, array in file["test"].items()}
    assert set(split) == {"features", "groups", "position", "count", "visible", "shape", "colour", "scale"}
    assert split["features"].shape == (1, 24, 24, 24, 3)
    shapes: set[int] = set()
    for n in range(24):
        painted, owners = np.zeros((24, 24, 3), np.uint8), np.zeros((24, 24), np.uint8)
        for k in range(split["count"][n]):
            (x, y), side = split["position"][0, n, k], split["scale"][n, k]
            left, top, shape = round(x - side / 2), round(y - side / 2), split["shape"][n, k]
            for row in range(top, top + int(side)):
                for column in range(left, left + int(side)):
                    rim = row in (top, top + side - 1) or column in (left, left + side - 1)
                    if shape == 1 or rim:
                        painted[row, column], owners[row, column] = split["colour"][n, k], k + 1
            shapes.add(int(shape))
            assert tuple(split["colour"][n, k]) in PALETTE
            assert split["visible"][0, n, k] == (owners == k + 1).sum() > 0
        assert (painted == split["features"][0, n]).all() and (owners == split["groups"][0, n, ..., 0]).all()
    assert shapes == {1, 2}


def test_an_episode_goes_on_from_one_sequence_to_the_next(walk: GeneratedFile) -> None:
    """Walked here step by step from the stored actions, over the seams between sequences too; rewards counted."""
    with h5py.File(walk.path) as file:
        split = {name: array[()] for name, array in file["training"].items()}
    corner = split["position"][:, :, 0] - 2
    assert (split["reward"] == (corner == 0).all(-1)).all() and split["reward"].any()
    seams = 0
    for n in range(40):
        number, offset = split["episode"][n]
        if offset:
            assert (number, offset - 12) == tuple(split["episode"][n - 1])
            action = split["actions"][-1, n - 1].argmax()
            assert (corner[0, n] == np.clip(corner[-1, n - 1] + STEPS[action], 0, 12)).all()
            seams += 1
        for t in range(11):
            assert (corner[t + 1, n] == np.clip(corner[t, n] + STEPS[split["actions"][t, n].argmax()], 0, 12)).all()
        rows, columns = np.nonzero(split["features"][5, n, ..., 0])
        assert (columns.min(), rows.min()) == tuple(corner[5, n]) and len(rows) == 16
    assert seams > 10


def test_verify_makes_both_again_and_says_which_has_a_check(
    machine: Machine, squares: GeneratedFile, walk: GeneratedFile
) -> None:
    assert "is good" in machine.run("verify", squares.path).stdout
    verdict = machine.run("verify", walk.path).stdout
    assert "is good" in verdict and "no check" in verdict


def test_without_the_package_a_file_is_read_and_called_undamaged(
    cli: Callable[..., Result], tmp_path: Path, squares: GeneratedFile, walk: GeneratedFile
) -> None:
    """The physbench of these tests does not have it."""
    for made, word in ((squares, "colour"), (walk, "actions")):
        verdict = cli("verify", made.path)
        assert verdict.exit_code == 0 and "undamaged" in verdict.output and "is good" not in verdict.output
        assert word in cli("info", made.path).output
        assert cli("show", made.path, "--split", "test", "--out", tmp_path / f"{word}.html").exit_code == 0


def test_verify_finds_a_moved_square(machine: Machine, squares: GeneratedFile) -> None:
    spoilt = machine.folder / "spoilt.h5"
    spoilt.write_bytes(squares.path.read_bytes())
    with h5py.File(spoilt, "r+") as file:
        file["test/position"][0, 3, 0] += 1
    assert "the split test is not what its digest says" in machine.run("verify", spoilt, code=2).stderr


def test_the_check_of_a_world_reads_the_factors(machine: Machine) -> None:
    """One factor changed in each of two pictures: these two, and no others, are at fault."""
    code = """
from physbench.registry import datasets
recipe = datasets.get("squares")
scenes = recipe.scenes("test", 0, 20)
assert not list(recipe.generator.check(scenes))
scenes.truth["scale"][3, 0] -= 2
scenes.features[5][scenes.groups[5, ..., 0] == 1] = 7
print([fault.sequence for fault in recipe.generator.check(scenes)])
"""
    assert machine.python(code) == "[3, 5]\n"


def test_info_says_what_there_is_and_nothing_more(
    machine: Machine, squares: GeneratedFile, walk: GeneratedFile
) -> None:
    arrays = {
        path: set(json.loads(machine.run("info", path, "--json").stdout)["arrays"])
        for path in (squares.path, walk.path)
    }
    assert arrays[squares.path] == {"features", "groups", "position", "count", "visible", "shape", "colour", "scale"}
    assert arrays[walk.path] == {"features", "groups", "position", "count", "visible", "actions", "reward", "episode"}
    text = machine.run("info", walk.path).stdout
    assert "actions" in text and "collisions" not in text


def test_a_picture_shows_the_colours_of_its_factors(machine: Machine, squares: GeneratedFile) -> None:
    machine.run("show", squares.path, "--split", "test", "--index", 2, "--out", "square.png")
    with h5py.File(squares.path) as file:
        colours = {tuple(int(part) for part in colour) for colour in file["test/colour"][2, : file["test/count"][2]]}
    shown = {colour for _, colour in Image.open(machine.folder / "square.png").convert("RGB").getcolors(1 << 24)}
    assert colours <= shown


def test_an_episode_is_shown_as_an_animation_and_as_a_page(machine: Machine, walk: GeneratedFile) -> None:
    machine.run("show", walk.path, "--split", "test", "--index", 1, "--out", "walk.gif")
    machine.run("show", walk.path, "--split", "test", "--index", 1, "--out", "walk.html")
    machine.run("show", "walk", "--split", "test", "--index", 1, "--out", "made.html")
    assert Image.open(machine.folder / "walk.gif").n_frames == 12
    assert (machine.folder / "walk.html").read_text() == (machine.folder / "made.html").read_text() != ""


def test_a_stream_gives_what_the_file_holds(machine: Machine, walk: GeneratedFile) -> None:
    """Of whole episodes too, from any sequence on."""
    code = """
import physbench, itertools, numpy as np
from dataclasses import replace
from physbench.registry import datasets
stored = physbench.open("walk.h5")["training"]
recipe = replace(datasets.get("walk"), splits={"train": 40, "valid": 16, "test": 24})
batches = physbench.stream(recipe, split="train", batch=6, start=6, only=("features", "actions"))
for number, batch in enumerate(itertools.islice(batches, 4)):
    there = stored[6 + 6 * number : 12 + 6 * number]
    assert set(batch) == {"features", "actions"}
    assert all((batch[name] == there[name]).all() for name in batch)
"""
    machine.python(code)


# The suite, the metric and the model without weights


@dataclass(frozen=True)
class Scored:
    """What an evaluation wrote, and what it said."""

    values: dict[tuple[str, str], float]  # by task and metric
    said: str


def score(machine: Machine, name: str, *words: object) -> Scored:
    """Evaluate, and read NAME.csv."""
    said = machine.run(*words, "--csv", f"{name}.csv").stdout
    with (machine.folder / f"{name}.csv").open() as file:
        return Scored({(row["task"], row["metric"]): float(row["value"]) for row in csv.DictReader(file)}, said)


FEW = ("--suite", "squares", "--limit", 12)


@pytest.fixture(scope="module")
def pushed(machine: Machine) -> Scored:
    return score(machine, "push", "eval", "push", *FEW, "--per-sequence", "push.npz", "--report", "page")


@pytest.fixture(scope="module")
def copied(machine: Machine) -> Scored:
    return score(machine, "copy", "eval", "copy", *FEW, "--per-sequence", "copy.npz")


def test_a_model_that_is_given_the_actions_makes_no_mistake(pushed: Scored) -> None:
    """Every next frame is certain once the action is known; and every colour is an object."""
    assert pushed.values["walk", "bce"] < 1e-2
    assert pushed.values["walk", "centre_error"] == pytest.approx(0, abs=1e-6)
    assert pushed.values["walk/rollout-4+6", "rollout_bce[6]"] < 1e-2
    assert pushed.values["squares/frames", "ari"] == 1


def test_the_metric_is_what_a_loop_makes_of_the_positions(machine: Machine, copied: Scored) -> None:
    """Copying is always one step behind: its error is the mean length of a step."""
    code = """
import math
from physbench.registry import datasets
places = datasets.get("walk").scenes("test", 0, 12).truth["position"][:, :, 0].tolist()
print(sum(math.dist(a, b) for each in places for a, b in zip(each, each[1:])) / (12 * 11))
"""
    assert copied.values["walk", "centre_error"] == pytest.approx(float(machine.python(code)), abs=1e-5)


def test_the_ranking_metric_stands_first_beside_the_references_of_the_suite(pushed: Scored) -> None:
    first = next(line for line in pushed.said.splitlines() if "[" in line)
    assert "centre_error" in first
    assert "copy" in pushed.said and "tracker" not in pushed.said


def test_the_report_and_the_comparison_show_the_metric(machine: Machine, pushed: Scored, copied: Scored) -> None:
    assert "centre_error" in (machine.folder / "page" / "index.html").read_text()
    assert "centre_error" in machine.run("compare", "push.npz", "copy.npz", "--json").stdout


def test_written_predictions_score_what_the_model_scores(machine: Machine, pushed: Scored) -> None:
    machine.run("predict", "push", *FEW, "--out", "push.h5")
    assert score(machine, "predicted", "score", "push.h5", "--suite", "squares").values == pushed.values


def test_what_a_model_is_shown_can_be_exported_with_its_actions(machine: Machine) -> None:
    machine.run("export", *FEW, "--out", "inputs.h5")
    with h5py.File(machine.folder / "inputs.h5") as file:
        names: list[str] = []
        file.visit(names.append)
    assert any(name.startswith("walk") and name.endswith("actions") for name in names)
    assert any(name.startswith("squares") for name in names)


def test_a_model_is_shown_at_work(machine: Machine) -> None:
    machine.run("show", "--model", "push", "--suite", "squares", "--index", 1, "--out", "push.png")
    assert Image.open(machine.folder / "push.png").width > 100


@pytest.mark.parametrize("dataset", ["squares", "walk"])
def test_the_audit_finds_nothing(machine: Machine, dataset: str) -> None:
    machine.run("audit", "push", "--dataset", dataset)


def test_more_episodes_than_there_are_is_refused_before_anything_is_asked(machine: Machine) -> None:
    assert (
        "walk-v1 has 1,000 sequences for test, and 10,000 are asked for"
        in machine.run("eval", "push", "--suite", "squares", "--size", "full", code=2).stderr
    )


@pytest.mark.slow
def test_a_file_of_its_own_is_evaluated(machine: Machine, walk: GeneratedFile) -> None:
    found = score(machine, "own", "eval", "push", "--data", walk.path).values
    assert found["walk", "centre_error"] == pytest.approx(0, abs=1e-6)


# The board


@pytest.mark.slow
def test_a_suite_without_pins_is_not_ranked_and_the_board_refuses_it_in_words(machine: Machine) -> None:
    said = machine.run("eval", "push", "--suite", "squares", "--csv", "lite.csv").stdout
    assert "unranked" in said
    for words in (("check", "lite.csv"), ("add", "lite.csv", "--folder", "board")):
        done = machine.run("leaderboard", *words, code=2)
        assert "unranked" in done.stdout + done.stderr and "pins no digests" in done.stdout + done.stderr
    assert not list(machine.folder.glob("board/*"))


@pytest.mark.slow
def test_the_page_of_the_board_is_built_beside_it(machine: Machine) -> None:
    machine.run("leaderboard", "build", "--out", "site")
    assert "balls" in (machine.folder / "site" / "index.html").read_text()


# The network

TRAIN = (
    "train",
    "drift",
    "--data",
    "walk",
    "--batch",
    4,
    "--frames",
    6,
    "--log-every",
    2,
    "--evaluate-every",
    4,
    "--validation",
    8,
    "--scored",
    4,
)


def log(folder: Path) -> list[dict[str, str]]:
    with (folder / "log.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def run(machine: Machine) -> Path:
    """A short training run, unbroken."""
    machine.run(*TRAIN, "--steps", 14, "--out", "runs/whole")
    return machine.folder / "runs" / "whole"


@pytest.mark.slow
def test_both_losses_are_in_the_log(run: Path) -> None:
    rows = log(run)
    assert {"seen", "foreseen"} <= set(rows[0])
    assert all(math.isfinite(float(row[name])) for row in rows for name in ("seen", "foreseen") if row[name])


def test_it_is_trained_as_its_record_says_where_nothing_else_is_said(run: Path) -> None:
    recipe = json.loads((run / "recipe.json").read_text())
    assert (recipe["gradient_limit"], recipe["batch"], recipe["frames"]) == (10.0, 4, [6])


@pytest.mark.slow
def test_its_own_optimiser_descends(machine: Machine, run: Path) -> None:
    """Momentum is remembered for every weight, and nothing of Adam."""
    code = """
from physbench_baselines import checkpoint
from pathlib import Path
state = checkpoint.load(next(Path("runs/whole").glob("last.*"))).training
print(sorted({name.rpartition("/")[2] for name in state if name.startswith("optimizer/")}))
"""
    assert machine.python(code) == "['momentum_buffer']\n"


@pytest.mark.slow
def test_a_curve_that_was_stopped_goes_on_to_be_the_unbroken_one(machine: Machine, run: Path) -> None:
    broken = machine.folder / "runs" / "broken"
    rows = broken / "log.csv"
    machine.stop(
        *TRAIN, "--steps", 14, "--out", broken, once=lambda: rows.exists() and len(rows.read_text().splitlines()) > 2
    )
    assert len(log(broken)) < len(log(run))
    machine.run("train", "--out", broken, "--resume")
    curves = [
        [
            {name: value for name, value in row.items() if name not in ("minutes", "sequences_per_second")}
            for row in log(folder)
        ]
        for folder in (run, broken)
    ]
    assert curves[0] == curves[1]


@pytest.mark.slow
def test_a_trained_network_takes_gradients_when_it_is_scored(machine: Machine, run: Path, walk: GeneratedFile) -> None:
    """More refinements of the code, set at test time, give other scores: the descent is real."""
    scores = [
        score(machine, name, "eval", run, "--data", walk.path, *more).values
        for name, more in (("two", ()), ("five", ("--set", "refinements=5")))
    ]
    assert scores[0].keys() == scores[1].keys() and ("walk", "centre_error") in scores[0]
    assert scores[0]["walk", "bce"] != scores[1]["walk", "bce"]


@pytest.mark.slow
def test_a_network_for_other_frames_is_refused_in_words(machine: Machine, run: Path) -> None:
    assert "for frames of 1 channels, not 3" in machine.run("eval", run, *FEW, code=2).stderr


@pytest.mark.slow
def test_the_refinements_of_a_network_are_shown_as_many_as_are_set(machine: Machine) -> None:
    machine.run("train", "drift", "--data", "squares", "--batch", 4, "--steps", 2, "--scored", 0, "--out", "runs/shown")
    for count in (1, 4):
        machine.run(
            "show",
            "--model",
            "runs/shown",
            "--suite",
            "squares",
            "--task",
            "squares",
            "--set",
            f"refinements={count}",
            "--out",
            f"{count}.gif",
        )
        with Image.open(machine.folder / f"{count}.gif") as image:
            assert image.n_frames == count + 1  # type: ignore[attr-defined] it says no owners, so nobody asks it twice


@pytest.mark.slow
def test_the_audit_takes_a_network_that_takes_gradients(machine: Machine, run: Path) -> None:
    machine.run("audit", run, "--dataset", "walk")


@pytest.mark.slow
@pytest.mark.parametrize("stored", [False, True])
def test_pictures_teach_it_too(machine: Machine, squares: GeneratedFile, stored: bool) -> None:
    """Single frames in colour, without actions; its record knows the sizes and the recipe for them."""
    out = f"runs/pictures{stored}"
    machine.run(
        "train",
        "drift",
        "--data",
        squares.path if stored else "squares",
        "--batch",
        4,
        "--steps",
        2,
        "--scored",
        0,
        "--out",
        out,
    )
    recipe = json.loads((machine.folder / out / "recipe.json").read_text())
    assert (recipe["frames"], recipe["validation"]) == ([1], 16)


# The words about it

EXTENDING = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")


def test_the_files_in_the_walk_throughs_are_the_real_ones() -> None:
    shown = re.findall(r"^```(?:python|toml)\n(.*?)^```", EXTENDING, re.M | re.S)
    real = [
        path.read_text(encoding="utf-8") for path in (PACKAGE / "pyproject.toml", SHORTEST, SHORTEST_TRAINED, *SOURCES)
    ]
    assert len(shown) == 9 and not [text for text in shown if text not in real]


def test_the_shortest_model_is_scored_and_keeps_the_rules(
    cli: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two frames of memory, by hand: 0.8 of this frame and 0.2 of the one before, within bounds."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "mymodel", None)  # other tests have written a module of this name
    del sys.modules["mymodel"]
    Path("mymodel.py").write_text(SHORTEST.read_text(encoding="utf-8"), encoding="utf-8")
    words = ("--model", "mymodel:Mix")
    told = json.loads(cli("eval", *words, "--suite", "smoke", "--limit", 2, "--json").stdout)
    found = {(score["task"], score["metric"]): score["value"] for score in told["scores"]}
    recipe = registry.datasets.get("balls4mass64")
    x = recipe.generator.batch(recipe.seeds("test", 0, 2), 31).features.astype(float)
    before = np.concatenate([np.zeros_like(x[:, :1]), x[:, :-2]], axis=1)
    p = np.clip(0.8 * x[:, :-1] + 0.2 * before, 0.02, 0.9)
    bce = -np.log(np.where(x[:, 1:] == 1, p, 1 - p)).sum((2, 3, 4)).mean()
    assert found["balls4mass64", "bce"] == pytest.approx(bce, rel=1e-5)
    assert json.loads(cli("audit", *words, "--json").stdout)["passed"]


def test_the_shortest_model_that_is_trained_learns_and_is_scored(
    cli: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pixelwise.py").write_text(SHORTEST_TRAINED.read_text(encoding="utf-8"), encoding="utf-8")
    words = ("--batch", 4, "--frames", 8, "--validation", 4, "--scored", 0, "--device", "cpu")
    assert cli("train", "pixelwise:ARCHITECTURE", *words, "--steps", 20, "--out", "runs/pixelwise").exit_code == 0
    rows = list(csv.DictReader(Path("runs/pixelwise/log.csv").read_text(encoding="utf-8").splitlines()))
    assert float(rows[-1]["validation_loss"]) < 64 * 64 * np.log(2)  # what a grey frame costs
    found = cli("eval", "runs/pixelwise", "--suite", "smoke", "--limit", 2, "--json")
    assert found.exit_code == 0 and json.loads(found.stdout)["scores"]


@pytest.mark.parametrize("link", re.findall(r"\]\((?!https?:)([^)#]+)\)", EXTENDING))
def test_every_link_of_the_walk_throughs_leads_somewhere(link: str) -> None:
    assert (ROOT / "docs" / link).exists()
