"""Work on a Dask cluster: the same results, whatever happens to its workers and its scheduler."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

import physbench
from physbench.ahead import ahead
from physbench.errors import ClusterError, MissingPackage, WorkerError
from physbench.shards import ShardTask, cut_into_shards, generate_shards, make_shard
from tests.builders.datasets import recipe_for
from tests.builders.interrupted_runs import COMMAND

pytest.importorskip("distributed")

DASK = (sys.executable, "-m", "dask")
SMALL = recipe_for(training=300, test=40, frames=6, n=(2, 3), size=16, radius=2.0)


class Cluster:
    """A scheduler and workers on this machine, each a process that a test can kill."""

    def __init__(self, folder: Path) -> None:
        with closing(socket.socket()) as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.folder = folder
        self.workers: list[subprocess.Popen[bytes]] = []
        self.start_scheduler()

    def start_scheduler(self) -> None:
        self.scheduler = self._run("scheduler", "--host", "127.0.0.1", "--port", str(self.port), "--no-dashboard")

    def start_worker(self) -> None:
        self.workers.append(self._run("worker", self.address, "--nthreads", "1", "--no-nanny", "--no-dashboard"))

    def close(self) -> None:
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()

    def _run(self, *words: str) -> subprocess.Popen[bytes]:
        with (self.folder / "dask.log").open("ab") as log:
            return subprocess.Popen([*DASK, *words], stdout=log, stderr=log, cwd=self.folder)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path)
    try:
        cluster.start_worker()
        cluster.start_worker()
        yield cluster
    finally:
        cluster.close()


def square(number: int) -> int:
    return number * number


def refuse_five(number: int) -> int:
    if number == 5:
        raise ValueError("five is refused")
    return number


def digest_of(path: Path) -> str:
    return physbench.open(path).attributes["content_sha256"]


def wait_for_shards(folder: Path, count: int) -> None:
    until = time.monotonic() + 90
    while len(list(folder.glob("*.h5"))) < count:
        assert time.monotonic() < until, "no shards appear"
        time.sleep(0.01)


def test_results_come_in_order_from_processes_on_this_machine() -> None:
    assert list(ahead(square, range(20), engine="dask", workers=1)) == [number**2 for number in range(20)]


@pytest.mark.slow
def test_two_workers_on_loopback_make_the_dataset_of_one_machine(cluster: Cluster, tmp_path: Path) -> None:
    whole = physbench.generate(SMALL, tmp_path / "whole.h5", workers=1)
    index = generate_shards(SMALL, tmp_path / "shards", shard_size=256, engine="dask", scheduler=cluster.address)
    assert digest_of(index) == digest_of(whole)
    assert list(ahead(square, range(9), engine="dask", scheduler=cluster.address)) == [n**2 for n in range(9)]
    with pytest.raises(ValueError, match="five is refused"):
        list(ahead(refuse_five, range(9), engine="dask", scheduler=cluster.address))


LONG = recipe_for(training=2560, test=300, frames=26, n=(3, 3), size=32, radius=4.0)


@pytest.mark.slow
@pytest.mark.parametrize("whom", ["worker", "scheduler"])
def test_a_killed_process_costs_only_the_work_it_was_at(whom: str, cluster: Cluster, tmp_path: Path) -> None:
    whole, folder = physbench.generate(LONG, tmp_path / "whole.h5", workers=1), tmp_path / "shards"
    indices: list[Path] = []
    told: list[str] = []

    def make() -> None:
        options: Any = {"shard_size": 256, "engine": "dask", "scheduler": cluster.address}
        indices.append(generate_shards(LONG, folder, **options, progress=lambda now: told.append(now.waiting)))

    thread = threading.Thread(target=make)
    thread.start()
    wait_for_shards(folder, 2)
    if whom == "worker":
        os.kill(cluster.workers[0].pid, signal.SIGKILL)
    else:
        os.kill(cluster.scheduler.pid, signal.SIGKILL)
        for process in (cluster.scheduler, *cluster.workers):
            process.kill()
            process.wait()
        cluster.start_scheduler()
        cluster.start_worker()
    thread.join(timeout=180)
    assert indices and digest_of(indices[0]) == digest_of(whole)
    assert any(words.startswith("waiting for the scheduler at tcp://127.0.0.1") for words in told) == (
        whom == "scheduler"
    )
    assert not list(folder.glob(".*.partial"))


@pytest.mark.slow
def test_an_interrupted_job_makes_only_what_is_missing(tmp_path: Path) -> None:
    words = ["balls", "--n", "3", "--size", "32", "--radius", "4", "--train", "2560", "--valid", "0", "--test", "0"]
    words = [*COMMAND, "generate", *words, "--engine", "dask", "--workers", "1", "--shard-size", "256", "--out", "many"]

    def restore() -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)

    with subprocess.Popen(
        words, cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=restore
    ) as process:
        wait_for_shards(tmp_path / "many", 2)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        said = process.communicate(timeout=60)[1]
    assert "Stopped at" in said and "Traceback" not in said, said
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "many").glob("*.h5")}
    assert 2 <= len(before) < 10
    again = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert again.returncode == 0, again.stderr
    assert all((tmp_path / "many" / name).stat().st_mtime_ns == time for name, time in before.items())
    assert physbench.verify(tmp_path / "many", depth="quick").sequences == 2560


def test_an_address_where_nothing_listens_is_refused_in_seconds(
    cli: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, refusal: Any
) -> None:
    monkeypatch.setattr("physbench.cluster.PATIENCE", 0.2)
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        result = cli("generate", "balls", "--engine", "dask", "--scheduler", address, "--out", tmp_path / "x")
    assert f"no Dask scheduler answers at {address}" in refusal(result.exit_code, result.stderr)


@pytest.mark.parametrize("address", ["nonsense", "tcp://", "tcp://127.0.0.1", "http://127.0.0.1:1", "tcp://[::1"])
def test_an_address_that_is_none_is_refused(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("physbench.cluster.PATIENCE", 0.2)
    with pytest.raises(ClusterError, match="no Dask scheduler answers at"):
        list(ahead(square, [1], engine="dask", scheduler=address))


def test_without_dask_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingPackage, match=r"pip install 'physbench\[cluster\]'"):
        list(ahead(square, [1], engine="dask"))


def test_a_worker_that_does_not_see_the_folder_says_so(tmp_path: Path) -> None:
    generate_shards(SMALL, tmp_path / "shards", shard_size=256, workers=1)
    plan = (tmp_path / "shards" / "recipe.json").read_text()
    span = cut_into_shards(SMALL, 256)[0]
    task = ShardTask(SMALL, span, str(tmp_path / "shards"), plan, SMALL.name, physbench.__version__)
    assert make_shard(task).file == "training-0000000000.h5"
    for change, words in (
        ({"folder": str(tmp_path)}, "does not see"),
        ({"plan": plan + " "}, "does not see"),
        ({"package": "0.0.1"}, "install the same version everywhere"),
        ({"name": "balls-v2"}, "install the same version everywhere"),
    ):
        with pytest.raises(WorkerError, match=words):
            make_shard(replace(task, **change))
