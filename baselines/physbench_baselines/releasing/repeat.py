"""A finished run becomes another training of a model that comes with the package.

Only its card is kept, not its weights. `python -m physbench_baselines.releasing.repeat RUN NAME` scores a run with
another seed, so that docs/results.md shows every training and not only the best one.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from physbench.errors import TrainingError
from physbench_baselines import bundled
from physbench_baselines.checkpoint import inspect
from physbench_baselines.model_card import Card, Repeat
from physbench_baselines.releasing.bundle import bundle
from physbench_baselines.releasing.origin import budget_of
from physbench_baselines.releasing.scoring_options import FOLDER, USUAL, Scoring, run_scoring, scoring_options
from physbench_baselines.releasing.worlds import ModelWorld, world_of
from physbench_baselines.training.folder import Folder
from physbench_baselines.training.reuse import drop_folders
from physbench_baselines.training.training_recipe import TrainingRecipe
from physbench_baselines.training_stages import stages_before


def repeat(
    run: Path,
    name: str,
    *,
    folder: Path = FOLDER,
    suites: Sequence[str] | None = None,
    how: Scoring = USUAL,
) -> Repeat:
    """Score the best weights of a run, and put its card in the folder `repeats` beside the card of the model NAME.

    suites: the first one of the world that it learnt, if nothing is said. A run that differs from the model in more
    than its seed is refused before it is scored.
    """
    place = folder / f"{name}.json"
    if not place.is_file():
        raise TrainingError(
            f"there is no card {place}: a model of this name has to be bundled before its other trainings"
        )
    shipped = Card.from_json(place.read_text(encoding="utf-8"), place=place)
    require_repeat(Folder(run).recipe(), shipped, run, stages_before(inspect(Folder(run).last).card))
    require_budget(run, shipped)
    world = world_of(shipped.data)
    asked = tuple(suites) if suites is not None else (world.first,) if world else ()
    with tempfile.TemporaryDirectory() as made:
        card = bundle(
            run,
            name,
            folder=Path(made),
            quantise=False,
            suites=asked,
            how=how,
        )
    kept = Repeat(**{field: getattr(card, field) for field in Repeat.__dataclass_fields__})
    kept = replace(kept, scores=[row for row in kept.scores if _is_in_table(row, world)])
    target = folder / "repeats"
    target.mkdir(exist_ok=True)
    Folder(target).write(f"{name}.seed{kept.train_seed}.json", kept.to_json())
    return kept


def require_repeat(
    recipe: TrainingRecipe, shipped: Card, run: Path, before: Sequence[Mapping[str, Any]] | None = None
) -> None:
    """Refuse a run with the same seed as the model, or with another recipe.

    before: the stages of training that gave the weights which the run began with. They must be repeats, too.
    """
    ours = TrainingRecipe.from_dict(shipped.recipe)
    if recipe.seed == ours.seed:
        raise TrainingError(
            f"{run} has the seed {recipe.seed}, like the model {shipped.name}: a repeat needs another seed"
        )
    ours, theirs = _without_folders(replace(ours, seed=recipe.seed)), _without_folders(recipe)
    if field := ours.difference(theirs):
        given, known = getattr(theirs, field), getattr(ours, field)
        raise TrainingError(f"{run} is no repeat of {shipped.name}: its {field} is {given!r}, not {known!r}")
    if before is None or not recipe.initial:
        return
    if len(before) != len(shipped.before):
        raise TrainingError(
            f"{run} is no repeat of {shipped.name}: it had {len(before)} stages before, not {len(shipped.before)}"
        )
    for number, (stage, known) in enumerate(zip(before, shipped.before, strict=True), start=1):
        earlier, expected = (TrainingRecipe.from_dict(each["recipe"]) for each in (stage, known))
        if earlier.seed == expected.seed:
            raise TrainingError(f"{run} had the seed {earlier.seed} in stage {number}, like the model {shipped.name}")
        if field := _without_folders(replace(expected, seed=earlier.seed)).difference(_without_folders(earlier)):
            raise TrainingError(f"{run} is no repeat of {shipped.name}: in stage {number}, its {field} is another")


def _without_folders(recipe: TrainingRecipe) -> TrainingRecipe:
    """Cards keep the names of files, and not their folders."""
    return replace(recipe, **{field: drop_folders(getattr(recipe, field)) for field in ("data", "initial", "reuse")})


def require_budget(run: Path, shipped: Card) -> None:
    """Refuse a run that was given more or less than the model was."""
    given, expected = budget_of(run), (shipped.steps_limit, shipped.minutes_limit)
    if given != expected:
        raise TrainingError(
            f"{run} was given {_budget(*given)}, and {shipped.name} {_budget(*expected)}: trainings are compared on"
            " equal budgets"
        )


def _budget(steps: int | None, minutes: float | None) -> str:
    return f"{steps:,} steps" if steps else f"{minutes:g} minutes" if minutes else "no limit"


def find_repeats(name: str) -> list[Repeat]:
    """List the other trainings of a model that comes with the package, sorted by seed."""
    folder = bundled.FOLDER / "repeats"
    if not folder.is_dir():
        return []
    places = [
        place for place in folder.iterdir() if place.name.startswith(f"{name}.seed") and place.name.endswith(".json")
    ]
    found = [Repeat.from_json(place.read_text(encoding="utf-8"), place=place) for place in places]
    return sorted(found, key=lambda card: card.train_seed)


def _is_in_table(row: dict[str, Any], world: ModelWorld | None) -> bool:
    return world is None or (row["suite"], row["task"], row["metric"]) in world.figures.values()


@click.command(help=__doc__)
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("name")
@scoring_options("Folder with the card of the model; by default in the package.")
def main(run: Path, name: str, **settings: Any) -> None:
    """Run the command."""
    card = run_scoring(repeat, run, name, **settings)
    click.echo(f"{name}, seed {card.train_seed}: {len(card.scores)} scores")


if __name__ == "__main__":
    main()
