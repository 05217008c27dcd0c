"""Kernels that follow a game through its memory: where aliens and bullets are, and what hits what.

The memory does not show everything directly. When the left column of aliens is empty, all masks move by one bit and the
formation by one cell. When the first of two bombs ends, the second takes its slot. A new shot replaces the last one
within a few frames. The tracker gives every bullet a number (uid), which it keeps through all of this.
"""

from __future__ import annotations

import numpy as np

from physbench_generators.compiled import kernel
from physbench_generators.invaders.addresses import (
    ALIEN_ROWS,
    ALIEN_WIDTH,
    ALIENS,
    ALIENS_LEFT,
    BOMB,
    BOMB_X,
    BOMB_Y,
    BULLET_LEFT,
    CELL_COLUMNS,
    COLUMNS,
    DYING,
    FORMATION_X,
    FORMATION_Y,
    FREE,
    GROUND_Y,
    LOWEST,
    PHASE,
    PLAY,
    PLAYER,
    PLAYER_WIDTH,
    PLAYER_X,
    RIGHT_EDGE,
    ROWS,
    SCORE_STEP,
    SHIELD,
    SHIELD_BYTES,
    SHIELD_COUNT,
    SHIELD_LEFT,
    SHIELD_PITCH,
    SHIELD_WIDTH,
    SHIELD_ZONE,
    SHIELDS,
    SHIP_REACH,
    SHIP_ZONE,
    SHOT,
    SHOT_START,
    SHOT_X,
    SHOT_Y,
    UFO,
    UFO_SCORE,
)

ALIEN_HIT, SHIELD_HIT_SHOT, SHIELD_HIT_BOMB, PLAYER_HIT, UFO_HIT, SHOT_BORN, BOMB_BORN, TURN = range(1, 9)
"""The kinds of events between a and b. In the first five, a hits b. SHOT_BORN: the player fires a shot. BOMB_BORN: an
alien drops a bomb. TURN: an alien reaches the edge, and all turn back and come down; there is one event for each alien
that reaches it."""

HITS = (ALIEN_HIT, SHIELD_HIT_SHOT, SHIELD_HIT_BOMB, PLAYER_HIT, UFO_HIT)
"""The kinds in which one object hits another."""

EDGE = 255
"""The object b of a TURN."""

(
    DOUBT_COLOUR,
    DOUBT_CELL,
    DOUBT_SHIELD,
    DOUBT_BULLET,
    DOUBT_SHIFT,
    DOUBT_REWARD,
    DOUBT_ERODED,
    DOUBT_SHOT,
    DOUBT_BOMB,
    DOUBT_PLAYER,
    DOUBT_ALIEN,
) = range(11)

DOUBTS = {
    DOUBT_COLOUR: "pixels of an unknown colour",
    DOUBT_CELL: "pixels of aliens outside their cells",
    DOUBT_SHIELD: "pixels of shields outside their places",
    DOUBT_BULLET: "pixels of bullets that belong to no slot",
    DOUBT_SHIFT: "rows of aliens that no shift and no hit explain",
    DOUBT_REWARD: "rewards that the hit aliens do not explain",
    DOUBT_ERODED: "changes of shields that no bullet explains",
    DOUBT_SHOT: "shots that end in a shield that does not change",
    DOUBT_BOMB: "bombs that end in nothing",
    DOUBT_PLAYER: "hits of the player without a bomb",
    DOUBT_ALIEN: "bombs without an alien above",
}
"""What is counted when the tracker had to guess."""

GAME = np.dtype(
    [
        ("before", "u1", 128),  # the memory of the last raw frame
        ("shift", "i8"),  # empty columns of aliens on the left
        ("wave", "i8"),  # from 0
        ("uids", "i8"),  # how many have been given
        ("shot", "i8"),  # the uid of the last shot
        ("label", "i8", (2, 2)),  # of the bombs by slot, now and a frame ago; 0 = free
        ("uid", "i8", (2, 2)),
        ("x", "i8", (2, 2)),  # as in the memory
        ("y", "i8", (2, 2)),
        ("flying", "i8", 3),  # the uids of the labels 41 to 43 in the memory, 0 = none
        ("flying_x", "i8", 3),  # where they are, or were last
        ("flying_y", "i8", 3),
        ("drawn", "i8", 3),  # the uids of these labels on the screens of this step, 0 = not drawn
        ("drawn_x", "i8", 3),
        ("drawn_y", "i8", 3),
        ("doubts", "i8", len(DOUBTS)),
    ]
)


@kernel
def begin(game, ram):
    """Begin a game with this memory: forget everything but the doubts."""
    remember(game, ram)
    game.shift = game.wave = game.uids = game.shot = 0
    for slot in range(2):
        game.label[0, slot] = game.label[1, slot] = 0
    for k in range(3):
        game.flying[k] = game.drawn[k] = 0


@kernel
def remember(game, ram):
    """Copy the memory, to compare it with the next raw frame."""
    for address in range(len(ram)):
        game.before[address] = ram[address]


@kernel
def follow(game, ram, reward, frame, events, count):
    """Process one raw frame. Append its events (frame, kind, a, b, uid) after row `count`, and return the new count."""
    before = game.before
    new_wave = ram[ALIENS_LEFT] == ALIENS and before[ALIENS_LEFT] < ALIENS
    eroded = np.zeros(SHIELD_COUNT, np.bool_)
    for k in range(SHIELD_COUNT * SHIELD_BYTES):
        if ram[SHIELDS + k] != before[SHIELDS + k]:
            eroded[k // SHIELD_BYTES] = True
    count = follow_shot(game, ram, frame, events, count, eroded)
    count = follow_bombs(game, ram, frame, events, count, eroded)
    count = follow_aliens(game, ram, reward, frame, events, count, new_wave)
    for k in range(SHIELD_COUNT):
        if eroded[k] and not new_wave:
            game.doubts[DOUBT_ERODED] += 1
    count = follow_player(game, ram, frame, events, count)
    remember(game, ram)
    return count


@kernel
def add(events, count, frame, kind, a, b, uid):
    """Append an event if there is room, and return the new count."""
    if count < len(events):
        events[count, 0], events[count, 1], events[count, 2], events[count, 3], events[count, 4] = (
            frame,
            kind,
            a,
            b,
            uid,
        )
        count += 1
    return count


@kernel
def follow_aliens(game, ram, reward, frame, events, count, new_wave):
    """Find the aliens that were hit, whether the UFO was hit, and whether the aliens turned."""
    before = game.before
    if new_wave:
        game.shift = 0
        game.wave += 1
        return count
    columns = 0
    for i in range(ROWS):
        columns |= np.int64(before[ALIEN_ROWS + i])
    gone = 0
    while columns and not columns >> gone & 1:  # the left columns were empty: the masks move now
        gone += 1
    game.shift += gone
    value = 0
    for i in range(ROWS):
        expected, row = np.int64(before[ALIEN_ROWS + i]) >> gone, np.int64(ram[ALIEN_ROWS + i])
        if row & ~expected:
            game.doubts[DOUBT_SHIFT] += 1
        for j in range(COLUMNS):
            if (expected & ~row) >> j & 1:
                value += SCORE_STEP * (i + 1)
                count = add(events, count, frame, ALIEN_HIT, SHOT, alien(i, j + game.shift), game.shot)
    if reward >= UFO_SCORE:
        value += UFO_SCORE
        count = add(events, count, frame, UFO_HIT, SHOT, UFO, game.shot)
    if value != reward:
        game.doubts[DOUBT_REWARD] += 1
    if ram[PHASE] == PLAY and before[PHASE] == PLAY and ram[FORMATION_Y] > before[FORMATION_Y]:
        count = turn(game, ram, frame, events, count, game.shift - gone)
    return count


@kernel
def turn(game, ram, frame, events, count, shift):
    """Find the aliens that reached the edge: the last column, if it is at the right edge, or else the first one.

    shift: the empty columns on the left, a frame ago.
    """
    left = np.int64(ram[FORMATION_X]) - 1 - CELL_COLUMNS * game.shift
    first, last = COLUMNS, 0
    for j in range(COLUMNS):
        if lowest(game.before, j, shift):
            first, last = min(first, j), j
    column = last if left + CELL_COLUMNS * last + ALIEN_WIDTH >= RIGHT_EDGE else first
    for i in range(ROWS):
        if column >= shift and game.before[ALIEN_ROWS + i] >> (column - shift) & 1:
            count = add(events, count, frame, TURN, alien(i, column), EDGE, 0)
    return count


@kernel
def alien(row, column):
    """Return the label of an alien. row: from the bottom. column: as at the beginning of the wave."""
    return 1 + COLUMNS * (ROWS - 1 - row) + column


@kernel
def lowest(ram, column, shift):
    """Return the label of the lowest alien of a column, or 0 if there is none."""
    for i in range(ROWS):
        if column >= shift and ram[ALIEN_ROWS + i] >> (column - shift) & 1:
            return alien(i, column)
    return 0


@kernel
def nearest_shield(x):
    """Return the number of the shield nearest to a column of the screen."""
    k = (x - SHIELD_LEFT - SHIELD_WIDTH // 2 + SHIELD_PITCH // 2) // SHIELD_PITCH
    return min(max(k, 0), SHIELD_COUNT - 1)


@kernel
def follow_shot(game, ram, frame, events, count, eroded):
    """Follow the shot of the player: whether it was fired, and whether it ended in a shield."""
    y, last = np.int64(ram[SHOT_Y]), np.int64(game.before[SHOT_Y])
    ended = LOWEST < y < FREE and not LOWEST < last < FREE
    if (y < LOWEST and (last > LOWEST or y > last)) or (ended and last == FREE):
        game.uids += 1
        game.shot = game.uids
        count = add(events, count, frame, SHOT_BORN, PLAYER, SHOT, game.shot)
        fly(game, SHOT, game.shot, np.int64(ram[SHOT_X]), SHOT_START)  # for a shot that hits at once
    if y < LOWEST:
        fly(game, SHOT, game.shot, np.int64(ram[SHOT_X]), y)
    else:
        game.flying[0] = 0
    if ended:
        k = nearest_shield(np.int64(ram[SHOT_X]) + BULLET_LEFT)
        if not eroded[k]:
            game.doubts[DOUBT_SHOT] += 1
        eroded[k] = False
        count = add(events, count, frame, SHIELD_HIT_SHOT, SHOT, SHIELD + k, game.shot)
    return count


@kernel
def follow_bombs(game, ram, frame, events, count, eroded):
    """Find each bomb again: it keeps its column and falls by at most 2.

    A bomb that is not found again has ended, and one that is new was dropped.
    """
    gone = np.zeros(2, np.bool_)
    for slot in range(2):
        for field in (game.label, game.uid, game.x, game.y):
            field[1, slot] = field[0, slot]
        game.label[0, slot], game.x[0, slot], game.y[0, slot] = 0, ram[BOMB_X + slot], ram[BOMB_Y + slot]
        gone[slot] = game.label[1, slot] > 0
    for fall in range(3):  # try the smallest fall first, and the same slot before the other
        for move in range(2):
            for slot in range(2):
                old, y = slot ^ move, game.y[0, slot]
                if (
                    gone[old]
                    and not game.label[0, slot]
                    and y < LOWEST
                    and game.x[0, slot] == game.x[1, old]
                    and y - game.y[1, old] == fall
                ):
                    game.label[0, slot], game.uid[0, slot] = game.label[1, old], game.uid[1, old]
                    gone[old] = False
    for old in range(2):
        if gone[old]:
            count = end_bomb(game, frame, events, count, eroded, old)
    for slot in range(2):
        if game.y[0, slot] < LOWEST and not game.label[0, slot]:
            count = drop_bomb(game, frame, events, count, slot)
    game.flying[1] = game.flying[2] = 0
    for slot in range(2):
        if game.label[0, slot] and game.y[0, slot] <= GROUND_Y:
            fly(game, game.label[0, slot], game.uid[0, slot], game.x[0, slot], game.y[0, slot])
    return count


@kernel
def fly(game, label, uid, x, y):
    """Note that a bullet is in the air, and where."""
    game.flying[label - SHOT], game.flying_x[label - SHOT], game.flying_y[label - SHOT] = uid, x, y


@kernel
def end_bomb(game, frame, events, count, eroded, old):
    """Find out what ended the bomb that was in this slot a frame ago."""
    if SHIELD_ZONE[0] <= game.y[1, old] <= SHIELD_ZONE[1]:
        k = nearest_shield(game.x[1, old] + BULLET_LEFT)
        if not eroded[k]:
            game.doubts[DOUBT_BOMB] += 1
        eroded[k] = False
        return add(events, count, frame, SHIELD_HIT_BOMB, game.label[1, old], SHIELD + k, game.uid[1, old])
    if game.y[1, old] < SHIP_ZONE[0]:
        game.doubts[DOUBT_BOMB] += 1
    return count


@kernel
def drop_bomb(game, frame, events, count, slot):
    """Give a new bomb a uid and a label that no bomb has; if possible, one that no bomb had a frame ago either."""
    other = game.label[0, 1 - slot]
    label = BOMB
    if other == BOMB or (not other and (game.label[1, 0] == BOMB or game.label[1, 1] == BOMB)):
        label = BOMB + 1
    game.uids += 1
    game.label[0, slot], game.uid[0, slot] = label, game.uids
    column = (game.x[0, slot] - np.int64(game.before[FORMATION_X])) // CELL_COLUMNS + game.shift
    above = lowest(game.before, column, game.shift) if column < COLUMNS else 0
    if not above:
        game.doubts[DOUBT_ALIEN] += 1
    return add(events, count, frame, BOMB_BORN, above, label, game.uids)


@kernel
def follow_player(game, ram, frame, events, count):
    """Find out whether the ship was hit. The bomb that hits it goes on falling."""
    before = game.before
    if ram[PHASE] == DYING and before[PHASE] != DYING:
        middle = np.int64(before[PLAYER_X]) - 1 + PLAYER_WIDTH // 2
        best, nearest = -1, 0
        for slot in range(2):
            distance = abs(game.x[1, slot] + BULLET_LEFT - middle)
            if (
                game.label[1, slot]
                and SHIP_ZONE[0] <= game.y[1, slot] <= SHIP_ZONE[1]
                and distance <= SHIP_REACH
                and (best < 0 or distance < nearest)
            ):
                best, nearest = slot, distance
        if best < 0:
            game.doubts[DOUBT_PLAYER] += 1
        else:
            count = add(events, count, frame, PLAYER_HIT, game.label[1, best], PLAYER, game.uid[1, best])
    return count
