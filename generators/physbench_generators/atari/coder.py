"""A compressed form of actions: the likelier an action is after the two before it, the fewer bits it takes.

Likelihoods are counted from the actions so far. The bits are those of one large number [Duda 2009, asymmetric numeral
systems]. Only whole numbers are used, so every machine can read what another one wrote.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from physbench.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Sequence

GAIN, MOST = 12, 4000
"""How much is added to the count of an action when it is taken, and the sum of counts above which all are halved."""


class Likelihoods:
    """The likelihood of each action after each pair of actions."""

    def __init__(self, actions: int) -> None:
        self._actions = actions
        self._counts: dict[int, list[int]] = {}
        self._pair = 0

    def begin(self) -> list[int]:
        """Begin a lane, and return the counts for its first action."""
        self._pair = 0
        return self.now()

    def now(self) -> list[int]:
        """Return the counts of the actions after the last two."""
        return self._counts.setdefault(self._pair, [1] * self._actions)

    def learn(self, action: int) -> None:
        """Count an action that was chosen rather than forced by chance."""
        counts = self.now()
        counts[action] += GAIN
        if sum(counts) > MOST:
            counts[:] = [(count + 1) // 2 for count in counts]

    def go_on(self, action: int) -> None:
        """Move on to the next step, after this action."""
        self._pair = self._pair % self._actions * self._actions + action


def encode(lanes: Sequence[bytes], forced: Sequence[Sequence[int]], actions: int) -> bytes:
    """Encode the actions of some lanes. forced: for each step of each lane, the action that chance took, or -1."""
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
                    f"an action that chance took is {action}, not {chance}: the actions do not follow these rules"
                )
            model.go_on(action)
    number = 1
    for low, size, total in reversed(ranges):
        number = number // size * total + low + number % size
    return number.to_bytes((number.bit_length() + 7) // 8, "little")


def decode(data: bytes, lengths: Sequence[int], forced: Sequence[Sequence[int]], actions: int) -> list[bytes]:
    """Decode the actions of some lanes. lengths: how many actions each lane has."""
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
                for action, size in enumerate(counts):  # noqa: B007  (the last value of action is used after the loop)
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
