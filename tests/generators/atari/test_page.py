"""Tests of the page about games: its policy plays, its options exist, and its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("ale_py")

import physbench
from physbench import registry
from physbench.cli import main
from physbench_generators.invaders import check, game_tracker, marks

PAGE = Path(__file__).parents[3] / "docs" / "invaders.md"
TEXT = PAGE.read_text(encoding="utf-8")


def test_the_policy_of_the_page_plays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```", TEXT, re.M | re.S)
    (tmp_path / "mine_of_the_page.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    recipe = registry.datasets.get("invaders")
    path = physbench.generate(
        recipe.dataset, tmp_path / "x.h5", train=2, valid=0, test=0, frames=5, policy="mine_of_the_page:sway", workers=1
    )
    assert len(physbench.open(path)["training"]) == 2


def test_the_options_of_the_page_exist() -> None:
    commands = (["generate", "invaders"], ["generate", "atari-ram"], ["show"])
    shown = "".join(CliRunner().invoke(main, [*words, "--help"]).output for words in commands)
    options = set(re.findall(r"--[a-z][a-z-]+", TEXT))
    assert len(options) > 10 and not [option for option in options if option not in shown]


def test_the_kinds_of_events_are_those_of_the_tracker() -> None:
    names = (
        "ALIEN_HIT",
        "SHIELD_HIT_SHOT",
        "SHIELD_HIT_BOMB",
        "PLAYER_HIT",
        "UFO_HIT",
        "SHOT_BORN",
        "BOMB_BORN",
        "TURN",
    )
    assert (
        [getattr(game_tracker, name) for name in names]
        == [getattr(check, name) for name in names]
        == [*marks.KINDS]
        == [*range(1, 9)]
    )
    assert [int(number) for number in re.findall(r"^\| (\d) \|", TEXT, re.M)] == [*range(1, 9)]


@pytest.mark.parametrize("link", re.findall(r"\]\((?!https?:)([^)#]+)\)", TEXT))
def test_every_link_leads_somewhere(link: str) -> None:
    assert (PAGE.parent / link).exists()
