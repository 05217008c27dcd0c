"""Tests of the README of the baselines: its tables are those of the cards, its commands exist, and its code runs."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest

from physbench.cli import main
from physbench.errors import TrainingError
from physbench.suites import PRIVILEGED, ROWS, SUITES
from physbench_baselines.architecture import architecture_with, model_names
from physbench_baselines.model_card import Card
from physbench_baselines.releasing import cards
from physbench_baselines.releasing import tables as tables_module
from physbench_baselines.training.preflight import usual_recipe
from physbench_baselines.training.training_recipe import TrainingRecipe

README = Path(__file__).parents[2] / "baselines" / "README.md"
TEXT = README.read_text(encoding="utf-8")
BLOCKS: list[tuple[str, str]] = re.findall(r"^```(sh|python)\n(.*?)^```", TEXT, re.M | re.S)


def card(model: str = "r-nem", **changed: Any) -> Card:
    """A run of half an hour."""
    recipe = {name: getattr(TrainingRecipe(model=model), name) for name in TrainingRecipe.__dataclass_fields__}
    recipe |= {"batch": 32, "frames": [8, 31], "gradient_limit": 50.0, "warm_up": 100} | changed.pop("recipe", {})
    scores = [
        ("balls", "lite", "balls4mass64", "relative_bce", 0.21344, 0.2, 0.22),
        ("balls", "lite", "balls4mass64", "ari", 0.6, 0.55, 0.65),
        ("extrapolation", "lite", "balls678mass64", "relative_bce", 0.4, None, None),
        ("extrapolation", "lite", "balls4mass64", "relative_bce", 0.9, 0.8, 1.0),
        ("simulation", "limit-8", "balls4mass64/rollout-5+10", "rollout_overlap", 0.5, 0.4, 0.6),
        ("curtain", "full", "balls3curtain64", "permanence_bce", 1.5, 1.4, 1.6),
        ("curtain", "lite", "balls3curtain64", "permanence_bce", 7.0, 6.0, 8.0),
    ]
    names = ("suite", "size", "task", "metric", "value", "low", "high")
    link = "https://arxiv.org/abs/1802.10353"
    usual = Card(
        name=model, model_link=link, paper_link=link, training="less", train_seed=0, steps=2300, sequences=73_600, hours=0.5432, hardware="2 CPU cores",
        data="balls4mass64", recipe=recipe, ended="time", steps_limit=None, minutes_limit=30.0, log=[], architecture="nem", sizes={}, parameters=4_951_978,
        weights_sha256="0" * 64, bytes=5_734_580, int8=True, source_sha256="1" * 64, comparison=None, not_played={},
        scores=[dict(zip(names, row, strict=True)) for row in scores],
    )  # fmt: skip
    return replace(usual, **changed)


def tables(text: str) -> list[list[dict[str, str]]]:
    """Of a Markdown text, as a reader of it sees them."""
    found = []
    for block in re.findall(r"(?:^\|.*\|\n?)+", text, re.M):
        head, rule, *rows = [
            [cell.strip() for cell in line.strip().strip("|").split("|")] for line in block.strip().splitlines()
        ]
        assert set("".join(rule)) <= set("-:") and {len(row) for row in (rule, *rows)} == {len(head)}
        found.append([dict(zip(head, row, strict=True)) for row in rows])
    return found


def test_the_tables_are_what_the_cards_give() -> None:
    for path, text in tables_module.render().items():
        assert path.read_text(encoding="utf-8") == text, "run make tables"


def test_a_row_has_the_scores_of_the_largest_size_with_their_intervals() -> None:
    clean = [{**card().scores[0], "value": 0.3, "low": 0.25, "high": 0.35}]
    scores, _ = tables(
        cards.describe_cards({"r-nem": card(scores_without_noise=clean), "lstm": card("lstm", scores=[])})
    )
    *reference, ours, lstm, published = scores
    assert [row["model"].removesuffix(" (told the truth)") for row in reference] == list(ROWS)
    assert reference[0]["`relative_bce`, 4 balls"] == "1.000 [1.000, 1.000]"
    assert {row["model"].partition(" ")[0] for row in reference if "told the truth" in row["model"]} == set(
        PRIVILEGED
    ) & set(ROWS)
    assert ours == {
        "model": "[r-nem](https://arxiv.org/abs/1802.10353)",
        "parameters": "4,951,978",
        "`relative_bce`, 4 balls": "0.213 [0.200, 0.220]",
        "`ari_video`, 4 balls": "-",
        "`ari`, 4 balls": "0.600 [0.550, 0.650]",
        "`ari_last`, 4 balls": "-",
        "`relative_bce`, 6-8 balls": "0.400",
        "`rollout_overlap`, 5+10": "-",
        "`permanence_bce`, curtain": "1.500 [1.400, 1.600]",
        "`relative_bce`, 4 balls, without noise": "0.300 [0.250, 0.350]",
    }
    assert published["model"].startswith("r-nem, as published (about") and published["`ari`, 4 balls"] == "0.8"
    assert set(list(lstm.values())[2:]) == {"-"}


def test_every_world_that_was_learnt_has_a_table_with_its_own_rows_and_figures() -> None:
    names = ("suite", "size", "task", "metric", "value", "low", "high")
    invaders = [dict(zip(names, ("invaders", "lite", "invaders84", "relative_bce", 0.5, 0.4, 0.6), strict=True))]
    found = {"shapes": 0.7, "shapes456": 0.6}
    shapes = [
        dict(zip(names, ("segmentation-shapes", "lite", task, "ari", value, None, None), strict=True))
        for task, value in found.items()
    ]
    of = {
        "r-nem.invaders84": card(data="invaders84", scores=invaders),
        "iodine.shapes": card(data="shapes", scores=shapes),
        "lstm": card("lstm"),
    }
    text = cards.describe_cards(of)
    balls, games, images, _ = tables(text)
    assert re.findall(r"^(\w.*):\n\n\|", text, re.M) == ["Balls", "Space Invaders", "Images of shapes"]
    for name, table in (("balls", balls), ("invaders", games), ("segmentation-shapes", images)):
        assert (
            tuple(row["model"].removesuffix(" (told the truth)") for row in table[: len(SUITES[name].references)])
            == SUITES[name].references
        )
        ours = [row["model"] for row in table if "/abs/" in row["model"]]
        assert len(ours) == 1 and ours[0].startswith(
            {"balls": "[lstm]", "invaders": "[r-nem.invaders84]", "segmentation-shapes": "[iodine.shapes]"}[name]
        )
        papers = [row["model"].partition(",")[0] for row in table if "as published" in row["model"]]
        assert (
            papers
            == {"balls": ["r-nem"], "invaders": ["r-nem", "lstm", "rnn"], "segmentation-shapes": ["iodine", "r-nem"]}[
                name
            ]
        )
    mine = next(row for row in images if "iodine.shapes" in row["model"])
    assert (mine["`ari`"], mine["`ari`, shapes456"]) == ("0.700", "0.600")
    assert not any("without noise" in column or "colour" in column for column in images[0]), "nobody has a figure in it"
    assert (
        next(
            row["`bce`"] for row in games if row["model"].startswith("lstm, as published (how its frames were cut out")
        )
        == "59.32"
    )


def test_what_earlier_runs_cost_is_counted_too() -> None:
    first = {
        "steps": 700,
        "sequences": 22_400,
        "hours": 0.25,
        "hardware": "1 GPU (of some kind)",
        "recipe": card().recipe | {"batch": 16},
        "minutes_limit": 15.0,
        "steps_limit": None,
    }
    _, costs = tables(cards.describe_cards({"r-nem": card(before=[first], recipe={"initial": "first.pt"})}))
    (row,) = costs
    assert (row["steps to these weights"], row["sequences"]) == ("3,000", "96,000")
    assert (row["core-hours"], row["GPU-hours"]) == ("1.09", "0.25")
    commands = re.fullmatch(r"`(.*)`, then `(.*)`", row["trained by"])
    assert (
        commands
        and "--batch 16" in commands[1]
        and "--minutes 15" in commands[1]
        and "--initial first.pt" in commands[2]
    )


def test_the_cost_is_shown_too() -> None:
    _, costs = tables(cards.describe_cards({"r-nem": card()}))
    (row,) = costs
    assert list(row.values())[:7] == [
        "r-nem", "2,300", "73,600", "1.09", "-", "2 CPU cores", "5.7 MB, int8 and half"
    ]  # fmt: skip
    assert (
        row["trained by"]
        == "`physbench train r-nem --batch 32 --frames 8,31 --warm-up 100 --gradient-limit 50.0 --minutes 30`"
    )


def test_who_was_trained_for_less_than_the_paper_is_named() -> None:
    assert "\nAll of these are trained for less than the paper" in cards.describe_cards(
        {"r-nem": card(), "lstm": card("lstm")}
    )
    assert "\nlstm is trained for less than the paper" in cards.describe_cards(
        {"r-nem": card(training=None), "lstm": card("lstm")}
    )
    assert "trained for less" not in cards.describe_cards({"r-nem": card(training=None)})


def parse(line: str) -> dict[str, Any]:
    """A line of a shell as the command line understands it."""
    program, name, *words = shlex.split(line, comments=True)
    assert program == "physbench"
    root = click.Context(main, **main.context_settings)  # a command learns from it which words ask for help, and once
    command = main.get_command(root, name)
    assert command is not None, line
    return command.make_context(name, words, parent=root).params


@pytest.mark.parametrize(
    ("changed", "steps", "minutes"),
    [
        ({}, None, 30.0),
        ({"minutes_limit": None, "steps_limit": 4000}, 4000, None),
        ({"minutes_limit": None}, 2300, None),
    ],
)
def test_the_command_of_a_card_asks_for_the_run_that_it_was(
    changed: dict[str, Any], steps: int | None, minutes: float | None
) -> None:
    wanted = {
        "data": "balls3curtain64", "precision": "bf16", "batch": 7, "learning_rate": 0.002, "frames": [4, 5], "warm_up": 9, "anywhere": True,
        "optimizer": "sgd", "betas": [0.5, 0.75], "decay": 0.3, "averaging": 0.99, "evaluate_every": 50, "validation": 12, "seed": 4, "accumulate": 2,
    }  # fmt: skip
    found = parse(
        cards.command(
            vars(
                card(
                    "rnn-em",
                    recipe={**wanted, "sizes": {"hidden": 20, "channels": [4, 8]}, "slots": 3, "noise": 0.1},
                    **changed,
                )
            )
        )
    )
    assert {name: list(found[name]) if name in ("frames", "betas") else found[name] for name in wanted} == wanted
    assert dict(found["sizes"]) == {
        "hidden": 20,
        "channels": [4, 8],
        "slots": 3,
        "noise": 0.1,
    }, "slots and noise were fields once"
    assert (found["model"], found["steps"], found["minutes"]) == ("rnn-em", steps, minutes)


def test_the_command_of_a_model_as_it_is_usually_trained_has_no_options() -> None:
    usual = json.loads(usual_recipe("conv3").to_json())
    assert (
        cards.command(vars(card("conv3", recipe=usual, steps_limit=5, minutes_limit=None)))
        == "physbench train conv3 --steps 5"
    )


def test_every_field_of_a_recipe_is_an_option_of_the_command() -> None:
    train = main.get_command(click.Context(main), "train")
    assert train is not None
    options = {parameter.name for parameter in train.get_params(click.Context(train))}
    assert set(TrainingRecipe.__dataclass_fields__) <= options


def test_a_text_without_a_place_for_the_tables_is_refused() -> None:
    with pytest.raises(TrainingError, match="there is no place for the table: a line <!-- from the cards: begin -->"):
        tables_module.replace_between("nothing", "", mark="from the cards")


def test_around_the_tables_nothing_changes() -> None:
    text = "before\n<!-- here: begin -->\nwhat was there\n<!-- here: end -->\nafter\n"
    found = tables_module.replace_between(text, "0.213", mark="here")
    assert (
        found.startswith("before\n")
        and found.endswith("\nafter\n")
        and "what was there" not in found
        and "0.213" in found
    )
    assert tables_module.replace_between(found, "0.213", mark="here") == found


def test_the_counts_of_parameters_are_right() -> None:
    told = dict(re.findall(r"^- \*\*(\S+)\*\* \(([\d,]+) parameters\)", TEXT, re.M))
    counted = {
        name: f"{sum(each.numel() for each in architecture_with(name).sizes_of(name).build().parameters()):,}"
        for name in model_names()
    }
    assert told == {**counted, **{name: f"{of.parameters:,}" for name, of in cards.cards().items()}}


@pytest.mark.parametrize(
    "line", [line for language, code in BLOCKS if language == "sh" for line in code.splitlines() if line]
)
def test_every_command_is_one(line: str) -> None:
    parse(line)


@pytest.mark.parametrize("link", re.findall(r"\]\((?!https?:)([^)#]+)", TEXT))
def test_every_link_leads_somewhere(link: str) -> None:
    assert (README.parent / link).exists()


@pytest.mark.slow
def test_a_users_own_model_is_trained_and_scored_as_the_readme_says(tmp_path: Path) -> None:
    (tmp_path / "pixelwise.py").write_bytes((README.parents[1] / "tests" / "extension" / "pixelwise.py").read_bytes())
    at = next(number for number, (language, _) in enumerate(BLOCKS) if language == "python")
    (line,) = BLOCKS[at + 1][1].splitlines()
    code = f"{BLOCKS[at][1]}\nfrom physbench.cli import main\nmain({shlex.split(line)[1:]})"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "TrainingResult(model='pixelwise:ARCHITECTURE'" in done.stdout and "relative_bce" in done.stdout
