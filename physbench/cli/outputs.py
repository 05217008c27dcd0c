"""What a command that scores leaves behind: a table on the terminal, and files that were asked for."""

from __future__ import annotations

import os
import shutil
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import click

from physbench.amounts import describe_time
from physbench.errors import StorageError
from physbench.files import require_folder_for, require_writable, write_whole
from physbench.progress import progress_bar

if TYPE_CHECKING:
    from physbench.evaluation.evaluate import Extent
    from physbench.evaluation.known import Known
    from physbench.evaluation.window import Answers
    from physbench.model import Likelihood
    from physbench.result import Result

WORTH_SAYING = 5.0
"""From so many seconds on, it is said how long the rows and the report took."""

NARROWEST = 60
"""Columns that a table takes at least."""


@dataclass(frozen=True)
class Outputs:
    table: Path | None
    per_sequence: Path | None
    report: Path | None
    overwrite: bool
    everything: bool
    as_json: bool
    name: str | None
    link: str | None
    paper: str | None

    @cached_property
    def labels(self) -> dict[str, str]:
        """What a table says of the model, as the leaderboard takes it."""
        from physbench_leaderboard.submission import cell_of

        given = {"model": self.name, "model_link": self.link, "paper_link": self.paper}
        return {column: cell_of(column, text) for column, text in given.items() if text is not None}

    def require_name(self, model: str) -> None:
        """Refuse to write a table under a name that no table may hold; --name gives another."""
        from physbench_leaderboard.submission import SubmissionError, cell_of

        if self.table is not None and self.name is None:
            try:
                cell_of("model", model)
            except SubmissionError as error:
                raise SubmissionError(f"{error}; give another by --name") from None

    def require_sound(self) -> None:
        """Refuse what could not be written or said, before hours of work and not after them."""
        files = [path for path in (self.table, self.per_sequence) if path is not None]
        for path in files:
            require_writable(path)
            self._require_new(path)
        if self.report is not None:
            require_folder_for(self.report)
            if self.report.exists() and not self.report.is_dir():
                raise StorageError(f"{self.report} is a file: a report is written into a folder")
            page = self.report / "index.html"
            if self.report.exists():
                require_writable(page)
            self._require_new(page)
            files += [self.report, page]
        if len({path.resolve() for path in files}) < len(files):
            raise StorageError("two of --csv, --per-sequence and --report have the same path: give each its own")
        self.labels  # noqa: B018  (bad ones are refused now)

    def _require_new(self, path: Path) -> None:
        if path.exists() and not self.overwrite:
            raise StorageError(f"{path} exists already: use --overwrite to replace it, or another name")

    def _say_what_is_left_out(self, found: Result) -> None:
        """Name the figures that are not in the table, on one line."""
        if found.left_out:
            names = dict.fromkeys(name.partition("[")[0] for name in found.left_out)
            click.echo(
                f"{self.table} leaves out {', '.join(names)}: no metric that comes with physbench, so others could not"
                " check it",
                err=True,
            )

    def hand_out(self, found: Result, chosen: Extent, *, answers: Answers, likelihood: Likelihood) -> None:
        """Print the scores, and write what was asked for. Files come first: a closed pipe costs nothing."""
        from physbench.evaluation.beside import reference_scores
        from physbench.evaluation.known import list_published
        from physbench.evaluation.result_text import as_text, to_json

        found = replace(found, provenance=replace(found.provenance, **self.labels))
        if self.table:
            write_whole(self.table, found.to_csv())
            self._say_what_is_left_out(found)
        if self.per_sequence:
            found.save_sums(self.per_sequence)
        references: list[Known] = []
        began = time.perf_counter()
        if not self.as_json or self.report:
            with (
                progress_bar("scoring reference rows", unit="") as update,
                suppress(KeyboardInterrupt),
            ):  # the scores themselves are there
                references = reference_scores(
                    chosen, besides=found.provenance.model, doing=lambda doing: update(0, 1, doing)
                )
        everywhere = not sys.stdout.isatty() and "COLUMNS" not in os.environ
        width = None if everywhere else max(shutil.get_terminal_size().columns, NARROWEST)
        click.echo(
            to_json(found)
            if self.as_json
            else as_text(found, chosen, references, width=width, everything=self.everything)
        )
        if self.report:
            click.echo("drawing the report", err=True)
            from physbench.report import gallery, write_report

            page = write_report(
                self.report,
                found,
                references,
                list_published(chosen.suite.name),
                gallery(answers, chosen, found, likelihood=likelihood),
            )
            click.echo(str(page), err=True)
        if (after := time.perf_counter() - began) > WORTH_SAYING and not self.as_json:
            click.echo(f"reference rows and report took {describe_time(after)} more", err=True)
