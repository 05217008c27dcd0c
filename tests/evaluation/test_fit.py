"""Tests that a model that cannot be scored is refused before anything is made for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result

from physbench.errors import ModelError
from physbench.evaluation import examples
from physbench.evaluation.contestant import contestant
from physbench.evaluation.fit import require_fit
from physbench.suites import SUITES, suite_of

Command = Callable[..., Result]


def test_a_network_for_other_frames_is_refused_before_a_game_is_played(
    cli: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make(*_: Any, **__: Any) -> None:
        raise AssertionError("sequences were made")

    monkeypatch.setattr(examples.Made, "examples", make)
    done = cli("eval", "r-nem", "--suite", "invaders")
    assert done.exit_code == 2
    words = "this model is for frames of (64, 64, 1) (height, width, channels), not (84, 84, 1)"
    assert words in done.stderr and "Suites that show what it takes: balls, extrapolation, curtain" in done.stderr
    assert "crop50" not in done.stderr


@pytest.mark.parametrize(
    ("name", "fitting", "other"),
    [
        ("r-nem", {"balls", "smoke", "rims"}, {"invaders", "crop50", "pixels", "trajectories"}),
        ("rnn.invaders84", {"invaders", "smoke-invaders"}, {"balls", "ram"}),
        ("rmr-mpnn.balls10", {"trajectories"}, {"balls", "ram"}),
        ("rmr-ram-mlp.invaders-ram", {"ram"}, {"trajectories"}),
        ("slot-attention.tetris", {"segmentation-tetris"}, {"balls"}),
    ],
)
def test_which_suites_a_network_fits_is_known(name: str, fitting: set[str], other: set[str]) -> None:
    pytest.importorskip("ale_py")
    model = contestant(name).model
    for suite in fitting:
        require_fit(model, suite_of(suite))
    for suite in other:
        with pytest.raises(ModelError):
            require_fit(model, suite_of(suite))


def test_a_model_of_ones_own_is_not_asked() -> None:
    for suite in SUITES.values():
        require_fit(contestant("copy").model, suite)


@pytest.mark.parametrize("command", [["eval"], ["predict", "--out", "p.h5"], ["audit"], ["show", "--model"]], ids=str)
def test_what_is_not_there_is_said_to_be_neither_file_nor_folder(cli: Command, command: list[str]) -> None:
    done = cli(*command, "runs/none")
    assert done.exit_code == 2
    assert "there is no file or folder runs/none: `physbench list models` lists models by name" in done.stderr


def test_a_name_that_nobody_has_is_refused_with_the_nearest(cli: Command) -> None:
    done = cli("eval", "trackr")
    assert done.exit_code == 2 and "no model is called 'trackr': did you mean 'tracker'?" in done.stderr
