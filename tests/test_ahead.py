"""Tests of work ahead: the order of the items, a bounded number at a time, and nothing left behind however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from physbench.ahead import ahead
from physbench.errors import WorkerError

ENGINES = ("threads", "processes")


def square(number: int) -> int:
    return number * number


def refuse_five(number: int) -> int:
    if number == 5:
        raise ValueError("five is refused")
    return number


def nap_and_tell(job: tuple[str, float, int]) -> int:
    """Write that a number was begun, and take some time over it."""
    folder, seconds, number = job
    (Path(folder) / str(number)).touch()
    time.sleep(seconds)
    return os.getpid()


def die(number: int) -> int:
    os._exit(number)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_the_items(engine: str, workers: int) -> None:
    assert list(ahead(square, range(20), engine=engine, workers=workers)) == [number**2 for number in range(20)]  # type: ignore[arg-type]


def test_slow_items_do_not_change_the_order() -> None:
    naps = [0.05, 0.0, 0.03, 0.0, 0.0]
    assert list(ahead(lambda nap: (time.sleep(nap), nap)[1], naps, workers=3)) == naps


@pytest.mark.parametrize(
    ("workers", "depth", "allowed"), [(0, None, 0), (1, None, 2), (3, None, 4), (1, 1, 1), (2, 5, 5)]
)
def test_no_more_items_are_taken_than_the_depth_allows(workers: int, depth: int | None, allowed: int) -> None:
    taken = 0

    def items() -> object:
        nonlocal taken
        for number in count():
            taken += 1
            yield number

    with closing(ahead(square, items(), workers=workers, depth=depth)) as results:  # type: ignore[arg-type]
        assert taken == 0, "nothing begins before the first result is asked for"
        for used in range(1, 5):
            next(results)
            assert taken == used + allowed


@pytest.mark.parametrize("engine", ENGINES)
def test_an_exception_comes_at_its_place_in_the_order_and_ends_the_work(engine: str) -> None:
    results = ahead(refuse_five, count(), engine=engine, workers=2)  # type: ignore[arg-type]
    assert [next(results) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="five is refused"):
        next(results)
    assert list(results) == []


def test_nothing_is_begun_after_an_exception_or_after_closing() -> None:
    begun: list[int] = []
    gate = threading.Event()

    def work(number: int) -> int:
        begun.append(number)
        if number:
            gate.wait(5)
        return number

    results = ahead(work, count(), workers=1, depth=6)
    next(results)
    threading.Timer(0.2, gate.set).start()
    results.close()
    assert begun == [0, 1], "the one in the making is finished, those that wait are not begun"


def test_closing_ends_the_processes_without_beginning_more(tmp_path: Path) -> None:
    results = ahead(
        nap_and_tell,
        ((str(tmp_path), 0.5 * (number > 0), number) for number in count()),
        engine="processes",
        workers=1,
        depth=6,
    )
    worker = next(results)
    results.close()
    assert len(list(tmp_path.iterdir())) <= 2
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)


def test_a_result_is_let_go_of_while_the_next_one_is_waited_for() -> None:
    gates, gone = [threading.Event() for _ in range(3)], threading.Event()

    class Thing:
        def __del__(self) -> None:
            gone.set()

    def work(number: int) -> Thing | None:
        gates[number].wait(5)
        return None if number else Thing()

    gates[0].set()
    with closing(ahead(work, range(3), workers=1, depth=1)) as results:
        next(results)
        free: list[bool] = []
        threading.Timer(0.3, lambda: (free.append(gone.is_set()), gates[1].set())).start()
        next(results)
        assert free == [True]
        gates[2].set()


def test_a_worker_process_that_dies_is_said_in_a_sentence() -> None:
    with pytest.raises(WorkerError, match="a worker process died"):
        list(ahead(die, [3], engine="processes"))


SCRIPT = """
import itertools, sys
sys.path.insert(0, {tests!r})
from test_ahead import nap_and_tell
from physbench.ahead import ahead
if __name__ == "__main__":
    for worker in ahead(nap_and_tell, (({folder!r}, 0.2, n) for n in itertools.count()), engine="processes", workers=2):
        print(worker, flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("sign", ["SIGINT", pytest.param("SIGTERM", marks=pytest.mark.slow), "SIGKILL"])
@pytest.mark.parametrize("whole_group", [pytest.param(True, marks=pytest.mark.slow), False])
def test_no_process_is_left_however_the_work_is_ended(tmp_path: Path, sign: str, whole_group: bool) -> None:
    """Ctrl-C in a terminal reaches the workers too; `kill` reaches only the process that started them."""
    script = tmp_path / "work.py"
    (tmp_path / "begun").mkdir()
    script.write_text(SCRIPT.format(tests=str(Path(__file__).parent), folder=str(tmp_path / "begun")))
    run = subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert run.stdout and run.stdout.readline() and run.stdout.readline()
    number = getattr(signal, sign)
    os.killpg(run.pid, number) if whole_group else os.kill(run.pid, number)
    errors = run.communicate(timeout=30)[1]
    assert errors.count("Traceback") <= (sign == "SIGINT"), errors
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        try:
            os.killpg(run.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail("a process of the group is still there")
