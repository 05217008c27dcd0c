"""Many models on many suites as one command: each cell is one file, made once, and never of something else."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import physbench
from physbench.evaluation.evaluate import extent
from physbench.lock import hold_lock
from physbench.suites import SUITES
from physbench_baselines.reference import Mean
from physbench_leaderboard import grid as grid_module
from physbench_leaderboard.grid import LOCKS, EvaluationGrid
from physbench_leaderboard.grid_cells import GridCell, GridError, GridOptions, expand_cells, read_plan
from physbench_leaderboard.submission import read
from tests.evaluation.test_journal import blocks

FOUR = ["--model", "copy", "--model", "blank", "--suite", "curtain", "--suite", "smoke", "--limit", "3", "--batch", "2"]
STEMS = [
    f"{model}__{suite}__limit-3__seed0.csv"
    for model, suite in (("blank", "curtain"), ("blank", "smoke"), ("copy", "curtain"), ("copy", "smoke"))
]


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, int]]:
    """The evaluations that a grid runs."""
    done: list[tuple[str, str, int]] = []
    evaluate = grid_module.evaluate

    def count(model: Any, suite: Any, **settings: Any) -> Any:
        done.append((model.name, suite.name, settings["seed"]))
        return evaluate(model, suite, **settings)

    monkeypatch.setattr(grid_module, "evaluate", count)
    return done


@pytest.fixture
def out(tmp_path: Path, own_cache: Path) -> Path:
    return tmp_path / "results"


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def figures(text: str) -> list[list[str]]:
    """The rows of a table, but for how long it took, and when."""
    rows = list(csv.DictReader(io.StringIO(text)))
    return [[cell for column, cell in row.items() if column not in ("seconds", "date")] for row in rows]


def test_every_cell_is_a_file_as_eval_writes_it_and_is_made_once(
    out: Path, tmp_path: Path, cli: Callable[..., Any], runs: list[Any]
) -> None:
    first = cli("grid", *FOUR, "--out", out)
    assert first.exit_code == 0, first.stderr
    assert files(out) == STEMS and len(runs) == 4
    cli("eval", "copy", "--suite", "curtain", "--limit", "3", "--batch", "2", "--csv", tmp_path / "one.csv")
    assert figures((out / STEMS[2]).read_text()) == figures((tmp_path / "one.csv").read_text())

    def read_figure(name: str, metric: str) -> str:
        return f"{next(row.value for row in read(out / name).rows if row.metric == metric):.4g}"

    header, *rows = first.stdout.splitlines()
    assert "curtain permanence_bce \u2193" in header and "smoke relative_bce \u2193" in header
    named = {name.partition("__limit")[0]: name for name in STEMS}
    assert [row.split() for row in rows] == [
        [
            model,
            read_figure(named[f"{model}__curtain"], "permanence_bce"),
            read_figure(named[f"{model}__smoke"], "relative_bce"),
        ]
        for model in ("copy", "blank")
    ]

    again = cli("grid", *FOUR, "--out", out, "--json")
    assert len(runs) == 4, "nothing is run again"
    cells = json.loads(again.stdout)["cells"]
    assert [each["state"] for each in cells] == ["there"] * 4
    assert [f"{each['value']:.4g}" for each in cells[:2]] == rows[0].split()[1:]
    assert [each["metric"] for each in cells] == ["permanence_bce", "relative_bce"] * 2
    assert cli("grid", *FOUR, "--out", out, "--seed", "0", "--seed", "1").exit_code == 0
    assert len(runs) == 8 and {seed for *_, seed in runs[4:]} == {1}, "of two seeds, the one that is missing"


@pytest.mark.slow
def test_workers_write_the_same_files(out: Path, tmp_path: Path, cli: Callable[..., Any]) -> None:
    words = ["grid", "--model", "blank", "--suite", "curtain", "--limit", "3", "--batch", "2"]
    assert cli(*words, "--out", out).exit_code == 0
    assert cli(*words, "--out", tmp_path / "shared", "--workers", "2").exit_code == 0
    assert files(out) == files(tmp_path / "shared") != []
    for name in files(out):
        assert figures((out / name).read_text()) == figures((tmp_path / "shared" / name).read_text())


def test_a_stopped_grid_runs_only_what_is_missing(
    out: Path, cli: Callable[..., Any], runs: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    count = grid_module.evaluate

    def stop(model: Any, suite: Any, **settings: Any) -> Any:
        if len(runs) == 2:
            raise KeyboardInterrupt
        return count(model, suite, **settings)

    with monkeypatch.context() as patch:
        patch.setattr(grid_module, "evaluate", stop)
        stopped = cli("grid", *FOUR, "--out", out)
    assert stopped.exit_code == 130 and "The same command goes on" in stopped.stderr
    assert len(runs) == 2 and files(out) == [STEMS[2], STEMS[3]]
    assert cli("grid", *FOUR, "--out", out).exit_code == 0
    assert runs[2:] == [("blank", "curtain", 0), ("blank", "smoke", 0)] and files(out) == STEMS


@pytest.mark.slow
def test_a_killed_grid_goes_on_within_a_cell(
    out: Path, own_cache: Path, cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["grid", "--model", "copy", "--model", "mean", "--suite", "balls", "--limit", "160", "--batch", "2"]
    assert cli(*words[:3], *words[5:], "--out", out).exit_code == 0
    assert blocks(own_cache) == []
    process = subprocess.Popen(
        [sys.executable, "-m", "physbench", *words, "--out", str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(os.environ),
    )
    deadline = time.monotonic() + 120
    while len(blocks(own_cache)) < 3:
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    finished = len(blocks(own_cache))
    assert 3 <= finished < 80
    shown: list[int] = []
    begin = Mean.begin

    def count(self: Mean, batch: Any) -> Any:
        shown.append(len(batch.seeds))
        return begin(self, batch)

    monkeypatch.setattr(Mean, "begin", count)
    assert cli(*words, "--out", out).exit_code == 0
    assert len(shown) == 2 * (80 - finished), "the window and the single frame of every block that was not finished"
    assert files(out) == ["copy__balls__limit-160__seed0.csv", "mean__balls__limit-160__seed0.csv"]
    assert blocks(own_cache) == []
    expected = physbench.evaluate("mean", "balls", limit=160, batch=2).to_csv()
    assert figures((out / "mean__balls__limit-160__seed0.csv").read_text()) == figures(expected)


def swap(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


SPOILS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "cut off": (lambda path: path.write_bytes(path.read_bytes()[:-40]), "is damaged, or no result"),
    "cut off after a line": (
        lambda path: path.write_text("".join(path.read_text().splitlines(True)[:4])),
        "lacks the rows of",
    ),
    "empty": (lambda path: path.write_bytes(b""), "is damaged, or no result"),
    "another file": (lambda path: path.write_bytes(b"\x89HDF\r\n"), "this is an HDF5 file, not CSV"),
    "of another model": (lambda path: swap(path, ",copy,", ",blank,"), "has model 'blank', and this grid 'copy'"),
    "of other weights": (lambda path: swap(path, ",,2,0.1.0", f",{'a' * 64},2,0.1.0"), "has weights_sha256"),
    "of another version of the suite": (
        lambda path: swap(path, "smoke,2,", "smoke,1,"),
        "has suite_version 1, and this grid 2",
    ),
    "of other batches": (lambda path: swap(path, ",cpu,2,", ",cpu,16,"), "has batch 16, and this grid 2"),
    "a folder": (make_folder, "it is a folder"),
}


@pytest.mark.parametrize("name", SPOILS)
def test_a_file_of_something_else_is_refused_in_words_and_stays(
    name: str, out: Path, cli: Callable[..., Any], refusal: Callable[[int, str], str], runs: list[Any]
) -> None:
    words = ["grid", "--model", "copy", "--suite", "smoke", "--limit", "2", "--batch", "2", "--out", out]
    cli(*words)
    (path,) = out.glob("*.csv")
    whole = figures(path.read_text())
    spoil, said = SPOILS[name]
    spoil(path)
    before = path.read_bytes() if path.is_file() else None
    result = cli(*words)
    line = refusal(result.exit_code, result.stderr)
    assert said in line and path.name in line
    assert len(runs) == 1 and (path.read_bytes() if path.is_file() else None) == before
    again = cli(*words, "--overwrite")
    if path.is_dir():
        assert "it is a folder, not a file" in refusal(again.exit_code, again.stderr)
    else:
        assert again.exit_code == 0 and figures(path.read_text()) == whole
        assert cli(*words, "--overwrite").exit_code == 0 and len(runs) == 2, "what is whole is never made again"


HOSTILE = [
    "../../etc/passwd", "/etc/passwd", "a/b", "a\\b", "..", ".", "", "-rf", "x" * 500, "a b", "a\nb", "\x1b[2J", "CON",
    "Copy", "copy.", "cöpy", "\ud800", "=cmd()", "a__b", "a:b", "runs/a/best.pt", "runs/b/best.pt", "\u202ecopy",
]  # fmt: skip


def test_no_name_of_a_model_leads_out_of_the_folder_or_to_the_file_of_another() -> None:
    models = [*HOSTILE, "copy", "r-nem.balls3curtain64"]
    stems = [GridCell(model, suite, 0).stem("lite") for model in models for suite in ("balls", "my_own.suites:BALLS")]
    assert len({stem.casefold() for stem in stems}) == len(stems)
    for stem in stems:
        assert re.fullmatch(r"[a-z0-9][a-z0-9_.+-]*__[a-z][a-z0-9.+-]*__lite__seed0", stem) and len(stem) < 200
    assert GridCell("copy", "balls", 7).stem("lite") == "copy__balls__lite__seed7"


@pytest.mark.parametrize("model", ["../../outside.pt", "no-such-model", "\x1b[2J", "tests.evaluation.crews:Nothing"])
def test_a_model_that_fails_is_told_in_a_line_and_the_others_go_on(
    model: str, out: Path, tmp_path: Path, cli: Callable[..., Any]
) -> None:
    result = cli("grid", "--model", model, "--model", "copy", "--suite", "curtain", "--limit", "2", "--out", out)
    assert result.exit_code == 2
    told = [line for line in result.stderr.splitlines() if line.startswith("failed: ")]
    assert len(told) == 1 and "\x1b" not in result.stderr + result.stdout
    assert files(out) == ["copy__curtain__limit-2__seed0.csv"]
    assert files(tmp_path) == ["cache", "results"]
    table = [line.split()[-1] for line in result.stdout.splitlines()[1:]]
    assert table[0] == "failed" and float(table[1]) > 0


def test_a_model_that_fails_half_way_is_told_and_the_others_go_on(
    out: Path, cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Mean, "observe", lambda *_: 1 // 0)
    words = ["grid", "--model", "mean", "--model", "copy", "--suite", "curtain", "--limit", "2", "--out", out]
    result = cli(*words)
    assert result.exit_code == 2
    assert "failed: mean on curtain, seed 0: ZeroDivisionError: integer division or modulo by zero" in result.stderr
    assert files(out) == ["copy__curtain__limit-2__seed0.csv"]
    monkeypatch.undo()


def test_a_suite_that_a_model_cannot_play_is_skipped(out: Path, cli: Callable[..., Any]) -> None:
    words = [
        "grid",
        "--model",
        "inertia",
        "--suite",
        "trajectories",
        "--suite",
        "curtain",
        "--limit",
        "2",
        "--out",
        out,
    ]
    result = cli(*words)
    assert result.exit_code == 0, result.stderr
    assert "inertia on curtain, seed 0: skipped: inertia is for things that move" in result.stderr
    assert files(out) == ["inertia__trajectories__limit-2__seed0.csv"]
    assert result.stdout.splitlines()[1].split()[-1] == "-"
    skipped = json.loads(cli(*words, "--json").stdout)["cells"][1]
    assert skipped["state"] == "skipped" and skipped["value"] is None


def test_two_grids_on_one_folder_do_no_cell_twice(out: Path, own_cache: Path, runs: list[Any]) -> None:
    out.mkdir()
    options = GridOptions(limit=4, batch=1)
    extents = {name: extent(SUITES[name], limit=4) for name in ("curtain", "smoke")}
    cells = expand_cells(["copy", "blank"], list(extents), [0, 1])
    ended: list[Any] = []

    def work(order: int) -> None:
        grid = EvaluationGrid(out, cells[::order], extents, options)
        ended.append(grid.score_missing(grid.examine(), team={}))

    grids = [threading.Thread(target=work, args=(order,)) for order in (1, 1, -1)]
    for each in grids:
        each.start()
    for each in grids:
        each.join()
    assert len(ended) == 3
    assert sorted(runs) == sorted((cell.model, cell.suite, cell.seed) for cell in cells)
    assert len(files(out)) == len(cells), "and no lock is left"


def test_what_another_process_is_at_is_left_to_it(out: Path, cli: Callable[..., Any], runs: list[Any]) -> None:
    words = [
        "grid",
        "--model",
        "copy",
        "--model",
        "blank",
        "--suite",
        "curtain",
        "--limit",
        "3",
        "--batch",
        "2",
        "--out",
        out,
    ]
    making = out / LOCKS / Path(STEMS[2]).stem
    making.mkdir(parents=True)
    with hold_lock(making):
        result = cli(*words)
    assert result.exit_code == 0 and "copy on curtain, seed 0: left to another process" in result.stderr
    assert [model for model, *_ in runs] == ["blank"]
    assert cli(*words).exit_code == 0
    assert [model for model, *_ in runs] == ["blank", "copy"], "a lock whose process is gone holds nobody up"


def test_a_dry_run_lists_what_is_missing_and_changes_nothing(
    out: Path, cli: Callable[..., Any], runs: list[Any]
) -> None:
    result = cli("grid", *FOUR, "--out", out, "--dry-run")
    assert result.exit_code == 0 and runs == [] and not out.exists()
    assert sorted(line.split(": ")[1] for line in result.stdout.splitlines()[:-1]) == STEMS
    assert result.stdout.splitlines()[-1] == "4 of 4 evaluations are missing, 0 are there"
    cli("grid", "--model", "copy", *FOUR[4:], "--out", out)
    assert "2 of 4 evaluations are missing, 2 are there" in cli("grid", *FOUR, "--out", out, "--dry-run").stdout
    states = [
        each["state"] for each in json.loads(cli("grid", *FOUR, "--out", out, "--dry-run", "--json").stdout)["cells"]
    ]
    assert states == ["there", "there", "missing", "missing"]


def test_figures_of_sequences_lie_beside_the_table(out: Path, cli: Callable[..., Any], runs: list[Any]) -> None:
    words = ["grid", "--model", "copy", "--suite", "curtain", "--limit", "3", "--batch", "2", "--out", out]
    cli(*words)
    both = [*words, "--per-sequence"]
    assert cli(*both).exit_code == 0 and len(runs) == 2, "a table without them is not enough"
    sums = out / STEMS[2].replace(".csv", ".npz")
    assert sums.is_file() and cli(*both).exit_code == 0 and len(runs) == 2
    sums.write_bytes(sums.read_bytes()[:100])
    damaged = cli(*both)
    assert damaged.exit_code == 2 and sums.name in damaged.stderr and "is damaged" in damaged.stderr and len(runs) == 2
    assert cli(*both, "--overwrite").exit_code == 0 and len(runs) == 3
    assert cli("compare", sums, sums).exit_code == 0


def test_a_plan_lists_cells_of_its_own(tmp_path: Path, out: Path, cli: Callable[..., Any], runs: list[Any]) -> None:
    plan = tmp_path / "plan.csv"
    plan.write_text("model,suite,seed\ncopy,curtain,\nblank,curtain,3\ncopy,curtain,0\n")
    result = cli("grid", "--plan", plan, "--limit", "2", "--out", out)
    assert result.exit_code == 0, result.stderr
    assert runs == [("copy", "curtain", 0), ("blank", "curtain", 3)]
    assert files(out) == ["blank__curtain__limit-2__seed3.csv", "copy__curtain__limit-2__seed0.csv"]
    assert "seed" in result.stdout.splitlines()[0]


BAD_PLANS = {
    "model,suite\ncopy\n": "line 2: 1 cells where the header has 2",
    "model\ncopy\n": "its first line names the columns",
    "": "its first line names the columns",
    "model,suite,seed\ncopy,smoke,-1\n": "a seed is a whole number of 0 or more, not '-1'",
    "model,suite,seed\ncopy,smoke,99999999999999999999\n": "a seed is a whole number",
    "model,suite\nos:system,smoke\n": "would run code, and a file may not ask for that",
    "model,suite\ncopy,os:system\n": "would run code, and a file may not ask for that",
    "model,suite\n,smoke\n": "one of them is empty",
    'model,suite\n"copy,smoke\n': "it is not CSV in UTF-8",
}


@pytest.mark.parametrize("text", BAD_PLANS)
def test_a_bad_plan_is_refused_in_words(text: str, tmp_path: Path) -> None:
    path = tmp_path / "plan.csv"
    path.write_text(text)
    with pytest.raises(GridError, match=re.escape(BAD_PLANS[text])):
        read_plan(path)


def test_a_grid_of_nothing_or_of_an_unknown_suite_is_refused(
    tmp_path: Path, cli: Callable[..., Any], refusal: Callable[[int, str], str]
) -> None:
    for words, said in (
        (["--model", "copy"], "--model and --suite go together"),
        ([], "a grid has no cells"),
        (["--model", "copy", "--suite", "smok"], "did you mean 'smoke'?"),
        (["--model", "copy", "--suite", "smoke", "--limit", "0"], "a limit is 1 sequence or more"),
        (["--plan", str(tmp_path / "none.csv")], "there is no file"),
    ):
        result = cli("grid", *words, "--out", tmp_path / "results")
        assert said in refusal(result.exit_code, result.stderr)
    assert files(tmp_path) == []
