"""Several processes train what one does: the same sequences, the same noise, the same curve. They stop together, and
when one of them dies, nothing is lost."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.distributed.run import get_args_parser

from physbench.cli import training
from physbench.errors import TrainingError
from physbench_baselines import checkpoint
from physbench_baselines.noise import SharedGenerator, draw_normal, draw_uniform
from physbench_baselines.training.initial import network_of
from physbench_baselines.training.keep import hardware_of
from physbench_baselines.training.preflight import usual_recipe
from physbench_baselines.training.ranks import ALONE, Ranks, ranks_of
from physbench_baselines.training.run import train
from physbench_baselines.training.sources import source_of
from physbench_baselines.training.step import Stepper
from physbench_baselines.training.training_recipe import TrainingRecipe
from tests.baselines.toy import MODEL
from tests.builders.datasets import MadeDataset

ROOT = Path(__file__).parent.parent.parent
CPU = torch.device("cpu")
STEPS, HALF = 20, 10
TIMES = ("minutes", "sequences_per_second")
TINY_NEM = {"channels": [4, 6, 8], "dense": 24, "hidden": 20, "attention": 10}
SMALL_PIXELS = {"slots": 2, "patch": 4, "encoder": [4], "decoder": [4], "size": 16, "hidden": 16}
QUICK: dict[str, Any] = {
    "batch": 8, "validation": 4, "scored": 0, "log_every": 1, "evaluate_every": HALF, "precision": "fp32",
}  # fmt: skip
TORCHRUN = "torch.distributed.run"


def toy(**changed: Any) -> TrainingRecipe:
    """What a resumed run could forget is switched on, but for what depends on where the run ends."""
    usual: dict[str, Any] = {"frames": (6,), "learning_rate": 1e-2, "warm_up": 8, "gradient_limit": 50.0}
    return TrainingRecipe(model=MODEL, **{**QUICK, **usual, "averaging": 0.8, **changed})


FAMILIES = {
    "toy": toy(),
    "r-nem": usual_recipe("r-nem", **QUICK, frames=(4,), sizes=TINY_NEM),
    "conv3": usual_recipe("conv3", **QUICK, frames=(2,)),  # of more pixels a bias sums up less exactly than 1e-5
    "iodine": usual_recipe("iodine-small", **QUICK, data="shapes", frames=(1,)),
    "iodine of sequences": usual_recipe(
        "iodine-small", **QUICK, data="shapes", frames=(3,), sizes={"sequential": True}
    ),
    "slot attention": usual_recipe("slot-attention-small", **QUICK, data="shapes", frames=(2,)),
    "sqair": usual_recipe(
        "sqair", **QUICK, data="balls4mass64-crop50", frames=(2,), sizes={"hidden": 16, "particles": 3}
    ),
    "rmr": usual_recipe("rmr-mpnn", **QUICK, data="balls10", frames=(5,)),
    "rmr of pixels": usual_recipe(
        "rmr-pixels", **{**QUICK, "batch": 4}, data="balls10-colour", frames=(4,), sizes=SMALL_PIXELS
    ),
}
EXACT = ("sqair", "rmr of pixels")
"""Of these, gradients are compared in float64."""


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """How sums are dealt out over threads decides their last bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def first_batch(recipe: TrainingRecipe, ranks: Ranks, step: int = 0) -> dict[str, Any]:
    source = source_of(recipe, ranks)
    wants = tuple(getattr(network_of(recipe, dataset=dataset_of(recipe)), "wants", ("features",)))
    with closing(source.batches(step, wants=wants, workers=0)) as batches:
        return next(batches)


def dataset_of(recipe: TrainingRecipe) -> str:
    return recipe.data if not Path(recipe.data).is_file() else ""


def gradients(recipe: TrainingRecipe, ranks: Ranks, *, exact: bool) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Of this process's share of the first batch, and its figures. exact: in float64."""
    network = network_of(recipe, dataset=dataset_of(recipe))
    stepper = Stepper(network.double() if exact else network, recipe, device=CPU, graphs=False, ranks=ranks)
    stepper.seed(0)
    batch = {name: torch.from_numpy(array) for name, array in first_batch(recipe, ranks).items()}
    figures = stepper.descend(batch, 0.5)
    return {name: weight.grad for name, weight in network.named_parameters() if weight.grad is not None}, figures


def error_of(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """The norm of the difference over the norm."""
    return float((ours - theirs).norm() / theirs.norm())


@pytest.mark.parametrize("parts", [1, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_mean_of_the_gradients_of_shares_is_the_gradient_of_the_batch(family: str, parts: int) -> None:
    """Same sequences, same weights, same noise. In float32 the gradients of some biases are large numbers that nearly
    cancel: the mean over a batch turned round is as far off."""
    recipe, exact = replace(FAMILIES[family], accumulate=parts), family in EXACT
    (whole, figures), *shares = (gradients(recipe, ranks, exact=exact) for ranks in (ALONE, Ranks(0, 2), Ranks(1, 2)))
    assert whole and all(share.keys() == whole.keys() for share, _ in shares)
    largest = max(float(each.norm()) for each in whole.values())
    for name, gradient in whole.items():
        if gradient.norm() > 1e-6 * largest:  # or it is 0 but for rounding
            assert error_of(sum(share[name] for share, _ in shares) / 2, gradient) < (1e-10 if exact else 1e-5), name
    torch.testing.assert_close(sum(each for _, each in shares) / 2, figures, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("axis", [0, 1])
def test_shares_of_noise_are_the_rows_of_the_noise_of_one_process(axis: int) -> None:
    like, whole, part = torch.zeros((), dtype=torch.float64), [6, 5], [6, 5]
    whole[axis], part[axis] = 12, 4
    alone = torch.Generator().manual_seed(7)
    shared = [SharedGenerator(CPU, rank=rank, world=3).manual_seed(7) for rank in range(3)]
    for draw, plain in ((draw_normal, torch.randn), (draw_uniform, torch.rand), (draw_normal, torch.randn)):
        ours = torch.cat([draw(part, generator=each, like=like, axis=axis) for each in shared], dim=axis)
        assert torch.equal(ours, plain(whole, generator=alone, dtype=torch.float64))
    direct = [torch.rand(4, generator=each) for each in shared]
    assert len({tuple(each.tolist()) for each in direct}) == 3, "ranks that draw by themselves do not draw alike"


@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize("stored", [False, True])
def test_every_sequence_of_a_batch_is_one_rank_s(stored: bool, accumulate: int, mass: MadeDataset) -> None:
    recipe = toy(batch=12, accumulate=accumulate, **({"data": str(mass.path)} if stored else {}))
    for step in (0, 3, 11):  # the file has ten batches of 12
        whole = first_batch(recipe, ALONE, step)["features"]
        shares = [first_batch(recipe, Ranks(rank, 2), step)["features"] for rank in (0, 1)]
        parts = [part for pair in zip(*(np.split(each, accumulate) for each in shares), strict=True) for part in pair]
        assert np.array_equal(np.concatenate(parts), whole)
        if accumulate == 1:
            assert np.array_equal(shares[1], whole[6:])


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def launch(*words: str, ranks: int = 2) -> subprocess.Popen[str]:
    """Start processes by torchrun, which obeys Ctrl-C as in a terminal."""
    start = ["--nnodes", "1", "--nproc-per-node", str(ranks), "--master-addr", "127.0.0.1"]
    return subprocess.Popen(
        [sys.executable, "-m", TORCHRUN, *start, "--master-port", str(free_port()), *words],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def rows(folder: Path) -> list[dict[str, float]]:
    """All of the log that does not depend on the clock."""
    with (folder / "log.csv").open(newline="") as file:
        return [
            {name: float(cell or "nan") for name, cell in row.items() if name not in TIMES}
            for row in csv.DictReader(file)
        ]


def require_same_curve(ours: Path, theirs: Path, *, last: int = STEPS) -> None:
    """Within rounding, to the same last step."""
    one, other = rows(ours), rows(theirs)
    assert len(one) == len(other) and one[-1]["step"] == last
    for mine, expected in zip(one, other, strict=True):
        assert mine == pytest.approx(expected, rel=1e-5, nan_ok=True)


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory, mass: MadeDataset) -> tuple[Path, Path]:
    """Runs of two ranks, all in one launch, and the same runs of one process. The toy is also resumed by one from two
    and by two from one."""
    two, one = tmp_path_factory.mktemp("two"), tmp_path_factory.mktemp("one")
    recipes = {name: FAMILIES[name] for name in ("toy", "r-nem", "conv3", "iodine")}
    recipes["parts of a file"] = toy(data=str(mass.path), accumulate=2)
    for name, recipe in recipes.items():
        train(recipe, one / name, steps=STEPS, device="cpu", workers=0)
    train(toy(), two / "two from one", steps=HALF, device="cpu", workers=0)
    runs: list[dict[str, Any]] = [
        {"recipe": json.loads(recipe.to_json()), "out": str(two / name), "steps": STEPS}
        for name, recipe in recipes.items()
    ]
    runs += [
        {"out": str(two / "two from one"), "steps": STEPS},
        {"recipe": json.loads(toy().to_json()), "out": str(two / "one from two"), "steps": HALF},
    ]
    process = launch("-m", "tests.baselines.toy_ranks", json.dumps(runs))
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors
    train(None, two / "one from two", steps=STEPS, resume=True, device="cpu", workers=0)
    return two, one


@pytest.mark.slow
@pytest.mark.parametrize("name", ["toy", "r-nem", "conv3", "iodine", "parts of a file"])
def test_two_ranks_learn_what_one_process_does(name: str, together: tuple[Path, Path]) -> None:
    two, one = together
    require_same_curve(two / name, one / name)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["two from one", "one from two"])
def test_a_run_goes_on_with_another_number_of_ranks(name: str, together: tuple[Path, Path]) -> None:
    two, one = together
    require_same_curve(two / name, one / "toy")


@pytest.mark.slow
def test_what_two_ranks_saved_is_what_one_process_saves(together: tuple[Path, Path]) -> None:
    """And the card says how many there were."""
    ours, theirs = (checkpoint.load(folder / "toy" / "last.safetensors", architecture=MODEL) for folder in together)
    for name, weight in theirs.network.state_dict().items():
        torch.testing.assert_close(ours.network.state_dict()[name], weight, rtol=1e-4, atol=1e-6)
    assert (ours.card["hardware"], theirs.card["hardware"]) == ("2 CPU cores in 2 processes", "1 CPU core")
    assert ours.card["sequences"] == theirs.card["sequences"] == STEPS * 8


def command(out: Path, *more: str) -> tuple[str, ...]:
    """A run of the toy without an end, from the command line."""
    recipe = ("--batch", "4", "--frames", "6", "--validation", "4", "--scored", "0", "--precision", "fp32")
    limits = ("--log-every", "1", "--evaluate-every", "8", "--steps", "1000000", "--device", "cpu", "--workers", "0")
    return "-m", "physbench", "train", MODEL, *recipe, *limits, "--out", str(out), *more


def ranks_under(process: subprocess.Popen[str]) -> dict[int, int]:
    """Process ids by rank."""
    found: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        try:
            if (
                folder.name.isdecimal()
                and int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1]) == process.pid
            ):
                said = dict(each.split("=", 1) for each in (folder / "environ").read_text().split("\0") if "=" in each)
                found[int(said["RANK"])] = int(folder.name)
        except (OSError, KeyError, ValueError):
            continue
    return found


def wait_for(step: int, out: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 240
    while not ((out / "log.csv").exists() and any(row["step"] >= step for row in rows(out))):
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.01)


def require_resumable(out: Path, tmp_path: Path, *, at_least: int) -> None:
    """By one process, to the curve of a run that nothing happened to."""
    saved = checkpoint.load(out / "last.safetensors", architecture=MODEL).training["step"]
    assert saved >= at_least
    train(None, out, steps=saved + 3, resume=True, device="cpu", workers=0)
    recipe = TrainingRecipe.from_json((out / "recipe.json").read_text())
    train(recipe, tmp_path / "whole", steps=saved + 3, device="cpu", workers=0)
    require_same_curve(out, tmp_path / "whole", last=saved + 3)


linux = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="ranks are found by what /proc says of them")


@pytest.mark.slow
@linux
def test_a_rank_that_is_killed_ends_the_run_and_loses_nothing(tmp_path: Path) -> None:
    out = tmp_path / "run"
    process = launch(*command(out))
    wait_for(5, out, process)
    os.kill(ranks_under(process)[1], signal.SIGKILL)
    _, errors = process.communicate(timeout=120)
    assert process.returncode != 0
    (line,) = [line for line in errors.splitlines() if line.startswith("Error:")]
    assert (
        line.startswith("Error: rank 0 of 2 lost another rank")
        and f"{out / 'last.safetensors'} is of that step" in line
    )
    require_resumable(out, tmp_path, at_least=5)


@linux
@pytest.mark.slow
def test_the_rank_that_leads_may_be_killed_too(tmp_path: Path) -> None:
    out = tmp_path / "run"
    process = launch(*command(out))
    wait_for(5, out, process)
    os.kill(ranks_under(process)[0], signal.SIGKILL)
    _, errors = process.communicate(timeout=120)
    assert process.returncode != 0
    assert "Error: rank 1 of 2 lost another rank" in errors and "resume what rank 0 saved" in errors
    require_resumable(out, tmp_path, at_least=0)


@pytest.mark.slow
def test_ctrl_c_of_torchrun_saves(tmp_path: Path) -> None:
    out = tmp_path / "run"
    process = launch(*command(out))
    wait_for(5, out, process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode != 0
    assert errors.count("Stopped and saved. Go on with: physbench train --out") == 1 and "Error:" not in errors
    require_resumable(out, tmp_path, at_least=5)


@linux
@pytest.mark.slow
def test_a_signal_to_any_rank_stops_all_and_may_come_twice(tmp_path: Path) -> None:
    """As from a queue, which ends the processes of a job while torchrun does, too."""
    out = tmp_path / "run"
    process = launch(*command(out))
    wait_for(5, out, process)
    os.kill(ranks_under(process)[1], signal.SIGTERM)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=120)
    assert process.returncode != 0 and "Error:" not in errors
    require_resumable(out, tmp_path, at_least=5)


@pytest.mark.slow
def test_a_loss_that_is_no_number_ends_all_ranks_with_one_line(tmp_path: Path) -> None:
    process = launch(*command(tmp_path / "run", "--size", "poisoned=true"))
    _, errors = process.communicate(timeout=300)
    assert process.returncode != 0
    (line,) = [line for line in errors.splitlines() if line.startswith("Error:")]
    assert line.startswith("Error: the loss became nan at step 6: try a lower learning rate")


TWO = {
    "RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1",
    "MASTER_PORT": "29500",
}  # fmt: skip


@pytest.mark.parametrize(
    "words, sentence",
    [
        (
            ["--batch", "5"],
            "a batch of 5 sequences cannot be shared out evenly among 2 processes: give a multiple of 2",
        ),
        (["--batch", "6", "--accumulate", "2"], "a batch of 6 sequences in 2 parts cannot .* give a multiple of 4"),
    ],
)
def test_a_batch_that_ranks_do_not_divide_is_refused_before_anything_begins(
    words: list[str], sentence: str, tmp_path: Path, cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in TWO.items():
        monkeypatch.setenv(name, value)
    done = cli("train", "conv3", *words, "--steps", "2", "--out", tmp_path / "run")
    assert done.exit_code == 2
    assert not (tmp_path / "run").exists()
    assert re.search(sentence, done.output)


def test_the_agent_is_not_trained_by_several(cli: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in TWO.items():
        monkeypatch.setenv(name, value)
    done = cli("train", "dqn", "--steps", "2", "--out", tmp_path / "run")
    assert done.exit_code == 2 and "dqn is trained by one process, not by 2" in done.output


@pytest.mark.parametrize("model, data", [("cswm-small", "invaders84"), ("rmr-ram-mlp", "invaders-ram")])
def test_what_learns_from_a_batch_as_a_whole_says_so(model: str, data: str) -> None:
    assert network_of(usual_recipe(model, data=data), dataset=data).separable is False


def test_what_torchrun_says_is_read() -> None:
    assert ranks_of({}) == ranks_of({"WORLD_SIZE": "1", "RANK": "0"}) == ALONE
    assert ranks_of({**TWO, "RANK": "1", "LOCAL_RANK": "1"}) == Ranks(1, 2, 1, 2)
    assert ranks_of({**TWO, "RANK": "5", "WORLD_SIZE": "6", "LOCAL_RANK": "1"}) == Ranks(5, 6, 1, 2)
    for wrong in ({"RANK": "2"}, {"LOCAL_RANK": "2"}, {"RANK": "one"}, {"WORLD_SIZE": "-2"}, {"MASTER_PORT": ""}):
        with pytest.raises(TrainingError, match="by torchrun"):
            ranks_of({**TWO, **wrong})


def test_each_rank_has_a_card_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "of some kind")
    assert Ranks(3, 4, 1, 2).device("auto") == Ranks(3, 4, 1, 2).device("cuda") == torch.device("cuda:1")
    assert Ranks(1, 2, 1, 2).device("cpu") == CPU
    assert ALONE.device("auto") == torch.device("cuda")
    with pytest.raises(TrainingError, match="3 processes on this machine have 2 GPUs: start 2 by --nproc-per-node"):
        Ranks(0, 3, 0, 3).device("auto")
    with pytest.raises(TrainingError, match="a GPU of its own, not 'cuda:0'"):
        Ranks(0, 2, 0, 2).device("cuda:0")
    assert hardware_of(torch.device("cuda:1"), 2) == "2 GPUs (of some kind)"
    assert hardware_of(torch.device("cuda:1")) == "1 GPU (of some kind)"
    assert hardware_of(CPU, 3) == "3 CPU cores in 3 processes"


@pytest.mark.parametrize("begun", [False, True])
def test_the_job_for_slurm_starts_a_run_and_goes_on_with_it(begun: bool, tmp_path: Path) -> None:
    """Slurm's own programs say here what they were asked for."""
    for name, script in {"srun": 'printf "%s\\n" "$@"', "scontrol": "printf 'node7\\nnode8\\n'"}.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{script}\n")
        (tmp_path / name).chmod(0o755)
    if begun:
        (tmp_path / "runs" / "r-nem").mkdir(parents=True)
        (tmp_path / "runs" / "r-nem" / "recipe.json").write_text("{}")
    given = {"SLURM_NNODES": "2", "SLURM_GPUS_ON_NODE": "4", "SLURM_CPUS_PER_TASK": "32", "SLURM_JOB_ID": "31"}
    words = subprocess.run(
        ["bash", ROOT / "examples" / "train.sbatch"],
        env={"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "SLURM_JOB_NODELIST": "node[7-8]", **given},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert words[0] == "torchrun"
    asked = get_args_parser().parse_args(words[1:])
    assert (asked.nnodes, asked.nproc_per_node, asked.rdzv_endpoint, asked.module) == ("2", "4", "node7:29500", True)
    assert asked.training_script == "physbench" and asked.training_script_args[0] == "train"
    context = training.train.make_context("train", list(asked.training_script_args[1:]))
    assert context.params["resume"] is begun and context.params["out"] == Path("runs/r-nem")
    assert context.params["model"] == (None if begun else "r-nem")
    assert context.params.get("batch") in (None, 256)
