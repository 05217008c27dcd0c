"""Tests that the pictures of the documentation are what `make pictures` draws today: rows, slots and legends."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from physbench.cli import main
from tests.pages import ROOT

COMMANDS = [
    pytest.param(words.split(), path, id=Path(path).stem, marks=[pytest.mark.slow] if "--model" in words else [])
    for words, path in re.findall(
        r"\$\(RUN\)/physbench (show .*) --out (docs/pictures/\S+)", (ROOT / "Makefile").read_text(encoding="utf-8")
    )
]


DRAWN = re.findall(
    r"\$\(RUN\)/physbench leaderboard draw --suite (\S+) --overwrite --out (docs/pictures/\S+)",
    (ROOT / "Makefile").read_text(encoding="utf-8"),
)


def pixels_of(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def test_every_picture_has_its_command() -> None:
    drawn = {Path(str(each.values[1])).name for each in COMMANDS} | {Path(path).name for _, path in DRAWN}
    assert drawn == {path.name for path in (ROOT / "docs" / "pictures").iterdir()}


@pytest.mark.parametrize(("words", "path"), COMMANDS)
def test_a_picture_is_what_its_command_draws(words: list[str], path: str, tmp_path: Path) -> None:
    drawn = tmp_path / Path(path).name
    done = CliRunner().invoke(main, [*words, "--out", str(drawn)])
    assert done.exit_code == 0, done.output
    new, kept = pixels_of(drawn), pixels_of(ROOT / path)
    assert new.shape == kept.shape, f"draw it anew with `make pictures`: {path}"
    changed = (np.abs(new - kept) > 16).any(axis=-1).mean()  # a network's last digits depend on the processor
    assert changed < 1e-3, f"{changed:.2%} of the pixels have changed: draw it anew with `make pictures`: {path}"


@pytest.mark.parametrize(("suite", "path"), DRAWN)
def test_charts_are_those_of_the_leaderboard_of_today(suite: str, path: str, tmp_path: Path) -> None:
    drawn = tmp_path / "drawn.svg"
    done = CliRunner().invoke(main, ["leaderboard", "draw", "--suite", suite, "--out", str(drawn)])
    assert done.exit_code == 0, done.output
    assert drawn.read_text(encoding="utf-8") == (ROOT / path).read_text(encoding="utf-8"), (
        f"draw it anew with `make pictures`: {path}"
    )
