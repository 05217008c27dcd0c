"""The scores of the reference rows on every suite, as `physbench eval` shows them beside a model's: python -m benchmarks.references"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import physbench
from physbench import registry
from physbench.evaluation.known import KNOWN_SIZE, REFERENCES, ROWS
from physbench.files import write_whole
from physbench.metrics.catalogue import stands_in_tables
from physbench.suites import SUITES

COLUMNS = ("suite", "suite_version", "size", "task", "metric", "model", "value", "low", "high")
FILE = Path(physbench.__file__).parent / "evaluation" / REFERENCES


def main() -> None:
    rows: list[dict[str, str]] = []
    for suite in SUITES.values():
        for name in ROWS:
            print(f"{name} on {suite.name}", file=sys.stderr)
            result = physbench.evaluate(registry.models.get(name)(), suite.name, size=KNOWN_SIZE, name=name)
            rows += [row for row in csv.DictReader(result.to_csv().splitlines()) if stands_in_tables(row["metric"])]
    lines = [",".join(COLUMNS), *(",".join(row[column] for column in COLUMNS) for row in rows)]
    write_whole(FILE, "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
