"""Tests of Space Invaders as a dataset: the file is the same however it is made, and passes its own check.

Code that an untrusted file names is never run.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("ale_py")

import physbench
from physbench.errors import DamagedFile, RecipeError
from physbench.recipe import Recipe
from physbench.registry import datasets
from physbench.scene import Scenes
from physbench.storage.writer import workings_of
from physbench_generators.atari import sitting
from physbench_generators.atari.policies import PolicyInput
from physbench_generators.invaders.scenes import Invaders

OWN = Invaders(policy="scripted", noops=8, start_offset=20)
SMALL = Recipe(dataset="invaders", generator=OWN, frames=3, splits={"training": 264, "test": 40}, seed=5)


def fire(given: PolicyInput) -> np.ndarray:
    return np.full(len(given.ram), 1)


def seven(given: PolicyInput) -> np.ndarray:
    return np.full(len(given.ram), 7)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return physbench.generate(SMALL, tmp_path_factory.mktemp("invaders") / "small.h5", workers=1)


@pytest.fixture(scope="module")
def scenes() -> Scenes:
    """Long enough for hits of all kinds."""
    recipe = replace(SMALL, generator=replace(OWN, noops=30, start_offset=300), frames=25, splits={"test": 96})
    return recipe.scenes("test", 0, 96)


@pytest.mark.slow
def test_two_workers_and_a_kill_leave_no_trace(file: Path, tmp_path: Path) -> None:
    def stop(progress: Any) -> None:
        if progress.done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        physbench.generate(SMALL, tmp_path / "again.h5", workers=1, progress=stop)
    assert workings_of(tmp_path / "again.h5").exists()
    assert physbench.generate(SMALL, tmp_path / "again.h5", workers=2).read_bytes() == file.read_bytes()


@pytest.mark.slow
def test_verify_makes_it_again_and_checks_every_sequence(file: Path) -> None:
    report = physbench.verify(file)
    assert report.sequences == report.sequences_remade == report.sequences_replayed == 304 and not report.caveats


def test_a_smaller_set_is_the_beginning_of_a_larger_one(file: Path) -> None:
    scenes, stored = (
        replace(SMALL, splits={"training": 40}).scenes("training", 30, 40),
        physbench.open(file)["training"],
    )
    for i in range(10):
        for name, array in scenes.arrays().items():
            assert np.array_equal(array[i], stored[30 + i][name], equal_nan=array.dtype.kind == "f"), name


def test_any_stretch_can_be_made_alone(file: Path) -> None:
    scenes, stored = SMALL.scenes("training", 250, 260), physbench.open(file)["training"]
    for i in range(10):
        assert np.array_equal(scenes.truth["ram"][i], stored[250 + i]["ram"])


def test_splits_and_seeds_share_no_game(file: Path) -> None:
    stored = physbench.open(file)
    first = {split: stored[split][0]["ram"] for split in stored}
    assert not np.array_equal(first["training"], first["test"])
    assert not np.array_equal(replace(SMALL, seed=6).scenes("test", 0, 1).truth["ram"][0], first["test"])


def test_episodes_number_the_games_and_their_steps(scenes: Scenes) -> None:
    game, step = scenes.truth["episode"].T.astype(int)
    assert (game // 1000 == np.arange(96) // 32).all()
    for number in np.unique(game):
        assert (np.diff(step[game == number]) >= 25).all()


def test_both_geometries_skips_and_huds_pass_their_check() -> None:
    for geometry, hud, skip in (("full", "keep", 3), ("mnih2013", "mask", 4), ("mnih2013", "keep", 3)):
        world = replace(OWN, geometry=geometry, hud=hud, skip=skip, start_offset=150)
        made = Recipe(dataset="invaders", generator=world, frames=12, splits={"test": 24}).scenes("test", 0, 24)
        assert not [*world.check(made)], (geometry, hud, skip)
        assert (made.groups == 45).any() == (hud == "keep" and geometry == "full")  # the cut leaves it out


def test_the_geometry_changes_the_pixels_and_not_the_games() -> None:
    full, cut = (
        replace(SMALL, generator=replace(OWN, geometry=geometry)).scenes("test", 0, 8)
        for geometry in ("full", "mnih2013")
    )
    assert np.array_equal(full.truth["ram"], cut.truth["ram"]) and np.array_equal(
        full.truth["contact"], cut.truth["contact"]
    )
    assert full.features is not None and not np.array_equal(full.features, cut.features)


def test_deaths_are_recorded_where_they_are_asked_for() -> None:
    world = replace(OWN, policy="random", play_only=False, epsilon=0.0)
    made = Recipe(dataset="invaders", generator=world, frames=20, splits={"test": 96}).scenes("test", 0, 96)
    assert not [*world.check(made)]
    assert (made.truth["phase"] == 4).any() and (made.events["kind"] == 4).any()


@pytest.mark.parametrize("frames", [1, 2, 5, 8, 9, 10, 11])
def test_the_check_takes_sequences_of_any_length(scenes: Scenes, frames: int) -> None:
    arrays = {name: array if name == "episode" else array[:, :frames] for name, array in scenes.arrays().items()}
    kept = scenes.events["time"] <= frames
    sequence = np.repeat(np.arange(len(scenes)), np.diff(scenes.events["offset"]))[kept]
    events = {name: column[kept] for name, column in scenes.events.items() if name != "offset"}
    events["offset"] = np.searchsorted(sequence, np.arange(len(scenes) + 1))
    assert {fault.sentence for fault in OWN.check(Scenes.of(arrays, events))} <= {
        "has a mask of collisions that its contact flags do not explain"
    }


def test_the_check_accepts_what_was_recorded(scenes: Scenes) -> None:
    assert not [*OWN.check(scenes)]
    assert {1, 2, 3, 6, 7} <= set(scenes.events["kind"].tolist())


def spoil(scenes: Scenes, name: str, change: Any) -> Scenes:
    """Scenes of which one array or column is another."""
    arrays, events = (
        {key: array.copy() for key, array in scenes.arrays().items()},
        {key: column.copy() for key, column in scenes.events.items()},
    )
    change((events if name in events else arrays)[name])
    return Scenes.of(arrays, events)


def put(place: Any, value: Any) -> Any:
    def change(array: np.ndarray) -> None:
        array[place] = value

    return change


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("features", put((3, 5, 0, 0, 0), 1), "without an owner, or off"),
        ("groups", put((3, 5, 0, 0, 0), 77), "without an owner, or off"),
        ("visible", put((3, 5, 0), 999), "more or fewer pixels"),
        ("actions", put((3, 5), 1), "without exactly one action"),
        ("phase", put((3, 5), 4), "a phase or a number of lives"),
        ("lives", put((3, 5), 9), "a phase or a number of lives"),
        ("ram", put((3, 5, 18), 0), "differs from their counter"),
        ("ram", put((3, 5, 104), 0x99), "change of the score in its memory"),
        ("reward", put((3, 5), 35), "change of the score in its memory"),
        ("reward", put((3, 24), 35), "events do not explain"),
        ("time", put(4, -1.0), "out of order"),
        ("time", put(4, np.nan), "out of order"),
        ("kind", put(4, 99), "event of kind 99"),
        ("a", put(4, 200), "event of kind"),
        ("contact", put((3, 5, 2), 1), "contact flags"),
        ("collisions", put((3, 5, 0, 0, 0), 1), "mask of collisions"),
        ("position", put((3, 5, 39), 0.0), "far from its pixels"),
        ("position", put((3, 5, 39), np.nan), "has no position"),
        ("velocity", put((3, 5, 39), 5.0), "velocity"),
    ],
)
def test_the_check_finds_what_is_wrong(scenes: Scenes, name: str, change: Any, words: str) -> None:
    faults = [*OWN.check(spoil(scenes, name, change))]
    assert len(faults) == 1 and words in faults[0].sentence


def test_the_labels_of_two_aliens_cannot_be_swapped(scenes: Scenes) -> None:
    """An alien that is hit takes its reward with it: its row is in its label."""
    hits = np.flatnonzero(scenes.events["kind"] == 1)
    row = next(int(each) for each in hits if scenes.events["b"][each] // 6 < 5)
    spoilt = spoil(scenes, "b", put(row, scenes.events["b"][row] + 6))
    assert len([*OWN.check(spoilt)]) == 1


@pytest.mark.slow
def test_the_code_of_a_stranger_is_not_run(tmp_path: Path) -> None:
    recipe = replace(SMALL, generator=replace(OWN, policy=f"{__name__}:fire"), splits={"test": 8})
    path = physbench.generate(recipe, tmp_path / "own.h5", workers=1)
    report = physbench.verify(path)
    assert not report.sequences_remade and report.sequences_replayed == 8
    assert (
        report.caveats[0]
        == f"nothing was made again: its policy {__name__}:fire is code that the file names, and such code is not run"
    )


def test_an_illegal_action_is_one_error(tmp_path: Path) -> None:
    recipe = replace(SMALL, generator=replace(OWN, policy=f"{__name__}:seven"), splits={"test": 8})
    with pytest.raises(RecipeError, match="seven' gave the action 7: the actions are 0 to 5"):
        physbench.generate(recipe, tmp_path / "own.h5", workers=1)


def test_another_rom_is_refused_and_another_emulator_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    from physbench.notices import listen

    with pytest.raises(RecipeError, match="the recipe needs the ROM 0123 of space_invaders, but ale-py .* has 72ff"):
        replace(SMALL, generator=replace(OWN, rom="0123")).scenes("test", 0, 1)
    heard: list[str] = []
    with listen(heard.append):
        replace(SMALL, generator=replace(OWN, emulator="0.1")).scenes("test", 0, 1)
    assert heard and "the recipe was made with ale-py 0.1" in heard[0]


def test_an_agent_that_was_changed_is_refused(tmp_path: Path) -> None:
    agent = tmp_path / "mine.bin"
    agent.write_bytes(b"an agent")
    world = replace(OWN, policy="random", agent=str(agent))
    assert world.agent_sha256 == sitting.digest_of(str(agent), "agent")
    agent.write_bytes(b"another")
    with pytest.raises(RecipeError, match="mine.bin is not the agent of the recipe"):
        replace(SMALL, generator=world).scenes("test", 0, 1)


class Bundled:
    """A policy that says which weights it has."""

    observes = False
    sha256 = "ab" * 32

    def __call__(self, given: PolicyInput) -> np.ndarray:
        return np.ones(len(given.ram), int)


def test_an_agent_that_comes_with_a_package_must_be_that_of_the_recipe_too() -> None:
    world = replace(OWN, policy=f"{__name__}:Bundled", agent_sha256="ab" * 32)
    replace(SMALL, generator=world).scenes("test", 0, 1)
    with pytest.raises(
        RecipeError, match="whose SHA-256 begins with cdcd.*, but that of the policy .* here begins with abab"
    ):
        replace(SMALL, generator=replace(world, agent_sha256="cd" * 32)).scenes("test", 0, 1)


def test_a_file_that_lies_about_a_label_is_found_out(file: Path, tmp_path: Path) -> None:
    import h5py

    lying = tmp_path / "lying.h5"
    lying.write_bytes(file.read_bytes())
    with h5py.File(lying, "r+") as opened:
        opened["training/reward"][1, 7] = 30.0
    with pytest.raises(DamagedFile):
        physbench.verify(lying)


def test_the_named_dataset_says_what_it_is_made_of() -> None:
    recipe = json.loads(datasets.get("invaders84").to_json())
    assert recipe["frames"] == 25 and recipe["splits"] == {"training": 50_000, "validation": 10_000, "test": 10_000}
    kept = {
        "policy": "dqn",
        "geometry": "full",
        "hud": "mask",
        "skip": 4,
        "epsilon": 0.05,
        "sticky": 0.0,
        "rom": "72ffbef6504b75e69ee1045af9075f66",
    }
    assert recipe["parameters"].items() >= kept.items()


def test_pictures_name_the_objects_and_outline_what_is_hit(scenes: Scenes) -> None:
    one = scenes.cut(0, 1)
    marks = OWN.marks(
        {name: array[0] for name, array in one.arrays().items()},
        {name: column for name, column in one.events.items() if name != "offset"},
    )
    assert len(marks.names) == 44 and (marks.names[0], marks.names[35], marks.names[39], marks.names[43]) == (
        "alien A1",
        "alien F6",
        "ship",
        "saucer",
    )
    assert np.array_equal(marks.outlined, (one.truth["contact"][0] & 1).astype(bool))
