"""A finished run becomes a model that comes with the package: its best weights, made smaller, and a card.

The card says how the model was trained and what it scores. Run `python -m physbench_baselines.releasing.bundle RUN
NAME`. If it is killed, the same command resumes at the suite where it was.
"""

import re
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from physbench.errors import TrainingError
from physbench.result import Result
from physbench_baselines.architecture import architecture_of
from physbench_baselines.checkpoint import load, model, save
from physbench_baselines.model_card import Card, RunCard
from physbench_baselines.releasing import origin
from physbench_baselines.releasing.cards import file_size
from physbench_baselines.releasing.scored import score_release
from physbench_baselines.releasing.scoring_options import FOLDER, USUAL, Scoring, run_scoring, scoring_options
from physbench_baselines.releasing.shrink import PrecisionComparison, compare_precisions, has_big_matrices
from physbench_baselines.releasing.worlds import suites_of, yardstick
from physbench_baselines.training.folder import Folder
from physbench_baselines.training.preflight import strip_version

RUN_FIELDS = {item.name for item in fields(RunCard)}


def bundle(
    run: Path,
    name: str,
    *,
    folder: Path = FOLDER,
    quantise: bool | None = None,
    lender: str | None = None,
    suites: Sequence[str] | None = None,
    table: Path | None = None,
    how: Scoring = USUAL,
) -> Card:
    """Write NAME.safetensors and NAME.json from the best weights of a run, and return the card.

    quantise: store big matrices as int8; None: only if the scores stay the same. lender: a model in
    the folder; only the weights that differ from its are kept, and the others are borrowed. suites: by default those of
    the world that the model learnt. table: a folder for NAME.csv, the scores as a submission.
    """
    if not re.fullmatch(r"[a-z0-9]+([.-][a-z0-9]+)*", name):
        raise TrainingError(f"a bundled model's name has small letters, digits, and - or . between them, not {name!r}")
    for place in (folder, table):
        if place is not None and not place.is_dir():
            raise TrainingError(f"there is no folder {place}: make it first")
    best = load(Folder(run).best)
    trained = RunCard.from_mapping(
        {name: best.card[name] for name in RUN_FIELDS & best.card.keys()}, place=Folder(run).best
    )
    suites = suites_of(trained.data) if suites is None else suites
    for suite in suites:
        how.extent(suite)  # fails now rather than after hours of work
    told = origin.header(trained, architecture_of(best.network), run, name)
    place = folder / f"{name}.json"
    before = Card.from_json(place.read_text(encoding="utf-8"), place=place) if place.exists() else None
    comparison = before.comparison if before and before.source_sha256 == best.sha256 else None
    ready: Result | None = None
    judge = yardstick(trained.data, suites)
    if quantise is None and judge and has_big_matrices(best.network):
        wanted = how.extent(judge)
        if comparison is None or [comparison[field] for field in ("suite", "suite_version", "size")] != [
            judge,
            wanted.suite.version,
            wanted.size,
        ]:
            how.doing(f"{name}: {judge} with float32, and with int8")
            both: PrecisionComparison = compare_precisions(best.network, judge, name=name, card=told, how=how)
            comparison, ready = both.to_card(), both.small
        quantise = comparison["agreed"]
    path = folder / f"{name}.safetensors"
    lent = folder / f"{lender}.safetensors" if lender else None
    save(path, best.network, card=told, half=True, quantise=bool(quantise), lender=lent)
    shipped = model(path, device=how.device)
    weights = shipped.origin.weights_sha256
    same = before if before and before.weights_sha256 == weights else None
    card = Card(
        **{
            **vars(trained),
            **dict[str, Any](data=strip_version(trained.data)),
            **told,
            **origin.without_folders(best.card),
            **origin.course(run),
        },
        architecture=best.header.architecture,
        sizes=dict(best.header.sizes),
        parameters=shipped.origin.parameters or 0,
        weights_sha256=str(weights),
        bytes=path.stat().st_size,
        int8=bool(quantise),
        source_sha256=best.sha256,
        comparison=comparison,
        not_played=same.not_played if same else {},
        scores=same.scores if same else [],
        scores_without_noise=same.scores_without_noise if same else [],
    )
    Folder(folder).write(f"{name}.json", card.to_json())
    known = {judge: ready} if judge and ready is not None and ready.provenance.weights_sha256 == weights else {}
    return score_release(name, folder=folder, suites=suites, table=table, ready=known, how=how)


@click.command(help=__doc__)
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("name")
@scoring_options("Folder to write the weights and the card to; by default in the package.")
@click.option(
    "--quantise/--no-quantise", default=None, help="Store big matrices as int8; by default if the scores stay the same."
)
@click.option("--lender", metavar="MODEL", help="Borrow the weights that are equal to those of this model.")
@click.option(
    "--csv",
    "table",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Also write the scores to DIR/NAME.csv, as a submission.",
)
def main(run: Path, name: str, **settings: Any) -> None:
    """Run the command."""
    settings["folder"].mkdir(exist_ok=True)
    card = run_scoring(bundle, run, name, **settings)
    click.echo(f"{name}: {file_size(card.bytes)}, {len(card.scores)} scores")


if __name__ == "__main__":
    main()
