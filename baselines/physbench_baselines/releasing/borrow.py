"""A model that comes with the package becomes another one of the same weights, with other rules.

`python -m physbench_baselines.releasing.borrow NAME LENDER` writes the file and the card of NAME, a model that can be
trained, and scores it. Its weights are those of LENDER, and are stored once. Run it again when LENDER has new weights.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

import click

from physbench.errors import TrainingError
from physbench.evaluation.evaluate import extent
from physbench.suites import BATCH
from physbench_baselines.architecture import architecture_with
from physbench_baselines.checkpoint import inspect, load, model, save_borrower
from physbench_baselines.model_card import Card
from physbench_baselines.releasing.bundle import convert
from physbench_baselines.releasing.scored import score_release
from physbench_baselines.releasing.scoring_options import FOLDER, run_scoring, scoring_options
from physbench_baselines.releasing.worlds import suites_of
from physbench_baselines.training.folder import Folder


def borrow(
    name: str,
    lender: str,
    *,
    folder: Path = FOLDER,
    suites: Sequence[str] | None = None,
    size: str = "lite",
    limit: int | None = None,
    device: str = "cpu",
    batch: int = BATCH,
    table: Path | None = None,
    doing: Callable[[str], None] = lambda text: None,
) -> Card:
    """Write NAME.safetensors, which borrows the weights of LENDER.safetensors, and NAME.json, and return the card.

    Its sizes are those of the lender, and where only NAME has them, the usual ones of NAME. table: a folder for
    NAME.csv, the scores as a submission.
    """
    place, path, weights = folder / f"{lender}.json", folder / f"{name}.safetensors", folder / f"{lender}.safetensors"
    if not place.is_file():
        raise TrainingError(f"there is no card {place}: bundle the model whose weights are to be borrowed first")
    if table is not None and not table.is_dir():
        raise TrainingError(f"there is no folder {table}: make it first")
    if path.exists() and not inspect(path).borrows:
        raise TrainingError(f"{path} has weights of its own, which would be lost: delete it first")
    theirs, trained = Card.from_json(place.read_text(encoding="utf-8"), place=place), load(weights)
    for suite in suites_of(theirs.data) if suites is None else suites:
        extent(suite, size=size, limit=limit)  # fails now rather than after the files are written
    network, architecture = convert(trained.network, name), architecture_with(name)
    link = architecture.paper or None
    told: dict[str, Any] = {"name": name, "model_link": link, "paper_link": link}
    save_borrower(path, network, weights, card={**trained.card, **told})
    card = replace(
        theirs,
        **told,
        architecture=architecture.name,
        sizes=asdict(cast("Any", network).sizes),
        weights_sha256=str(model(path).origin.weights_sha256),
        bytes=path.stat().st_size,
        not_played={},
        scores=[],
        scores_without_noise=[],
    )
    Folder(folder).write(f"{name}.json", card.to_json())
    return score_release(
        name, folder=folder, suites=suites, size=size, limit=limit, device=device, batch=batch, table=table, doing=doing
    )


@click.command(help=__doc__)
@click.argument("name")
@click.argument("lender")
@scoring_options("Folder with the lender, to write the weights and the card to; by default in the package.")
@click.option(
    "--csv",
    "table",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Also write the scores to DIR/NAME.csv, as a submission.",
)
def main(name: str, lender: str, **settings: Any) -> None:
    """Run the command."""
    card = run_scoring(borrow, name, lender, **settings)
    click.echo(f"{name}: {len(card.scores)} scores of the weights of {lender}")


if __name__ == "__main__":
    main()
