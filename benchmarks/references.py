"""The scores of the reference rows on every suite and size, as `physbench eval` shows them beside a model's: python -m benchmarks.references"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import physbench
from physbench import registry
from physbench.evaluation.known import REFERENCES, ROWS
from physbench.metrics.catalogue import stands_in_tables
from physbench.suites import SIZES, SUITES

COLUMNS = ("suite", "suite_version", "size", "task", "metric", "model", "value", "low", "high")
FILE = Path(physbench.__file__).parent / "evaluation" / REFERENCES


def main() -> None:
    with FILE.with_suffix(".new").open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, COLUMNS, extrasaction="ignore", lineterminator="\n")
        table.writeheader()
        for suite in SUITES.values():
            for size in list(SIZES)[: 1 if suite.sequences else None]:
                for name in ROWS:
                    print(f"{name} on {suite.name}, {size}", file=sys.stderr)
                    result = physbench.evaluate(registry.models.get(name)(), suite.name, size=size, name=name)
                    table.writerows(row for row in csv.DictReader(result.to_csv().splitlines()) if stands_in_tables(row["metric"]))
    FILE.with_suffix(".new").replace(FILE)


if __name__ == "__main__":
    main()
