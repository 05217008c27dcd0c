"""The degree of trust of a submission, which is set by the maintainer of the table and never by the submitter.

It is written beside the submission, into NAME.trust.json, together with the digest of the submission.
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
"""The degrees in increasing order: nothing was reproduced; the figures were recomputed from what each sequence
contributed; the evaluation itself was run again."""

MOST_BYTES = 10_000


def grant(listed: Path, submission: Submission, degree: str) -> Path:
    """Record the degree of trust of a listed submission. A degree below the present one changes nothing."""
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
    """Return the degree of trust that is recorded beside a submission."""
    path = beside(listed)
    if not path.exists():
        return DEGREES[0]
    try:
        record: Any = json.loads(read_regular_file(path, MOST_BYTES).decode("utf-8"))
    except (StorageError, ValueError, RecursionError):
        raise SubmissionError(f"{path.name} is not a record of trust: remove it") from None
    known = cast("dict[str, Any]", record) if isinstance(record, dict) else {}
    if known.get("trust") not in DEGREES or known.get("csv_sha256") != submission.sha256:
        raise SubmissionError(
            f"{path.name} is for another content of {listed.name}: remove it, and check the submission again"
        )
    return str(known["trust"])


def beside(listed: Path) -> Path:
    """Return the path of the record of trust of a submission."""
    return listed.with_suffix(".trust.json")
