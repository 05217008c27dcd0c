"""An evaluation that is shared out over workers ends with the numbers of one process, to the last bit."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import physbench
from physbench.errors import ClusterError, ModelError, PhysbenchError, RecipeError, WorkerError
from physbench.evaluation.evaluate import extent
from physbench.evaluation.evaluation_journal import EvaluationJournal
from physbench.evaluation.examples import SceneCache
from physbench.evaluation.result_text import to_json
from physbench.evaluation.workers import Brief, Entrant, ModelSource, Team, score_elsewhere
from physbench.recipe import Recipe
from physbench.result import Result
from tests.evaluation.crews import TRACES, Coder, Mortal, Raiser, Scribe, Unsendable, read_notes
from tests.evaluation.test_journal import blocks, numbers
from tests.evaluation.test_order import require_identical
from tests.evaluation.toys import Noisy, Slots

ROOT = Path(physbench.__file__).parents[1]
PIPE = f"{sys.executable} {ROOT / 'examples' / 'pipe_copy.py'}"

CASES: dict[str, tuple[Any, str]] = {
    "a model with randomness": (Noisy(), "smoke"),
    "a model with weights": ("r-nem", "smoke"),
    "images, with probes": (Coder(), "segmentation-multi-dsprites"),
    "states": ("inertia", "trajectories"),
}


def to_plain(result: Result) -> Any:
    """The JSON but for how long it took, and when."""
    content = json.loads(to_json(result))
    return {**content, "provenance": {**content["provenance"], "seconds": None, "date": None}}


def require_same(one: Result, other: Result) -> None:
    assert to_plain(one) == to_plain(other)
    require_identical(one, other)


@pytest.mark.parametrize(
    ("case", "engine"),
    [
        ("states", "processes"),
        *[
            pytest.param(case, engine, marks=pytest.mark.slow)
            for case in CASES
            for engine in ("processes", "dask")
            if (case, engine) != ("states", "processes")
        ],
    ],
)
def test_workers_find_the_numbers_of_one_process(case: str, engine: Any) -> None:
    model, suite = CASES[case]
    count = 2 if case == "a model with weights" else 5
    settings: Any = {"limit": count, "batch": count // 2, "seed": 3, "name": "toy"}
    alone = physbench.evaluate(model, suite, **settings)
    if case == "images, with probes":
        assert any(score.metric.startswith("probe_") for score in alone.scores)
    require_same(physbench.evaluate(model, suite, **settings, workers=2, engine=engine), alone)


@pytest.mark.slow
def test_a_file_of_ones_own_and_fresh_sequences_are_shared_out_too(many: Any) -> None:
    for settings in ({"data": many.path, "limit": 7}, {"fresh": 5, "limit": 4}):
        alone = physbench.evaluate(Slots(), "balls", batch=2, **settings)  # type: ignore[arg-type]
        require_same(physbench.evaluate(Slots(), "balls", batch=2, workers=2, **settings), alone)  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_worker_loads_the_model_once_has_its_share_of_the_cores_and_nothing_is_asked_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    monkeypatch.setattr("physbench.evaluation.workers.count_cores", lambda: 4)
    alone, shared = tmp_path / "alone", tmp_path / "shared"
    alone.mkdir(), shared.mkdir()
    settings: Any = {"limit": 8, "batch": 2, "name": "scribe"}
    expected = physbench.evaluate(Scribe(str(alone)), "segmentation-shapes", **settings)
    require_same(physbench.evaluate(Scribe(str(shared)), "segmentation-shapes", **settings, workers=2), expected)
    loaded = read_notes(shared, "loaded")
    assert os.getpid() not in loaded
    assert len(loaded) <= 4, "two workers for the probes, and two for the scores"
    assert sorted(read_notes(shared, "shown")) == sorted(read_notes(alone, "shown"))
    assert len(read_notes(shared, "shown")) > len(loaded)
    assert set(read_notes(shared, "threads")) == {2}


@pytest.mark.parametrize(
    ("cores", "allowed", "team", "share"),
    [
        (8, None, Team(2), 4),
        (8, "4", Team(2), 2),
        (8, "nonsense", Team(3), 2),
        (2, "1", Team(2), 1),
        (1, None, Team(5), 1),
        (8, None, Team(4, "dask"), 2),
        (8, None, Team(4, "dask", "tcp://there:8786"), None),
    ],
)
def test_workers_share_the_cores(
    cores: int, allowed: str | None, team: Team, share: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("physbench.evaluation.workers.count_cores", lambda: cores)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if allowed is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", allowed)
    assert team.count_threads() == share


@pytest.mark.slow
def test_a_killed_worker_is_said_in_one_line_and_the_same_command_goes_on(
    own_cache: Path, tmp_path: Path, cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    traces = tmp_path / "traces"
    traces.mkdir()
    monkeypatch.setenv(TRACES, str(traces))
    words = ["eval", "--model", "tests.evaluation.crews:build_mortal", "--suite", "curtain", "--limit", "16"]
    words += ["--batch", "2", "--json", "--resume"]
    dead = cli(*words, "--workers", "2")
    assert dead.exit_code == 2 and not dead.stdout
    last = dead.stderr.strip().splitlines()[-1]
    assert last.startswith("Error: a worker process died") and "the same command goes on" in last
    finished = len(blocks(own_cache))
    assert 1 <= finished < 8
    resumed = cli(*words, "--workers", "2")
    assert resumed.exit_code == 0, resumed.stderr
    assert f"going on after {finished} finished blocks" in resumed.stderr
    assert blocks(own_cache) == []
    assert numbers(resumed.stdout) == numbers(to_json(physbench.evaluate(Slots(), "curtain", limit=16, batch=2)))


@pytest.mark.slow
def test_a_journal_of_one_process_is_gone_on_with_by_several(tmp_path: Path) -> None:
    (tmp_path / "traces").mkdir()
    journal = EvaluationJournal(tmp_path / "journal")
    with pytest.raises(WorkerError):
        physbench.evaluate(Mortal(tmp_path / "traces"), "curtain", limit=16, batch=2, workers=2, journal=journal)
    assert journal.count_finished()
    alone = physbench.evaluate(Slots(), "curtain", limit=16, batch=2, journal=journal)
    require_same(physbench.evaluate(Slots(), "curtain", limit=16, batch=2, workers=2, journal=journal), alone)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_keeps_what_is_finished_and_leaves_no_process(own_cache: Path, cli: Callable[..., Any]) -> None:
    words = ["eval", "mean", "--suite", "balls", "--limit", "240", "--batch", "2", "--json", "--workers", "2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "physbench", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.monotonic() + 120
    while len(blocks(own_cache)) < 3:
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the workers get it, too
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130 and "The same command goes on from there." in said and "Traceback" not in said
    finished = len(blocks(own_cache))
    assert 3 <= finished < 120
    until = time.monotonic() + 15
    with pytest.raises(ProcessLookupError):
        while time.monotonic() < until:
            os.killpg(process.pid, 0)
            time.sleep(0.05)
    resumed = cli(*words[:-2])
    assert f"going on after {finished} finished blocks" in resumed.stderr
    assert numbers(resumed.stdout) == numbers(to_json(physbench.evaluate("mean", "balls", limit=240, batch=2)))


@pytest.mark.slow
def test_a_model_behind_a_pipe_has_a_process_for_each_worker(cli: Callable[..., Any]) -> None:
    words = ["eval", "--command", PIPE, "--suite", "curtain", "--limit", "6", "--batch", "2", "--json"]
    alone, shared = cli(*words), cli(*words, "--workers", "2")
    assert alone.exit_code == shared.exit_code == 0, shared.stderr
    assert numbers(alone.stdout) == numbers(shared.stdout)


def test_a_model_behind_a_pipe_is_not_sent_to_a_cluster(cli: Callable[..., Any]) -> None:
    result = cli("eval", "--command", PIPE, "--suite", "curtain", "--limit", "2", "--engine", "dask")
    assert result.exit_code == 2 and "runs on this machine" in result.stderr


REFUSALS: dict[str, tuple[Any, dict[str, Any], str]] = {
    "no workers": ("copy", {"workers": 0}, "workers are 1 to 1,024 processes, not 0"),
    "threads": ("copy", {"engine": "threads"}, "processes or dask, not 'threads'"),
    "a scheduler for processes": ("copy", {"scheduler": "tcp://a:1", "workers": 2}, "is for the engine dask"),
    "what cannot be pickled": (Unsendable(), {"workers": 2}, "this Unsendable cannot"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_cannot_be_shared_out_is_refused_in_words(name: str) -> None:
    model, settings, words = REFUSALS[name]
    with pytest.raises(PhysbenchError, match=words):
        physbench.evaluate(model, "smoke", limit=2, **settings)


@pytest.mark.slow
def test_an_address_where_nothing_answers_is_said(cli: Callable[..., Any]) -> None:
    with pytest.raises(ClusterError, match="tcp://127.0.0.1:1"):
        physbench.evaluate("copy", "smoke", limit=2, engine="dask", scheduler="tcp://127.0.0.1:1")
    alone = cli("eval", "copy", "--scheduler", "tcp://127.0.0.1:1")
    assert alone.exit_code == 2 and "--scheduler goes with --engine dask" in alone.stderr


@pytest.mark.slow
def test_what_a_model_raises_in_a_worker_is_raised_here() -> None:
    with pytest.raises(ValueError, match="no such thing"):
        physbench.evaluate(Raiser(), "smoke", limit=2, workers=2)
    with pytest.raises(RuntimeError, match="Stubborn: this and that"):
        physbench.evaluate(Raiser(portable=False), "smoke", limit=2, workers=2)


def brief(**changes: Any) -> bytes:
    entrant = Entrant("copy", "copy", ModelSource(name="copy"))
    return pickle.dumps(replace(Brief(entrant, extent("smoke", limit=2), 0, None), **changes))


def test_a_worker_of_another_version_or_with_other_weights_says_so() -> None:
    order: Any = None
    with pytest.raises(WorkerError, match=r"and this is 0\.0\.1 \(metrics 1\)"):
        score_elsewhere(brief(versions=("0.0.1", 1)), order)
    other = Entrant("copy", "checkpoint abc", ModelSource(name="copy"))
    with pytest.raises(ModelError, match="another model under the name copy: copy, not checkpoint abc"):
        score_elsewhere(brief(entrant=other), order)
    weights = Entrant("copy", "copy", ModelSource(name="copy"), "a" * 64)
    with pytest.raises(ModelError, match="other weights of copy: None, not aaaa"):
        score_elsewhere(brief(entrant=weights), order)
    gone = Entrant("toy", None, ModelSource(pickled=b"\x80\x04\x95cnowhere\nToy\n."))
    with pytest.raises(ModelError, match="a worker cannot load the model toy"):
        score_elsewhere(brief(entrant=gone), order)


def test_slow_data_are_made_by_one_worker_while_the_others_wait(
    own_cache: Path, recipe_of: Callable[..., Recipe], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = recipe_of(test=4, frames=4, n=(2, 2), size=16, radius=2.0)
    calls: list[str] = []
    make = Recipe.scenes

    def make_slowly(self: Recipe, *words: Any) -> Any:
        calls.append("made")
        time.sleep(0.3)
        return make(self, *words)

    monkeypatch.setattr(Recipe, "scenes", make_slowly)
    found: list[Any] = []
    workers = [threading.Thread(target=lambda: found.append(SceneCache(recipe).scenes("test", 0, 4))) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert calls == ["made"] and len(found) == 3
    assert [path.suffix for path in (own_cache / "data").glob("*/*")] == [".npz"]


def test_a_pool_of_workers_is_refused_before_anything_is_opened() -> None:
    with pytest.raises(RecipeError, match="workers are"):
        physbench.evaluate("no such model", "smoke", workers=5_000)
