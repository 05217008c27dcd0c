"""Tests of reading untrusted submissions: typed rows, or one clear line."""

from __future__ import annotations

import gzip
import io
import os
import time
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import physbench
from physbench import registry
from physbench.errors import PhysbenchError
from physbench.result import COLUMNS
from physbench_leaderboard.submission import CELLS, MOST_BYTES, SubmissionError, examine, read
from tests.leaderboard.rows_of_submissions import as_csv, cells, rows, write

GOOD = as_csv(rows()[:3])
TEXT = [name for name in COLUMNS if name not in ("value", "low", "high", "seconds")]


def refusal(path: Path) -> str:
    """The one line with which it is refused."""
    with pytest.raises(SubmissionError) as caught:
        read(path)
    line = str(caught.value)
    assert "\n" not in line and line.isascii() and line.isprintable()
    return line


def write_submission(folder: Path, content: bytes | str) -> Path:
    path = folder / "mine.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_what_the_evaluator_writes_is_read_to_the_last_digit(tmp_path: Path) -> None:
    found = physbench.evaluate(
        registry.models.get("oracle")(), "smoke", name="mymodels.rnn:build_it", notes=("own-code",), limit=3
    )
    submission = read(write_submission(tmp_path, found.to_csv()))
    assert submission.to_csv() == found.to_csv()
    assert len(submission.rows) == len(found.scores)
    for row, score in zip(submission.rows, found.scores, strict=True):
        assert (row.task, row.metric, row.sequences) == (score.task, score.metric, 3)
        assert row.value == score.value or (row.value != row.value and score.value != score.value)
    assert submission.rows[0].notes == found.provenance.notes and "own-code" in found.provenance.notes
    assert submission.rows[0].parameters is None


def test_quoting_and_line_ends_do_not_matter(tmp_path: Path) -> None:
    quoted = "".join(",".join(f'"{cell}"' for cell in line.split(",")) + "\r\n" for line in GOOD.splitlines())
    assert read(write_submission(tmp_path, quoted)) == read(write_submission(tmp_path, GOOD))
    assert read(write_submission(tmp_path, quoted + "\r\n")).sha256 == read(write_submission(tmp_path, GOOD)).sha256


HOSTILE = [
    '=HYPERLINK("https://x.org","y")', "+1+cmd|' /C calc'!A0", "@SUM(1)", "-2+3", "\t=1", "\r=1", "<script>alert(1)</script>", "<img src=x onerror=a>",
    '"><b>', "a' onmouseover='x", "javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "\u202egnp.exe", "a\u2066b", "r\u0435-nem", "a\x1b[31mb",
    "a\x07", "a\nb", "a\u2028b", " a", "a ", "a;b", "{{ 7*7 }}", "${x}", "../../etc/passwd", "a" * 300, "\ufeffa", "\u0661", "\U0001d7cf", "%s%n", "`id`",
    "&lt;", "\x7f", "\xe1",
]  # fmt: skip


@pytest.mark.parametrize("name", TEXT)
def test_no_text_cell_lets_in_what_a_spreadsheet_a_page_or_a_terminal_would_obey(tmp_path: Path, name: str) -> None:
    for text in HOSTILE:
        submission, problems = examine(write(tmp_path / "mine.csv", [{**cells(rows()[0]), name: text}]))
        assert not submission.rows, f"{name} lets in {text!r}"
        assert len(problems) == 1 and f", {name}: " in problems[0] and problems[0].startswith("line ")
        assert problems[0].isascii() and problems[0].isprintable()


LINKS = [
    "http://x.org", "https://", "https://localhost", "https://x", "https://x.org/a b", 'https://x.org/"onload=', "https://x.org/<b>", "https://user:pw@x.org",
    "https://x.org\\@y.org", "https://x.org/\u202e", "//x.org", "https://x.org/'x'", "https://1.2.3.4/", "https://x..org", "https://-x.org", "ftp://x.org",
    "https://x.org/" + "a" * 200, "https://x.org:99999/a", "https://exämple.org", "javascript:alert(1)//https://x.org", "https://x.org/`", "https://x.org/a\n",
]  # fmt: skip


@pytest.mark.parametrize("link", LINKS)
def test_links_are_https_and_plain(tmp_path: Path, link: str) -> None:
    for name in ("model_link", "paper_link"):
        assert name in refusal(write(tmp_path / "mine.csv", [{**cells(rows()[0]), name: link}]))


@pytest.mark.parametrize(
    "link",
    [
        "https://arxiv.org/abs/1802.10353",
        "https://github.com/a_b/c-d/tree/v1.0#readme",
        "https://x.co.uk",
        "https://x.org/?a=b&c=%20",
    ],
)
def test_ordinary_links_are_let_in(tmp_path: Path, link: str) -> None:
    assert read(write(tmp_path / "mine.csv", [{**cells(rows()[0]), "model_link": link}])).rows[0].model_link == link


NO_NUMBERS = [
    "nan", "NaN", "inf", "-inf", "Infinity", "1e400", "-1e400", "1e31", "0x10", "1_000", "1,5", "1.", ".5", "+1", "1e", " 1", "1 ", "\u0663", "1d5", "--1",
    "1e9999", "0b1", "1/2", "=1", "00", "01",
]  # fmt: skip


@pytest.mark.parametrize("number", NO_NUMBERS)
def test_numbers_are_plain_finite_decimals(tmp_path: Path, number: str) -> None:
    for name in ("value", "low", "high", "seconds"):
        assert f"line 2, {name}: " in refusal(write(tmp_path / "mine.csv", [{**cells(rows()[0]), name: number}]))


@pytest.mark.parametrize("number", ["0", "-0.0", "1", "0.5", "-12.25", "4.4508480105484264e-07", "1e+16", "5e-324"])
def test_every_way_python_writes_a_number_is_let_in(tmp_path: Path, number: str) -> None:
    assert read(write(tmp_path / "mine.csv", [{**cells(rows()[0]), "value": number}])).rows[0].value == float(number)


@pytest.mark.parametrize(("name", "text"), [
    ("parameters", "-1"), ("parameters", "1.0"), ("parameters", "1e6"), ("parameters", "9" * 30), ("seed", ""), ("seed", "-1"), ("batch", "0"),
    ("sequences", "1000.0"), ("suite_version", "1.0"), ("date", "2026-02-30"), ("date", "1970-01-01"), ("date", "9999-01-01"), ("date", "20260101"),
    ("date", "2026-W01-1"), ("date", "yesterday"), ("data_sha256", "0" * 63), ("data_sha256", "G" * 64), ("data_sha256", ""), ("weights_sha256", "A" * 64),
    ("model", ""), ("notes", "because"), ("notes", "own-code own-code"), ("notes", "own-code  samples-3"), ("notes", "samples-0"), ("device", "cuda:x"),
    ("trust", ""), ("physbench_version", ""), ("metric", "bce[1"), ("metric", "BCE"),
])  # fmt: skip
def test_every_column_has_its_type(tmp_path: Path, name: str, text: str) -> None:
    line = refusal(write(tmp_path / "mine.csv", [{**cells(rows()[0]), name: text}]))
    assert f"line 2, {name}: {text[:37]!r}"[:40] in line or "nothing is not" in line
    assert CELLS[name].wanted in line


@pytest.mark.parametrize(
    "model", ["r-nem", "mymodel:SoftCopy", "my_models.rnn:build_it", "R-NEM_4.2+relu", "0", "copy2"]
)
def test_the_names_that_the_evaluator_gives_are_let_in(tmp_path: Path, model: str) -> None:
    assert read(write(tmp_path / "mine.csv", rows(model)[:2])).rows[1].model == model


def zip_text(text: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("mine.csv", text)
    return content.getvalue()


@pytest.mark.parametrize(("content", "reason"), [
    (zip_text(GOOD), "a zip archive"), (gzip.compress(GOOD.encode()), "a gzip archive"), (b"\x89HDF\r\n\x1a\n", "an HDF5 file"), (b"\x80\x04N.", "a pickle"),
    (b"<!doctype html><html>", "a page"), (b"{}", "JSON"), (b"\xef\xbb\xbf" + GOOD.encode(), "byte-order mark"), (GOOD.encode("utf-16"), "UTF-16"),
    (GOOD.encode("utf-16-le"), "NUL"), (GOOD.encode("utf-32-be"), "NUL"), (GOOD.replace("cpu", "c\xb5u").encode("latin-1"), "is not UTF-8"),
    (GOOD.replace("cpu", "c\0u").encode(), "NUL"), (b"", "the header lacks suite"), (b"\n\n", "the header lacks suite"),
    (b"a,b\n1,2\n", "the header lacks suite"),
    (",".join(COLUMNS).encode(), "no rows"), (GOOD.replace("suite,", "suite,suite,", 1).encode(), "names suite more than once"),
    (GOOD.replace("notes", "notes,value", 1).encode(), "names value more than once"),
    (GOOD.replace("notes", "notes,extra", 1).encode(), "no column is called 'extra'"),
    (GOOD.replace("suite,suite_version", "suite_version,suite", 1).encode(), "another order"), (GOOD.replace("value", "Value", 1).encode(), "lacks value"),
    (GOOD.replace("\n", ",\n").replace(",\n", "\n", 1).encode(), "27 cells where the header has 26"), ((GOOD + "balls,1\n").encode(), "line 5: 2 cells"),
    ((GOOD + '"').encode(), "not valid CSV"), ((GOOD + '"a"b,c\n').encode(), "not valid CSV"), ((GOOD + '"' + "a" * 200_000 + '"\n').encode(), "not valid CSV"),
])  # fmt: skip
def test_files_that_are_not_tables_are_refused_with_the_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    assert reason in refusal(write_submission(tmp_path, content))


def test_ten_million_rows_are_refused_before_they_are_read(tmp_path: Path) -> None:
    path = write_submission(tmp_path, GOOD)
    os.truncate(path, 3_000_000_000)  # as long as ten million rows, and nearly all of it a hole
    began = time.perf_counter()
    assert "3,000,000,000 bytes" in refusal(path)
    assert time.perf_counter() - began < 0.5


@pytest.mark.parametrize("line", ["\n", "a\n", ",\n", '""\n'])
def test_millions_of_tiny_rows_do_not_take_long(tmp_path: Path, line: str) -> None:
    head = ",".join(COLUMNS) + "\n"
    path = write_submission(tmp_path, head + line * ((MOST_BYTES - len(head)) // len(line)))
    began = time.perf_counter()
    refusal(path)
    assert time.perf_counter() - began < 10


def test_a_file_that_is_no_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    for path in (tmp_path / "pipe.csv", tmp_path, Path("/dev/zero"), tmp_path / "missing.csv", tmp_path / "a\0b"):
        with pytest.raises(SubmissionError):
            read(path)


def test_many_problems_are_said_in_one_line_and_counted(tmp_path: Path) -> None:
    line = refusal(
        write(tmp_path / "mine.csv", [{**cells(row), "value": f"nan{number}"} for number, row in enumerate(rows())])
    )
    assert line.count("line ") == 6 and line.endswith(f"and {len(rows()) - 6} more")


@settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    content=st.binary(max_size=300) | st.text(max_size=300).map(str.encode),
    start=st.sampled_from([b"", (",".join(COLUMNS) + "\n").encode()]),
)
def test_whatever_bytes_come_the_answer_is_a_refusal(tmp_path: Path, content: bytes, start: bytes) -> None:
    path = write_submission(tmp_path, start + content)
    try:
        read(path)
    except PhysbenchError as error:
        assert len(str(error).splitlines()) == 1


@settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(at=st.integers(0, len(GOOD) - 1), byte=st.binary(min_size=0, max_size=3))
def test_a_good_file_with_some_bytes_changed_is_read_or_refused(tmp_path: Path, at: int, byte: bytes) -> None:
    path = write_submission(tmp_path, GOOD.encode()[:at] + byte + GOOD.encode()[at + 1 :])
    try:
        again = read(path)
    except PhysbenchError as error:
        assert len(str(error).splitlines()) == 1
    else:
        assert read(write_submission(tmp_path, again.to_csv())) == again


def test_what_is_stored_reads_as_what_was_submitted(tmp_path: Path) -> None:
    known = {"parameters": 3, "train_seed": 0, "model_link": "https://x.org", "torch_version": "2.10.0+cpu"}
    every = rows(suite="simulation", notes=("samples-5", "own-code"), **known)
    submission = read(write(tmp_path / "mine.csv", every))
    assert submission.to_csv() == as_csv(every)
    assert len(submission.rows) == len(every) == 142


def test_what_is_wrong_in_every_line_is_said_once(tmp_path: Path) -> None:
    lines = [{**cells(row), "model": "my model!"} for row in rows()]
    _, found = examine(write(tmp_path / "mine.csv", lines))
    assert len(lines) > 6
    assert found == [
        "line 2, model: 'my model!' is not a name: at most 64 letters, digits and _ . + : -, the first a letter or"
        f" digit (and in {len(lines) - 1} more lines)"
    ]
