"""A player of Space Invaders that reads the memory of the console. It dodges bombs and aims ahead of its targets.

It keeps no state. In a raw frame, bombs fall 1 pixel, the shot climbs 2 pixels, and the ship moves 1 pixel. Addresses
are those of the game's memory map, and lengths are in pixels of the screen, which is 160 wide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

STAY, FIRE, RIGHT, LEFT, RIGHT_FIRE, LEFT_FIRE = range(6)
MOVES = {0: (STAY, FIRE), 1: (RIGHT, RIGHT_FIRE), -1: (LEFT, LEFT_FIRE)}

SHIP = (37, 119)
"""The leftmost and the rightmost position of the middle of the ship."""

WALLS = (22, 138)
"""The columns between which the aliens march."""

NEAR = 4
"""A bomb that is nearer than this to the middle of the ship hits it."""

STRIKES = (173, 193)
"""The heights between which a bomb is as low as the ship."""

SPEEDS = ((1, 1.25), (2, 0.56), (3, 0.42), (4, 0.28), (7, 0.19), (21, 0.093), (255, 0.031))
"""The speed of the aliens, in pixels per frame, when at most this many are left."""

SAUCER_SPEED, SAUCER_FLIGHT = 0.21, 81
"""The speed of the saucer, and how many frames a shot takes to reach its height."""

ROW, COLUMN, WIDTH = 18, 16, 8
"""The distance from one row of aliens to the next, from one column to the next, and the width of an alien."""


def choose(ram: Sequence[int]) -> int:
    """Choose one of the six actions of the game, from the 128 bytes of memory."""
    x = ram[28] + 2
    bombs = [(2 * ram[81 + slot] + 3, ram[83 + slot] - 2) for slot in (0, 1) if ram[81 + slot] < 96]
    falling = [(height, place) for height, place in bombs if height > 90 and abs(place - x) < 40]
    safe = {move: min(_lives(x, move, falling), 60) for move in MOVES}
    free = ram[85] >= 200
    wanted, fire = _aim(ram, x, free=free)
    toward = 0 if abs(wanted - x) <= 1 else 1 if wanted > x else -1
    best = max(safe.values())
    move = (
        toward
        if safe[toward] >= best
        else max((each for each in MOVES if safe[each] >= best), key=lambda each: (each == 0, each * (wanted - x)))
    )
    return MOVES[move][1] if free and (fire or _hits(ram, x + 2 * move)) else MOVES[move][0]


def _lives(x: int, first: int, bombs: Sequence[tuple[int, int]]) -> int:
    """Return how many frames the ship survives if it makes this move for one step and then the best constant move."""
    if not bombs:
        return 1000
    return max(_survive(x, first, then, bombs) for then in MOVES)


def _survive(x: int, first: int, then: int, bombs: Sequence[tuple[int, int]]) -> int:
    """Return how many frames the ship survives with one move for a step, and another one afterwards."""
    soonest = 1000
    for height, column in bombs:
        start = max(2, STRIKES[0] - height)
        for frame in range(start + start % 2, min(STRIKES[1] - height, 74, soonest - 1) + 1, 2):
            place = x + first * frame if frame < 4 else x + 4 * first + then * (frame - 4)
            place = SHIP[0] if place < SHIP[0] else SHIP[1] if place > SHIP[1] else place
            if -NEAR < column - place < NEAR:
                soonest = frame
                break
    return soonest


def _march(ram: Sequence[int]) -> float:
    """Return the speed of the aliens to the right, in pixels per frame. The fewer they are, the faster they march."""
    speed = next(speed for most, speed in SPEEDS if ram[17] <= most)
    return speed if ram[24] & 2 else -speed


def _columns(ram: Sequence[int]) -> list[tuple[int, int]]:
    """Return the left edge of each column that has an alien, and the lowest pixel of its lowest alien."""
    columns: list[tuple[int, int]] = []
    for column in range(6):
        for row in range(6):
            if ram[18 + row] >> column & 1:
                columns.append((ram[26] - 1 + COLUMN * column, 31 + 2 * ram[16] + ROW * (5 - row) + 8))
                break
    return columns


def _later(edge: float, frames: float, speed: float, extent: tuple[int, int]) -> float:
    """Return where an edge is after some frames, given that the aliens turn at the walls."""
    moved = speed * frames
    room = (WALLS[1] - extent[1]) if speed > 0 else (extent[0] - WALLS[0])
    if abs(moved) > max(room, 0):
        beyond = abs(moved) - max(room, 0)
        moved = (abs(moved) - 2 * beyond) * (1 if speed > 0 else -1)
    return edge + moved


def _aim(ram: Sequence[int], x: int, *, free: bool) -> tuple[int, bool]:
    """Return where the ship should be, and whether a shot from here hits something."""
    columns = _columns(ram)
    if not columns:
        return x, True
    speed, extent = _march(ram), (columns[0][0], columns[-1][0] + WIDTH)
    busy = 0.0 if free else 0.5 * max(ram[85] - 10, 0)
    targets = [(_saucer(ram, x, SAUCER_FLIGHT), -25.0)] if ram[30] != 180 else []
    for edge, low in columns:
        flight, target = (176 - low) / 2, float(x)
        for _ in range(3):  # the ship needs time to get there too
            target = _later(edge, flight + max(abs(target - x), busy), speed, extent) + WIDTH / 2
        targets.append((target, -0.15 * (low - 100)))
    reached = [(min(max(round(target), SHIP[0]), SHIP[1]), bonus) for target, bonus in targets]
    place, _ = min(reached, key=lambda each: abs(each[0] - x) + 8 * _is_shielded(ram, each[0]) + each[1])
    return place, _hits(ram, x)


def _saucer(ram: Sequence[int], x: int, frames: float) -> float:
    """Return where the ship must be for its shot to hit the saucer."""
    speed = SAUCER_SPEED if ram[24] & 1 else -SAUCER_SPEED
    middle = ram[30] + 4 + speed * frames
    return middle + speed * abs(middle - x)


def _is_shielded(ram: Sequence[int], x: int) -> bool:
    """Return whether a shield is above the ship."""
    for shield in range(3):
        column = x + 1 - 42 - 32 * shield
        if 0 <= column < 8:
            return any(ram[43 + 9 * shield + line] >> (7 - column) & 1 for line in range(9)) and ram[16] < 40
    return False


def _hits(ram: Sequence[int], x: int) -> bool:
    """Return whether a shot from here hits an alien or the saucer, with no shield in its way."""
    if _is_shielded(ram, x):
        return False
    columns = _columns(ram)
    if not columns:
        return True
    if ram[30] != 180 and abs(_saucer(ram, x, SAUCER_FLIGHT) - x) < 4:
        return True
    speed, extent = _march(ram), (columns[0][0], columns[-1][0] + WIDTH)
    return any(-1 <= x + 1 - _later(edge, (176 - low) / 2 + 2, speed, extent) < WIDTH + 1 for edge, low in columns)
