"""Actions in few bits: each costs the less, the likelier it is after the two before it, by what was seen so far.

The bits are those of one large number [Duda 2009, asymmetric numeral systems]: whole numbers alone, so that every
machine reads what any other wrote.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from physbench.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Sequence

GAIN, MOST = 12, 4000
"""What an action gains in likelihood by being taken, and when the likelihoods are halved."""


class Likelihoods:
    """Of each action, after each pair of actions."""

    def __init__(self, actions: int) -> None:
        self._actions = actions
        self._counts: dict[int, list[int]] = {}
        self._pair = 0

    def begin(self) -> list[int]:
        """Begin a lane."""
        self._pair = 0
        return self.now()

    def now(self) -> list[int]:
        return self._counts.setdefault(self._pair, [1] * self._actions)

    def learn(self, action: int) -> None:
        """Learn that an action was taken by choice."""
        counts = self.now()
        counts[action] += GAIN
        if sum(counts) > MOST:
            counts[:] = [(count + 1) // 2 for count in counts]

    def go_on(self, action: int) -> None:
        self._pair = self._pair % self._actions * self._actions + action


def encode(lanes: Sequence[bytes], forced: Sequence[Sequence[int]], actions: int) -> bytes:
    """Write the actions of some lanes. forced: of each step of each lane, the action that chance has taken, or -1."""
    model, ranges = Likelihoods(actions), list[tuple[int, int, int]]()
    for lane, chances in zip(lanes, forced, strict=True):
        model.begin()
        for action, chance in zip(lane, chances, strict=False):
            if chance < 0:
                counts = model.now()
                ranges.append((sum(counts[:action]), counts[action], sum(counts)))
                model.learn(action)
            elif chance != action:
                raise StorageError(
                    f"an action that chance took is {action}, not {chance}: the actions are not of these rules"
                )
            model.go_on(action)
    number = 1
    for low, size, total in reversed(ranges):
        number = number // size * total + low + number % size
    return number.to_bytes((number.bit_length() + 7) // 8, "little")


def decode(data: bytes, lengths: Sequence[int], forced: Sequence[Sequence[int]], actions: int) -> list[bytes]:
    """Read the actions of some lanes, so many of each."""
    model, number, lanes = Likelihoods(actions), int.from_bytes(data, "little"), list[bytes]()
    for length, chances in zip(lengths, forced, strict=True):
        lane = bytearray()
        model.begin()
        for chance in chances[:length]:
            action = chance
            if chance < 0:
                counts = model.now()
                rest, place = divmod(number, sum(counts))
                size = 0
                for action, size in enumerate(counts):  # noqa: B007  (the action is what the loop ends with)
                    if place < size:
                        break
                    place -= size
                number = rest * size + place
                model.learn(action)
            lane.append(action)
            model.go_on(action)
        lanes.append(bytes(lane))
    if number != 1:
        raise StorageError("the actions do not end where they should")
    return lanes
