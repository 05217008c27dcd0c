"""A command that evaluates the reference rows on every suite and writes them as a submission.

Other submissions are checked against these rows.

python -m physbench_leaderboard.reference_rows [--full] [SUITE ...]
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from physbench import registry
from physbench.evaluation.evaluate import evaluate
from physbench.files import write_whole
from physbench.suites import SIZES, SUITES, suite_of
from physbench_leaderboard.pins import REFERENCES, bundled_folder
from physbench_leaderboard.submission import Submission, SubmissionError, examine, read


def bundle(
    folder: Path,
    *,
    suites: Sequence[str] = tuple(SUITES),
    sizes: Sequence[str] = ("lite",),
    doing: Callable[[str], None] = lambda text: None,
) -> Path:
    """Evaluate the reference rows, and replace the older rows of these suites and sizes.

    doing: called with a text before each evaluation.
    """
    path = folder / REFERENCES
    kept = (
        [row for row in read(path).rows if row.size not in sizes or row.suite not in suites] if path.is_file() else []
    )
    scored = path.with_suffix(".partial")
    try:
        for suite in map(suite_of, suites):
            for size in sizes[: 1 if suite.sequences else None]:
                for name in suite.references:
                    doing(f"{name} on {suite.name}, {size}")
                    found = evaluate(registry.models.get(name)(), suite, size=size, name=name)
                    write_whole(scored, found.to_csv())
                    rows, problems = examine(scored)
                    if problems:
                        raise SubmissionError(f"{name} on {suite.name} cannot be listed: {problems[0]}")
                    kept += rows.rows
        write_whole(path, Submission(tuple(sorted(kept, key=lambda row: list(SUITES).index(row.suite)))).to_csv())
    finally:
        scored.unlink(missing_ok=True)
    return path


if __name__ == "__main__":
    named = [word for word in sys.argv[1:] if word != "--full"]
    wanted = tuple(SIZES) if "--full" in sys.argv else ("lite",)
    print(
        bundle(
            bundled_folder(),
            suites=named or tuple(SUITES),
            sizes=wanted,
            doing=lambda text: print(text, file=sys.stderr),
        )
    )
