"""The common options of the commands that score a model for its card."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from physbench.errors import PhysbenchError
from physbench.suites import BATCH
from physbench_baselines.releasing.worlds import HELP

Made = TypeVar("Made")

FOLDER = Path(__file__).parents[1] / "checkpoints"


def scoring_options(where: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that adds the options of scoring. where: the help of --folder."""
    options = (
        click.option("--suites", help=HELP),
        click.option("--size", default="lite", show_default=True, help="lite: 1,000 sequences; full: 10,000."),
        click.option("--limit", type=int, help="Score only this many sequences, for a first look."),
        click.option("--device", default="auto", show_default=True),
        click.option("--batch", type=int, default=BATCH, show_default=True, help="Sequences shown at a time."),
        click.option("--folder", type=click.Path(path_type=Path), default=FOLDER, help=where),
    )

    def add(command: Callable[..., None]) -> Callable[..., None]:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def run_scoring(score: Callable[..., Made], *names: str | Path, suites: str | None, **settings: Any) -> Made:
    """Make a card with the options of a command, with progress on stderr and errors in one line."""
    try:
        return score(
            *names,
            suites=suites.split(",") if suites else None,
            doing=_tell,
            **settings,
        )
    except PhysbenchError as error:
        raise click.ClickException(str(error)) from None


def _tell(text: str) -> None:
    print(text, file=sys.stderr)
