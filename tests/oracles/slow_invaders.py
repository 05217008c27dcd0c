"""Space Invaders, slowly: labels by painting the places where each object can be, bullets by following things that fly,
areas by repeating pixels.

Nothing here is taken from the package. Times and places are written out as numbers, as the fact sheet of the game has
them.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Event = tuple[int, int, int, int]

GRAY = {0: 0, 6: 142, 20: 122, 52: 107, 82: 74, 196: 98, 226: 79, 246: 133}
"""By colour, as getScreenGrayscale gives them."""

ALIEN_HIT, SHIELD_HIT_SHOT, SHIELD_HIT_BOMB, PLAYER_HIT, UFO_HIT, SHOT_BORN, BOMB_BORN, TURN = 1, 2, 3, 4, 5, 6, 7, 8


class Follower:
    """Follow one game. Aliens are known by where they are, not by their bits: column 0 of the wave never moves by more
    than a few pixels a frame."""

    def __init__(self, ram: Array) -> None:
        self.ram = ram.astype(int)
        self.column0 = self.ram[26] - 1
        self.uids = 0
        self.shot = 0
        self.bombs: list[dict[str, int]] = []
        self.past: list[dict[str, int]] = []

    def living(self, ram: Array) -> set[tuple[int, int]]:
        """(row from the top, column of the wave) of each living alien."""
        offset = round((ram[26] - 1 - self.column0) / 16)
        return {(5 - i, j + offset) for i in range(6) for j in range(6) if ram[18 + i] & 1 << j}

    def update(self, memory: Array, reward: int) -> list[Event]:
        """-> (kind, a, b, uid) of one raw frame."""
        old, ram = self.ram, memory.astype(int)
        self.ram = ram
        events: list[Event] = []
        shields = [k for k in range(3) if any(old[43 + 9 * k : 52 + 9 * k] != ram[43 + 9 * k : 52 + 9 * k])]
        new_wave = ram[17] == 36 and old[17] < 36
        before, origin = self.living(old), self.column0
        if new_wave:
            self.column0 = ram[26] - 1
        else:
            step = (ram[26] - old[26] + 8) % 16 - 8
            self.column0 += step
        # The shot: in the air below 100, in a shield from 121 to 127, nowhere at 246.
        was, now = old[85], ram[85]
        if (now < 100 and (was > 100 or now > was)) or (now == 127 and was == 246):
            self.uids += 1
            self.shot = self.uids
            events.append((SHOT_BORN, 40, 41, self.shot))
        if now == 127 and was != 127:
            events.append(
                (SHIELD_HIT_SHOT, 41, min(range(3), key=lambda k: abs(46 + 32 * k - (ram[87] - 2))) + 37, self.shot)
            )
        # Bombs.
        slots = [(ram[83 + k], ram[81 + k]) for k in range(2)]
        flying = [(k, x, y) for k, (x, y) in enumerate(slots) if y != 246]
        self.past = self.bombs
        fallen = self._pair(flying)
        gone = [bomb for bomb in self.past if all(bomb["uid"] != kept["uid"] for kept in fallen.values())]
        for bomb in gone:
            if bomb["y"] <= 82:
                shield = min(range(3), key=lambda k: abs(46 + 32 * k - (bomb["x"] - 2)))
                assert shield in shields, "a bomb ends in the air"
                events.append((SHIELD_HIT_BOMB, bomb["label"], 37 + shield, bomb["uid"]))
        for k, x, y in flying:
            if k not in fallen:
                taken = {bomb["label"] for bomb in fallen.values()}
                free = [
                    label
                    for label in (42, 43)
                    if label not in taken and label not in {bomb["label"] for bomb in self.past}
                ]
                label = (free or [label for label in (42, 43) if label not in taken])[0]
                self.uids += 1
                fallen[k] = {"uid": self.uids, "label": label, "x": x, "y": y}
                above = [(i, j) for i, j in before if origin + 16 * j + 3 == x - 2]
                lowest = max(above)
                events.append((BOMB_BORN, 1 + 6 * lowest[0] + lowest[1], label, self.uids))
        self.bombs = [fallen[k] for k in sorted(fallen)]
        # Aliens, UFO, player.
        if not new_wave:
            hit = before - self.living(ram)
            events += [(ALIEN_HIT, 41, 1 + 6 * i + j, self.shot) for i, j in hit]
            assert self.living(ram) <= before, "an alien comes back"
            assert sum(5 * (6 - i) for i, _ in hit) + (200 if reward >= 200 else 0) == reward, (
                "a reward that no hit explains"
            )
        if reward >= 200:
            events.append((UFO_HIT, 41, 44, self.shot))
        if old[42] == 0 and ram[42] == 0 and old[16] < ram[16]:
            left, right = min(j for _, j in before), max(j for _, j in before)
            room = [(self.column0 + 16 * left - 22, left), (129 - self.column0 - 16 * right, right)]
            (space, edge) = min(room)
            assert space == 0, "the aliens turn away from the edge"
            events += [(TURN, 1 + 6 * i + j, 255, 0) for i, j in before if j == edge]
        if ram[42] == 4 and old[42] != 4:
            bomb = min(self.past, key=lambda bomb: abs(bomb["x"] - 2 - (old[28] + 2)) if bomb["y"] >= 84 else 999)
            events.append((PLAYER_HIT, bomb["label"], 40, bomb["uid"]))
        return sorted(events)

    def _pair(self, flying: list[tuple[int, int, int]]) -> dict[int, dict[str, int]]:
        """Give the bombs of a frame ago the slots that make the most of them fly on, and fall the least."""
        best: tuple[tuple[int, int], dict[int, dict[str, int]]] = ((0, 0), {})
        for order in permutations(self.past):
            fallen: dict[int, dict[str, int]] = {}
            fall = 0
            for bomb in order:
                for k, x, y in flying:
                    if k not in fallen and x == bomb["x"] and 0 <= y - bomb["y"] <= 2:
                        fallen[k] = {**bomb, "y": y}
                        fall += y - bomb["y"]
                        break
            score = (len(fallen), -fall)
            if score > best[0]:
                best = score, fallen
        return best[1]

    def paint(self, screen: Array) -> Array:
        """Label a raw screen (210, 160) after `update`; HUD is 45. Every coloured pixel has to have an owner."""
        labels = np.zeros((210, 160), np.uint8)
        top = 31 + 2 * self.ram[16]
        rows, columns = np.mgrid[:210, :160]
        for i in range(6):
            for j in range(6):
                y, x = top + 18 * i, self.column0 + 16 * j
                labels[(screen == 20) & (rows >= y) & (rows < y + 10) & (columns >= x) & (columns < x + 8)] = (
                    1 + 6 * i + j
                )
        for k in range(3):
            labels[
                (screen == 52) & (rows >= 157) & (rows < 175) & (columns >= 42 + 32 * k) & (columns < 50 + 32 * k)
            ] = 37 + k
        labels[(screen == 196) & (rows >= 185) & (rows < 195)] = 40
        labels[(screen == 82)] = 44
        for colour in (196, 226, 246):
            labels[(screen == colour) & (labels == 0)] = 45
        if self.ram[74] % 2:
            labels[screen == 6] = 41
        else:
            for y, x in zip(*np.nonzero(screen == 6), strict=True):
                labels[y, x] = self._bomb(y, x)["label"]
        assert ((labels > 0) == (screen > 0)).all(), "a pixel without an owner"
        return labels

    def _bomb(self, y: int, x: int) -> dict[str, int]:
        for bombs in (self.bombs, self.past):
            near = [bomb for bomb in bombs if bomb["x"] - 2 == x]
            if near:
                return min(near, key=lambda bomb: abs(2 * bomb["y"] + 8 - y))
        raise AssertionError("a bullet that nobody fired")


def shrink(older: tuple[Array, Array], newer: tuple[Array, Array], *, geometry: str, hud: str) -> Array:
    """(84, 84) labels of the last two raw screens, each given with its own: of the brighter pixel, then of most of the
    cell."""
    grays, labels = [], []
    for screen, owners in (older, newer):
        shows = owners != 45 if hud == "mask" else np.ones_like(owners, bool)
        grays.append(_grays(screen) * shows)
        labels.append(owners * shows)
    cells = _cells(np.where(grays[0] > grays[1], *labels), geometry)
    out = np.zeros((84, 84), np.uint8)
    largest: dict[int, tuple[int, int, int]] = {}
    for y, x in zip(*np.nonzero(cells.any((2, 3))), strict=True):
        areas = np.bincount(cells[y, x].ravel(), minlength=46)
        areas[0] = 0
        out[y, x] = np.flatnonzero(areas == areas.max())[-1]
        for label in np.flatnonzero(areas):
            largest[label] = max(largest.get(label, (0, 0, 0)), (areas[label], -y, -x))
    for label in sorted(
        largest.keys() - set(np.unique(out))
    ):  # those that own nothing get a cell from one that has more
        _, y, x = largest[label]
        if (out == out[-y, -x]).sum() > 1:
            out[-y, -x] = label
    return out


def observe(older: Array, newer: Array) -> Array:
    """(84, 84) the mean of the brighter of two raw screens over each cell, not rounded."""
    return _cells(np.maximum(_grays(older), _grays(newer)), "full").mean((2, 3))


def _grays(screen: Array) -> Array:
    lookup = np.zeros(256, np.uint8)
    lookup[list(GRAY)] = list(GRAY.values())
    return lookup[screen]


def _cells(image: Array, geometry: str) -> Array:
    """(84, 84, pixels, pixels): repeat each pixel until a cell is a whole number of them."""
    up, down, cut = (2, 5, slice(0, 84)) if geometry == "full" else (11, 21, slice(18, 102))
    many = np.repeat(np.repeat(image, up, 0), 21, 1)
    return many.reshape(210 * up // down, down, 84, 40).swapaxes(1, 2)[cut]


def mark_collisions(labels: Sequence[Array], shots: Sequence[Array], events: Sequence[list[tuple[int, ...]]]) -> Array:
    """(T, 84, 84) 1 where an object hits another in (t, t + 1]; events of the interval after each frame, as (raw frame,
    kind, a, b, uid)."""
    marks = np.zeros((len(labels), 84, 84), np.uint8)
    for t in range(len(labels)):
        for u in (t, t + 1):
            if u < len(labels):
                for y, x in zip(*np.nonzero(labels[u]), strict=True):
                    label = labels[u][y, x]
                    for _, kind, a, b, uid in events[t]:
                        if kind <= 5 and label in (a, b) and (label not in (41, 42, 43) or shots[u][label - 41] == uid):
                            marks[t, y, x] = 1
    return marks
