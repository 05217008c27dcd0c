"""The demonstrator: a player of Space Invaders that reads the console's memory and shows the agent how to play.

It plans ahead, and remembers nothing from step to step. In raw frames, it plans with these rules: the aliens step at
fixed values of the console's frame counter, which depend on how many are left; the saucer moves a pixel in four frames;
bombs fall one pixel per frame; a shot climbs two; the ship moves two in a step of the agent. Everything is in pixels of
the screen, 210x160.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from physbench_baselines.compiled import kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORESEEN = 420
"""For how many raw frames the aliens' march is computed."""

STEPS, PLACES = 30, 42
"""How many steps of the agent a plan looks ahead, and how many places the ship has, two pixels apart."""

LEFTMOST, RIGHTMOST = 35, 117
"""The ends of the ship's range."""

READY = 3
"""If the shot in the air is gone after at most this many raw frames, it counts as gone: the button is held for four."""

TOLERANCE = 0.25
"""A plan that is worth less than the best one by this share has the full regret."""

CARELESS = 0.6
"""Regret of a move after which the ship cannot keep its distance from the bombs, if another move could."""

NOTHING, SAUCER = -1, -2
"""What a shot may hit, apart from the rows 0 to 5."""


@kernel
def rhythm(count):
    """Return how the aliens march when this many are left: `every`, `pixels` and `none_from`.

    In each round of 64 counts they step at the multiples of `every` that are less than `none_from`, by `pixels` pixels.
    """
    if count >= 22:
        return 32, 1, 64
    if count >= 8:
        return 21, 2, 63
    if count >= 5:
        return 16, 3, 64
    if count == 4:
        return 11, 3, 55
    if count == 3:
        return 7, 3, 63
    if count == 2:
        return 7, 4, 63
    return 4, 5, 64


@kernel
def march(ram, xs, ys):
    """Compute the left of column 0 and the top of row 0 for each of the next frames, if no alien is shot.

    The results are written to xs and ys (FORESEEN,).
    """
    every, pixels, none_from = rhythm(np.int64(ram[17]))
    alive = 0
    for row in range(6):
        alive |= np.int64(ram[18 + row])
    first, last = 0, 5
    if alive:
        while not alive >> first & 1:
            first += 1
        while not alive >> last & 1:
            last -= 1
    x, y = np.int64(ram[26]) - 1, 31 + 2 * np.int64(ram[16])
    way = 1 if ram[24] & 2 else -1
    count = np.int64(ram[74])
    for frame in range(FORESEEN):
        xs[frame], ys[frame] = x, y
        count = (count - 1) & 255
        if (count & 63) % every == 0 and (count & 63) < none_from:
            x += way * pixels
            if way > 0 and x + 16 * last + 7 >= 136:
                x, y, way = 129 - 16 * last, y + 10, -1
            elif way < 0 and x + 16 * first < 22:
                x, y, way = 22 - 16 * first, y + 10, 1


@kernel
def fly(alive, xs, ys, frame, column, top, saucer, saucer_way):
    """Follow a shot, and return what it hits (a row, SAUCER or NOTHING), in which column, and at which frame.

    alive (6,): columns as bits, by row from the top.
    """
    while frame < FORESEEN - 1 and top > 8:
        x, below = column - xs[frame], top - ys[frame]
        if 0 <= x < 96 and x & 15 < 8 and 0 <= below < 108 and below % 18 <= 7 and alive[below // 18] >> (x >> 4) & 1:
            return below // 18, x >> 4, frame
        if top < 20 and saucer_way != 0:
            left = saucer + frame * saucer_way // 4
            if left <= column <= left + 6:
                return SAUCER, 0, frame
        top -= 2
        frame += 1
    return NOTHING, 0, frame


@kernel
def is_shielded(ram, column):
    """Return whether a shield is above this column."""
    for shield in range(3):
        bit = column - 42 - 32 * shield
        if 0 <= bit < 8:
            for line in range(9):
                if ram[43 + 9 * shield + line] >> (7 - bit) & 1:
                    return True
    return False


@kernel
def survivable(ram, ship, spare, safe):
    """Fill safe (STEPS + 1, PLACES): whether the ship can survive if it is at this place after this many steps.

    To survive, it has to stay `spare` pixels clear of the bombs that fall now.
    """
    safe[STEPS] = True
    for step in range(STEPS - 1, -1, -1):
        for place in range(PLACES):
            x = LEFTMOST + 2 * place + (ship + 1) % 2
            good = (
                safe[step + 1, place]
                or (place > 0 and safe[step + 1, place - 1])
                or (place < PLACES - 1 and safe[step + 1, place + 1])
            )
            for slot in range(2):
                height, off = np.int64(ram[81 + slot]), np.int64(ram[83 + slot]) - x
                if (
                    height < 98
                    and -1 - spare <= off <= 9 + spare
                    and height + 2 * step + 2 >= 86
                    and height + 2 * step <= 97
                ):
                    good = False
            safe[step, place] = good and x <= RIGHTMOST + 1


@kernel
def worth_of(row, frame, ys):
    """Return what a hit is worth per frame until it.

    Low aliens are worth more, since they land. The saucer is worth 200.
    """
    value = 200.0 if row == SAUCER else 20.0 + max(0, ys[frame] + 18 * row - 60)
    return value / (frame + 20)


@kernel
def regret(ram, spare, xs, ys, safe, clear, alive, by_move, out):
    """Fill out (6,): how much worse each action is than the best one, 0 to 1.

    spare: as in `survivable`. The other arrays are scratch.

    Actions: 0 nothing, 1 fire, 2 right, 3 left, 4 right and fire, 5 left and fire.
    """
    ship = np.int64(ram[28])
    march(ram, xs, ys)
    for row in range(6):
        alive[row] = ram[23 - row]
    saucer, saucer_way = np.int64(ram[30]) - 1, 0
    if ram[30] != 180:
        saucer_way = 1 if ram[24] & 1 else -1
    free = 0  # frames until the shot in the air is gone
    if ram[85] < 120:
        row, column, free = fly(alive, xs, ys, 0, np.int64(ram[87]) - 2, 2 * np.int64(ram[85]) + 4, saucer, saucer_way)
        if row >= 0:
            alive[row] &= ~(1 << column)
        elif row == SAUCER:
            saucer_way = 0
    elif ram[85] != 246:
        free = max(0, np.int64(ram[85]) - 121)
    survivable(ram, ship, 0, safe)
    survivable(ram, ship, spare, clear)
    here = min(max((ship - LEFTMOST) // 2, 0), PLACES - 1)
    best, now = plan(ram, ship, here, free, xs, ys, alive, saucer, saucer_way, by_move)
    survivors, cautious = 0, 0
    for move in range(-1, 2):
        survivors += 0 <= here + move < PLACES and safe[1, here + move]
        cautious += 0 <= here + move < PLACES and clear[1, here + move]
    last_resort = flee(ram, ship)
    for move in range(-1, 2):
        worse = min(1.0, (1 - by_move[move + 1] / best) / TOLERANCE) if best > 0 else 0.0
        if survivors:
            if not (0 <= here + move < PLACES and safe[1, here + move]):
                worse = 1.0
            elif cautious and not clear[1, here + move]:
                worse = max(worse, CARELESS)
        elif move != last_resort:
            worse = 1.0
        for fire in range(2):
            wrong = 0.0
            if free <= READY:
                if now >= 0.5 * best and now > 0:
                    wrong = 1.0 - fire
                elif fire:
                    wrong = 1.0 - now / best if best > 0 else 1.0
            out[action_of(move, fire)] = max(worse, wrong)


@kernel
def plan(ram, ship, here, free, xs, ys, alive, saucer, saucer_way, by_move):
    """Look for shots, and return the worth of the best one, and of one that is fired here and now.

    by_move (3,) gets the best worth that is still possible after a move to the left, no move, and a move to the right.
    """
    by_move[:] = 0.0
    best, now = 0.0, 0.0
    for place in range(PLACES):
        x = LEFTMOST + 2 * place + (ship + 1) % 2
        if x > RIGHTMOST or is_shielded(ram, x + 3):
            continue
        soonest = max(abs(place - here), (free + 3) // 4)
        for step in range(soonest, soonest + 8):
            row, _column, frame = fly(alive, xs, ys, 4 * step + 1, x + 3, 174, saucer, saucer_way)
            if row == NOTHING:
                continue
            worth = worth_of(row, frame, ys)
            best = max(best, worth)
            for move in range(-1, 2):
                if step == 0 or abs(place - here - move) <= step - 1:
                    by_move[move + 1] = max(by_move[move + 1], worth)
    if free <= READY and not is_shielded(ram, ship + 3):
        row, _column, frame = fly(alive, xs, ys, 1, ship + 3, 174, saucer, saucer_way)
        if row != NOTHING:
            now = worth_of(row, frame, ys)
    return best, now


@kernel
def flee(ram, ship):
    """Return the move away from the nearest bomb, for the case that no move is sure to survive."""
    move, nearest = 0, 99
    for slot in range(2):
        off = np.int64(ram[83 + slot]) - ship
        if 70 <= ram[81 + slot] < 98 and -3 <= off <= 11 and abs(off - 4) < nearest:
            nearest, move = abs(off - 4), -1 if off >= 4 else 1
    if ship <= LEFTMOST + 1 and move < 0:
        return 1
    if ship >= RIGHTMOST - 1 and move > 0:
        return -1
    return move


@kernel
def action_of(move, fire):
    """Return the action for a move (-1, 0, 1) with or without firing."""
    if move == 0:
        return 1 if fire else 0
    if move > 0:
        return 4 if fire else 2
    return 5 if fire else 3


@kernel
def regret_all(memories, spare, out):
    """Fill out (B, 6) with the regret of each action, for each memory."""
    xs, ys = np.empty(FORESEEN, np.int64), np.empty(FORESEEN, np.int64)
    safe, clear = np.empty((STEPS + 1, PLACES), np.bool_), np.empty((STEPS + 1, PLACES), np.bool_)
    alive, by_move = np.empty(6, np.int64), np.empty(3)
    for lane in range(len(memories)):
        regret(memories[lane], spare, xs, ys, safe, clear, alive, by_move, out[lane])


def judge(memories: NDArray[np.uint8], *, spare: int = 4) -> NDArray[np.float32]:
    """Return how much worse each action is than the marksman's: (B, 128) -> (B, 6), from 0 (as good) to 1.

    spare: pixels that the ship should stay clear of bombs, so that a late step of the pupil does not cost a life.
    """
    out = np.zeros((len(memories), 6), np.float32)
    regret_all(memories, spare, out)
    return out - out.min(
        1, keepdims=True
    )  # where the best move and the best moment to fire exclude each other, the least evil is the best


def demonstrate(memories: NDArray[np.uint8], *, spare: int = 4) -> NDArray[np.int64]:
    """Return the marksman's action for each memory: (B, 128) -> (B,)."""
    return choose(judge(memories, spare=spare))


def choose(regrets: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the action with the least regret, (B, 6) -> (B,).

    Of equal ones it is the first, which stands still if possible.
    """
    return regrets.argmin(1)
