"""Tests of the benchmarks: the compared programs do the work that is timed, and the page can be read."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

pytest.importorskip("pymunk")

from benchmarks import accuracy, following, passing, peak_memory, refining, report, seeing, timing
from benchmarks.plan import QUICK
from benchmarks.rivals import gzip_files, numba_gzip, pymunk_balls, stepping
from benchmarks.rivals.chipmunk import trajectories
from benchmarks.rivals.starts import Start, starts_of
from physbench import generate
from physbench.recipe import Recipe
from physbench.registry import datasets
from physbench.scene import Scenes
from physbench_baselines import iodine_sizes
from physbench_baselines.training.initial import network_of
from physbench_baselines.training.preflight import usual_recipe

COUNT, FRAMES = 3, 12
RECIPE: Recipe = replace(datasets.get("balls4mass64"), frames=FRAMES, splits={"training": COUNT})
HEAD_ON = Start(
    np.array([[20.0, 32.0], [40.0, 32.0]]),
    np.array([[2.0, 0.0], [0.0, 0.0]]),
    np.array([6.0, 7.5]),
    np.array([1.0, 6.0]),
    64.0,
)


def made_by(rival: str) -> Iterable[Scenes]:
    starts = starts_of(RECIPE, COUNT)
    if rival == "numba":
        return numba_gzip.scenes(RECIPE, COUNT)
    return {"stepping": stepping, "pymunk": pymunk_balls}[rival].scenes(starts, FRAMES, substeps=10)


@pytest.fixture(scope="module", params=["stepping", "pymunk", "numba"])
def rival_file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rival") / "rival.h5"
    gzip_files.write(path, RECIPE, COUNT, made_by(request.param))
    return path


def arrays_in(path: Path) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Name, dtype and shape of every array; the number of collisions left out."""
    found: dict[str, tuple[str, tuple[int, ...]]] = {}

    def note(name: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Dataset):
            in_events = "events/" in name and not name.endswith("offset")
            found[name] = item.dtype.str, item.shape[1:] if in_events else item.shape

    with h5py.File(path) as file:
        file.visititems(note)
    return found


def test_a_rival_writes_the_arrays_that_we_write(rival_file: Path, tmp_path: Path) -> None:
    assert arrays_in(rival_file) == arrays_in(generate(RECIPE, tmp_path / "ours.h5", workers=1))


def test_the_pixels_of_a_rival_are_the_discs_of_its_own_states(rival_file: Path) -> None:
    with h5py.File(rival_file) as file:
        held = {
            name: file["training"][name][()]
            for name in ("features", "groups", "collisions", "position", "radius", "contact", "visible", "count")
        }
    for i in range(COUNT):
        for t in range(FRAMES):
            owner, shown = owners_of(held["position"][t, i], held["radius"][i])
            np.testing.assert_array_equal(held["groups"][t, i, ..., 0], owner)
            np.testing.assert_array_equal(held["features"][t, i, ..., 0], shown)
            assert held["visible"][t, i].tolist() == [int((owner == k + 1).sum()) for k in range(held["count"][i])]
            after, _ = owners_of(held["position"][min(t + 1, FRAMES - 1), i], held["radius"][i])
            hit = [k + 1 for k in range(held["count"][i]) if held["contact"][t, i, k] & 1]
            np.testing.assert_array_equal(held["collisions"][t, i, ..., 0], np.isin(owner, hit) | np.isin(after, hit))


def owners_of(position: np.ndarray, radius: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pixel by pixel: its only owner, or 0; and whether it has any."""
    owner, shown = np.zeros((2, 64, 64), int)
    for row in range(64):
        for column in range(64):
            inside = [
                k + 1 for k, ((x, y), r) in enumerate(zip(position.tolist(), radius.tolist(), strict=True))
                if (column + 0.5 - x) ** 2 + (row + 0.5 - y) ** 2 <= r * r
            ]  # fmt: skip
            owner[row, column] = inside[0] if len(inside) == 1 else 0
            shown[row, column] = bool(inside)
    return owner, shown


def test_the_contacts_of_a_rival_are_those_of_its_events(rival_file: Path) -> None:
    with h5py.File(rival_file) as file:
        contact = file["training/contact"][()]
        events = {name: column[()] for name, column in file["training/events"].items()}
    expected = np.zeros_like(contact)
    for sequence, time, a, b in zip(*(events[name].tolist() for name in ("sequence", "time", "a", "b")), strict=True):
        interval = int(np.ceil(time)) - 1
        expected[interval, sequence, a] |= 2 if b == 255 else 1
        if b != 255:
            expected[interval, sequence, b] |= 1
    assert len(events["time"]) > 0
    np.testing.assert_array_equal(contact, expected)
    np.testing.assert_array_equal(np.diff(events["offset"]), np.bincount(events["sequence"], minlength=COUNT))


def test_the_pymunk_rival_is_the_pymunk_reference() -> None:
    for start, scenes in zip(starts_of(RECIPE, COUNT), made_by("pymunk"), strict=True):
        reference = trajectories(*start[:4], size=start.size, frames=FRAMES, substeps=10)
        np.testing.assert_array_equal(scenes.truth["position"][0], reference.position.astype(np.float32))


@pytest.mark.parametrize("engine", [stepping, pymunk_balls])
def test_a_rival_notes_a_head_on_collision(engine) -> None:  # type: ignore[no-untyped-def]
    (scenes,) = engine.scenes([HEAD_ON], 8, substeps=100)
    events = scenes.events
    assert (events["a"].tolist(), events["b"].tolist()) == ([0], [1])
    np.testing.assert_allclose(events["time"], 3.25, atol=0.02)  # the gap of 6.5 at 2 a frame
    np.testing.assert_allclose(events["normal"], [[1.0, 0.0]], atol=1e-12)
    np.testing.assert_allclose(events["impulse"], 24.0 / 7.0)
    np.testing.assert_allclose(events["position"], [[32.5, 32.0]], atol=0.1)
    np.testing.assert_allclose(scenes.truth["velocity"][0, -1], [[-10.0 / 7.0, 0.0], [4.0 / 7.0, 0.0]], rtol=1e-6)


def test_the_exact_motion_keeps_the_energy_and_never_overlaps() -> None:
    (start,) = starts_of(RECIPE, 1)
    trial = accuracy.exact(start, 50)
    assert trial.drift < 1e-13
    assert trial.overlap < 0.0
    coarse = accuracy.step_through(lambda start: stepping.flight(start, substeps=1), start, 10)
    assert coarse.overlap > 0.1


def test_rows_take_turns_and_the_median_counts() -> None:
    turns: list[str] = []

    def work(name: str) -> timing.Cost:
        turns.append(name)
        return timing.Cost(cpu=[3.0, 1.0, 2.0][(len(turns) - 1) // 2], wall=1.0)

    costs = timing.interleave({name: lambda name=name: work(name) for name in "AB"}, 3)
    assert "".join(turns) == "ABABAB"
    assert (costs["A"].cpu, costs["A"].spread) == (2.0, 1.0)


def test_a_process_is_charged_with_its_own_time_and_memory() -> None:
    held = np.ones(300 << 20, np.uint8)  # ours, not the child's
    cost = timing.cost_of_process([sys.executable, "-S", "-c", "sum(range(3_000_000)); print('quiet')"])
    assert 0.0 < cost.cpu < 60.0
    assert cost.peak < held.nbytes
    with pytest.raises(RuntimeError, match="ended with 3"):
        timing.cost_of_process([sys.executable, "-c", "raise SystemExit(3)"])


def test_the_peak_is_of_what_there_is_at_one_time() -> None:
    def work() -> None:
        first, second = torch.ones(10_000), torch.ones(5_000)
        del first
        torch.ones(2_500)  # 40 kB were gone before
        del second

    held = torch.ones(1_000_000)  # from before
    assert peak_memory.measure_peak(work) == 4 * 15_000
    assert peak_memory.measure_peak(held.sin_) == 0


def test_models_that_remember_otherwise_refine_alike() -> None:
    """Second order changes the slopes of the loss and not the loss; who is shown zeros refines by something else."""
    losses: dict[str, torch.Tensor] = {}
    slopes: dict[str, torch.Tensor] = {}
    for name, kind in refining.KINDS.items():
        torch.manual_seed(1)
        model = kind(
            replace(
                iodine_sizes.SIZES["shapes"], refinements=2, decoder=(4,), encoder=(4,), latent=3, dense=(6,), lstm=5
            )
        ).double()
        batch = {
            "features": (torch.rand(1, 1, 9, 9, 1, generator=torch.Generator().manual_seed(2)) < 0.4).to(torch.uint8)
        }
        losses[name] = model.loss(batch, generator=torch.Generator().manual_seed(3)).total
        (slopes[name],) = torch.autograd.grad(losses[name], model.initial)
    zeros, ours, second = refining.KINDS
    assert losses[second] == losses[ours] != losses[zeros]
    assert not torch.allclose(slopes[second], slopes[ours], rtol=1e-6)


def test_gradients_that_are_shown_cost_no_memory_and_their_graph_would() -> None:
    zeros, ours, second = (refining.measure(kind, "iodine", "shapes", 2) for kind in refining.KINDS.values())
    assert ours == pytest.approx(zeros, rel=0.01)
    assert second > 1.2 * ours


def test_who_learns_from_sequences_is_shown_one_frame_more_than_is_counted() -> None:
    recipe = usual_recipe("iodine-small", data=seeing.BALLS, batch=2)
    learner = seeing.Learner(recipe, network_of(recipe, dataset=seeing.BALLS), frames=3)
    before = learner.stepper.state()["weights/initial"]
    learner.step()
    assert learner.batch["features"].shape == (2, 4, 64, 64, 1)
    assert learner.images == 6
    assert not torch.equal(learner.stepper.state()["weights/initial"], before)


@pytest.mark.slow
def test_speeds_are_compared_with_the_first_model_on_the_same_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seeing, "SETS", ("shapes",))
    monkeypatch.setattr(seeing, "ITERATIVE", ("iodine-small",))
    monkeypatch.setattr(seeing, "MODELS", ("iodine-small", "slot-attention-small"))
    rows = {row[0]: row[1:] for row in seeing.table(QUICK).rows}
    first, other, alone = (
        rows[name] for name in ("shapes, iodine-small", "shapes, slot-attention-small", "balls4mass64, iodine-small")
    )
    assert first[3:5] == alone[3:5] == ("1x", "1x")
    for speed, ratio in ((1, 3), (2, 4)):
        faster = float(other[speed].replace(",", "")) / float(first[speed].replace(",", ""))
        assert float(other[ratio].removesuffix("x")) == pytest.approx(faster, rel=0.02)
    assert float(other[5]) < float(first[5])


@pytest.mark.slow
def test_sequences_are_learnt_object_by_object_in_all_sizes() -> None:
    rows = {row[0]: row[1:] for row in following.table(QUICK).rows}
    assert tuple(rows)[: len(following.MODELS)] == following.MODELS
    assert rows["sqair"][4:6] == ("1x", "1x")
    assert int(rows["r-sqair-rmc"][1].replace(",", "")) - int(rows["sqair"][1].replace(",", "")) == 98_880


def test_messages_are_the_same_in_both_forms_and_so_are_their_gradients() -> None:
    generator = torch.Generator().manual_seed(1)
    z, action = torch.rand(2, 9, 64, dtype=torch.float64, generator=generator), torch.eye(18, dtype=torch.float64)[:2]
    found = []
    for plain in (False, True):
        processor = passing.Learner("rmr-ram-mpnn-small", 1, plain=plain).stepper.network.processor.double()  # type: ignore[union-attr,operator]
        assert isinstance(processor.passes[0], passing.PlainMessages) == plain
        said = processor(z, action)
        said.square().sum().backward()
        found.append([said.detach(), *(parameter.grad for parameter in processor.parameters())])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


@pytest.mark.slow
def test_the_cost_of_messages_is_reported_for_both_models() -> None:
    rows = passing.table(QUICK).rows
    assert [row[0] for row in rows] == [
        f"{model}, {form}" for model in passing.MODELS for form in ("plain", "**ours**")
    ]
    assert [row[2:4] for row in rows if row[0].endswith("plain")] == [("1x", "1x")] * 2


def test_a_page_is_tables_of_markdown() -> None:
    table = report.Table(
        "1. What", ("maker", "us", "note"), [("ours", "1.5", "fast"), ("theirs", "1,500", "slow")], "Why."
    )
    page = report.page([table, table], minutes=3.2, load="0.10", quick=False)
    assert page.startswith("# Benchmarks\n")
    lines = page.splitlines()
    assert lines.count("## 1. What") == 2
    assert "| --- | ---: | --- |" in lines
    assert {line.count("|") for line in lines if line.startswith("|")} == {4}
    assert "smoke" in report.page([table], minutes=1, load="0", quick=True)
    with pytest.raises(ValueError, match="a row has 1 cells, not 2"):
        report.Table("odd", ("a", "b"), [("x",)])


@pytest.mark.parametrize(("seconds", "words"), [(1.2344e-6, "1.23"), (98.76e-6, "98.8"), (0.0139123, "13,900")])
def test_microseconds_have_three_figures(seconds: float, words: str) -> None:
    assert report.us(seconds) == words
