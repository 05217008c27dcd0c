"""Question 13: how fast are games recorded, by a policy or from a tape, compared with the emulator alone?"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.report import Table, percent
from benchmarks.timing import cost_of, cost_of_process, interleave
from physbench.errors import PhysbenchError
from physbench.recipe import Recipe
from physbench_generators.atari.console import Console
from physbench_generators.atari.play import SITTING, sittings_of
from physbench_generators.atari.policies import resolve_policy
from physbench_generators.atari.recording import record_tape
from physbench_generators.atari.tape import load_tape
from physbench_generators.invaders.scenes import GAME, Invaders

if TYPE_CHECKING:
    from benchmarks.plan import Plan
    from benchmarks.timing import Cost

BARE = "ale-py alone, 1 process"
ABOUT = """
`physbench generate invaders --policy {policy}`: {sequences:,} sequences of 25 frames, every array, a fresh process each
time, start-up included. A *step* is what the policy is asked for, 4 raw frames; {steps:,} are played in all, those
before, between and after the sequences included. *ale-py alone* plays as many raw frames in a loop and does nothing
else. *From a tape*: the same file, bit for bit, and no policy plays. *Of the bare rate*: steps per second of CPU time,
beside ale-py's.
"""


def table(plan: Plan, scratch: Path) -> Table:
    """Measure, and return the table."""
    policy = _player()
    sequences = 2 * SITTING  # one sitting for each worker: more would take minutes and change nothing
    recipe = Recipe(dataset="invaders", generator=Invaders(policy=policy), frames=25, splits={"training": sequences})
    tape = record_tape(recipe, scratch / "bench.tape", workers=2)
    steps = _count_steps(recipe, tape)
    words = [sys.executable, "-m", "physbench", "generate", "invaders", "--policy", policy]
    words += [
        "--train",
        str(sequences),
        "--valid",
        "0",
        "--test",
        "0",
        "--overwrite",
        "--out",
        str(scratch / "played.h5"),
    ]
    ways = {BARE: partial(cost_of, partial(_act, 4 * steps))}
    for workers in (1, 2):
        many = f"{workers} worker{'s' * (workers > 1)}"
        ways[f"**recorded**, {many}"] = partial(_make, [*words, "--workers", str(workers)])
        ways[f"from a tape, {many}"] = partial(_make, [*words, "--workers", str(workers), "--tape", str(tape)])
    costs = interleave(ways, min(plan.repetitions, 2))
    rows = [
        (
            name,
            f"{cost.wall:.1f}",
            f"{cost.cpu:.1f}",
            f"{steps / cost.wall:,.0f}",
            f"{25 * sequences / cost.wall:,.0f}",
            percent(costs[BARE].cpu / cost.cpu),
            percent(cost.spread),
        )
        for name, cost in costs.items()
    ]
    columns = ("way", "wall s", "CPU s", "steps/s", "recorded frames/s", "of the bare rate", "spread")
    return Table("13. Recording games", columns, rows, ABOUT.format(policy=policy, sequences=sequences, steps=steps))


def _player() -> str:
    """Return the policy: the trained agent if it is available, otherwise the scripted one."""
    try:
        resolve_policy("dqn")
    except (PhysbenchError, ImportError):
        return "scripted"
    return "dqn"


def _count_steps(recipe: Recipe, path: Path) -> int:
    tape, spans = load_tape(str(path)), sittings_of(recipe, "training")
    return sum(len(lane) for span in spans for lane in _lanes(tape.actions(recipe, span)))


def _lanes(taken: tuple[object, list[bytes]] | None) -> list[bytes]:
    return taken[1] if taken else []


def _act(frames: int) -> None:
    console = Console(GAME)
    for frame in range(frames):
        console.act(frame // 7 % 6)
        if console.over:
            console.restart()


def _make(command: list[str]) -> Cost:
    return cost_of_process(command)
