"""Counts of how often a pixel is on near the curtain, which `permanence_bce` compares a model with. They are stored for
pinned sequences and counted for others.

The counts are taken over all sequences of an evaluation, so they do not depend on blocks, on their order, or on where
an evaluation was resumed. `python -m physbench.evaluation.memoryless` counts the pinned ones again, and prints them in
the form of pins.json.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from physbench.evaluation.examples import Source, source_of
from physbench.metrics.permanence import count_on
from physbench.metrics.sums import Sums, curve, join
from physbench.suites import MEMORYLESS, SUITES, Task, Window

if TYPE_CHECKING:
    from physbench.evaluation.evaluate import Extent

AT_ONCE = 64
"""Sequences counted at a time."""


def memoryless_rates(chosen: Extent, task: Task, window: Window) -> list[float] | None:
    """Return the share of pixels that are on at distance 1, 2, ... from the curtain, over the sequences of an
    evaluation; None without a curtain."""
    pinned = chosen.suite.pins.memoryless.get((task.name, window.frames, chosen.count)) if chosen.pinned else None
    if pinned is not None:
        return [on / pixels for on, pixels in pinned]
    counted = count_near_curtain(
        source_of(task, split=chosen.split, fresh=chosen.fresh, data=chosen.data), chosen.count, window
    )
    return None if counted is None else curve(counted)


def count_near_curtain(source: Source, count: int, window: Window) -> Sums | None:
    """Count pixels near the curtain in the first N sequences -> (N, COLLAR).

    Return None if the data lack the labels for this, or if no sequence has a curtain.
    """
    parts: list[Sums] = []
    stretches = [(start, min(start + AT_ONCE, count)) for start in range(0, count, AT_ONCE)]
    if not any((places := source.curtains(*stretch)) is not None and places.any() for stretch in stretches):
        return None
    for stretch in stretches:
        examples = source.examples(*stretch)
        if examples.groups is None or not {"curtain", "visible"} <= examples.truth.keys():
            return None
        curtain, visible = examples.truth["curtain"], examples.truth["visible"]
        parts.append(
            count_on(
                examples.frames[:, : window.frames],
                examples.groups[:, : window.frames],
                visible[:, : window.frames],
                curtain,
            )
        )
    return join(parts)


def count_pinned() -> dict[tuple[str, int, int], tuple[tuple[int, int], ...]]:
    """Count again everything that is pinned.

    Return, by task, frames and number of sequences, the pixels that are on and all pixels, at distance 1, 2, ...
    """
    tasks = {task.name: task for suite in SUITES.values() for task in suite.tasks}
    found: dict[tuple[str, int, int], tuple[tuple[int, int], ...]] = {}
    for name, frames, count in MEMORYLESS:
        counted = count_near_curtain(source_of(tasks[name]), count, Window(frames))
        if counted is not None:
            totals = zip(counted.numerator.sum(axis=0).tolist(), counted.denominator.sum(axis=0).tolist(), strict=True)
            found[name, frames, count] = tuple((int(on), int(pixels)) for on, pixels in totals)
    return found


if __name__ == "__main__":
    again = count_pinned()
    for key, counts in again.items():
        print(json.dumps([*key, counts]), "as pinned" if MEMORYLESS[key] == counts else "NOT as pinned", sep="\n")
    raise SystemExit(again != MEMORYLESS)
