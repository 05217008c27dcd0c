"""Labels of Space Invaders are compared with the boxes of OCAtari (Delfosse et al., 2023), an
independent package.

PHYSBENCH_OCATARI=/path/to/python/with/ocatari pytest -m slow -s tests/generators/invaders/test_ocatari.py

Where they differ, it is for these reasons. What OCAtari reads in the memory is drawn a frame later (the ship) or longer
(bullets that have just ended), and what bursts has no box. Its names of aliens hold while no column on the right is
empty: it takes every empty column for a left one. Its boxes from the picture merge what touches, but leave nothing out.
"""

from __future__ import annotations

import os
import subprocess
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from physbench_generators.invaders.truth import GameTruth
from tests.builders.space_invaders import Moment, able_player, play, random_player

Array = np.ndarray[Any, Any]

SLOTS = {"player": (0,), "shield": (1, 2, 3), "bomb": (4, 5), "shot": (6,), "ufo": (7,), "alien": tuple(range(8, 44))}
LABELS = {
    "player": (40,),
    "shield": (37, 38, 39),
    "bomb": (42, 43),
    "shot": (41,),
    "ufo": (44,),
    "alien": tuple(range(1, 37)),
}


def cells(box: Array) -> tuple[slice, slice]:
    """The cells of the small frame that a box on the raw screen touches."""
    x, y, w, h = box.tolist()
    return slice(y * 84 // 210, -(-(y + h) * 84 // 210)), slice(x * 84 // 160, -(-(x + w) * 84 // 160))


def compare(moments: list[Moment], boxes: dict[str, Array]) -> dict[str, Counter[str]]:
    """Count, for each way of OCAtari's and each kind of object: its boxes that hold a pixel of ours, ours that a box of
    its holds wholly, and the rest."""
    truth, at = GameTruth(geometry="full", hud="mask"), 0
    table: dict[str, Counter[str]] = defaultdict(Counter)
    for moment in moments:
        if moment.first:
            truth.start(*moment.first)
        step = truth.step(moment.rams, moment.rewards, moment.screens[-2:])
        at += len(moment.rams)
        assert np.array_equal(boxes["memory"][at - 1], moment.rams[-1]), "they play another game"
        if len(moment.rams) < 2 or (moment.rams[:, 42] != 0).any() or moment.over:
            continue
        for way in ("ram", "vision"):
            last = boxes[way][at - 2 : at]
            if (last < 0).any():
                table[way]["gave up"] += 1
                continue
            for kind, slots in SLOTS.items():
                if way == "vision" and kind in ("bomb", "shot"):
                    continue  # it keeps boxes of bullets that have ended
                count = table[f"{way} {kind}"]
                ours = np.isin(step.labels, LABELS[kind])
                covered = np.zeros((84, 84), bool)
                for box in last.reshape(-1, 44, 4)[:, list(slots)].reshape(-1, 4):
                    if box[2] and box[1] + box[3] <= 195:
                        covered[cells(box)] = True
                for slot in slots:
                    box = last[1, slot]
                    if box[2] and box[1] + box[3] <= 195:
                        count["boxes"] += 1
                        count["boxes with a pixel of ours"] += bool(ours[cells(box)].any())
                        if kind == "alien" and way == "ram":
                            inside = step.labels[cells(box)]
                            inside = inside[(inside > 0) & (inside < 37)]
                            name = int(np.bincount(inside).argmax()) if len(inside) else 0
                            columns = {(k - 1) % 6 for k in np.unique(step.labels) if 0 < k < 37}
                            where = (
                                "empty on the right"
                                if 5 not in columns
                                else "empty on the left"
                                if 0 not in columns
                                else "full"
                            )
                            count[f"boxes, {where}"] += 1
                            count[f"of the same name, {where}"] += name == slot - 7
                count["pixels"] += int(ours.sum())
                count["pixels in a box"] += int((ours & covered).sum())
    return table


@pytest.mark.slow
def test_labels_agree_with_the_boxes_of_ocatari(tmp_path: Path) -> None:
    python = os.environ.get("PHYSBENCH_OCATARI", "")
    if not python:
        pytest.skip("PHYSBENCH_OCATARI names no Python that has ocatari")
    moments = [*play(7000, player=able_player(0)), *play(1600, player=random_player(1))]
    actions: list[int] = []
    for moment in moments:
        actions += [-1] * (moment.first is not None) + [moment.action] * len(moment.rams)
    np.save(tmp_path / "actions.npy", actions)
    script = Path(__file__).parents[2] / "oracles" / "ocatari_boxes.py"
    subprocess.run(
        [python, script, tmp_path / "actions.npy", tmp_path / "boxes.npz"],
        check=True,
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"]},
    )
    with np.load(tmp_path / "boxes.npz") as boxes:
        table = compare(moments, dict(boxes))
    for name, count in table.items():
        print(name, dict(count))
    for name in (
        "ram player",
        "ram shield",
        "ram ufo",
        "ram alien",
        "vision player",
        "vision shield",
        "vision ufo",
        "vision alien",
    ):
        assert table[name]["boxes with a pixel of ours"] == table[name]["boxes"] > 0
    for name in ("vision player", "vision shield", "vision ufo", "vision alien"):
        assert table[name]["pixels in a box"] == table[name]["pixels"]
    for name, least in {"ram bomb": 0.98, "ram shot": 0.98}.items():
        assert table[name]["boxes with a pixel of ours"] > least * table[name]["boxes"]
    for name, least in {
        "ram player": 0.9,
        "ram shield": 0.999,
        "ram bomb": 0.95,
        "ram shot": 0.9,
        "ram ufo": 0.99,
        "ram alien": 0.97,
    }.items():
        assert table[name]["pixels in a box"] > least * table[name]["pixels"]
    for where in ("full", "empty on the left"):
        assert table["ram alien"][f"of the same name, {where}"] == table["ram alien"][f"boxes, {where}"] > 0
