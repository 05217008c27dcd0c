"""A search for the settings of `tracker` or `blur` on training sequences: python -m benchmarks.tune tracker [SEQUENCES]

One number after the other is made larger and smaller as long as the loss falls. The loss is the sum of `relative_bce`
over TASKS, on the first training sequences of each; test and validation sequences are not used. The defaults of
`Settings` and `Blur` are the numbers that it prints.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from physbench.evaluation.evaluate import evaluate
from physbench.suites import Suite, Task, Window
from physbench_baselines.framewise import Blur
from physbench_baselines.tracking.tracker import Settings, Tracker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SEQUENCES = 128
"""The number of training sequences of each task."""

FACTORS = (0.5, 0.7, 0.85, 1.2, 1.4, 2.0)
"""The factors by which a number is multiplied."""

ROUNDS = 2

WHOLE = Task("balls4mass64", (Window(31),))
TASKS = {
    "tracker": (WHOLE, Task("balls4mass64-crop50", (Window(31),)), Task("balls3curtain64", (Window(51),))),
    "blur": (WHOLE,),
}
STARTS: dict[str, tuple[Any, Callable[[Any], Any]]] = {
    "tracker": (Settings(), Tracker),
    "blur": (Blur(), lambda settings: settings),
}
SEARCHED = {
    "tracker": (
        "softness",
        "edge",
        "floor",
        "drift",
        "swerve",
        "gate",
        "impact",
        "doubt",
        "least",
        "unbelief",
        "certain",
    ),
    "blur": ("sigma", "ahead", "floor"),
}


def loss(model: Any, tasks: Sequence[Task], sequences: int) -> float:
    """Add up the relative BCE of the tasks on their first training sequences."""
    suite = Suite("tuning", 1, "training sequences", tuple(tasks), None)
    result = evaluate(model, suite, limit=sequences, split="training")
    return sum(result.score(task.name, "relative_bce").value for task in tasks)


def tune(
    name: str, *, sequences: int = SEQUENCES, report: Callable[[str], None] = lambda text: None
) -> tuple[Any, float]:
    """Return the best settings that were found, and their loss."""
    settings, model_with = STARTS[name]
    least = loss(model_with(settings), TASKS[name], sequences)
    report(f"loss {least:.6f} to begin with")
    for _ in range(ROUNDS):
        before = least
        for field in SEARCHED[name]:
            for number in (float(f"{getattr(settings, field) * factor:.2g}") for factor in FACTORS):
                changed = replace(settings, **{field: number})
                found = loss(model_with(changed), TASKS[name], sequences)
                if found < least:
                    settings, least = changed, found
                    report(f"loss {least:.6f} with {field} = {number:g}")
        if least == before:
            break
    return settings, least


def main(words: Sequence[str]) -> None:
    """Run the search for the model that the command line names, and print the result."""
    name = words[0] if words else "tracker"
    sequences = words[1] if len(words) > 1 else str(SEQUENCES)
    if name not in STARTS or not sequences.isdecimal() or not int(sequences) or len(words) > 2:
        sys.exit(
            "Error: say tracker or blur, and perhaps how many training sequences: python -m benchmarks.tune tracker 128"
        )
    settings, least = tune(name, sequences=int(sequences), report=lambda text: print(text, file=sys.stderr, flush=True))
    for field in SEARCHED[name]:
        print(f"{field} = {getattr(settings, field):g}")
    print(f"loss {least:.6f} on {sequences} training sequences")


if __name__ == "__main__":
    main(sys.argv[1:])
