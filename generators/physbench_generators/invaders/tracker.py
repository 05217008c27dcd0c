"""Follow a game through its memory, raw frame by raw frame: which alien is where, which bullet is which, and what hits what.

What the memory hides: when the left column of aliens is empty, all masks move by one bit and the formation by a cell; when the first of two bombs ends, the
second takes its slot; a new shot takes the place of the last one within a few frames. A bullet keeps its number (uid) through all of that.
"""

from __future__ import annotations

import numpy as np

from physbench_generators.compiled import kernel
from physbench_generators.invaders.memory import (
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
    SHOT_X,
    SHOT_Y,
    UFO,
    UFO_SCORE,
)

ALIEN_HIT, SHIELD_HIT_SHOT, SHIELD_HIT_BOMB, PLAYER_HIT, UFO_HIT, SHOT_BORN, BOMB_BORN, TURN = range(1, 9)
"""The kinds of events: a hits b. SHOT_BORN: the player fires a shot; BOMB_BORN: an alien drops a bomb; TURN: an alien reaches the edge
and all turn back and come down; there is one row for each alien that reaches it."""

HITS = (ALIEN_HIT, SHIELD_HIT_SHOT, SHIELD_HIT_BOMB, PLAYER_HIT, UFO_HIT)
"""The kinds in which two objects meet."""

EDGE = 255
"""The partner b of a TURN."""

(DOUBT_COLOUR, DOUBT_CELL, DOUBT_SHIELD, DOUBT_BULLET, DOUBT_SHIFT, DOUBT_REWARD, DOUBT_ERODED, DOUBT_SHOT, DOUBT_BOMB, DOUBT_PLAYER,
 DOUBT_ALIEN) = range(11)  # fmt: skip

DOUBTS = {
    DOUBT_COLOUR: "pixels of an unknown colour",
    DOUBT_CELL: "pixels of aliens outside their cells",
    DOUBT_SHIELD: "pixels of shields outside their places",
    DOUBT_BULLET: "pixels of bullets that no slot explains",
    DOUBT_SHIFT: "rows of aliens that no shift and no hit explain",
    DOUBT_REWARD: "rewards that the aliens hit do not explain",
    DOUBT_ERODED: "changes of shields that no bullet explains",
    DOUBT_SHOT: "shots that end in a shield that does not change",
    DOUBT_BOMB: "bombs that end in nothing",
    DOUBT_PLAYER: "hits of the player without a bomb",
    DOUBT_ALIEN: "bombs without an alien above",
}
"""What the truth counts where it had to guess."""

GAME = np.dtype(
    [
        ("before", "u1", 128),  # the memory of the last raw frame
        ("shift", "i8"),  # columns of aliens that are gone on the left
        ("wave", "i8"),  # from 0
        ("uids", "i8"),  # that have been given
        ("shot", "i8"),  # the uid of the last shot
        ("bombs", "i8", (2, 2, 4)),  # now and a frame ago, of each slot: label (0 = free), uid, x, y
        ("drawn", "i8", 3),  # the uids that the labels 41 to 43 stand for on the screens of this step, 0 = not drawn
        ("doubts", "i8", len(DOUBTS)),
    ]
)


@kernel
def begin(game, ram):
    """Forget everything but the doubts: a game begins with this memory."""
    game.before[:] = ram
    game.shift = game.wave = game.uids = game.shot = 0
    game.bombs[:] = 0
    game.drawn[:] = 0


@kernel
def follow(game, ram, reward, frame, events, count):
    """Take one raw frame in. Events (frame, kind, a, b, uid) are added to the first `count` rows of events. -> their number now."""
    before = game.before
    new_wave = ram[ALIENS_LEFT] == ALIENS and before[ALIENS_LEFT] < ALIENS
    eroded = np.zeros(SHIELD_COUNT, np.bool_)
    for k in range(SHIELD_COUNT):
        low = SHIELDS + SHIELD_BYTES * k
        eroded[k] = np.any(ram[low : low + SHIELD_BYTES] != before[low : low + SHIELD_BYTES])
    count = follow_shot(game, ram, frame, events, count, eroded)
    count = follow_bombs(game, ram, frame, events, count, eroded)
    count = follow_aliens(game, ram, reward, frame, events, count, new_wave)
    if eroded.any() and not new_wave:
        game.doubts[DOUBT_ERODED] += 1
    count = follow_player(game, ram, frame, events, count)
    game.before[:] = ram
    return count


@kernel
def add(events, count, frame, kind, a, b, uid):
    if count < len(events):
        events[count, 0], events[count, 1], events[count, 2], events[count, 3], events[count, 4] = frame, kind, a, b, uid
        count += 1
    return count


@kernel
def follow_aliens(game, ram, reward, frame, events, count, new_wave):
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
    """Find the aliens that reached the edge: those of the last column on the right, if it is there, or else of the first one. shift: a frame ago."""
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
    """Its label. row: from the bottom. column: as at the beginning of the wave."""
    return 1 + COLUMNS * (ROWS - 1 - row) + column


@kernel
def lowest(ram, column, shift):
    """The lowest alien of a column, 0 = none."""
    for i in range(ROWS):
        if column >= shift and ram[ALIEN_ROWS + i] >> (column - shift) & 1:
            return alien(i, column)
    return 0


@kernel
def nearest_shield(x):
    """The shield nearest to a column of the screen."""
    k = (x - SHIELD_LEFT - SHIELD_WIDTH // 2 + SHIELD_PITCH // 2) // SHIELD_PITCH
    return min(max(k, 0), SHIELD_COUNT - 1)


@kernel
def follow_shot(game, ram, frame, events, count, eroded):
    y, last = np.int64(ram[SHOT_Y]), np.int64(game.before[SHOT_Y])
    ended = LOWEST < y < FREE and not LOWEST < last < FREE
    if (y < LOWEST and (last > LOWEST or y > last)) or (ended and last == FREE):
        game.uids += 1
        game.shot = game.uids
        count = add(events, count, frame, SHOT_BORN, PLAYER, SHOT, game.shot)
    if ended:
        k = nearest_shield(np.int64(ram[SHOT_X]) + BULLET_LEFT)
        if not eroded[k]:
            game.doubts[DOUBT_SHOT] += 1
        eroded[k] = False
        count = add(events, count, frame, SHIELD_HIT_SHOT, SHOT, SHIELD + k, game.shot)
    return count


@kernel
def follow_bombs(game, ram, frame, events, count, eroded):
    """Find each bomb again: it keeps its column and falls by at most 2. What is not found again has ended, what is new was dropped."""
    bombs = game.bombs
    bombs[1] = bombs[0]
    bombs[0] = 0
    gone = np.zeros(2, np.bool_)
    for old in range(2):
        gone[old] = bombs[1, old, 0] > 0
    for fall in range(3):  # the least fall first, then the same slot
        for move in range(2):
            for slot in range(2):
                old = slot ^ move
                y = np.int64(ram[BOMB_Y + slot])
                if gone[old] and not bombs[0, slot, 0] and y < LOWEST and ram[BOMB_X + slot] == bombs[1, old, 2] and y - bombs[1, old, 3] == fall:
                    bombs[0, slot, 0], bombs[0, slot, 1] = bombs[1, old, 0], bombs[1, old, 1]
                    gone[old] = False
    for old in range(2):
        if gone[old]:
            count = end_bomb(game, frame, events, count, eroded, bombs[1, old])
    for slot in range(2):
        y = np.int64(ram[BOMB_Y + slot])
        if y < LOWEST:
            if not bombs[0, slot, 0]:
                count = drop_bomb(game, ram, frame, events, count, slot)
            bombs[0, slot, 2], bombs[0, slot, 3] = ram[BOMB_X + slot], y
    return count


@kernel
def end_bomb(game, frame, events, count, eroded, bomb):
    label, uid, x, y = bomb
    if SHIELD_ZONE[0] <= y <= SHIELD_ZONE[1]:
        k = nearest_shield(x + BULLET_LEFT)
        if not eroded[k]:
            game.doubts[DOUBT_BOMB] += 1
        eroded[k] = False
        return add(events, count, frame, SHIELD_HIT_BOMB, label, SHIELD + k, uid)
    if y < SHIP_ZONE[0]:
        game.doubts[DOUBT_BOMB] += 1
    return count


@kernel
def drop_bomb(game, ram, frame, events, count, slot):
    """Give a new bomb a number, and the label that no bomb has, nor had a frame ago if there is such a one."""
    other = game.bombs[0, 1 - slot, 0]
    label = BOMB
    if other == BOMB or (not other and (game.bombs[1, 0, 0] == BOMB or game.bombs[1, 1, 0] == BOMB)):
        label = BOMB + 1
    game.uids += 1
    game.bombs[0, slot, 0], game.bombs[0, slot, 1] = label, game.uids
    column = (np.int64(ram[BOMB_X + slot]) - np.int64(game.before[FORMATION_X])) // CELL_COLUMNS + game.shift
    above = lowest(game.before, column, game.shift) if column < COLUMNS else 0
    if not above:
        game.doubts[DOUBT_ALIEN] += 1
    return add(events, count, frame, BOMB_BORN, above, label, game.uids)


@kernel
def follow_player(game, ram, frame, events, count):
    """Notice a hit. The bomb that hits goes on falling."""
    before = game.before
    if ram[PHASE] == DYING and before[PHASE] != DYING:
        middle = np.int64(before[PLAYER_X]) - 1 + PLAYER_WIDTH // 2
        best, nearest = -1, 0
        for slot in range(2):
            label, _, x, y = game.bombs[1, slot]
            distance = abs(x + BULLET_LEFT - middle)
            if label and SHIP_ZONE[0] <= y <= SHIP_ZONE[1] and distance <= SHIP_REACH and (best < 0 or distance < nearest):
                best, nearest = slot, distance
        if best < 0:
            game.doubts[DOUBT_PLAYER] += 1
        else:
            count = add(events, count, frame, PLAYER_HIT, game.bombs[1, best, 0], PLAYER, game.bombs[1, best, 1])
    return count
