"""Kernels that find where the objects are, in pixels of the raw screen, from the memory."""

from __future__ import annotations

import numpy as np

from physbench_generators.compiled import kernel
from physbench_generators.invaders.addresses import (
    ALIEN_HEIGHT,
    ALIEN_ROWS,
    ALIEN_WIDTH,
    BULLET_CENTRE,
    BULLET_LEFT,
    CELL_COLUMNS,
    CELL_ROWS,
    COLUMNS,
    FORMATION_TOP,
    FORMATION_X,
    FORMATION_Y,
    PLAYER,
    PLAYER_HEIGHT,
    PLAYER_TOP,
    PLAYER_WIDTH,
    PLAYER_X,
    ROWS,
    SHIELD,
    SHIELD_COUNT,
    SHIELD_HEIGHT,
    SHIELD_LEFT,
    SHIELD_PITCH,
    SHIELD_TOP,
    SHIELD_WIDTH,
    SHOT,
    UFO,
    UFO_ABSENT,
    UFO_HEIGHT,
    UFO_TOP,
    UFO_WIDTH,
    UFO_X,
)


@kernel
def place(game, ram, before, pixels, position):
    """Fill position (44, 2) with the centres of the objects; NaN = absent.

    before: the memory two raw frames ago. pixels: how many pixels each label has. An object is present while it is
    alive or visible. A bullet that has ended but is still visible has its last position; this is the bullet that its
    label stands for in the frame. The UFO may be visible longer than it flies, and at a wrong position when it appears,
    so it has a position only if it is in both memories.
    """
    position[:] = np.nan
    top, left = FORMATION_TOP + 2 * np.int64(ram[FORMATION_Y]), np.int64(ram[FORMATION_X]) - 1
    for i in range(ROWS):
        for j in range(COLUMNS):
            label, bit = 1 + COLUMNS * i + j, j - game.shift
            if pixels[label] or (bit >= 0 and ram[ALIEN_ROWS + ROWS - 1 - i] >> bit & 1):
                put(
                    position, label, left + CELL_COLUMNS * bit + ALIEN_WIDTH / 2, top + CELL_ROWS * i + ALIEN_HEIGHT / 2
                )
    for k in range(SHIELD_COUNT):
        if pixels[SHIELD + k]:
            put(position, SHIELD + k, SHIELD_LEFT + SHIELD_PITCH * k + SHIELD_WIDTH / 2, SHIELD_TOP + SHIELD_HEIGHT / 2)
    put(position, PLAYER, np.int64(ram[PLAYER_X]) - 1 + PLAYER_WIDTH / 2, PLAYER_TOP + PLAYER_HEIGHT / 2)
    for k in range(3):
        if game.drawn[k] and game.drawn[k] != game.flying[k]:
            put(position, SHOT + k, game.drawn_x[k] + BULLET_LEFT + 0.5, 2.0 * game.drawn_y[k] + BULLET_CENTRE)
        elif game.flying[k]:
            put(position, SHOT + k, game.flying_x[k] + BULLET_LEFT + 0.5, 2.0 * game.flying_y[k] + BULLET_CENTRE)
    if pixels[UFO] and ram[UFO_X] != UFO_ABSENT and before[UFO_X] != UFO_ABSENT:
        put(position, UFO, np.int64(ram[UFO_X]) - 1 + UFO_WIDTH / 2, UFO_TOP + UFO_HEIGHT / 2)


@kernel
def put(position, label, x, y):
    """Write the position of an object."""
    position[label - 1, 0], position[label - 1, 1] = x, y
