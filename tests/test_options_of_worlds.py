"""Tests that the options of `physbench generate` are the fields of a world, for any world."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pytest

from physbench import registry
from physbench.generate import generate as make
from physbench.recipe import Recipe
from physbench.scene import Scenes, Span
from physbench_generators.balls.scenes import Balls
from tests.test_view_any_world import Game


@dataclass(frozen=True)
class Everything:
    """A field of every kind; most say nothing of themselves."""

    name: ClassVar[str] = "everything"
    version: ClassVar[int] = 1
    arrays: ClassVar[tuple[str, ...]] = ("features", "groups")
    shape: ClassVar[tuple[int, int, int]] = (8, 8, 1)
    objects: ClassVar[int] = 1

    size: int = 4
    speed: float = field(default=1, metadata={"help": "how fast it goes"})
    shade: bool = False
    walls: bool = True
    between: tuple[int, int] = (2, 5)
    steps: tuple[float, ...] = (0.5, 1.0)
    level: Literal["easy", "hard"] = "easy"
    sides: int = field(default=3, metadata={"choices": (3, 4, 6)})
    tape: str = field(default="", metadata={"path": True})
    game: str = "pong"
    most: int | None = None
    folder: Path | None = None
    beyond: dict[str, int] = field(default_factory=dict)

    def scenes(self, recipe: Recipe, span: Span, only: Collection[str] | None = None) -> Scenes:
        pixels = np.zeros((len(span), recipe.frames, 8, 8, 1), np.uint8)
        return Scenes(pixels, pixels)


everything = Recipe(
    dataset="everything", generator=Everything(), frames=2, splits={"test": 2}, about="a field of every kind"
)


@pytest.fixture
def generate(cli: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What `physbench generate everything` would make, and with what output."""
    monkeypatch.setitem(registry.datasets.built_in, "everything", "tests.test_options_of_worlds:everything")  # type: ignore[arg-type]
    made: list[Recipe] = []
    monkeypatch.setattr("physbench.cli.datasets._generate", lambda recipe, out, **settings: made.append(recipe))

    def run(*words: Any) -> tuple[Any, Any]:
        made.clear()
        result = cli("generate", "everything", *words)
        return (made[0].generator if made else None), result

    return run


def test_without_options_the_world_is_the_usual_one(generate: Any) -> None:
    assert generate()[0] == Everything()


@pytest.mark.parametrize(
    ("words", "changes"),
    [
        (["--size", "7"], {"size": 7}),
        (["--speed", "2"], {"speed": 2.0}),
        (["--shade"], {"shade": True}),
        (["--no-walls"], {"walls": False}),
        (["--between", "3-9"], {"between": (3, 9)}),
        (["--between", "3"], {"between": (3, 3)}),
        (["--steps", "1,2.5,4"], {"steps": (1.0, 2.5, 4.0)}),
        (["--level", "hard"], {"level": "hard"}),
        (["--sides", "6"], {"sides": 6}),
        (["--tape", "runs/a.npz"], {"tape": "runs/a.npz"}),
        (["--game", "breakout"], {"game": "breakout"}),
        (["--most", "12"], {"most": 12}),
        (["--folder", "x"], {"folder": Path("x")}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_option_becomes_the_value_of_its_field(generate: Any, words: list[str], changes: dict[str, Any]) -> None:
    world, result = generate(*words)
    assert result.exit_code == 0, result.output
    assert world == Everything(**changes)
    (name,) = changes
    assert type(getattr(world, name)) is type(changes[name])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--sides", "5"], "'5' is not one of '3', '4', '6'"),
        (["--level", "odd"], "'odd' is not one of 'easy', 'hard'"),
        (["--steps", "1,x"], "'1,x' is no list of numbers such as 0.9,0.999"),
        (["--between", "few"], "'few' is neither a number nor a range"),
        (["--most", "none"], "'none' is not a valid integer"),
    ],
)
def test_a_value_that_a_field_cannot_have_is_refused_in_words(generate: Any, words: list[str], said: str) -> None:
    world, result = generate(*words)
    assert world is None and result.exit_code == 2 and said in result.output


def test_the_help_lists_every_field_that_can_be_written_with_its_default(generate: Any) -> None:
    text = " ".join(generate("--help")[1].output.split())
    assert "--speed FLOAT How fast it goes. [default: 1" in text
    assert "--sides [3|4|6] [default: 3]" in text and "--walls / --no-walls" in text
    assert "--between N OR N-M [default: 2-5]" in text and "--steps N,N,... [default: 0.5,1.0]" in text
    assert "--most INTEGER" in text and "--beyond" not in text


def test_a_field_that_is_called_like_an_option_is_refused_in_words(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass(frozen=True)
    class Clash(Everything):
        seed: int = 0

    monkeypatch.setattr(
        "tests.test_options_of_worlds.everything", Recipe(dataset="everything", generator=Clash(), splits={"test": 1})
    )
    monkeypatch.setitem(registry.datasets.built_in, "everything", "tests.test_options_of_worlds:everything")  # type: ignore[arg-type]
    result = cli("generate", "everything")
    assert result.exit_code == 2 and "the world has a parameter 'seed'" in result.output


def test_a_dry_run_of_a_foreign_world_draws_what_it_has(
    cli: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(registry.datasets.built_in, "everything", "tests.test_options_of_worlds:everything")  # type: ignore[arg-type]
    monkeypatch.chdir(tmp_path)
    told = json.loads(cli("generate", "everything", "--frames", 1, "--dry-run", "--json").stdout)
    assert told["sequences"] == 2 and (tmp_path / told["contact_sheet"]).exists()


@pytest.mark.parametrize(
    ("world", "frames", "line"),
    [
        ("everything:Everything", 1, "test              2 images, 8x8x1"),
        ("game:Game", 8, "test              2 sequences, 8 frames of 12x12x1, 3 actions, 4 events"),
        ("balls:Balls", 3, "sequences, 3 frames of 64x64x1, up to 4 objects, "),
    ],
)
def test_the_lines_of_info_name_what_a_file_holds(cli: Any, tmp_path: Path, world: str, frames: int, line: str) -> None:
    name, _, kind = world.partition(":")
    generator: Any = {"Everything": Everything, "Game": Game, "Balls": Balls}[kind]()
    path = make(
        Recipe(dataset=name, generator=generator, frames=frames, splits={"test": 2}), tmp_path / "x.h5", workers=1
    )
    text = cli("info", path).stdout
    assert line in text and ("collisions" in text.splitlines()[1]) == (kind == "Balls")
