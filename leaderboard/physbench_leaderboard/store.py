"""The folder of submissions.

A file is written completely or not at all, its name depends on its content, and only one process adds at a time.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from physbench.errors import PhysbenchError
from physbench.files import read_regular_file, require_regular_file, write_whole
from physbench.lock import hold_lock
from physbench.notices import announce
from physbench.suites import installed_suites
from physbench_leaderboard.entries import Entry, entries
from physbench_leaderboard.pins import REFERENCES, ReferencePins, load_pins, require_not_installed
from physbench_leaderboard.recompute import recompute
from physbench_leaderboard.submission import Row, Submission, SubmissionError, examine, list_problems, read
from physbench_leaderboard.submission_checks import SELF_REPORTED, check, is_reference, meaning
from physbench_leaderboard.trust import find_grant

MOST_SUMS = 2_000_000
"""The largest size of a file of per-sequence sums, in bytes."""


@dataclass(frozen=True)
class Added:
    """The result of adding a submission."""

    path: Path
    already: bool  # whether it was there before
    sums: bool  # whether its per-sequence sums are in the folder too


@dataclass(frozen=True)
class Listed:
    """A submission in the folder."""

    path: Path
    submission: Submission
    trust: str

    @property
    def entries(self) -> list[Entry]:
        """Its rows, grouped by evaluation."""
        return entries(self.submission.rows)

    @property
    def sums(self) -> Path | None:
        """The file of its per-sequence sums, if there is one."""
        path = self.path.with_suffix(".npz")
        return path if path.is_file() else None


def add(path: Path, folder: Path, pins: ReferencePins | None = None) -> Added:
    """Check a submission and put it into the folder, together with the NAME.npz beside it if there is one."""
    submission = check(path, pins)
    require_folder(folder)
    require_not_installed(folder)
    model = submission.rows[0].model
    if is_reference(model):
        return Added(folder / REFERENCES, already=True, sums=False)
    content = _sums_beside(path, submission)
    listed = folder / f"{_stem(model, submission)}.csv"
    with hold_lock(folder):  # or two processes could both find no conflict
        already = listed.is_file() and read(listed) == submission
        if not already:
            _refuse_other_figures(submission, folder)
        if content is not None and not listed.with_suffix(".npz").exists():
            write_whole(listed.with_suffix(".npz"), content)
        if not already:
            write_whole(listed, submission.to_csv())  # written last: only with the CSV is the submission listed
    return Added(listed, already, listed.with_suffix(".npz").is_file())


def require_folder(folder: Path) -> None:
    """Raise an error if there is no such folder."""
    if not folder.is_dir():
        raise SubmissionError(f"there is no folder {folder} of submissions")


def load_all(folder: Path, pins: ReferencePins | None = None, *, beside: Sequence[Path] = ()) -> list[Listed]:
    """Read every submission in the folder, in the order of their names.

    Rows for older versions of suites are ignored. A file in the folder that cannot be listed is left out with a notice.
    beside: files outside the folder, which are checked as if they were added; a wrong one is an error.
    """
    require_folder(folder)
    found = list(_listable(sorted(folder.glob("*.csv")), pins or load_pins()))
    found += _new(beside, pins, {each.submission.sha256 for each in found})
    seen: dict[object, Path] = {}
    for listed in found:
        for entry in listed.entries:
            first = seen.setdefault(entry.who, listed.path)
            if first != listed.path:
                raise SubmissionError(
                    f"{entry.who} is in {first.name} and in {listed.path.name}: remove one of them, or give it"
                    " another --name"
                )
    return found


def _listable(paths: Iterable[Path], pins: ReferencePins) -> Iterator[Listed]:
    """Those that can be listed: one bad file must not hide the others."""
    for path in paths:
        try:
            yield _list(path, pins)
        except PhysbenchError as error:
            said = str(error)
            announce(f"left out: {said if path.name in said else f'{path.name}: {said}'}")


def _list(path: Path, pins: ReferencePins) -> Listed:
    submission = read(path)
    today = tuple(row for row in submission.rows if not _former(row))
    if problems := meaning(today, pins):
        raise SubmissionError(list_problems(path, problems))
    if path.name != REFERENCES and any(is_reference(row.model) for row in today):
        raise SubmissionError(f"{path.name} holds reference rows, which belong only in {REFERENCES}")
    return Listed(path, type(submission)(today), find_grant(path, submission))


def _new(paths: Sequence[Path], pins: ReferencePins | None, there: set[str]) -> Iterator[Listed]:
    """Check submissions outside the folder, and yield those that could be added to it."""
    for path in paths:
        submission = check(path, pins)
        if submission.sha256 not in there and not is_reference(submission.rows[0].model):
            _sums_beside(path, submission)
            yield Listed(path, submission, SELF_REPORTED)


def _former(row: Row) -> bool:
    """Return whether a row is for an older version of its suite."""
    suite = installed_suites().get(row.suite)
    return suite is not None and row.suite_version < suite.version


def _stem(model: str, submission: Submission) -> str:
    """Return the name of a submission's files, without the extension."""
    return f"{re.sub(r'[^a-z0-9_.+-]', '-', model.lower()).strip('.')}-{submission.sha256[:16]}"


def _refuse_other_figures(submission: Submission, folder: Path) -> None:
    """Raise an error if an evaluation is already listed with other figures, so that no file replaces another one."""
    ours = {entry.who for entry in entries(submission.rows)}
    for path in sorted(folder.glob("*.csv")):
        for entry in entries(examine(path)[0].rows):
            if entry.who in ours:
                raise SubmissionError(
                    f"{entry.who} is already listed in {path.name} with other figures: remove that file to replace it"
                    " with this one"
                )


def _sums_beside(path: Path, submission: Submission) -> bytes | None:
    """Read the sums beside a submission, and raise an error if its figures do not follow from them."""
    sums = path.with_suffix(".npz")
    if not sums.exists():
        return None
    if (size := require_regular_file(sums)) > MOST_SUMS:
        raise SubmissionError(
            f"{sums.name} has {size:,} bytes, but at most {MOST_SUMS:,} are allowed: submit the CSV without it"
        )
    if problems := recompute(submission, sums).problems:
        raise SubmissionError(list_problems(sums, problems))
    return read_regular_file(sums, MOST_SUMS)
