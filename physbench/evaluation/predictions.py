"""Predictions in a file: written from a model here, or by another program, and scored without running a model."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from physbench.errors import ModelError, RecipeError, StorageError
from physbench.evaluation.answer_checks import AnswerPlace, countable, scorable
from physbench.evaluation.evaluate import Extent, extent, require_possible, score_answers
from physbench.evaluation.examples import Examples, Source, source_of
from physbench.evaluation.meter import Meter, Progress
from physbench.evaluation.window import Answer, answers_of
from physbench.metrics.boxes import copy_boxes
from physbench.model import Bernoulli, Gaussian, Likelihood, Model
from physbench.result import Result
from physbench.storage.display import likelihood_of
from physbench.storage.predictions_file import Predictions, PredictionsHeader, PredictionsWriter
from physbench.suites import BATCH, SIZES, UNRANKED, Asking, Codes, Image, Rollout, Still, Suite, Task, Window, suite_of


def predict(
    model: Model,
    path: Path,
    suite: str | Suite = "balls",
    *,
    name: str | None = None,
    size: str = "lite",
    limit: int | None = None,
    batch: int = BATCH,
    seed: int = 0,
    half: bool = False,
    overwrite: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> None:
    """Ask a model everything that `evaluate` would ask, and write its answers to a file."""
    require_possible(batch, seed)
    chosen = extent(suite, size=size, limit=limit)
    require_predictions(chosen.suite)
    if half and any(task.shows == "position" for task in chosen.suite.tasks):
        raise RecipeError("half precision is too coarse for positions: leave it out")
    meter = Meter(progress)
    meter.begin(chosen.suite.tasks, chosen.count)
    answers = answers_of(meter.attach(model), seed)
    sigma = model.likelihood.sigma if isinstance(model.likelihood, Gaussian) else None
    if model.likelihood.note and sigma is None:
        raise ModelError(
            f"a file of predictions is of a Bernoulli or a Gaussian model, not of {model.likelihood!r}: score the model"
            " itself"
        )
    header = PredictionsHeader(
        suite=chosen.suite.name,
        suite_version=chosen.suite.version,
        size=chosen.size,
        sequences=chosen.count,
        model=name or type(model).__name__,
        seed=seed,
        likelihood="bernoulli" if sigma is None else "gaussian",
        sigma=sigma,
    )
    with PredictionsWriter(path, header, half=half, overwrite=overwrite) as file:
        for task in chosen.suite.tasks:
            source = source_of(task)
            for start in range(0, chosen.count, batch):
                examples = source.examples(start, min(start + batch, chosen.count))
                meter.begin_block(task, len(examples.places))
                for asking in task.askings:
                    said = answers(task, asking, examples, source, start)
                    if said.means is not None or said.owners is not None:
                        file.add(
                            task.place(asking),
                            start,
                            said.means,
                            owner=said.owners,
                            log_likelihood=said.log_likelihoods,
                            boxes=said.boxes,
                        )
                meter.end_block()


@dataclass(frozen=True)
class PredictionsFile:
    """An open file of predictions. Its `answers` replaces the answers of a model."""

    file: Predictions
    extent: Extent
    likelihood: Likelihood

    def answers(self, task: Task, asking: Asking, examples: Examples, source: Source, start: int) -> Answer:
        """Read the answers for a batch of examples, of which the first has the number `start`."""
        place = task.place(asking)
        if isinstance(asking, Still) and place not in self.file.names():
            return Answer()
        height, width, channels = source.shape
        steps, maps = count_answers(asking)
        count = len(examples.places)
        mean, owner, own, boxes = self.file.read(
            place, start, start + count, frame=(height, width, channels), steps=steps, maps=maps
        )
        if steps and not (mean is None and isinstance(asking, Image)):
            if mean is None:
                raise StorageError(f"{self.file.path} has no means for {place!r}")
            likelihood = likelihood_of(asking.shows, self.likelihood)
            at = AnswerPlace(place, examples.places, array=f"{place}/mean")
            mean = scorable(likelihood, mean, (count, steps, height, width, channels), at)
        if own is not None:
            at = AnswerPlace(place, examples.places, array=f"{place}/log_likelihood")
            own = countable(own, (count, maps, height, width), at)
        if boxes is not None:
            boxes = self._require_boxes(place, boxes, (count, maps), start) if asking.boxes else None
        return Answer(mean, owner, own, boxes=boxes)

    def _require_boxes(
        self, place: str, boxes: NDArray[np.float32], frames: tuple[int, int], start: int
    ) -> NDArray[np.float32]:
        try:
            return copy_boxes(boxes, frames)
        except ModelError as error:
            raise ModelError(f"{error} (in {place}/boxes[{start}:{start + frames[0]}])") from None


def open_predictions(path: Path, suite: str | Suite | None = None) -> PredictionsFile:
    """Open a file of predictions, and check that it matches the current version of a suite and one of its sizes."""
    file = Predictions(path)
    header = file.header
    wanted = suite if isinstance(suite, Suite) else suite_of(suite or header.suite)
    if wanted.name != header.suite:
        raise StorageError(f"{path} holds predictions for the suite {header.suite}, not for {wanted.name}")
    require_predictions(wanted)
    size = header.size.removeprefix(UNRANKED).removeprefix("-") or next(iter(SIZES))
    limit = None if size in SIZES else header.sequences
    chosen = extent(wanted, size=size if limit is None else next(iter(SIZES)), limit=limit)
    if header.suite_version != chosen.suite.version:
        raise StorageError(
            f"{path} is for {header.suite} v{header.suite_version}; today's is v{chosen.suite.version}: predict again"
        )
    if (header.size, header.sequences) != (chosen.size, chosen.count):
        raise StorageError(
            f"{path} says {header.sequences:,} sequences of size {header.size!r}: {chosen.size} has {chosen.count:,},"
            " any other N is limit-N"
        )
    return PredictionsFile(file, chosen, Bernoulli() if header.sigma is None else Gaussian(header.sigma))


def require_predictions(suite: Suite) -> None:
    """Refuse a suite that asks for something that a file of predictions cannot hold."""
    if any(isinstance(asking, Codes) for task in suite.tasks for asking in task.askings):
        raise RecipeError(
            f"{suite.name} asks for codes of frames, and a file holds predictions alone: score the model itself"
        )


def count_answers(asking: Asking) -> tuple[int, int]:
    """Return how many frames are predicted, and how many owner maps there are."""
    match asking:
        case Window(frames):
            return frames - 1, frames
        case Image():
            return 1, 1
        case Still():
            return 0, 1
        case Rollout():
            return asking.horizon, 0


def score(told: PredictionsFile, *, batch: int = BATCH, progress: Callable[[Progress], None] | None = None) -> Result:
    """Score predictions.

    It cannot be checked that each prediction was made before its frame was shown; a note in the result says so.
    """
    header = told.file.header
    made = score_answers(
        told.answers,
        told.extent,
        told.likelihood,
        name=header.model,
        batch=batch,
        seed=header.seed,
        meter=Meter(progress),
    )
    return replace(
        made, provenance=replace(made.provenance, device="", notes=("predictions-file", *made.provenance.notes))
    )
