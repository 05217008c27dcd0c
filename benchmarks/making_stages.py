"""Question 9: where does the time of a sequence go?"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

import physbench
from benchmarks.report import Table, percent, us
from benchmarks.timing import cost_of, interleave
from physbench.recipe import Recipe
from physbench.registry import datasets
from physbench.storage.block import Block, block_of, spans
from physbench.storage.journal import DatasetJournal
from physbench.storage.writer import seal
from physbench_generators.balls.deflate import code_for, most_words, write_stream
from physbench_generators.balls.pixel_arrays import MOTION
from physbench_generators.balls.runs import SHARED, find_collisions, find_runs, most_runs
from physbench_generators.compiled import kernel

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmarks.plan import Plan
    from benchmarks.timing import Costs

ENCODING = ("find the runs", "write the features", "write the groups", "find the collisions", "write the collisions")
"""The stages of the encoder, in order. The cost of each is that of the encoder with it, minus that without it."""
ABOUT = """
`balls4mass64`, {count:,} sequences, one thread, CPU time. The five stages of the encoder are differences: its cost up
to the end of one, less its cost up to the end of the one before. *keep the streams*: the cost of the real encoder
beyond these five, putting streams side by side in new memory. *seal*: digests, the HDF5 structures around the data,
fsync. *the rest*: the cost of `physbench.generate` beyond everything above, threads and memory that the system hands
out.
"""


def table(plan: Plan, scratch: Path) -> Table:
    """Measure, and return the table."""
    recipe: Recipe = replace(datasets.get("balls4mass64"), splits={"training": plan.staged})
    stages = Stages(recipe, scratch)
    until = {name: partial(stages.encode_until, last) for last, name in enumerate(ENCODING)}
    works = {
        "throw the balls": stages.throw,
        **until,
        "encode": stages.encode,
        "make blocks": stages.make_blocks,
        "append to the journal": stages.append,
        "seal": stages.seal,
        "generate": stages.generate,
    }
    for work in works.values():
        work()
    costs = interleave({name: partial(cost_of, work) for name, work in works.items()}, 2 * plan.repetitions + 1)
    parts = _parts(costs)
    total = costs["generate"].cpu
    rows = [(name, us(seconds / plan.staged), percent(seconds / total)) for name, seconds in parts.items()]
    rows.append(("**a sequence**", us(total / plan.staged), percent(1.0)))
    return Table(
        "9. Where the time of a sequence goes",
        ("stage", "CPU us/sequence", "share"),
        rows,
        ABOUT.format(count=plan.staged),
    )


def _parts(costs: Mapping[str, Costs]) -> dict[str, float]:
    """Return the seconds of each stage; they add up to those of `generate`."""
    parts = {"throw the balls": costs["throw the balls"].cpu, ENCODING[0]: costs[ENCODING[0]].cpu}
    parts |= {later: max(costs[later].cpu - costs[earlier].cpu, 0.0) for earlier, later in pairwise(ENCODING)}
    parts["keep the streams"] = max(costs["encode"].cpu - sum(parts.values()), 0.0)
    parts |= {name: costs[name].cpu for name in ("make blocks", "append to the journal", "seal")}
    return {**parts, "the rest": max(costs["generate"].cpu - sum(parts.values()), 0.0)}


class Stages:
    """The steps of `physbench.generate`, each of which can be done alone for all blocks of a recipe."""

    def __init__(self, recipe: Recipe, scratch: Path) -> None:
        self.recipe = recipe
        self.scratch = scratch
        self.spans = spans(recipe)
        self.seeds = [recipe.seeds(span.split, span.start, span.stop) for span in self.spans]
        self.states: list[dict[str, NDArray[Any]]] = [
            recipe.generator.throw(seeds, recipe.frames)[0] for seeds in self.seeds
        ]
        self.encoded = [recipe.generator.encode(recipe, span) for span in self.spans]
        self.blocks: list[Block] = []
        self.journal: DatasetJournal | None = None

    def throw(self) -> None:
        """Simulate the balls."""
        for seeds in self.seeds:
            self.recipe.generator.throw(seeds, self.recipe.frames)

    def encode_until(self, last: int) -> None:
        """Encode the pixels up to a stage of the encoder, counted from 0."""
        height, width, _ = self.recipe.generator.shape
        slots = self.recipe.generator.objects
        longest = most_runs(self.recipe.frames, slots, height)
        runs, first_of = np.empty((2, longest, 3), np.int32), np.empty(self.recipe.frames + 1, np.int64)
        words = np.empty(most_words(longest, self.recipe.frames * height * width), np.uint32)
        for states in self.states:
            known = tuple(states[name] for name in (*MOTION, "visible"))
            encode_until(last, known, height, width, code_for(slots, width), code_for(1, width), runs, first_of, words)

    def encode(self) -> None:
        """Encode the pixels with the real encoder."""
        for span in self.spans:
            self.recipe.generator.encode(self.recipe, span)

    def make_blocks(self) -> None:
        """Make blocks of what was encoded."""
        self.blocks = [block_of(self.recipe, span, *made) for span, made in zip(self.spans, self.encoded, strict=True)]

    def append(self) -> None:
        """Append all blocks to a new journal."""
        if self.journal:
            self.journal.discard()
        self.journal = DatasetJournal(self.recipe, self.scratch / "stages.partial")
        for block in self.blocks:
            self.journal.append(block)

    def seal(self) -> None:
        """Turn the journal into a dataset file."""
        assert self.journal is not None
        seal(self.journal, self.scratch / "stages.h5", overwrite=True)

    def generate(self) -> None:
        """Do everything with `physbench.generate`."""
        physbench.generate(self.recipe, self.scratch / "generated.h5", workers=1, overwrite=True)


@kernel
def encode_until(last, states, height, width, labels, ones, runs, first_of, words):
    """Run the encoder of `Balls` up to a stage, and drop the results."""
    position, radius, count, contact, _, visible = states
    owned, hit = runs[0], runs[1]
    length = position.shape[1] * height * width
    for s in range(position.shape[0]):
        found = find_runs(position[s], radius[s], count[s], height, width, owned, first_of, visible[s])
        if found == SHARED:
            continue
        if last >= 1:
            write_stream(owned, found, length, width, 1, ones, words)
        if last >= 2:
            write_stream(owned, found, length, width, radius.shape[1], labels, words)
        if last >= 3:
            colliding = find_collisions(owned, first_of, contact[s], height * width, hit)
            if last >= 4:
                write_stream(hit, colliding, length, width, 1, ones, words)
