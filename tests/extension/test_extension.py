"""Somebody else's package: two worlds, two models, a metric and a suite, taken through the command line as its user would."""

from __future__ import annotations

import ast
import csv
import json
import math
import re
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from tests.extension.conftest import HERE, PACKAGE, SMALL, Machine, Made, make

pytestmark = pytest.mark.xdist_group("extension")

ROOT = HERE.parents[1]
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


def test_the_house_does_not_know_the_package() -> None:
    for wing in ("physbench", "generators", "baselines", "leaderboard"):
        assert not [path for path in (ROOT / wing).rglob("*.py") if "physbench_squares" in path.read_text(encoding="utf-8")]


# Found by entry points alone


def test_what_is_listed_is_what_the_entry_points_name(machine: Machine) -> None:
    expected = {"datasets": ("dataset", {"squares", "walk"}), "models": ("model", {"push"}), "suites": ("suite", {"squares"})}
    for what, (key, names) in expected.items():
        assert names <= {entry[key] for entry in json.loads(machine.run("list", what, "--json").stdout)}
    assert "a white square that is walked about" in machine.run("list").stdout


def test_the_metric_explains_itself(machine: Machine) -> None:
    assert "centre of mass" in machine.run("explain", "centre_error").stdout


def test_parameters_are_options_with_their_words_and_bounds(machine: Machine) -> None:
    words = " ".join(machine.run("generate", "squares", "--help").stdout.split())
    assert "Most objects in a picture" in words and "--rings" in words
    refusal = machine.run("generate", "squares", "--most", 7, *SMALL, "--out", "no.h5", code=2).stderr
    assert "most" in refusal and "7" in refusal and "4" in refusal


# Worlds


@pytest.mark.parametrize("dataset", ["squares", "walk"])
def test_two_workers_make_what_one_makes(machine: Machine, dataset: str, request: pytest.FixtureRequest) -> None:
    alone: Made = request.getfixturevalue(dataset)
    assert make(machine, dataset, f"{dataset}-two.h5", *SMALL, "--workers", 2).digest == alone.digest


def test_the_factors_of_a_picture_say_every_pixel(squares: Made) -> None:
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


def test_an_episode_goes_on_from_one_sequence_to_the_next(walk: Made) -> None:
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


def test_verify_makes_both_again_and_says_which_has_a_check(machine: Machine, squares: Made, walk: Made) -> None:
    assert "is good" in machine.run("verify", squares.path).stdout
    verdict = machine.run("verify", walk.path).stdout
    assert "is good" in verdict and "no check" in verdict


def test_verify_finds_a_moved_square(machine: Machine, squares: Made) -> None:
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


def test_info_says_what_there_is_and_nothing_more(machine: Machine, squares: Made, walk: Made) -> None:
    arrays = {path: set(json.loads(machine.run("info", path, "--json").stdout)["arrays"]) for path in (squares.path, walk.path)}
    assert arrays[squares.path] == {"features", "groups", "position", "count", "visible", "shape", "colour", "scale"}
    assert arrays[walk.path] == {"features", "groups", "position", "count", "visible", "actions", "reward", "episode"}
    text = machine.run("info", walk.path).stdout
    assert "actions" in text and "collisions" not in text


def test_a_picture_shows_the_colours_of_its_factors(machine: Machine, squares: Made) -> None:
    machine.run("show", squares.path, "--split", "test", "--index", 2, "--out", "square.png")
    with h5py.File(squares.path) as file:
        colours = {tuple(int(part) for part in colour) for colour in file["test/colour"][2, : file["test/count"][2]]}
    shown = {colour for _, colour in Image.open(machine.folder / "square.png").convert("RGB").getcolors(1 << 24)}
    assert colours <= shown


def test_an_episode_is_shown_as_an_animation_and_as_a_page(machine: Machine, walk: Made) -> None:
    machine.run("show", walk.path, "--split", "test", "--index", 1, "--out", "walk.gif")
    machine.run("show", walk.path, "--split", "test", "--index", 1, "--out", "walk.html")
    machine.run("show", "walk", "--split", "test", "--index", 1, "--out", "made.html")
    assert Image.open(machine.folder / "walk.gif").n_frames == 12
    assert (machine.folder / "walk.html").read_text() == (machine.folder / "made.html").read_text() != ""


def test_a_stream_gives_what_the_file_holds(machine: Machine, walk: Made) -> None:
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


@pytest.fixture(scope="module")
def pushed(machine: Machine) -> dict[tuple[str, str], float]:
    """What the model without weights scores, by task and metric."""
    machine.run("eval", "push", "--suite", "squares", "--limit", 12, "--csv", "push.csv", "--per-sequence", "push.npz", "--report", "page")
    return values(machine.folder / "push.csv")


def values(path: Path) -> dict[tuple[str, str], float]:
    with path.open() as file:
        return {(row["task"], row["metric"]): float(row["value"]) for row in csv.DictReader(line for line in file if not line.startswith("#"))}


def test_a_model_that_is_given_the_actions_makes_no_mistake(pushed: dict[tuple[str, str], float]) -> None:
    """Every next frame is certain once the action is known; and every colour is an object."""
    assert pushed["walk", "bce"] < 1e-2
    assert pushed["walk", "centre_error"] == pytest.approx(0, abs=1e-6)
    assert pushed["walk/rollout-4+6", "rollout_bce[6]"] < 1e-2
    assert pushed["squares/frames", "ari"] == 1


def test_the_metric_is_what_a_loop_makes_of_the_file(machine: Machine) -> None:
    """`copy` is always one step behind: its error is the mean length of a step."""
    machine.run("eval", "copy", "--suite", "squares", "--limit", 12, "--csv", "copy.csv")
    code = """
import math
from physbench.registry import datasets
places = datasets.get("walk").scenes("test", 0, 12).truth["position"][:, :, 0].tolist()
print(sum(math.dist(a, b) for each in places for a, b in zip(each, each[1:])) / (12 * 11))
"""
    assert values(machine.folder / "copy.csv")["walk", "centre_error"] == pytest.approx(float(machine.python(code)), abs=1e-5)


def test_the_report_and_the_comparison_show_the_metric(machine: Machine, pushed: dict[tuple[str, str], float]) -> None:
    assert "centre_error" in (machine.folder / "page" / "index.html").read_text()
    machine.run("eval", "copy", "--suite", "squares", "--limit", 12, "--per-sequence", "copy.npz")
    rows = json.loads(machine.run("compare", "push.npz", "copy.npz", "--json").stdout)
    assert "centre_error" in json.dumps(rows)


def test_the_ranking_metric_stands_first_and_says_which_way_is_better(machine: Machine, pushed: dict[tuple[str, str], float]) -> None:
    text = machine.run("eval", "push", "--suite", "squares", "--limit", 12).stdout
    first = next(line for line in text.splitlines() if "[" in line)
    assert "centre_error" in first


def test_written_predictions_score_what_the_model_scores(machine: Machine, pushed: dict[tuple[str, str], float]) -> None:
    machine.run("predict", "push", "--suite", "squares", "--limit", 12, "--out", "push.h5")
    machine.run("score", "push.h5", "--suite", "squares", "--csv", "predicted.csv")
    assert values(machine.folder / "predicted.csv") == pushed


def test_the_audit_finds_nothing(machine: Machine) -> None:
    machine.run("audit", "push", "--dataset", "walk")


def test_a_file_of_its_own_is_evaluated(machine: Machine, walk: Made) -> None:
    machine.run("eval", "push", "--data", walk.path, "--csv", "own.csv")
    assert values(machine.folder / "own.csv")["walk", "centre_error"] == pytest.approx(0, abs=1e-6)


# The board


def test_a_suite_without_pins_is_not_ranked_and_says_so(machine: Machine, pushed: dict[tuple[str, str], float]) -> None:
    assert "unranked" in machine.run("eval", "push", "--suite", "squares", "--limit", 12).stdout.lower()


def test_the_board_refuses_it_in_words(machine: Machine) -> None:
    machine.run("eval", "push", "--suite", "squares", "--csv", "lite.csv")
    for words in (("check", "lite.csv"), ("add", "lite.csv", "--folder", "board")):
        done = machine.run("leaderboard", *words, code=2)
        assert "unranked" in done.stdout + done.stderr and "pins no digests" in done.stdout + done.stderr
    assert not list((machine.folder / "board").glob("*lite*"))


def test_the_page_of_the_board_is_built_beside_it(machine: Machine) -> None:
    machine.run("leaderboard", "build", "--out", "site")
    assert "balls" in (machine.folder / "site" / "index.html").read_text()


# The network

TRAIN = ("train", "drift", "--data", "walk", "--batch", 4, "--frames", 6, "--log-every", 2, "--evaluate-every", 4, "--validation", 8, "--scored", 4)


def log(folder: Path) -> list[dict[str, str]]:
    with (folder / "log.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def run(machine: Machine) -> Path:
    """A short training run, unbroken."""
    machine.run(*TRAIN, "--steps", 8, "--out", "runs/whole")
    return machine.folder / "runs" / "whole"


def test_both_losses_are_in_the_log(run: Path) -> None:
    rows = log(run)
    assert {"seen", "foreseen"} <= set(rows[0])
    assert all(math.isfinite(float(row[name])) for row in rows for name in ("seen", "foreseen") if row[name])


def test_it_is_trained_as_its_record_says_where_nothing_else_is_said(run: Path) -> None:
    recipe = json.loads((run / "recipe.json").read_text())
    assert (recipe["gradient_limit"], recipe["batch"], recipe["frames"]) == (10.0, 4, [6])


def test_its_own_optimiser_descends(machine: Machine, run: Path) -> None:
    """Momentum is remembered for every weight, and nothing of Adam."""
    code = """
from physbench_baselines import checkpoint
from pathlib import Path
state = checkpoint.load(next(Path("runs/whole").glob("last.*"))).training
print(sorted({name.rpartition("/")[2] for name in state if name.startswith("optimizer/")}))
"""
    assert machine.python(code) == "['momentum_buffer']\n"


def test_a_resumed_curve_is_the_unbroken_one(machine: Machine, run: Path) -> None:
    machine.run(*TRAIN, "--steps", 4, "--out", "runs/broken")
    machine.run("train", "--out", "runs/broken", "--resume", "--steps", 8)
    timeless = [[{name: value for name, value in row.items() if "seconds" not in name and "minutes" not in name} for row in log(folder)]
                for folder in (run, machine.folder / "runs" / "broken")]  # fmt: skip
    assert timeless[0] == timeless[1]


def test_a_trained_network_is_evaluated_and_takes_gradients_meanwhile(machine: Machine, run: Path) -> None:
    """More refinements of the code, set at test time, give other scores: the descent is real."""
    scores = []
    for settings in ((), ("--set", "refinements=5")):
        machine.run("eval", run, "--suite", "squares", "--limit", 4, "--csv", "drift.csv", "--overwrite", *settings)
        scores.append(values(machine.folder / "drift.csv"))
    assert scores[0].keys() == scores[1].keys() and ("walk", "centre_error") in scores[0]
    assert scores[0]["walk", "bce"] != scores[1]["walk", "bce"]


def test_the_audit_takes_it(machine: Machine, run: Path) -> None:
    machine.run("audit", run, "--dataset", "walk")


def test_pictures_teach_it_too(machine: Machine, squares: Made) -> None:
    """Single frames in colour, without actions."""
    machine.run("train", "drift", "--data", "squares", "--batch", 4, "--steps", 2, "--validation", 4, "--scored", 0, "--out", "runs/pictures")
    machine.run("train", "drift", "--data", squares.path, "--batch", 4, "--steps", 2, "--validation", 4, "--scored", 0, "--out", "runs/stored")


# The words about it

EXTENDING = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")


def test_the_files_in_the_walk_throughs_are_the_real_ones() -> None:
    shown = re.findall(r"^```(?:python|toml)\n(.*?)^```", EXTENDING, re.M | re.S)
    real = [path.read_text(encoding="utf-8") for path in (PACKAGE / "pyproject.toml", *SOURCES)]
    assert len(shown) == 7 and not [text for text in shown if text not in real]


@pytest.mark.parametrize("link", re.findall(r"\]\((?!https?:)([^)#]+)\)", EXTENDING))
def test_every_link_of_the_walk_throughs_leads_somewhere(link: str) -> None:
    assert (ROOT / "docs" / link).exists()
