"""The command that runs all benchmarks and writes the page."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from benchmarks import (
    accuracy,
    following,
    hardware,
    images,
    making,
    making_stages,
    passing,
    playing,
    reading,
    refining,
    report,
    scoring_cost,
    seeing,
    sharing_out,
    startup,
    training_speed,
    verifying,
    waiting,
    whole_set,
)
from benchmarks.plan import FULL, QUICK

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"


@click.command()
@click.option(
    "--quick", is_flag=True, help="A test run of a minute: the tables are complete, but the numbers mean nothing."
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The page to write. [default: docs/benchmarks.md; with --quick, the page is printed]",
)
@click.option("--only", metavar="NAME", help="Measure one thing, such as 'many workers', and print its tables.")
def main(quick: bool, out: Path | None, only: str | None) -> None:
    """Measure physbench and its rivals, and write the tables."""
    plan, began = QUICK if quick else FULL, time.monotonic()
    tables: list[report.Table] = []
    with TemporaryDirectory(prefix="physbench-bench-") as directory:
        scratch = Path(directory)
        questions: dict[str, Callable[[], report.Table | list[report.Table]]] = {
            "the machine": lambda: hardware.table(scratch),
            "making": lambda: making.table(plan, scratch),
            "accuracy": lambda: accuracy.table(plan),
            "the whole set": lambda: whole_set.table(plan, scratch),
            "reading": lambda: reading.table(plan, scratch),
            "the adjusted Rand index": lambda: scoring_cost.ari_table(plan),
            "an evaluation": lambda: scoring_cost.evaluation_table(plan),
            "learning": lambda: training_speed.table(plan),
            "start-up": lambda: startup.table(plan, scratch),
            "stages": lambda: making_stages.table(plan, scratch),
            "verifying": lambda: verifying.table(plan, scratch),
            "beside other work": lambda: waiting.table(plan),
            "images": lambda: images.table(plan, scratch),
            "playing": lambda: playing.table(plan, scratch),
            "learning from images": lambda: seeing.table(plan),
            "refinements": lambda: refining.table(plan),
            "learning object by object": lambda: following.table(plan),
            "messages": lambda: passing.table(plan),
            "many workers": lambda: sharing_out.tables(plan, scratch),
        }
        if only is not None and only not in questions:
            raise click.UsageError(f"there is no measurement {only!r}: there is {', '.join(questions)}")
        for name, ask in questions.items() if only is None else [(only, questions[only])]:
            print(f"{time.monotonic() - began:5.0f} s  {name} ...", file=sys.stderr, flush=True)
            answer = ask()
            tables += answer if isinstance(answer, list) else [answer]
    if only is not None:
        print("\n".join(map(report.markdown, tables)))
        return
    page = report.page(tables, minutes=(time.monotonic() - began) / 60, load=hardware.load(), quick=quick)
    if out is None and quick:
        print(page)
        return
    out = out or PAGE
    out.write_text(page, encoding="utf-8")
    print(f"{time.monotonic() - began:5.0f} s  {out}", file=sys.stderr)


if __name__ == "__main__":
    main()
