"""How far a table stands behind a submission: set by the keeper of the table, never by the submitter.

It is written beside the submission, bound to its content: NAME.trust.json.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from physbench import __version__
from physbench.errors import StorageError
from physbench.files import read_regular_file, write_whole
from physbench_leaderboard.pins import require_not_installed
from physbench_leaderboard.submission import Submission, SubmissionError

DEGREES = ("self-reported", "recomputed", "re-run")
"""The further on, the more was done again: nothing; the figures, from what each sequence contributed; the evaluation
itself."""

MOST_BYTES = 10_000


def grant(listed: Path, submission: Submission, degree: str) -> Path:
    """Say that a listed submission was checked so far. Less than was granted before changes nothing."""
    if degree not in DEGREES[1:]:
        raise SubmissionError(f"trust is granted as {' or '.join(DEGREES[1:])}, not {degree!r}")
    path = beside(listed)
    if DEGREES.index(find_grant(listed, submission)) >= DEGREES.index(degree):
        return path
    require_not_installed(listed.parent)
    record = {
        "trust": degree,
        "csv_sha256": submission.sha256,
        "date": datetime.now(UTC).date().isoformat(),
        "physbench_version": __version__,
    }
    write_whole(path, json.dumps(record, indent=1) + "\n")
    return path


def find_grant(listed: Path, submission: Submission) -> str:
    """What stands beside a submission."""
    path = beside(listed)
    if not path.exists():
        return DEGREES[0]
    try:
        record: Any = json.loads(read_regular_file(path, MOST_BYTES).decode("utf-8"))
    except (StorageError, ValueError, RecursionError):
        raise SubmissionError(f"{path.name} is no record of trust: remove it") from None
    known = cast("dict[str, Any]", record) if isinstance(record, dict) else {}
    if known.get("trust") not in DEGREES or known.get("csv_sha256") != submission.sha256:
        raise SubmissionError(
            f"{path.name} is not of what stands in {listed.name} today: remove it, and check the submission again"
        )
    return str(known["trust"])


def beside(listed: Path) -> Path:
    return listed.with_suffix(".trust.json")
