"""Kernels that find the owner of each pixel of a raw screen: by its colour, its position, and the memory.

A pixel that cannot be explained is given to an object of its colour, and is counted.
"""

from __future__ import annotations

import numpy as np

from physbench_generators.compiled import kernel
from physbench_generators.invaders.addresses import (
    ALIEN_COLOUR,
    ALIEN_HEIGHT,
    ALIEN_WIDTH,
    BOMB,
    BULLET_CENTRE,
    BULLET_COLOUR,
    BULLET_LEFT,
    CELL_COLUMNS,
    CELL_ROWS,
    CLOCK,
    COLUMNS,
    FORMATION_TOP,
    FORMATION_X,
    FORMATION_Y,
    GREEN,
    GROUND_COLOUR,
    GROUND_TOP,
    HUD,
    PLAYER,
    ROWS,
    SCORE_ROWS,
    SHIELD,
    SHIELD_COLOUR,
    SHIELD_COUNT,
    SHIELD_HEIGHT,
    SHIELD_LEFT,
    SHIELD_PITCH,
    SHIELD_TOP,
    SHIELD_WIDTH,
    SHOT,
    UFO,
    UFO_COLOUR,
    YELLOW,
)
from physbench_generators.invaders.game_tracker import DOUBT_BULLET, DOUBT_CELL, DOUBT_COLOUR, DOUBT_SHIELD


@kernel
def label_screen(game, ram, screen, grays, hud, pooled, brightness):
    """Write the labels of a raw screen into pooled, where it is at least as bright as what is there.

    game: the state of the tracker after this ram.
    """
    words = screen.view(np.uint64)  # eight pixels at once: most of the screen is black
    top = FORMATION_TOP + 2 * np.int64(ram[FORMATION_Y])
    left = np.int64(ram[FORMATION_X]) - 1 - CELL_COLUMNS * game.shift  # of the column that was the first in this wave
    for y in range(len(screen) if hud else GROUND_TOP):
        for w in range(words.shape[1]):
            if words[y, w]:
                for x in range(8 * w, 8 * w + 8):
                    colour = screen[y, x]
                    gray = grays[colour]
                    if colour and gray >= brightness[y, x]:
                        if colour == ALIEN_COLOUR:
                            label = label_alien(game, y - top, x - left)
                        elif colour == SHIELD_COLOUR:
                            label = label_shield(game, y, x)
                        elif colour == BULLET_COLOUR:
                            label = label_bullet(game, ram, y, x)
                        else:
                            label = label_other(game, colour, y)
                        if label != HUD or hud:
                            pooled[y, x] = label
                            brightness[y, x] = gray


@kernel
def label_other(game, colour, y):
    """Return the owner of a pixel whose colour, or colour and row, is enough to tell."""
    if colour == UFO_COLOUR:
        return UFO
    if colour == GREEN and SCORE_ROWS <= y < GROUND_TOP:
        return PLAYER
    if colour != GREEN and colour != YELLOW and colour != GROUND_COLOUR:
        game.doubts[DOUBT_COLOUR] += 1
    return HUD


@kernel
def label_alien(game, down, right):
    """Return the alien, alive or exploding, in a cell of the formation.

    down, right: from the upper left corner of the formation.
    """
    row, column = down // CELL_ROWS, right // CELL_COLUMNS
    if not (
        0 <= row < ROWS
        and 0 <= column < COLUMNS
        and down - CELL_ROWS * row < ALIEN_HEIGHT
        and right - CELL_COLUMNS * column < ALIEN_WIDTH
    ):
        game.doubts[DOUBT_CELL] += 1
        row, column = min(max(row, 0), ROWS - 1), min(max(column, 0), COLUMNS - 1)
    return 1 + COLUMNS * row + column


@kernel
def label_shield(game, y, x):
    """Return the shield at a pixel."""
    k, right = (x - SHIELD_LEFT) // SHIELD_PITCH, (x - SHIELD_LEFT) % SHIELD_PITCH
    if not (0 <= k < SHIELD_COUNT and right < SHIELD_WIDTH and SHIELD_TOP <= y < SHIELD_TOP + SHIELD_HEIGHT):
        game.doubts[DOUBT_SHIELD] += 1
    return SHIELD + min(max(k, 0), SHIELD_COUNT - 1)


@kernel
def label_bullet(game, ram, y, x):
    """Return the shot or one of the bombs. A bullet may be drawn once more after it is gone from the memory."""
    if ram[CLOCK] & 1:
        draw(game, SHOT, game.shot, game.flying_x[0], game.flying_y[0])
        return SHOT
    for then in range(2):
        best, nearest = -1, 0
        for slot in range(2):
            if game.label[then, slot] and x == game.x[then, slot] + BULLET_LEFT:
                distance = abs(y - 2 * game.y[then, slot] - BULLET_CENTRE)
                if best < 0 or distance < nearest:
                    best, nearest = slot, distance
        if best >= 0:
            label = game.label[then, best]
            draw(game, label, game.uid[then, best], game.x[then, best], game.y[then, best])
            return label
    game.doubts[DOUBT_BULLET] += 1
    return BOMB


@kernel
def draw(game, label, uid, x, y):
    """Note that a bullet is drawn, and where."""
    game.drawn[label - SHOT], game.drawn_x[label - SHOT], game.drawn_y[label - SHOT] = uid, x, y
