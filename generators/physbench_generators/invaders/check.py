"""A check of recorded sequences against the console's memory and for consistency. It shares no code with the recorder.

The arrays may come from an untrusted file, so every value is checked before it is used as an index. N sequences, T
frames, K objects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from physbench.scene import HIT_OBJECT, HIT_WALL, WALL, Fault
from physbench_generators.invaders.addresses import (
    ALIEN_ROWS,
    ALIENS,
    ALIENS_LEFT,
    BOMB,
    HUD,
    LIVES,
    OBJECTS,
    PHASE,
    PLAYER,
    SCORE,
    SHIELD,
    SHOT,
    UFO,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from physbench.scene import Scenes

    Arrays = Mapping[str, NDArray[Any]]

ALIEN_HIT, SHIELD_HIT_SHOT, SHIELD_HIT_BOMB, PLAYER_HIT, UFO_HIT, SHOT_BORN, BOMB_BORN, TURN = range(1, 9)
HITS = (ALIEN_HIT, SHIELD_HIT_SHOT, SHIELD_HIT_BOMB, PLAYER_HIT, UFO_HIT)

ANY_ALIEN, ANY_SHIELD, ANY_BOMB = range(ALIENS), range(SHIELD - 1, PLAYER - 1), range(BOMB - 1, UFO - 1)
ROLES = {
    ALIEN_HIT: ([SHOT - 1], ANY_ALIEN),
    SHIELD_HIT_SHOT: ([SHOT - 1], ANY_SHIELD),
    SHIELD_HIT_BOMB: (ANY_BOMB, ANY_SHIELD),
    PLAYER_HIT: (ANY_BOMB, [PLAYER - 1]),
    UFO_HIT: ([SHOT - 1], [UFO - 1]),
    SHOT_BORN: ([PLAYER - 1], [SHOT - 1]),
    BOMB_BORN: ([*ANY_ALIEN, WALL], ANY_BOMB),
    TURN: (ANY_ALIEN, [WALL]),
}
"""The objects a and b that each kind of event can have."""

BURNING = 32
"""The most raw frames for which an alien is still visible after it was hit."""

FAR = 6.0
"""The most pixels between the position of an object and the middle of its pixels."""


def find_faults(scenes: Scenes, *, hud: str, skip: int, play_only: bool) -> Iterator[Fault]:
    """Yield a fault for every sequence that contradicts itself, with the first thing that is wrong in it."""
    arrays, offset = scenes.arrays(), scenes.events["offset"]
    most = HUD if hud == "keep" else OBJECTS
    for i in range(len(scenes)):
        one = {name: array[i] for name, array in arrays.items()}
        events = {
            name: column[int(offset[i]) : int(offset[i + 1])]
            for name, column in scenes.events.items()
            if name != "offset"
        }
        sentence = (
            _pixels(one, most)
            or _memory(one, play_only=play_only)
            or _events(events, len(one["reward"]))
            or _rewards(one, events)
            or _flags(one, events)
            or _aliens(one, events, skip, play_only=play_only)
            or _places(one)
        )
        if sentence:
            yield Fault(i, sentence)


def _pixels(one: Arrays, most: int) -> str:
    """Compare the frames, the labels and the counts of visible pixels."""
    labels = one["groups"]
    if not np.array_equal(one["features"] != 0, labels != 0) or one["features"].max() > 1:
        return "has a pixel that is on without an owner, or off with an owner"
    if labels.max() > most:
        return f"has a pixel of object {labels.max()}, and there are only {most} objects"
    counted = np.stack([np.bincount(frame.ravel(), minlength=most + 1)[1 : OBJECTS + 1] for frame in labels])
    return (
        "" if np.array_equal(one["visible"], counted) else "has an object with more or fewer pixels than `visible` says"
    )


def _memory(one: Arrays, *, play_only: bool) -> str:
    """Compare actions, phase, lives and rewards with the memory."""
    ram = one["ram"].astype(np.int64)
    if one["actions"].max() > 1 or (one["actions"].sum(axis=1) != 1).any():
        return "has a frame without exactly one action"
    if not np.array_equal(one["phase"], ram[:, PHASE]) or not np.array_equal(one["lives"], ram[:, LIVES]):
        return "has a phase or a number of lives that differs from its memory"
    if play_only and ram[:, PHASE].any():
        return "has a frame outside of play"
    bits = sum(
        np.unpackbits(one["ram"][:, ALIEN_ROWS + row, None], axis=1).sum(axis=1, dtype=np.int64) for row in range(6)
    )
    if not np.array_equal(bits, ram[:, ALIENS_LEFT]):
        return "has memory in which the number of aliens differs from their counter"
    score = sum(
        (ram[:, SCORE + at] >> shift & 15) * worth
        for at, shift, worth in ((0, 4, 1000), (0, 0, 100), (2, 4, 10), (2, 0, 1))
    )
    if not np.array_equal(np.diff(score) % 10_000, one["reward"][:-1].astype(np.int64)):
        return "has a reward that differs from the change of the score in its memory"
    return ""


def _events(events: Arrays, frames: int) -> str:
    """Check the times, the kinds and the objects of events."""
    time, a, b, kind = (events[name] for name in ("time", "a", "b", "kind"))
    if not np.isfinite(time).all() or (np.diff(time) < 0).any() or ((time <= 0) | (time > frames)).any():
        return "has events out of order or outside its time"
    for who, whom, what in zip(a.tolist(), b.tolist(), kind.tolist(), strict=True):
        if what not in ROLES or who not in ROLES[what][0] or whom not in ROLES[what][1]:
            return f"has an event of kind {what} between {who} and {whom}"
    return ""


def _rewards(one: Arrays, events: Arrays) -> str:
    """Compare the rewards with the events."""
    worth = np.zeros(len(one["reward"]))
    for t, whom, what in _happenings(events):
        if what == ALIEN_HIT:
            worth[t] += 5 * (6 - whom // 6)
        elif what == UFO_HIT:
            worth[t] += 200
    return "" if np.array_equal(worth, one["reward"]) else "has a reward that its events do not explain"


def _flags(one: Arrays, events: Arrays) -> str:
    """Compare the contact flags and the mask of collisions with the events."""
    contact = np.zeros((len(one["reward"]), OBJECTS), np.uint8)
    for t, who, whom, what in zip(
        _intervals(events), events["a"].tolist(), events["b"].tolist(), events["kind"].tolist(), strict=True
    ):
        if what in HITS:
            contact[t, [who, whom]] |= HIT_OBJECT
        elif what == TURN:
            contact[t, who] |= HIT_WALL
    if not np.array_equal(contact, one["contact"]):
        return "has contact flags that its events do not explain"
    labels, mask = one["groups"][..., 0], one["collisions"][..., 0]
    hit = np.zeros((len(contact), 256), bool)
    hit[:, 1 : OBJECTS + 1] = contact & HIT_OBJECT
    sure = hit.copy()
    sure[:, SHOT:UFO] = False  # another bullet may have its label by now
    following = np.concatenate([labels[1:], labels[-1:]])
    for t in range(len(contact)):
        may, must = (flags[t][labels[t]] | flags[t][following[t]] for flags in (hit, sure))
        if mask[t].max() > 1 or (mask[t] & ~may).any() or (must & (mask[t] == 0)).any():
            return "has a mask of collisions that its contact flags do not explain"
    return ""


def _aliens(one: Arrays, events: Arrays, skip: int, *, play_only: bool) -> str:
    """Compare the visible aliens that are not hit with their counter. They may burn for a while after they were hit."""
    left, seen = one["ram"][:, ALIENS_LEFT].astype(np.int64), one["visible"][:, :ALIENS] > 0
    dead = np.zeros((len(left) + 1, ALIENS), bool)
    for t, whom, what in _happenings(events):
        if what == ALIEN_HIT:
            if not seen[t, whom]:
                return "has an alien that is hit but not visible"
            dead[t + 1 :, whom] = True
    alive, settled = (seen & ~dead[:-1]).sum(axis=1), -(-BURNING // skip) + 1
    if (alive < left).any() or (play_only and (alive[settled:] != left[settled:]).any()):
        return "has more or fewer aliens in its frames than in its memory"
    if play_only and (seen[settled:] & dead[: len(seen[settled:])]).any():
        return "has an alien that is visible long after it was hit"
    return ""


def _places(one: Arrays) -> str:
    """Compare positions with labels, and velocities with positions."""
    place, shows, labels = one["position"], one["visible"] > 0, one["groups"][..., 0]
    lost = shows & ~np.isfinite(place).all(axis=2)
    if lost[:, : SHOT - 1].any():
        return "has an object that is visible but has no position"
    shows = (
        shows & ~lost
    )  # a bullet or a saucer that has just ended may be visible in one of the two raw frames of a frame
    shows[:, PLAYER - 1] &= one["phase"] == 0  # the position of a new ship changes before it is drawn there
    for t in range(len(labels)):
        rows, columns = np.nonzero(labels[t])
        owner = labels[t][rows, columns]
        count = np.maximum(np.bincount(owner, minlength=256), 1)
        middle = np.stack(
            [np.bincount(owner, columns + 0.5, 256) / count, np.bincount(owner, rows + 0.5, 256) / count], axis=1
        )[1 : OBJECTS + 1]
        if (abs(middle - place[t])[shows[t]] > FAR).any():
            return "has an object far from its pixels"
    moved, velocity = np.diff(place, axis=0), one["velocity"][:-1]
    there = np.isfinite(velocity)
    if (velocity[there] != moved[there]).any():
        return "has a velocity that differs from the motion of its object"
    return ""


def _intervals(events: Arrays) -> list[int]:
    """Return the frame after which each event happens."""
    return (np.ceil(events["time"]).astype(np.int64) - 1).tolist()


def _happenings(events: Arrays) -> Iterator[tuple[int, int, int]]:
    """Return the frame before each event, the object that is hit, and the kind of event."""
    return zip(_intervals(events), events["b"].tolist(), events["kind"].tolist(), strict=True)
