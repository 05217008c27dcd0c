"""Runs: they start in a folder, can be stopped at any moment, and can be resumed.

With a number of steps, everything is a function of the recipe and of the step. A run that was killed and resumed then
ends with the same bits as one that was not, on a CPU with the same number of threads. With minutes, the share of the
minutes that is used up drives the schedule, and the clock of a resumed run goes on.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

import torch

from physbench.errors import TrainingError
from physbench_baselines.adapter import require_observer, weights_of
from physbench_baselines.architecture import architecture_of
from physbench_baselines.checkpoint import inspect
from physbench_baselines.training.folder import Folder
from physbench_baselines.training.initial import initial_of, network_of
from physbench_baselines.training.interrupts import Interrupts
from physbench_baselines.training.keep import load_run_state
from physbench_baselines.training.loop import Loop, LoopState, TrainingProgress, TrainingResult, take_part
from physbench_baselines.training.preflight import require_limits, strip_version
from physbench_baselines.training.ranks import ALONE, LostProcess, Ranks
from physbench_baselines.training.reuse import fill_parts, freeze_parts, names_parts, reuse_parts
from physbench_baselines.training.sources import cut, source_of
from physbench_baselines.training.step import Stepper, fast, precision_of
from physbench_baselines.training.trainable import measure, traits_of
from physbench_baselines.training.training_recipe import TrainingRecipe
from physbench_baselines.training_stages import Stage, stages_before

if TYPE_CHECKING:
    from physbench_baselines.training.sources import Source


GRACE = 30
"""Seconds in which a signal that comes again is the same one: torchrun and the queue that started it both pass it on.
After so many, torchrun kills."""


def train(
    recipe: TrainingRecipe | None,
    out: str | os.PathLike[str],
    *,
    minutes: float | None = None,
    steps: int | None = None,
    pause_after: float | None = None,
    resume: bool = False,
    device: str = "auto",
    workers: int = 1,
    graphs: bool = True,
    progress: Callable[[TrainingProgress], None] | None = None,
    ranks: Ranks = ALONE,
) -> TrainingResult:
    """Train into a folder until the time, the steps or the recipe's patience are used up.

    resume: go on with the run in the folder. Its own limits and recipe are used if no others are given. pause_after:
    minutes from now after which the run is saved and left; the schedule does not depend on them. graphs: run each step
    on CUDA as one captured graph. Ctrl-C and SIGTERM save the run first, then the caller gets KeyboardInterrupt or
    SystemExit. ranks: the processes that train together, of which this one leads; the others `follow`.
    """
    require_limits(minutes, steps, workers)
    if pause_after is not None and not 0 < pause_after < 1e9:
        raise TrainingError(f"a pause is after more than 0 minutes, not {pause_after}")
    place = ranks.device(device)
    path = Path(out)
    if resume:
        recipe = _agree(recipe, Folder(path).recipe(), path)
    elif recipe is None:
        raise TrainingError("a run needs a recipe, or resume and the folder of a run that has one")
    else:
        Folder.require_none(path)
        recipe = replace(recipe, precision=precision_of(recipe.precision, place))
    ranks.require_shares(recipe.batch, recipe.accumulate)
    with ExitStack() as stack:
        stack.enter_context(ranks.join(place))
        folder = Folder(path)
        if resume:
            stack.enter_context(folder.hold())
        source = source_of(recipe, ranks)
        under_way = resume and folder.last.exists()
        dataset = strip_version(source.dataset)
        if under_way:
            network, before = _network_under_way(recipe, dataset), stages_before(inspect(folder.last).card)
        else:
            network, before = _first_network(recipe, dataset)
        _try_out(network, source, recipe)
        stepper = Stepper(network, recipe, device=place, graphs=graphs, ranks=ranks)
        if ranks.several and not stepper.traits.separable:
            raise TrainingError(
                f"{recipe.model} learns from a batch as a whole, which processes cannot share out: train it in one"
            )
        if recipe.accumulate > 1 and not stepper.traits.separable:
            raise TrainingError(
                f"{recipe.model} learns from a batch as a whole, which cannot be taken in {recipe.accumulate} parts:"
                " leave out --accumulate"
            )
        state = _restore(folder, stepper) if under_way else LoopState()
        state.minutes_limit = minutes or (0.0 if steps else state.minutes_limit)
        state.steps_limit = steps or (0 if minutes else state.steps_limit)
        if not (state.minutes_limit or state.steps_limit) and recipe.needs_an_end:
            raise TrainingError("a curriculum of frames and a decay need an end: give minutes or steps")
        judged_by = architecture_of(network).judged_by
        suite = judged_by(recipe, source.dataset) if judged_by else None
        if resume:
            folder.cut(state.logged)
        else:
            folder.begin(recipe)
            stack.enter_context(folder.hold())
        interrupts = stack.enter_context(Interrupts(grace=GRACE if ranks.several else 0.0))
        stack.enter_context(fast())
        stack.enter_context(_too_large(recipe, ranks, place))
        if ranks.several:
            ranks.tell(_Beginning(recipe, dataset, state.step, stepper.state()))
        return Loop(recipe, source, stepper, folder, state, interrupts, progress, before, suite, ranks).to_its_end(
            workers, pause_after=pause_after
        )


def follow(ranks: Ranks, *, device: str = "auto", workers: int = 1, graphs: bool = True) -> TrainingResult:
    """Take part in a run that another process leads, from its beginning to its end. Folder, recipe and weights are that
    one's, and so is what is said of it: where it is refused, this process just ends."""
    place = ranks.device(device)
    with ExitStack() as stack:
        stack.enter_context(ranks.join(place))
        try:
            told = cast("_Beginning", ranks.tell(None))
        except LostProcess:
            raise SystemExit(TrainingError.exit_code) from None
        recipe = told.recipe
        source = source_of(recipe, ranks)
        network = _network_under_way(recipe, told.dataset)
        stepper = Stepper(network, recipe, device=place, graphs=graphs, ranks=ranks)
        stepper.restore(told.weights)
        interrupts = stack.enter_context(Interrupts(grace=GRACE))
        stack.enter_context(fast())
        stack.enter_context(_too_large(recipe, ranks, place))
        return take_part(source, stepper, interrupts, step=told.step, workers=workers)


class _Beginning(NamedTuple):
    """What the process that leads says to the others."""

    recipe: TrainingRecipe
    dataset: str
    step: int
    weights: dict[str, torch.Tensor]  # and what the optimiser remembers


@contextmanager
def _too_large(recipe: TrainingRecipe, ranks: Ranks, place: torch.device) -> Generator[None]:
    """Say it in a line."""
    try:
        yield
    except torch.OutOfMemoryError:
        size = f"{recipe.batch // ranks.world} sequences of {recipe.longest} frames"
        raise TrainingError(
            f"{size} do not fit into the memory of {place}: give a smaller batch, or accumulate it in more parts"
        ) from None


def _first_network(recipe: TrainingRecipe, dataset: str) -> tuple[torch.nn.Module, list[Stage]]:
    """Return the network of a run that begins, and the stages of training that gave its weights."""
    parts = names_parts(recipe.initial)
    initial = initial_of(recipe.initial, model=recipe.model) if recipe.initial and not parts else None
    network = network_of(recipe, initial, dataset=dataset)
    stages = fill_parts(network, recipe.initial) if parts else initial.stages if initial else []
    reused = reuse_parts(network, recipe.reuse) if recipe.reuse else []
    return network, [*stages, *(stage for stage in reused if stage not in stages)]


def _network_under_way(recipe: TrainingRecipe, dataset: str) -> torch.nn.Module:
    """Return the network of a run that goes on, whose weights are still to be restored."""
    network = network_of(recipe, dataset=dataset)
    if recipe.reuse:
        freeze_parts(network, recipe.reuse)
    return network


def _try_out(network: torch.nn.Module, source: Source, recipe: TrainingRecipe) -> None:
    """Show the network a sequence before anything is written.

    A network that cannot take it, or cannot be saved, fails here.
    """
    weights_of(network)
    if recipe.scored and traits_of(network).observe:
        require_observer(network)
    wants = traits_of(network).wants
    for name in wants:
        if name not in source.arrays:
            raise TrainingError(f"{recipe.model} wants {name}; {source.dataset} has none")
    sequences = source.validation(wants)
    batch = {name: torch.from_numpy(array[:1]) for name, array in cut(next(sequences), min(recipe.frames)).items()}
    sequences.close()
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        measure(network, batch, generator=torch.Generator(), share=0.0)


def _agree(given: TrainingRecipe | None, started: TrainingRecipe, path: Path) -> TrainingRecipe:
    """Return the recipe of a run that is resumed, or refuse a different one."""
    if given is None:
        return started
    if given.precision == "auto":
        given = replace(given, precision=started.precision)
    field = started.difference(given)
    if field:
        theirs, ours = getattr(started, field), getattr(given, field)
        raise TrainingError(
            f"the run in {path} has {field} {theirs!r}, not {ours!r}: resume it as it was started, or give another"
            " folder"
        )
    return started


def _restore(folder: Folder, stepper: Stepper) -> LoopState:
    """Restore the state of the last save."""
    training = load_run_state(folder.last)
    try:
        state = LoopState.of(training)
        stepper.restore(training)
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise TrainingError(f"{folder.last} does not belong to this run: {error}; it cannot be resumed") from None
    return state
