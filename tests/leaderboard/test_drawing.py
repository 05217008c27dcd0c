"""Tests of charts as a file: every panel stands clear of the others, and the command guards what is there."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from physbench.report.charts import WIDTH
from physbench_leaderboard.boards import boards
from physbench_leaderboard.drawing import LETTER, SWATCH, Panel, draw_boards
from physbench_leaderboard.pins import bundled_folder
from physbench_leaderboard.plots import plots
from physbench_leaderboard.store import load_all

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("suite", ["balls", "simulation", "crop50"])
def test_the_picture_has_every_chart_and_nothing_lies_on_another(suite: str) -> None:
    found = boards(load_all(bundled_folder()), suite=suite)
    picture = ET.fromstring(draw_boards(found))
    words = {text.text for text in picture.iter(f"{SVG}text")}
    assert {f"{board.key.name}: {board.about}" for board in found} <= words
    charts = [chart for board in found for chart in plots(board)]
    for chart in charts:
        assert {chart.title, *(key.words for key in chart.keys)} <= words
        panel = Panel(chart, 0, 0)
        ends: dict[float, float] = {}
        for placed in panel.legend:
            assert placed.x >= ends.get(placed.y, 0) and chart.height < placed.y <= panel.height
            ends[placed.y] = placed.x + SWATCH + LETTER * len(placed.key.words)
            assert ends[placed.y] <= WIDTH or placed.x == 8
    height = float(picture.attrib["viewBox"].split()[3])
    places = [group.attrib["transform"] for group in picture.findall(f"{SVG}g")]
    assert len(places) == len(charts) == len(set(places))
    assert all(float(place.split()[1].rstrip(")")) < height for place in places)


def test_the_command_writes_a_picture_and_replaces_none(tmp_path: Path, cli: Callable[..., Any]) -> None:
    out = tmp_path / "x.svg"
    words = ("leaderboard", "draw", "--suite", "balls", "--out", out)
    assert cli(*words).exit_code == 0 and ET.parse(out).getroot().tag == f"{SVG}svg"
    again = cli(*words)
    assert again.exit_code == 2 and "exists already" in again.stderr
    assert cli(*words, "--overwrite").exit_code == 0
    for others, told in (
        (("--suite", "bals", "--out", out), "did you mean 'balls'"),
        (("--suite", "balls", "--out", tmp_path / "x.png"), "must end in .svg"),
        (("--suite", "balls", "--out", tmp_path / "gone" / "x.svg"), "gone"),
        (("--suite", "balls", "--out", tmp_path / "y.svg", "--folder", tmp_path), "nothing is listed for balls"),
    ):
        found = cli("leaderboard", "draw", *others)
        assert found.exit_code == 2 and told in found.stderr and "Traceback" not in found.stderr
