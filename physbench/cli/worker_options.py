"""The options of commands that score on several workers."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import click

from physbench.errors import ClusterError, WorkerError
from physbench.machine import count_cores

if TYPE_CHECKING:
    from physbench.ahead import Engine

WORKERS = click.option(
    "--workers",
    type=click.IntRange(1),
    help="Share the sequences out over so many worker processes; the scores are the same.  [default: 1; with --engine"
    " dask, one for each core]",
)
ENGINE = click.option(
    "--engine",
    type=click.Choice(["processes", "dask"]),
    default="processes",
    show_default=True,
    help="processes: of this machine; dask: of a Dask cluster (pip install 'physbench[cluster]').",
)
SCHEDULER = click.option(
    "--scheduler",
    metavar="tcp://HOST:PORT",
    help="The scheduler of a Dask cluster that is there; without it, --engine dask starts one on this machine.",
)


@dataclass(frozen=True)
class WorkerOptions:
    workers: int | None
    engine: str
    scheduler: str | None

    def __post_init__(self) -> None:
        if self.scheduler is not None and self.engine != "dask":
            raise click.UsageError("--scheduler goes with --engine dask")

    def to_settings(self) -> dict[str, Any]:
        """As `evaluate` takes them."""
        usual = count_cores() if self.engine == "dask" else 1
        return {
            "workers": self.workers or usual,
            "engine": cast("Engine", self.engine),
            "scheduler": self.scheduler,
        }


@contextmanager
def keep_finished(is_kept: bool) -> Generator[None]:
    """Say, where a worker is lost, that what was finished is not."""
    try:
        yield
    except (WorkerError, ClusterError) as error:
        if not is_kept:
            raise
        raise type(error)(f"{error}. What was finished is kept: the same command goes on from there") from None
