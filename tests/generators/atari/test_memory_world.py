"""Tests of the memory of any game, and of the error messages for options that are not possible."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("ale_py")

import physbench
from physbench.cli import main
from physbench.errors import RecipeError
from physbench.recipe import Recipe
from physbench_generators.atari.console import games, path_of
from physbench_generators.atari.memory_world import AtariRam
from physbench_generators.atari.policies import PolicyInput

SMALL = Recipe(
    dataset="atari-ram",
    generator=AtariRam(game="ms_pacman", start_offset=10),
    frames=8,
    splits={"training": 40, "test": 6},
)


ABSENT = """
import sys, importlib.util, importlib.metadata

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "ale_py":
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
find_spec, version = importlib.util.find_spec, importlib.metadata.version
importlib.util.find_spec = lambda name, package=None: None if name == "ale_py" else find_spec(name, package)

def version_of(name):
    if name == "ale-py":
        raise importlib.metadata.PackageNotFoundError(name)
    return version(name)

importlib.metadata.version = version_of
"""


def look(given: PolicyInput) -> np.ndarray:
    """Step to the left where the newest frame is brighter above, to the right where it is not."""
    newest = given.observations[:, -1].astype(int)
    return np.where(newest[:, :42].sum((1, 2)) > newest[:, 42:].sum((1, 2)), 1, 2)


def break_rules(given: PolicyInput) -> np.ndarray:
    return np.full(len(given.ram), 17)


def test_memory_actions_and_rewards_are_those_of_a_bare_emulator() -> None:
    """The oracle: ale-py alone. Which action was taken before the first recorded frame is not told: one of four must
    lead there."""
    from ale_py import ALEInterface

    truth = (
        replace(SMALL, generator=AtariRam(game="breakout", start_offset=0, noops=0, sticky=0.5))
        .scenes("test", 0, 3)
        .truth
    )
    assert (truth["episode"] == [[0, 1], [0, 9], [0, 17]]).all(), "the test is of a first game without a break"
    emulator, fits = ALEInterface(), []
    emulator.setFloat("repeat_action_probability", 0.0)
    emulator.loadROM(str(path_of("breakout")))
    codes = {action.value: action for action in emulator.getLegalActionSet()}
    for first in emulator.getMinimalActionSet():
        emulator.reset_game()
        for _ in range(4):
            emulator.act(first)
        found = []
        for ram, lives, reward, action in zip(
            *(truth[name].reshape(24, -1) for name in ("ram", "lives", "reward", "actions")), strict=True
        ):
            (code,) = np.flatnonzero(action)
            found.append(np.array_equal(emulator.getRAM(), ram) and emulator.lives() == lives[0])
            found.append(sum(emulator.act(codes[int(code)]) for _ in range(4)) == reward[0])
        fits.append(all(found))
    assert sum(fits) == 1
    assert {int(code) for code in np.flatnonzero(truth["actions"].sum(axis=(0, 1)))} <= {
        action.value for action in emulator.getMinimalActionSet()
    }


@pytest.mark.slow
def test_one_worker_or_two_and_verify(tmp_path: Path) -> None:
    one, two = (physbench.generate(SMALL, tmp_path / f"{workers}.h5", workers=workers) for workers in (1, 2))
    assert one.read_bytes() == two.read_bytes()
    assert physbench.verify(one).sequences_remade == 46
    assert physbench.open(one).recipe["parameters"]["rom"] == games()["ms_pacman"]


def test_a_policy_that_looks_plays_other_games_too() -> None:
    made = replace(SMALL, generator=replace(SMALL.generator, policy=f"{__name__}:look")).scenes("test", 0, 6)  # type: ignore[type-var, call-arg]
    assert (
        made.truth["actions"].sum(axis=(0, 1)).nonzero()[0].tolist() == [2, 3]
        or len(made.truth["actions"].sum(axis=(0, 1)).nonzero()[0]) <= 2
    )


def test_a_screen_of_another_size_cannot_be_looked_at() -> None:
    with pytest.raises(RecipeError, match="the screen of adventure has 250 rows"):
        replace(SMALL, generator=AtariRam(game="adventure", policy=f"{__name__}:look")).scenes("test", 0, 1)


def test_games_that_end_soon_have_short_sequences() -> None:
    """Skiing and the like aside, every game that can be played alone gives some steps."""
    for game in ("pong", "tennis", "private_eye", "kaboom", "skiing", "tic_tac_toe_3d"):
        made = replace(SMALL, generator=AtariRam(game=game, start_offset=0), frames=3).scenes("test", 0, 2)
        assert made.truth["ram"].shape == (2, 3, 128) and (made.truth["actions"].sum(-1) == 1).all()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["atari-ram", "--game", "brakout"], "the emulator has no game 'brakout': did you mean 'breakout'?"),
        (["atari-ram", "--game", "warlords"], "the game warlords is for two players"),
        (["atari-ram", "--policy", "scripted"], "the policy 'scripted' plays only space_invaders, not breakout"),
        (["invaders", "--policy", "scriptd"], "no policy is called 'scriptd': did you mean 'scripted'?"),
        (["invaders", "--policy", "no.such:thing"], "'no.such:thing' does not lead to anything"),
        (
            ["invaders", "--policy", f"{__name__}:break_rules"],
            "break_rules' gave the action 17: the actions are 0 to 5",
        ),
        (["invaders", "--policy", "random", "--agent", __file__], "the policy 'random' takes no agent file"),
        (["invaders", "--agent", "nowhere.safetensors"], "the agent: there is no file nowhere.safetensors"),
        (["invaders", "--policy", "dqn", "--agent", __file__], "test_memory_world.py"),
        (["invaders", "--tape", "nothing.tape"], "the tape: there is no file nothing.tape"),
        (["invaders", "--policy", "random", "--tape", __file__], "is not a tape of actions"),
        (["invaders", "--epsilon", "2"], "epsilon is a number from 0 to 1, not 2.0"),
        (["invaders", "--geometry", "half"], "'half' is not one of 'full', 'mnih2013'"),
        (["invaders", "--skip", "5"], "'5' is not one of '3', '4'"),
        (["invaders84", "--policy", "random"], "No such option"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(words: list[str], said: str, tmp_path: Path) -> None:
    few = ["--train", "4", "--valid", "0", "--test", "0", "--workers", "1", "--out", str(tmp_path / "x.h5")]
    done = CliRunner().invoke(main, ["generate", *words, *few])
    assert done.exit_code == 2 and said in done.output, done.output
    assert done.output.count("\n") == 1 and not (tmp_path / "x.h5").exists()


@pytest.mark.parametrize("dataset", ["invaders", "invaders84", "atari-ram"])
def test_without_the_emulator_one_line_says_what_to_install(dataset: str, tmp_path: Path) -> None:
    """In processes in which nothing is called ale_py."""
    (tmp_path / "sitecustomize.py").write_text(ABSENT, encoding="utf-8")
    words = [
        "generate",
        dataset,
        "--train",
        "4",
        "--valid",
        "0",
        "--test",
        "0",
        "--workers",
        "1",
        "--out",
        str(tmp_path / "x.h5"),
    ]
    code = f"from physbench.cli import main; main({words!r})"
    place = os.pathsep.join([str(tmp_path), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONPATH": place},
    )
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    assert "need the emulator ale-py, which is not installed: pip install 'physbench[atari]'" in done.stderr
