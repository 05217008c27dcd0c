"""A model on a suite: from the sequences to the result.

Sequences are dealt out in blocks; what a sequence contributes depends on nothing but that sequence, so figures are the
same whatever the blocks. Test data are made from their recipe while the model is busy, and their digest is checked
against the pinned one.
"""

import os
import statistics
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from physbench import __version__
from physbench.ahead import Engine
from physbench.errors import DamagedFile, RecipeError, UnsuitableModel
from physbench.evaluation.contestant import Contestant, resolve_model
from physbench.evaluation.crew import BlockOrder, Crew, Measures, OwnProcess, task_of
from physbench.evaluation.evaluation_journal import EvaluationJournal, Figures, Part
from physbench.evaluation.examples import Source, source_of
from physbench.evaluation.fit import require_fit
from physbench.evaluation.memoryless import memoryless_rates
from physbench.evaluation.meter import Meter, Progress
from physbench.evaluation.probes import count_examples, fit_probes
from physbench.evaluation.scored_slots import find_scored_slots
from physbench.evaluation.window import Answers, answers_of
from physbench.evaluation.workers import ALONE, Entrant, Team, Workers
from physbench.metrics.bootstrap import Interval, count_contributing, intervals, quotient
from physbench.metrics.catalogue import all_metrics, list_foreign
from physbench.metrics.sums import Sums, curve, join, per_sequence, pool, value
from physbench.model import Likelihood, Model, Origin
from physbench.recipe import expand_split
from physbench.result import Provenance, Result, Score
from physbench.suites import BATCH, SIZES, UNRANKED, Pins, Rollout, Still, Suite, Task, Window, suite_of
from physbench.world import parts_of


@dataclass(frozen=True)
class Extent:
    """Which sequences of a suite."""

    suite: Suite
    count: int
    size: str  # as it stands in the result; only lite and full are ranked
    fresh: int | None = None
    split: str = "test"
    data: Path | None = None

    @property
    def pinned(self) -> bool:
        return self.size in SIZES

    def require_pinned(self, task: Task, digest: str) -> bool:
        """Compare the digest of the data with the pinned one, if there is one for so many sequences; say whether there
        is."""
        expected = (
            None if self.fresh is not None or self.split != "test" or self.data else self.suite.digest(task, self.count)
        )
        if expected is not None and digest != expected:
            words = f"the test data of {task.name} came out as {digest[:16]}..., not {expected[:16]}..."
            raise DamagedFile(f"{words}: these scores would not compare")
        return expected is not None


def extent(
    suite: str | Suite,
    *,
    size: str = "lite",
    limit: int | None = None,
    fresh: int | None = None,
    split: str = "test",
    data: Path | None = None,
) -> Extent:
    chosen = suite_of(suite) if isinstance(suite, str) else suite
    if size not in SIZES:
        raise RecipeError(f"size is {' or '.join(SIZES)}, not {size!r}")
    if limit is not None and limit < 1:
        raise RecipeError(f"a limit is 1 sequence or more, not {limit}")
    if limit is not None and limit > SIZES["full"] and data is None:
        raise RecipeError(f"a limit is at most {SIZES['full']:,} sequences, as many as full has, not {limit:,}")
    if fresh is not None and not 0 <= fresh < 1 << 63:
        raise RecipeError(f"the seed of fresh sequences is a whole number of 0 or more, not {fresh}")
    count = limit or chosen.sequences or _count_usual(chosen, size, expand_split(split))
    usual = [chosen.sequences] if chosen.sequences else list(SIZES.values())
    unranked = not (any(map(chosen.is_pinned, usual)) if limit else chosen.is_pinned(count))
    marks = (
        [split] * (split != "test")
        + [f"fresh-{fresh}"] * (fresh is not None)
        + [f"limit-{limit}"] * (limit is not None)
    )
    if data is None:
        _require_sequences(chosen, expand_split(split), count)
        marks = [UNRANKED, *(marks or [size] * (chosen.sequences is None))] if unranked else marks
        return Extent(chosen, count, "-".join(marks) or size, fresh, split)
    if fresh is not None:
        raise RecipeError("a file has no fresh sequences: leave out either the seed or the file")
    chosen = _on_file(chosen, data, split)
    found = len(source_of(chosen.tasks[0], split=split, data=data))
    return Extent(chosen, min(limit or found, found), "-".join(["file", *marks]), None, split, data)


def _count_usual(suite: Suite, size: str, split: str) -> int:
    """Count the sequences of a size: of the usual one not more than the recipes have, if the suite pins no digests."""
    usual = SIZES[size]
    if size != next(iter(SIZES)) or suite.is_pinned(usual):
        return usual
    return min([usual, *(there for task in suite.tasks if (there := task.recipe.splits.get(split)))])


def _require_sequences(suite: Suite, split: str, count: int) -> None:
    """Refuse to ask for more sequences than a world of whole episodes has; of others there is no end."""
    for recipe in (task.recipe for task in suite.tasks):
        there = recipe.splits.get(split, 0)
        if parts_of(recipe.generator).spans and there < count:
            raise RecipeError(
                f"{recipe.name} has {there:,} sequences for {split}, and {count:,} are asked for: give a smaller size,"
                " or a limit"
            )


def evaluate(
    model: Model | Contestant | str | os.PathLike[str],
    suite: str | Suite = "balls",
    *,
    name: str | None = None,
    size: str = "lite",
    limit: int | None = None,
    fresh: int | None = None,
    split: str = "test",
    data: str | os.PathLike[str] | None = None,
    batch: int = BATCH,
    seed: int = 0,
    device: str = "auto",
    settings: Mapping[str, float] | None = None,
    journal: EvaluationJournal | None = None,
    notes: tuple[str, ...] = (),
    progress: Callable[[Progress], None] | None = None,
    workers: int = 1,
    engine: Engine = "processes",
    scheduler: str | None = None,
) -> Result:
    """Score a model on a suite.

    model: an object with begin and observe, or a name, a checkpoint or a training folder, as on the command line.
    size: lite or full; limit: so many sequences only; fresh: other sequences of the same recipes, drawn by this seed;
    data: a dataset file instead; device, settings: for a model by name, where it runs and what it is given otherwise
    than it was trained with; journal: where finished blocks are kept, so that a killed evaluation goes on.
    workers: processes that share the sequences out, each with a model of its own; engine: "dask" for those of a Dask
    cluster, at the address of a scheduler or started here. A script needs `if __name__ == "__main__":` around its work.

    >>> result = physbench.evaluate("constant-velocity", suite="balls", limit=4)
    >>> 0 < result.score("balls4mass64", "relative_bce").value < 1
    True
    """
    split, data = expand_split(split), None if data is None else Path(data)
    chosen = extent(suite, size=size, limit=limit, fresh=fresh, split=split, data=data)
    team = Team(workers, engine, scheduler)
    entered = resolve_model(model, device=device, settings=settings)
    model, name = entered.model, name or entered.name
    if data is None:
        require_fit(model, chosen.suite)
    entrant = Entrant.of(entered) if team.is_elsewhere else None

    origin = getattr(model, "origin", None) or Origin()
    notes = (*notes, *["own-code"] * (origin.code is not None and "own-code" not in notes))
    notes = (
        *notes,
        *[f"samples-{origin.samples}"] * (origin.samples > 1),
        *["trained-less-than-the-paper"] * (origin.training is not None),
        *(origin.cost.notes if origin.cost else ()),
    )
    notes = (*notes, *[f"set-{name}-{_plain(number)}" for name, number in sorted(origin.settings.items())])
    if getattr(model, "privileged", False):
        notes = (*notes, "privileged")
    meter = Meter(progress)
    answers = answers_of(meter.attach(model), seed)
    result = score_answers(
        answers,
        chosen,
        model.likelihood,
        name=name,
        batch=batch,
        seed=seed,
        journal=journal,
        meter=meter,
        probed=bool(getattr(model, "latents", None)),
        entrant=entrant,
        team=team,
    )
    return replace(
        result,
        provenance=replace(
            result.provenance,
            **{
                name: getattr(origin, name)
                for name in (
                    "parameters",
                    "weights_sha256",
                    "train_seed",
                    "model_link",
                    "paper_link",
                    "device",
                    "torch_version",
                )
            },
            notes=(*notes, *result.provenance.notes),
        ),
    )


def require_possible(batch: int, seed: int) -> None:
    if batch < 1:
        raise RecipeError(f"a batch has 1 sequence or more, not {batch}")
    if not 0 <= seed < 1 << 63:
        raise RecipeError(f"a seed is a whole number of 0 or more, not {seed}")


def score_answers(
    answers: Answers,
    chosen: Extent,
    likelihood: Likelihood,
    *,
    name: str,
    batch: int,
    seed: int,
    journal: EvaluationJournal | None = None,
    meter: Meter | None = None,
    probed: bool = False,
    entrant: Entrant | None = None,
    team: Team = ALONE,
) -> Result:
    """What answers are worth, wherever they come from. probed: whether codes of slots are among them.

    entrant, team: the model that gives them, and the workers that ask it instead of this process.
    """
    require_possible(batch, seed)
    began = time.perf_counter()
    suite, meter = chosen.suite, meter or Meter()
    meter.begin(suite.tasks, chosen.count, count_examples(chosen) if probed else None)
    sources = {task.name: _open_source(task, chosen) for task in suite.tasks}
    crew: Crew = (
        Workers(team, entrant, chosen, seed, sources, meter)
        if entrant
        else OwnProcess(answers, likelihood, suite, sources, partial(_training_of, chosen), meter)
    )
    measures = _find_measures(chosen, crew, batch, meter, probed=probed)
    parts: dict[str, list[Part]] = {}
    digests: dict[str, str] = {}
    with closing(_score_blocks(crew, chosen, measures, batch, journal)) as blocks:
        for order, part in blocks:
            parts.setdefault(order.task, []).append(part)
            meter.end_block()
            if order.stop == chosen.count:
                digests[order.task] = sources[order.task].digest(chosen.count)
                chosen.require_pinned(task_of(suite, order), digests[order.task])
    figures: Figures = {}
    for each in parts.values():
        figures |= {key: join([part.figures[key] for part in each]) for key in each[0].figures}
    if not figures:
        why = "only owner maps are asked for here, and the model gives none or the data have no groups"
        raise UnsuitableModel(f"nothing of {name} can be scored on {suite.name}: {why}")
    notes = {likelihood.note, *(note for each in parts.values() for part in each for note in part.notes)} - {""}
    figures |= {key: sums for task in suite.tasks for key, sums in _pool_samples(task, figures)}
    kept = {key: per_sequence(sums) for key, sums in figures.items()}
    origin = Provenance(
        model=name,
        suite=suite.name,
        suite_version=suite.version,
        size=chosen.size,
        seed=seed,
        batch=batch,
        device="cpu",
        seconds=round(time.perf_counter() - began, 3),
        date=datetime.now(UTC).date().isoformat(),
        physbench_version=__version__,
        data_sha256=digests,
        notes=tuple(sorted(notes)),
        data_file=chosen.data.name if chosen.data else None,
    )
    scores = (*_scores(kept), *_spreads(suite, kept), *_ratios(suite, kept))
    return Result(
        scores=scores,
        provenance=origin,
        sums={key: (part.numerator, part.denominator) for key, part in kept.items()},
        curves={
            key: curve(sums) for key, sums in figures.items() if sums.numerator.ndim > 1 and sums.numerator.shape[1] > 1
        },
        left_out=() if chosen.data else list_foreign(suite.name, [score.metric for score in scores]),
    )


def _open_source(task: Task, chosen: Extent) -> Source:
    source = source_of(task, split=chosen.split, fresh=chosen.fresh, data=chosen.data)
    _require_frames(task, source, chosen)
    return source


def _training_of(chosen: Extent, task: Task) -> Source:
    return source_of(task, split="training", fresh=chosen.fresh, data=chosen.data)


def _find_measures(chosen: Extent, crew: Crew, batch: int, meter: Meter, *, probed: bool) -> dict[str, Measures]:
    """Find, over all sequences, what each block is scored with: by the name of a task."""
    tasks = chosen.suite.tasks
    slots = {task.name: find_scored_slots(chosen, task) for task in tasks}
    probes: dict[str, dict[Any, Any]] = {task.name: {} for task in tasks}
    if probed:
        probes = fit_probes(chosen, batch, slots, read_lessons=crew.read_lessons, end_block=meter.end_block)
    return {
        task.name: Measures(
            {
                asking: memoryless_rates(chosen, task, asking)
                for asking in task.askings
                if isinstance(asking, Window) and asking.kind == "window"
            },
            slots[task.name],
            probes[task.name],
        )
        for task in tasks
    }


def _score_blocks(
    crew: Crew, chosen: Extent, measures: Mapping[str, Measures], batch: int, journal: EvaluationJournal | None
) -> Generator[tuple[BlockOrder, Part]]:
    """Give blocks in their order: those that a journal holds, and the others, which it then holds, too."""
    known: deque[Part | None] = deque()

    def orders() -> Iterator[BlockOrder]:
        for task in chosen.suite.tasks:
            for start in range(0, chosen.count, batch):
                known.append(journal.read(task.name, start) if journal else None)
                scored = known[-1] is not None
                yield BlockOrder(task.name, start, min(start + batch, chosen.count), scored=scored)

    with closing(crew.score(orders(), measures)) as blocks:
        for order, part in blocks:
            kept = known.popleft()
            if part is not None and journal:
                journal.write(order.task, order.start, part)
            done = kept or part
            assert done is not None
            yield order, done


def _require_frames(task: Task, source: Source, chosen: Extent) -> None:
    """Refuse what would be cut short."""
    most = max(asking.frames for asking in task.askings)
    if most > source.frames:
        raise RecipeError(
            f"{chosen.suite.name} asks about {most} frames of {task.name}, whose sequences have {source.frames}"
        )


def _plain(number: float) -> str:
    """Without an exponent."""
    return f"{Decimal(repr(number)):f}"


def _on_file(suite: Suite, data: Path, split: str) -> Suite:
    """What the suite asks first, asked of a file: as far as its frames reach."""
    task = suite.tasks[0]
    frames = source_of(task, split=split, data=data).frames
    askings = [
        replace(asking, frames=min(asking.frames, frames)) if isinstance(asking, Window) else asking
        for asking in task.askings
    ]
    if frames == 1:  # still images: all that can be asked is who owns their pixels
        askings = [replace(asking, frame=0) for asking in askings if isinstance(asking, Still)]
    askings = [
        asking
        for asking in askings
        if asking.frames <= frames and not (isinstance(asking, Window) and asking.frames <= asking.context)
    ]
    if not askings:
        raise RecipeError(f"{data} has {frames} frames a sequence: too few for anything that {suite.name} asks")
    stem = (
        "".join(
            letter if (letter.isalnum() and letter.isascii()) or letter in "._-" else "-" for letter in data.stem
        ).strip("-.")
        or "file"
    )
    return replace(
        suite,
        tasks=(replace(task, dataset=stem, askings=tuple(askings)),),
        pins=Pins(),
        ranked_by=None,
        against=None,
        sequences=None,
    )


def _pool_samples(task: Task, figures: Figures) -> Iterator[tuple[tuple[str, str], Sums]]:
    """A figure that was asked for several times: over all samples together."""
    for asking in task.askings:
        if isinstance(asking, Rollout) and asking.samples > 1 and asking.sample == 0:
            row = task.names(asking)
            stems = dict.fromkeys(metric.partition("[")[0] for name, metric in figures if name == row)
            yield from (
                ((row, stem), pool([figures[row, f"{stem}[{sample + 1}]"] for sample in range(asking.samples)]))
                for stem in stems
            )


def _scores(kept: Figures) -> Iterator[Score]:
    for task in dict.fromkeys(task for task, _ in kept):
        keys = [key for key in kept if key[0] == task]
        for key, each in zip(keys, intervals([kept[key] for key in keys]), strict=True):
            yield _score(key, each, kept[key])


def _spreads(suite: Suite, kept: Figures) -> Iterator[Score]:
    """The standard deviation of the figures of the samples."""
    for task in suite.tasks:
        for asking in task.askings:
            if isinstance(asking, Rollout) and asking.samples > 1 and asking.sample == 0:
                row = task.names(asking)
                for stem in [metric for name, metric in kept if name == row and "[" not in metric]:
                    each = [kept[row, f"{stem}[{sample + 1}]"] for sample in range(asking.samples)]
                    spread = statistics.pstdev([value(sums) for sums in each])
                    yield Score(row, f"{stem}_std", spread, float("nan"), float("nan"), len(each[0].numerator))


def _ratios(suite: Suite, kept: Figures) -> Iterator[Score]:
    """How much worse with more objects."""
    if suite.against is None:
        return
    more, fewer = suite.against
    for card in (
        card for card in all_metrics().values() if {(more, card.quotient_of), (fewer, card.quotient_of)} <= kept.keys()
    ):
        both = kept[more, card.quotient_of], kept[fewer, card.quotient_of]
        yield _score((f"{more}:{fewer}", card.name), quotient(*both), *both)


def _score(key: tuple[str, str], each: Interval, *of: Sums) -> Score:
    return Score(*key, each.value, each.low, each.high, len(of[0].numerator), min(map(count_contributing, of)))
