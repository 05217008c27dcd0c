"""The scores of the reference rows on every suite, as `physbench eval` shows them beside a model's: python -m benchmarks.references [lite] [full]"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import physbench
from physbench import registry
from physbench.evaluation.known import REFERENCES, ROWS
from physbench.files import write_whole
from physbench.metrics.catalogue import stands_in_tables
from physbench.suites import SIZES, SUITES, Suite

COLUMNS = ("suite", "suite_version", "size", "task", "metric", "model", "value", "low", "high")
FILE = Path(physbench.__file__).parent / "evaluation" / REFERENCES


def main(sizes: list[str]) -> None:
    """Score the rows on these sizes, all by default. What is known of other sizes stays, if the suite has not changed since."""
    wanted = sizes or list(SIZES)
    with FILE.open(encoding="utf-8", newline="") as file:
        rows = {_key(row): row for row in csv.DictReader(file) if _is_current(row) and row["size"] not in wanted}
    for suite in SUITES.values():
        for size in (size for size in wanted if size in sizes_of(suite)):
            for name in ROWS:
                print(f"{name} on {suite.name}, {size}", file=sys.stderr)
                result = physbench.evaluate(registry.models.get(name)(), suite.name, size=size, name=name)
                rows |= {_key(row): row for row in csv.DictReader(result.to_csv().splitlines()) if stands_in_tables(row["metric"])}
    lines = [",".join(COLUMNS)]
    lines += [",".join(row[column] for column in COLUMNS) for row in sorted(rows.values(), key=_place)]
    write_whole(FILE, "\n".join(lines) + "\n")


def sizes_of(suite: Suite) -> list[str]:
    return list(SIZES)[: 1 if suite.sequences else None]


def _key(row: dict[str, str]) -> tuple[str, ...]:
    return tuple(row[column] for column in ("suite", "size", "model", "task", "metric"))


def _place(row: dict[str, str]) -> tuple[int, int, int]:
    return list(SUITES).index(row["suite"]), list(SIZES).index(row["size"]), ROWS.index(row["model"])


def _is_current(row: dict[str, str]) -> bool:
    return row["suite"] in SUITES and row["suite_version"] == str(SUITES[row["suite"]].version) and row["model"] in ROWS


if __name__ == "__main__":
    main(sys.argv[1:])
