"""Tests of the folder of submissions: a file is there completely or not at all, once, and never under another model's
name."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import physbench
from physbench import registry
from physbench.errors import PhysbenchError
from physbench.notices import listen
from physbench.suites import SUITES
from physbench_leaderboard import pins
from physbench_leaderboard.estimate import Contender
from physbench_leaderboard.pins import REFERENCES, bundled_folder
from physbench_leaderboard.store import MOST_SUMS, add, load_all
from physbench_leaderboard.submission import SubmissionError, read
from physbench_leaderboard.trust import beside, find_grant, grant
from tests.leaderboard.rows_of_submissions import as_csv, references, rows, write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "listed").mkdir()
    return tmp_path / "listed"


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of the evaluator's, with per-sequence sums beside it."""
    path = tmp_path_factory.mktemp("evaluated") / "mine.csv"
    found = physbench.evaluate(registry.models.get("mean")(), "smoke", name="mine")
    path.write_text(found.to_csv(), encoding="utf-8")
    found.save_sums(path.with_suffix(".npz"))
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_adding_twice_is_adding_once(tmp_path: Path, folder: Path) -> None:
    path = write(tmp_path / "mine.csv", rows())
    first = add(path, folder)
    assert not first.already and not first.sums and names(folder) == [first.path.name]
    assert first.path.name.startswith("mine-") and read(first.path).to_csv() == path.read_text()
    before = first.path.read_bytes()
    path.write_text(
        "".join(",".join(f'"{cell}"' for cell in line.split(",")) + "\r\n" for line in path.read_text().splitlines()),
        newline="",
    )
    again = add(path, folder)
    assert (
        again.already
        and again.path == first.path
        and names(folder) == [first.path.name]
        and first.path.read_bytes() == before
    )


def test_a_refused_submission_leaves_nothing(tmp_path: Path, folder: Path) -> None:
    for number, lines in enumerate(
        [
            rows()[:-1],
            [replace(row, value=row.value / 2) for row in rows()],
            [replace(row, size="limit-3") for row in rows()],
            [],
        ]
    ):
        with pytest.raises(SubmissionError):
            add(write(tmp_path / f"{number}.csv", lines), folder)
    with pytest.raises(SubmissionError, match="there is no folder"):
        add(write(tmp_path / "mine.csv", rows()), tmp_path / "nowhere")
    assert names(folder) == [] and not (tmp_path / "nowhere").exists()


def test_a_second_file_cannot_take_the_place_of_the_first(tmp_path: Path, folder: Path) -> None:
    first = add(write(tmp_path / "a.csv", rows()), folder)
    with pytest.raises(SubmissionError, match=f"already listed in {first.path.name} with other figures"):
        add(write(tmp_path / "b.csv", rows(factor=0.9)), folder)
    add(write(tmp_path / "c.csv", rows(train_seed=1, factor=0.9)), folder)
    add(write(tmp_path / "d.csv", rows(suite="curtain")), folder)
    assert len(load_all(folder)) == 3


def test_what_is_shown_beside_the_listed_ones_is_checked_and_not_added(
    evaluated: Path, tmp_path: Path, folder: Path
) -> None:
    listed = add(write(tmp_path / "a.csv", rows("a")), folder).path
    mine = write(tmp_path / "mine.csv", rows(factor=0.9))
    found = load_all(folder, beside=[mine, evaluated])
    assert [each.path for each in found] == [listed, mine, evaluated] and names(folder) == [listed.name]
    assert (
        found[1].submission == read(mine)
        and found[1].trust == "self-reported"
        and found[2].sums == evaluated.with_suffix(".npz")
    )
    assert [each.path for each in load_all(folder, beside=[tmp_path / "a.csv"])] == [listed], "it is there already"
    reference = write(tmp_path / "copy.csv", [row for row in references() if row.model == "copy"])
    assert [each.path for each in load_all(folder, beside=[reference])] == [listed], (
        "the reference rows stand in a file of their own"
    )
    for lines, reason in [
        (rows("a", factor=0.9), "is in a-.*csv and in b.csv.*another --name"),
        (rows("b")[:-1], "b.csv cannot be listed"),
    ]:
        with pytest.raises(SubmissionError, match=reason):
            load_all(folder, beside=[write(tmp_path / "b.csv", lines)])


def test_an_installed_package_is_not_written_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = tmp_path / "site-packages" / "physbench_leaderboard" / "submissions"
    inside.mkdir(parents=True)
    mine = write(tmp_path / "mine.csv", rows())
    pins.load_pins()  # read from where they are, before the package seems to lie elsewhere
    monkeypatch.setattr(pins, "PACKAGE", inside.parent)
    assert bundled_folder() == inside
    with pytest.raises(SubmissionError, match=r"installed package.*--folder"):
        add(mine, inside)
    listed = write(inside / "mine.csv", rows())
    with pytest.raises(SubmissionError, match=r"installed package.*--folder"):
        grant(listed, read(listed), "re-run")
    assert names(inside) == ["mine.csv"]
    (tmp_path / "own").mkdir()
    assert not add(mine, tmp_path / "own").already


def test_a_folder_that_is_not_there_is_an_error_and_an_empty_one_is_none(tmp_path: Path, folder: Path) -> None:
    assert load_all(folder) == []
    with pytest.raises(SubmissionError, match="there is no folder .*nowhere of submissions"):
        load_all(tmp_path / "nowhere")


def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(tmp_path: Path, folder: Path) -> None:
    notices: list[str] = []
    mine = write(tmp_path / "mine.csv", rows())
    os.mkfifo(tmp_path / "mine.npz")
    with pytest.raises(PhysbenchError, match=r"mine.npz is not a file"):
        add(mine, folder)
    os.mkfifo(tmp_path / "pipe.csv")
    os.mkfifo(folder / "pipe.csv")
    with pytest.raises(PhysbenchError, match=r"pipe.csv is not a file"):
        add(tmp_path / "pipe.csv", folder)
    with listen(notices.append):
        assert load_all(folder) == []
    assert len(notices) == 1 and "pipe.csv is not a file" in notices[0]
    (folder / "pipe.csv").unlink()
    listed = add(write(tmp_path / "other.csv", rows()), folder).path
    os.mkfifo(beside(listed))
    with listen(notices.append):
        assert load_all(folder) == []
    assert len(notices) == 2 and "trust.json is not a record of trust" in notices[1]


def test_reference_rows_are_listed_already(tmp_path: Path, folder: Path) -> None:
    found = add(write(tmp_path / "copy.csv", [row for row in references() if row.model == "copy"]), folder)
    assert found.already and names(folder) == []


@pytest.mark.parametrize("model", ["a:b", "CON", "a..b", "A_+-.:", "0" * 64])
def test_whatever_a_model_is_called_its_file_has_a_plain_name(tmp_path: Path, folder: Path, model: str) -> None:
    path = add(write(tmp_path / "mine.csv", rows(model)), folder).path
    assert (
        path.parent == folder
        and set(path.name) <= set("abcdefghijklmnopqrstuvwxyz0123456789._+-")
        and path.suffix == ".csv"
    )
    assert load_all(folder)[0].submission.rows[0].model == model


def test_per_sequence_sums_come_along(evaluated: Path, folder: Path) -> None:
    found = add(evaluated, folder)
    assert found.sums and found.path.with_suffix(".npz").read_bytes() == evaluated.with_suffix(".npz").read_bytes()
    assert load_all(folder)[0].sums == found.path.with_suffix(".npz")
    assert add(evaluated, folder).already and len(names(folder)) == 2


def test_sums_that_cannot_be_read_count_as_none(evaluated: Path, folder: Path) -> None:
    """One bad file must not hide the board."""
    path = add(evaluated, folder).path.with_suffix(".npz")
    ranked = ("balls4mass64", "relative_bce")
    entries = tuple(load_all(folder)[0].entries)
    assert Contender(entries, (path,), ranked).contributions is not None
    path.write_bytes(b"junk")
    said: list[str] = []
    with listen(said.append):
        assert Contender(entries, (path,), ranked).contributions is None
    assert len(said) == 1 and said[0].startswith("left out: ") and path.name in said[0]


def test_sums_can_be_submitted_later(evaluated: Path, tmp_path: Path, folder: Path) -> None:
    alone = tmp_path / "mine.csv"
    alone.write_bytes(evaluated.read_bytes())
    assert not add(alone, folder).sums
    later = add(evaluated, folder)
    assert later.already and later.sums


def spoilt_sums(path: Path, evaluated: Path, change: Callable[[dict[str, np.ndarray]], None]) -> Path:
    with np.load(evaluated.with_suffix(".npz")) as arrays:
        content = dict(arrays)
    change(content)
    np.savez_compressed(path, **content)  # type: ignore[arg-type]
    return path


def _of_another(content: dict[str, np.ndarray], **changes: object) -> None:
    content["provenance"] = np.array(json.dumps({**json.loads(str(content["provenance"])), **changes}))


SPOILS: dict[str, Callable[[dict[str, np.ndarray]], None]] = {
    "other figures": lambda content: content.update(
        {"balls4mass64|bce|numerator": content["balls4mass64|bce|numerator"] * 1.001}
    ),
    "one sequence": lambda content: content.update(
        {"balls4mass64|bce|numerator": np.where(np.arange(64) == 3, 0.0, content["balls4mass64|bce|numerator"])}
    ),
    "short": lambda content: content.update({name: array[:32] for name, array in content.items() if array.ndim}),
    "not a number": lambda content: content.update({"balls4mass64|bce|numerator": np.full(64, np.nan)}),
    "overflow": lambda content: content.update({"balls4mass64|bce|numerator": np.full(64, 1e308)}),
    "negative": lambda content: content.update(
        {"balls4mass64|bce|denominator": -content["balls4mass64|bce|denominator"]}
    ),
    "unknown": lambda content: content.update(
        {"x|\x1b[31m|numerator": np.ones(64), "x|\x1b[31m|denominator": np.ones(64)}
    ),
    "nothing": lambda content: [content.pop(name) for name in list(content) if name != "provenance"] and None,
    "other model": lambda content: _of_another(content, model="\x1b[31m"),
    "other seed": lambda content: _of_another(content, seed=1),
    "other data": lambda content: _of_another(content, data_sha256={"balls4mass64": "0" * 64}),
    "strange data": lambda content: _of_another(content, data_sha256=[[]]),
    "stranger data": lambda content: _of_another(content, data_sha256={"a": [], "b": 3}),
    "nested": lambda content: _of_another(content, model={"a": ["b"]}, size=[1]),
}


@pytest.mark.parametrize("spoil", SPOILS)
def test_sums_that_are_not_of_these_figures_are_refused_and_nothing_is_written(
    evaluated: Path, tmp_path: Path, folder: Path, spoil: str
) -> None:
    path = tmp_path / "mine.csv"
    path.write_bytes(evaluated.read_bytes())
    spoilt_sums(tmp_path / "mine.npz", evaluated, SPOILS[spoil])
    with pytest.raises(PhysbenchError) as refused:
        add(path, folder)
    line = str(refused.value)
    assert len(line.splitlines()) == 1 and line.isascii() and line.isprintable()
    assert names(folder) == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "per-sequence sums"),
        (b"PK\x03\x04", "per-sequence sums"),
        (b"\x80\x04N.", "per-sequence sums"),
        (bytes(MOST_SUMS + 1), "2,000,001 bytes"),
    ],
    ids=["empty", "zip", "pickle", "large"],
)
def test_sums_that_are_no_sums_or_too_many_are_refused(
    tmp_path: Path, folder: Path, content: bytes, reason: str
) -> None:
    path = write(tmp_path / "mine.csv", rows())
    path.with_suffix(".npz").write_bytes(content)
    with pytest.raises(PhysbenchError, match=reason):
        add(path, folder)
    assert names(folder) == []


ADD = (
    "import sys, pathlib; from physbench_leaderboard.store import add; print(*(add(pathlib.Path(p),"
    " pathlib.Path(sys.argv[1])).already for p in sys.argv[2:]))"
)


def test_two_who_add_at_the_same_time_lose_nothing(tmp_path: Path, folder: Path) -> None:
    same = write(tmp_path / "same.csv", rows("same"))
    own = [
        [write(tmp_path / f"{who}-{number}.csv", rows(f"m{who}", train_seed=number)) for number in range(4)]
        for who in range(3)
    ]
    going = [subprocess.Popen([sys.executable, "-c", ADD, str(folder), *map(str, [same, *paths])]) for paths in own]
    assert all(process.wait(60) == 0 for process in going)
    listed = load_all(folder)
    assert len(names(folder)) == len(listed) == 13
    assert {(each.submission.rows[0].model, each.submission.rows[0].train_seed) for each in listed} == {
        ("same", None),
        *((f"m{who}", number) for who in range(3) for number in range(4)),
    }


SLOWLY = """
import sys, time, pathlib
from physbench.errors import PhysbenchError
from physbench_leaderboard import pins, store
check = store._refuse_other_figures
def slowly(*words):
    check(*words)
    time.sleep(0.5)  # long enough for the other one to look, too
store._refuse_other_figures = slowly
print("ready", flush=True)
sys.stdin.readline()
try:
    print(store.add(pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[1])).path.name)
except PhysbenchError as error:
    print(error)
"""


def test_of_two_who_add_the_same_model_at_once_with_other_figures_one_is_refused(tmp_path: Path, folder: Path) -> None:
    paths = [write(tmp_path / f"{number}.csv", rows(factor=1 + number / 50)) for number in range(3)]
    pipe = subprocess.PIPE
    going = [
        subprocess.Popen([sys.executable, "-c", SLOWLY, str(folder), str(path)], stdin=pipe, stdout=pipe, text=True)
        for path in paths
    ]
    for process in going:
        assert process.stdout and process.stdout.readline() == "ready\n"
    for process in going:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=60)[0].strip() for process in going]
    (listed,) = load_all(folder)
    assert answers.count(listed.path.name) == 1
    assert (
        sum(f"is already listed in {listed.path.name} with other figures" in answer for answer in answers)
        == len(paths) - 1
    )
    assert names(folder) == [listed.path.name]


KILLED = """
import os, signal, sys, pathlib
from physbench_leaderboard import pins, store
calls, at = 0, int(sys.argv[3])
def deadly(function):
    def called(*words):
        global calls
        calls += 1
        if calls == at: os.kill(os.getpid(), signal.SIGKILL)
        return function(*words)
    return called
os.fsync, os.replace, pathlib.Path.replace = deadly(os.fsync), deadly(os.replace), deadly(pathlib.Path.replace)
store.add(pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[1]))
"""


@pytest.mark.slow
def test_a_kill_in_the_middle_leaves_the_old_state(evaluated: Path, tmp_path: Path, folder: Path) -> None:
    old = add(write(tmp_path / "old.csv", rows("old")), folder).path
    before = [each.submission for each in load_all(folder)]
    listed = None
    for at in range(1, 20):
        done = subprocess.run(
            [sys.executable, "-c", KILLED, str(folder), str(evaluated), str(at)], timeout=60, check=False
        )
        found = load_all(folder)
        new = [each for each in found if each.path != old]
        if done.returncode == 0:
            listed = new
            break
        assert done.returncode == -signal.SIGKILL
        assert [each.submission for each in found if each.path == old] == before
        assert not new or new[0].submission == read(evaluated), "whole or not at all"
    assert listed and at > 3, "it was killed at each of its steps"
    assert listed[0].sums and add(evaluated, folder).already


def test_an_unwritable_disk_leaves_nothing_behind(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    path = write(tmp_path / "mine.csv", rows())
    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", full)
        with pytest.raises(PhysbenchError, match=r"mine-.*csv cannot be written: No space left on device"):
            add(path, folder)
    assert names(folder) == []
    assert not add(path, folder).already


def test_what_was_put_there_by_hand_is_checked_when_it_is_read(tmp_path: Path, folder: Path) -> None:
    write(folder / "a.csv", rows())
    write(folder / "b.csv", rows(factor=0.9))
    with pytest.raises(SubmissionError, match="is in a.csv and in b.csv"):
        load_all(folder)


SPOILT_FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a reference row": (lambda path: write(path, rows("copy", like="copy")), "which belong only in references.csv"),
    "other figures": (
        lambda path: write(path, [replace(row, value=row.value / 2) for row in rows("other")]),
        "b.csv cannot be listed",
    ),
    "no text": (lambda path: path.write_bytes(b"PK\x03\x04"), "zip"),
    "a metric of some package": (
        lambda path: write(path, [*rows("other"), replace(rows("other")[0], metric="lit_error", line=0)]),
        "lit_error on balls4mass64, a metric that does not come with physbench",
    ),
}


@pytest.mark.parametrize("kind", SPOILT_FILES)
def test_a_file_that_cannot_be_listed_is_left_out_in_one_line_and_stops_no_board(folder: Path, kind: str) -> None:
    spoil, reason = SPOILT_FILES[kind]
    write(folder / "a.csv", rows())
    spoil(folder / "b.csv")
    notices: list[str] = []
    with listen(notices.append):
        assert [each.path.name for each in load_all(folder)] == ["a.csv"]
    (notice,) = notices
    assert notice.startswith("left out: ") and "b.csv" in notice and reason in notice and "\n" not in notice


def test_a_file_beside_the_folder_that_cannot_be_listed_is_refused(tmp_path: Path, folder: Path) -> None:
    write(folder / "broken.csv", rows()[:-1])
    assert not add(write(tmp_path / "mine.csv", rows("other")), folder).already
    with pytest.raises(SubmissionError, match=r"mine.csv cannot be listed.*does not come with physbench"):
        load_all(
            folder,
            beside=[write(tmp_path / "mine.csv", [*rows("third"), replace(rows("third")[0], metric="lit_error")])],
        )


def test_rows_for_a_former_version_of_a_suite_are_passed_over(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder / "a.csv", rows())
    monkeypatch.setitem(SUITES, "balls", replace(SUITES["balls"], version=SUITES["balls"].version + 1))
    assert load_all(folder)[0].submission.rows == ()


def test_the_bundled_submissions_are_in_order() -> None:
    notices: list[str] = []
    with listen(notices.append):
        listed = {each.path.name: each for each in load_all(bundled_folder())}
    assert not notices
    here = {(entry.who.model, entry.who.suite) for entry in listed[REFERENCES].entries if entry.who.size == "lite"}
    assert here == {(model, name) for name, suite in SUITES.items() for model in suite.references}


def test_trust_is_granted_by_the_maintainer_and_bound_to_the_content(tmp_path: Path, folder: Path) -> None:
    path = write(tmp_path / "mine.csv", rows())
    beside(path).write_text(json.dumps({"trust": "re-run", "csv_sha256": read(path).sha256}))
    listed = add(path, folder).path
    assert names(folder) == [listed.name], "what a submitter says of trust stays with the submitter"
    submission = read(listed)
    assert find_grant(listed, submission) == "self-reported" == load_all(folder)[0].trust
    grant(listed, submission, "re-run")
    grant(listed, submission, "recomputed")
    assert load_all(folder)[0].trust == "re-run"
    for wrong in ("self-reported", "", "=re-run"):
        with pytest.raises(SubmissionError, match="trust is granted as"):
            grant(listed, submission, wrong)
    write(listed, rows(factor=0.9))
    notices: list[str] = []
    with listen(notices.append):
        assert load_all(folder) == []
    assert len(notices) == 1 and "is for another content of" in notices[0]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "null",
        '{"trust": []}',
        "{" * 9_999,
        '{"trust": "re-run"}',
        "\x00",
        '{"trust": "best", "csv_sha256": ""}',
    ],
)
def test_a_submission_with_a_record_of_trust_that_is_none_is_left_out(folder: Path, content: str) -> None:
    listed = write(folder / "mine.csv", rows())
    beside(listed).write_text(content)
    notices: list[str] = []
    with listen(notices.append):
        assert load_all(folder) == []
    assert len(notices) == 1 and "mine.trust.json" in notices[0]


def test_the_stored_table_is_the_one_that_was_submitted(tmp_path: Path, folder: Path) -> None:
    assert add(write(tmp_path / "mine.csv", rows()), folder).path.read_text() == as_csv(rows())
