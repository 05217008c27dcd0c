"""How a model is scored for its card, and the options of the commands that do it."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from physbench.errors import PhysbenchError
from physbench.evaluation.evaluate import Extent, evaluate, extent
from physbench.model import Model
from physbench.result import Result
from physbench.suites import BATCH
from physbench_baselines.releasing.worlds import HELP

Made = TypeVar("Made")

FOLDER = Path(__file__).parents[1] / "checkpoints"


@dataclass(frozen=True, kw_only=True)
class Scoring:
    """How models are scored, whichever model and suite it is."""

    size: str = "lite"
    limit: int | None = None
    device: str = "cpu"
    batch: int = BATCH
    doing: Callable[[str], None] = lambda text: None
    """Called with what is done next, before it takes its time."""

    def extent(self, suite: str) -> Extent:
        """Return what is asked in a suite, or refuse it now rather than after hours of work."""
        return extent(suite, size=self.size, limit=self.limit)

    def result_of(self, model: str | Model, suite: str, *, name: str) -> Result:
        """Evaluate a model on a suite."""
        return evaluate(model, suite, name=name, size=self.size, limit=self.limit, batch=self.batch, device=self.device)


USUAL = Scoring()


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


def run_scoring(
    score: Callable[..., Made],
    *names: str | Path,
    suites: str | None,
    size: str,
    limit: int | None,
    device: str,
    batch: int,
    **settings: Any,
) -> Made:
    """Make a card with the options of a command, with progress on stderr and errors in one line."""
    how = Scoring(size=size, limit=limit, device=device, batch=batch, doing=_tell)
    try:
        return score(*names, suites=suites.split(",") if suites else None, how=how, **settings)
    except PhysbenchError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)


def _tell(text: str) -> None:
    print(text, file=sys.stderr)
