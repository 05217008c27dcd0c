"""The scores on the card of a model that comes with the package, measured with the released weights.

`python -m physbench_baselines.releasing.scored NAME` computes the missing ones, and resumes where it was killed.
"""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np

from physbench.askings import Codes
from physbench.errors import ModelError, TrainingError
from physbench.evaluation.known import SCORE
from physbench.metrics.catalogue import stands_in_tables
from physbench.model import Batch, Model, TrainingCost
from physbench.result import COLUMNS, Result
from physbench.storage.display import Display
from physbench.suites import suite_of
from physbench.world import parts_of
from physbench_baselines.checkpoint import model
from physbench_baselines.model_card import Card
from physbench_baselines.releasing.scoring_options import FOLDER, USUAL, Scoring, run_scoring, scoring_options
from physbench_baselines.releasing.worlds import suites_of, world_of
from physbench_baselines.training.folder import Folder
from physbench_baselines.training_stages import cost_of

SHORT = "trained-less-than-the-paper"

Row = dict[str, Any]
Mark = list[Any]  # suite, version, size


def score_release(
    name: str,
    *,
    folder: Path = FOLDER,
    suites: Sequence[str] | None = None,
    table: Path | None = None,
    ready: Mapping[str, Result] | None = None,
    how: Scoring = USUAL,
) -> Card:
    """Add every missing score to the card of NAME, and return the card.

    suites: by default those of the world that the model learnt. table: a folder for NAME.csv, the scores as a
    submission. ready: results that are known already, by suite. A model with noise on its input is also scored without
    noise, on the first suite of its world.
    """
    for place in (folder, table):
        if place is not None and not place.is_dir():
            raise TrainingError(f"there is no folder {place}: make it first")
    path, place = folder / f"{name}.safetensors", folder / f"{name}.json"
    if not place.exists():
        raise TrainingError(f"there is no card {place}: bundle a run first")
    card, shipped = Card.from_json(place.read_text(encoding="utf-8"), place=place), model(path, device=how.device)
    weights = str(shipped.origin.weights_sha256)
    if card.weights_sha256 != weights:
        raise TrainingError(
            f"{place} is not the card of the weights in {path}: put the right one back, or bundle the run again"
        )
    cost = cost_of(vars(card))
    shipped.origin = replace(shipped.origin, cost=cost)
    asked = {suite: how.extent(suite) for suite in (suites_of(card.data) if suites is None else suites)}
    world = world_of(card.data)

    def result_of(suite: str, of: Model, doing_what: str) -> Result:
        how.doing(f"{name}: {doing_what}")
        return how.result_of(of, suite, name=name)

    for suite, wanted in asked.items():
        mark = [suite, wanted.suite.version, wanted.size]
        if _has(card.scores, mark) and (table is None or _is_entered(table / f"{name}.csv", mark, weights)):
            continue
        if why := unplayable(shipped, suite):
            card = replace(card, not_played={**card.not_played, suite: why})
        else:
            known = (ready or {}).get(suite)
            result = _add_cost(known, cost) if known else result_of(suite, shipped, f"{suite}, {wanted.size}")
            if table is not None:
                _enter(table / f"{name}.csv", mark, result)
            card = replace(card, scores=[*_others(card.scores, mark), *_scores(result)])
        Folder(folder).write(place.name, card.to_json())
    if card.sizes.get("noise") and world and world.first in asked.keys() - card.not_played.keys():
        wanted = asked[world.first]
        mark = [world.first, wanted.suite.version, wanted.size]
        if not _has(card.scores_without_noise, mark):
            result = result_of(
                world.first,
                model(path, device=how.device, settings={"noise": 0}),
                f"{world.first}, {wanted.size}, without noise",
            )
            card = replace(card, scores_without_noise=[*_others(card.scores_without_noise, mark), *_scores(result)])
            Folder(folder).write(place.name, card.to_json())
    return card


def _add_cost(result: Result, cost: TrainingCost | None) -> Result:
    """Add the cost of training to the notes of a result that was made before there was a card."""
    notes = result.provenance.notes
    costs = [note for note in (cost.notes if cost else ()) if note not in notes]
    place = 1 + notes.index(SHORT) if SHORT in notes else 0
    return replace(result, provenance=replace(result.provenance, notes=(*notes[:place], *costs, *notes[place:])))


def unplayable(shipped: Model, suite: str) -> str | None:
    """Say why a model cannot take what a suite shows, or does not return what it asks for; None if it can."""
    for task in suite_of(suite).tasks:
        world = task.recipe.generator
        asks_for_codes = any(isinstance(asking, Codes) for asking in task.askings)
        if asks_for_codes and getattr(shipped, "latents", None) is None:
            return "it has no codes of frames"
        try:
            shape = Display(task.shows).shape(world.shape, world.objects)
            parts = parts_of(world)
            begin = Batch(
                np.zeros(1, np.uint64), shape, task.slots, parts.actions, shows=task.shows, box_side=parts.box_side
            )
            state = shipped.begin(begin)
            action = np.eye(1, parts.actions, dtype=np.float32) if parts.actions else None
            _, said = shipped.observe(state, np.zeros((1, *shape), np.float32), action)
        except ModelError as error:
            return str(error)
        if said.mean is None and not asks_for_codes:
            return "it does not predict frames"
    return None


def _has(rows: Sequence[Row], mark: Mark) -> bool:
    return any([row["suite"], row["version"], row["size"]] == mark for row in rows)


def _others(rows: Sequence[Row], mark: Mark) -> list[Row]:
    """Leave out the rows of this suite and size, of any version."""
    suite, _, size = mark
    return [row for row in rows if [row["suite"], row["size"]] != [suite, size]]


def _scores(result: Result) -> Iterable[Row]:
    """Yield the scores of a result, without the figures of single steps and samples."""
    for score in (score for score in result.scores if stands_in_tables(score.metric)):
        figures = [value if math.isfinite(value) else None for value in (score.value, score.low, score.high)]
        of = result.provenance
        yield dict(zip(SCORE, (of.suite, of.suite_version, of.size, score.task, score.metric, *figures), strict=True))


def _is_entered(path: Path, mark: Mark, weights: str | None) -> bool:
    return any(_mark(row) == mark and row["weights_sha256"] == weights for row in _table_rows(path))


def _enter(path: Path, mark: Mark, result: Result) -> None:
    """Put scores into the table for the leaderboard.

    They replace those of the same suite, and all scores of other weights.
    """
    weights = result.provenance.weights_sha256
    others = [row for row in _table_rows(path) if _mark(row) != mark and row["weights_sha256"] == weights]
    text = io.StringIO()
    written: csv.DictWriter[str] = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    written.writeheader()
    written.writerows([*others, *csv.DictReader(io.StringIO(result.to_csv()))])
    Folder(path.parent).write(path.name, text.getvalue())


def _table_rows(path: Path) -> list[dict[str, str]]:
    """Read the rows of a table that exists; none if it has other columns."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        return list(reader) if reader.fieldnames == list(COLUMNS) else []


def _mark(row: Mapping[str, str]) -> Mark:
    return [row["suite"], int(row["suite_version"]), row["size"]]


@click.command(help=__doc__)
@click.argument("name")
@scoring_options("Folder with the weights and the card; by default in the package.")
@click.option(
    "--csv",
    "table",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Also write the scores to DIR/NAME.csv, as a submission.",
)
def main(name: str, **settings: Any) -> None:
    """Run the command."""
    card = run_scoring(score_release, name, **settings)
    click.echo(f"{name}: {len(card.scores)} scores")


if __name__ == "__main__":
    main()
