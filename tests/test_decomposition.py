"""Tests of what a model says of an image, step by step, and of its picture, in which panels are found pixel by
pixel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from PIL import Image

import physbench
from physbench import registry
from physbench.errors import ModelError, RecipeError
from physbench.evaluation.examples import source_of
from physbench.evaluation.look import Look, Looked, look
from physbench.evaluation.window import ask
from physbench.model import Batch, Bernoulli, Parts, Prediction
from physbench.report.decomposition import MOST_SLOTS, ROWS, choose_rows, colour_objects, save, story
from physbench.suites import SUITES, Still, Suite, Task, Window
from physbench.view.figure import SHARED, PictureRow, Story, draw_share
from physbench.view.table import table
from physbench.view.times import Times
from physbench_baselines.reference import Copy

SUITE = "segmentation-shapes"
OKABE_ITO = [(230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167)]
GROUND, LIT = (10, 11, 15), (232, 232, 232)
HEIGHT, WIDTH, SCALE = 6, 9, 4


def places(picture: np.ndarray, panel: np.ndarray, scale: int = SCALE) -> list[tuple[int, int]]:
    """y, x of the upper left corner wherever a panel stands in a picture, to the last pixel."""
    large = np.kron(panel, np.ones((scale, scale, 1), np.uint8))
    height, width = large.shape[:2]
    y, x = np.indices((picture.shape[0] - height + 1, picture.shape[1] - width + 1)).reshape(2, -1)
    for place in np.random.default_rng(0).permutation(
        panel.shape[0] * panel.shape[1]
    ):  # any order: most places fall out at once
        row, column = (scale * part for part in divmod(int(place), panel.shape[1]))
        there = (picture[y + row, x + column] == large[row, column]).all(axis=1)
        y, x = y[there], x[there]
    return [
        corner
        for corner in zip(y.tolist(), x.tolist(), strict=True)
        if np.array_equal(picture[corner[0] :, corner[1] :][:height, :width], large)
    ]


def pixels_of(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def test_a_panel_is_found_where_it_stands_and_nowhere_else() -> None:
    random = np.random.default_rng(0)
    panel = random.integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
    picture = np.zeros((100, 150, 3), np.uint8)
    picture[7 : 7 + HEIGHT * SCALE, 31 : 31 + WIDTH * SCALE] = panel.repeat(SCALE, axis=0).repeat(SCALE, axis=1)
    assert places(picture, panel) == [(7, 31)]
    picture[8, 32] += 1
    assert places(picture, panel) == []


class Guesser:
    """Comes nearer to a frame with every refinement: of four, each gives it a quarter more. Slot 1 has the upper half,
    slot 0 the rest."""

    likelihood = Bernoulli()
    steps = 4

    def begin(self, batch: Batch) -> float:
        return 0.0

    def observe(self, state: float, frame: np.ndarray, action: object) -> tuple[float, Prediction]:
        return self._answer(frame, self.steps)

    def refinements(self, state: float, frame: np.ndarray, action: object) -> Any:
        return (self._answer(frame, step) for step in range(self.steps + 1))

    def parts(self, state: float) -> Parts:
        shares = np.zeros((1, 2, 28, 28), np.float32)
        shares[:, 1, :14], shares[:, 0, 14:] = 1, 1
        return Parts(np.full((1, 2, 28, 28, 1), state, np.float32), shares)

    def _answer(self, frame: np.ndarray, step: int) -> tuple[float, Prediction]:
        owner = np.zeros(frame.shape[:3], np.uint8)
        owner[:, :14] = 1
        return step / self.steps, Prediction(frame * np.float32(step / self.steps), owner)


class Lasting(Guesser):
    """The same, but goes on from where it was: nearer by a sixteenth with every refinement of which there are 2 with
    each showing."""

    def observe(self, state: float, frame: np.ndarray, action: object) -> tuple[float, Prediction]:
        *_, last = self.refinements(state, frame, action)
        return last

    def refinements(self, state: float, frame: np.ndarray, action: object) -> Any:
        for step in range(3):
            now = min(state + step / 16, 1)
            yield now, replace(self._answer(frame, 4)[1], mean=frame * np.float32(now))


class Slow(Lasting):
    """The same without saying how."""

    refinements = None

    def observe(self, state: float, frame: np.ndarray, action: object) -> tuple[float, Prediction]:
        now = min(state + 1 / 8, 1)
        return now, replace(self._answer(frame, 4)[1], mean=frame * np.float32(now))


def test_a_model_that_refines_is_looked_at_after_each_refinement_and_at_last_says_what_it_observes() -> None:
    seen = look(Guesser(), SUITE, index=3)
    assert [(each.shown, each.refined) for each in seen.looks] == [(1, step) for step in range(5)]
    for step, each in enumerate(seen.looks):
        assert each.mean is not None and np.array_equal(each.mean, seen.image * np.float32(step / 4))
        assert each.parts is not None and (each.parts.predictions == step / 4).all()


def test_what_is_looked_at_is_the_image_and_the_truth_of_the_suite_and_the_last_step_is_what_is_scored() -> None:
    task = SUITES[SUITE].tasks[1]
    seen = look(Guesser(), SUITE, task=task.name, index=5)
    scenes = registry.datasets.get(task.name).scenes("test", 5, 6)
    assert (
        np.array_equal(seen.image, scenes.features[0, 0])
        and seen.groups is not None
        and np.array_equal(seen.groups, scenes.groups[0, 0, :, :, 0])
    )
    source = source_of(task, split="test")
    answer = ask(Guesser(), task, task.askings[0], source.examples(5, 6), source, seed=0)
    assert answer.means is not None and np.array_equal(answer.means[0, 0], seen.looks[-1].mean)  # type: ignore[arg-type]
    assert answer.owners is not None and np.array_equal(answer.owners[0, 0], seen.looks[-1].owner)  # type: ignore[arg-type]


def test_a_model_that_goes_on_with_every_showing_is_looked_at_until_nothing_changes() -> None:
    seen = look(Slow(), SUITE)
    assert [(each.shown, each.refined) for each in seen.looks] == [
        (shown, 0) for shown in range(1, 9)
    ]  # of 15 showings the others repeat the eighth
    for shown, each in enumerate(seen.looks, 1):
        assert each.mean is not None and np.array_equal(each.mean, seen.image * np.float32(shown / 8))


def test_a_model_that_refines_with_every_showing_and_goes_on_has_both_numbers() -> None:
    seen = look(Lasting(), SUITE)
    assert [(each.shown, each.refined) for each in seen.looks] == [
        (shown, step) for shown in range(1, 10) for step in range(3)
    ]
    assert story(seen, "a").moments[:4] == ("step 1.0", "step 1.1", "step 1.2", "step 2.0")
    assert any(line.startswith("step n.m:") for line in story(seen, "a").legend)


def test_a_model_that_says_the_same_every_time_has_one_step() -> None:
    (only,) = look(Copy(), SUITE).looks
    assert (only.shown, only.refined, only.owner, only.parts) == (1, 0, None, None)


def test_frames_of_which_only_owners_are_asked_are_looked_at_too() -> None:
    suite = Suite("mine", 1, "", (Task("balls4mass64", (Still(3, 2),)),))
    seen = look(registry.models.get("blobs")(), suite, index=1)
    scenes = registry.datasets.get("balls4mass64").scenes("test", 1, 2)
    assert np.array_equal(seen.image, scenes.features[0, 3]) and np.array_equal(
        seen.groups, scenes.groups[0, 3, :, :, 0]
    )  # type: ignore[arg-type]
    assert len(seen.looks) == 1 and seen.looks[0].owner is not None


class Broken(Guesser):
    def __init__(self, given: Callable[[Any, np.ndarray], Any]) -> None:
        self.given = given

    def refinements(self, state: float, frame: np.ndarray, action: object) -> Any:
        return self.given(self, frame)


BROKEN: dict[str, tuple[Callable[[Any, np.ndarray], Any], str]] = {
    "another end": (
        lambda model, frame: [model._answer(frame, 3)],
        "the last of the model's refinements is not what it observes",
    ),
    "no owners": (
        lambda model, frame: [(1.0, replace(model._answer(frame, 4)[1], owner=None))],
        "the last of the model's refinements is not what it",
    ),
    "other owners": (
        lambda model, frame: [(1.0, replace(model._answer(frame, 4)[1], owner=np.zeros((1, 28, 28), np.uint8)))],
        "the last of the model's refinements is not what it observes",
    ),
    "none": (lambda model, frame: [], r"refinements are one or more \(state, prediction\)"),
    "a number": (lambda model, frame: 3, r"refinements are one or more \(state, prediction\)"),
    "predictions alone": (
        lambda model, frame: [model._answer(frame, 4)[1]],
        r"refinements are one or more \(state, prediction\)",
    ),
    "a mean of another shape on the way": (
        lambda model, frame: [model._answer(frame[:, :5], 1), model._answer(frame, 4)],
        "predicted an array of shape",
    ),
    "no probability on the way": (
        lambda model, frame: [model._answer(2 * frame, 4), model._answer(frame, 4)],
        "probabilities from 0 to 2",
    ),
}


@pytest.mark.parametrize(("given", "words"), BROKEN.values(), ids=BROKEN.keys())
def test_refinements_that_are_no_steps_towards_the_answer_are_refused(
    given: Callable[[Any, np.ndarray], Any], words: str
) -> None:
    with pytest.raises(ModelError, match=words):
        look(Broken(given), SUITE)


def test_refinements_that_say_no_owners_are_refused_where_only_owners_are_asked_for_too() -> None:
    stills = Suite("mine", 1, "", (Task("shapes", (Still(0, 3),)),))
    with pytest.raises(ModelError, match="the last of the model's refinements is not what it observes"):
        look(Broken(BROKEN["no owners"][0]), stills)


class Parted(Guesser):
    def parts(self, state: float) -> Any:
        return {"shares": np.zeros((1, 2, 28, 28), np.float32)}


def test_parts_that_are_something_else_are_refused() -> None:
    with pytest.raises(ModelError, match="the model's parts are a dict where a Parts is expected"):
        look(Parted(), SUITE)


def test_a_task_or_an_image_that_there_is_not_is_refused() -> None:
    with pytest.raises(RecipeError, match="has no task 'shape': it has shapes, shapes456"):
        look(Copy(), SUITE, task="shape")
    with pytest.raises(RecipeError, match="index is 0 to 9999"):
        look(Copy(), SUITE, index=10_000)
    with pytest.raises(RecipeError, match="mine shows no still image"):
        look(Copy(), Suite("mine", 1, "", (Task("balls4mass64", (Window(3),)),)))


# Pictures


def test_a_slot_is_drawn_as_far_as_the_pixels_are_its_own() -> None:
    share = np.array([[0.0, 1.0, 0.5]], np.float32)
    lit, dark = (draw_share(np.full((1, 3, 1), level, np.float32), share, 2)[0].tolist() for level in (1, 0))
    assert lit[0] == dark[0] == list(SHARED)
    assert lit[1] == list(OKABE_ITO[2]) and dark[1] == list(GROUND)
    assert lit[2] == [round((a + b) / 2) for a, b in zip(SHARED, OKABE_ITO[2], strict=True)]
    red = draw_share(np.full((1, 3, 3), [1.0, 0.0, 0.2], np.float32), share, 2)[0].tolist()
    assert red[1] == [255, 0, 51] and red[0] == list(SHARED)


def test_a_table_is_a_row_for_each_step_and_what_stays_is_drawn_once_beside_the_last() -> None:
    def flat(number: int, t: int) -> np.ndarray:
        return np.full((HEIGHT, WIDTH, 3), (3 + 20 * number, 101 + 7 * t, 249), np.uint8)

    still = flat(9, 9)
    blocks = (
        (PictureRow("still", "", (still,) * 4),),
        tuple(PictureRow(f"row {i}", "", tuple(flat(i, t) for t in range(4))) for i in range(3)),
    )
    picture = np.asarray(
        table(
            Story("a model", "an image", blocks, ("a word",), ("a", "b", "c", "d"), ("1", "2", "3", "4")),
            [0, 2, 3],
            scale=SCALE,
        )
    )
    found = {(i, t): places(picture, flat(i, t)) for i in range(3) for t in range(4)}
    assert {key: len(where) for key, where in found.items()} == {
        (i, t): int(t != 1) for i in range(3) for t in range(4)
    }
    tops = [found[0, t][0][0] for t in (0, 2, 3)]
    lefts = [found[i, 0][0][1] for i in range(3)]
    assert tops == sorted(set(tops)) and lefts == sorted(set(lefts))
    assert all(found[i, t][0] == (tops[row], lefts[i]) for i in range(3) for row, t in enumerate((0, 2, 3)))
    ((top, left),) = places(picture, still)
    assert top == tops[-1] and left + WIDTH * SCALE < lefts[0]


@pytest.mark.parametrize("steps", [1, 2, 6, 7, 15, 40])
def test_a_still_picture_has_a_few_rows_and_the_first_and_the_last_among_them(steps: int) -> None:
    rows = [*choose_rows(steps)]
    assert len(rows) == min(steps, ROWS) and rows[0] == 0 and rows[-1] == steps - 1
    assert len(set(rows)) == len(rows) and np.ptp(np.diff(rows)) <= 1 if len(rows) > 1 else True
    assert [*choose_rows(40, Times(start=3, every=2, frames=2))] == [3, 5]


def test_an_object_has_the_colour_of_the_slot_that_has_most_of_it_and_no_two_objects_have_the_same() -> None:
    groups = np.array([[0, 1, 1, 1, 2, 2, 3, 3, 3, 3]], np.uint8)
    owner = np.array(
        [[0, 4, 4, 0, 1, 1, 4, 4, 4, 1]], np.uint8
    )  # slot 4 has two pixels of the first object and three of the third
    colours = colour_objects(groups, owner).tolist()
    assert colours[0] == list(GROUND)
    assert colours[3] == list(OKABE_ITO[4]) and colours[2] == list(OKABE_ITO[1])
    assert colours[1] == list(OKABE_ITO[0])  # its second best
    lost = colour_objects(groups, np.zeros_like(owner)).tolist()
    assert [tuple(colour) for colour in lost[:4]].count(OKABE_ITO[0]) == 1 and len(
        {tuple(colour) for colour in lost[:4]}
    ) == 4


def test_the_command_draws_what_k_means_says_of_an_image_in_one_row(cli: Callable[..., Result], tmp_path: Path) -> None:
    out = tmp_path / "x.png"
    assert cli("show", "--model", "k-means", "--suite", SUITE, "--index", 3, "--out", out).exit_code == 0
    picture, seen = pixels_of(out), look(registry.models.get("k-means")(), SUITE, index=3)
    (said,) = seen.looks
    assert said.owner is not None and said.parts is None
    image = np.array([GROUND, LIT], np.uint8)[seen.image[:, :, 0].astype(int)]
    owners = np.array(OKABE_ITO, np.uint8)[said.owner]
    assert len(places(picture, image)) == 2  # the image, and the reconstruction
    assert len(places(picture, owners)) == 1
    tops = {top for top, _ in places(picture, image) + places(picture, owners)}
    for k in range(4):
        slot = np.where(seen.image == 1, np.array(OKABE_ITO[k]), np.array(GROUND))
        slot = np.where((said.owner == k)[..., None], slot, np.array(SHARED)).astype(np.uint8)
        ((top, _),) = places(picture, slot)
        tops.add(top)
    assert len(tops) == 1


def test_the_picture_of_a_model_that_refines_has_a_row_for_each_step(tmp_path: Path) -> None:
    seen = look(Guesser(), SUITE, index=3)
    save(seen, tmp_path / "x.png", name="guesser")
    picture = pixels_of(tmp_path / "x.png")
    found = []
    for step in range(5):
        level = np.rint(np.array(GROUND) + step / 4 * (np.array(LIT, float) - GROUND))
        panel = np.where(seen.image == 1, level, np.array(GROUND)).astype(np.uint8)
        found.append(sorted(places(picture, panel), key=lambda place: place[1]))
    assert [len(each) for each in found] == [1, 1, 1, 1, 2]  # the last is the image itself, beside it
    assert found[4][0][0] == found[4][1][0]
    tops = [each[-1][0] for each in found]
    assert tops == sorted(set(tops)) and len({each[-1][1] for each in found}) == 1


def test_the_legend_says_what_a_step_is_and_the_figures_how_well_the_slots_own_the_objects() -> None:
    groups = np.zeros((28, 28), np.uint8)
    groups[2:8, 2:8], groups[20:25, 3:9] = 1, 2
    told = story(replace(look(Guesser(), SUITE), groups=groups), "a")
    assert told.moments == tuple(f"step {step}" for step in range(5))
    assert told.figures == ("ari 1.00",) * 5
    assert any("refined n times" in line for line in told.legend)
    shown = story(look(Slow(), SUITE), "a")
    assert shown.moments == tuple(f"step {shown}" for shown in range(1, 9)) and any(
        "for the nth time" in line for line in shown.legend
    )
    alone = story(look(Copy(), SUITE), "a")
    assert (
        alone.moments == ("",)
        and alone.figures == ("",)
        and not any("step" in line or "ari" in line for line in alone.legend)
    )
    assert [[row.name for row in block] for block in alone.blocks] == [["image", "true groups", "reconstruction"]]
    assert [each.caption.partition("image 0")[2] for each in (told, shown, alone)] == [
        "  ·  4 refinements",
        "  ·  8 showings",
        "",
    ]


def test_the_figure_beside_the_last_row_is_the_score() -> None:
    score = physbench.evaluate("k-means", SUITE, limit=1).score("shapes", "ari").value
    assert story(look(registry.models.get("k-means")(), SUITE, index=0), "a").figures == (f"ari {score:.2f}",)


def owning(owner: np.ndarray) -> Looked:
    image = np.ones((*owner.shape, 1), np.float32)
    return Looked("mine", 0, image, (Look(1, 0, None, owner.astype(np.uint8), None),))


def test_of_many_slots_the_largest_are_drawn_and_the_others_named() -> None:
    owner = np.repeat(np.arange(20), np.arange(20) + 5)[None]  # slot k has k + 5 pixels
    told = story(owning(owner), "a")
    assert [row.slot for row in told.blocks[-1]] == list(range(20 - MOST_SLOTS, 20))
    assert any(line.startswith("not drawn: slots 1, 2, 3, 4, 5, 6, 7 and 8, ") for line in told.legend)
    few = story(owning(np.array([[0, 2, 2]])), "a")
    assert [row.slot for row in few.blocks[-1]] == [0, 2]
    assert [row.name for row in few.blocks[0]] == ["image", "owners"]  # nothing is said of what it looks like


@pytest.mark.parametrize(("times", "frames"), [([], 1), (["--frames", 1], 1)])
def test_an_animation_of_an_image_has_a_frame_for_each_step(
    cli: Callable[..., Result], tmp_path: Path, times: list[Any], frames: int
) -> None:
    assert cli("show", "--model", "k-means", "--suite", SUITE, *times, "--out", tmp_path / "x.gif").exit_code == 0
    with Image.open(tmp_path / "x.gif") as image:
        assert getattr(image, "n_frames", 1) == frames
    save(look(Guesser(), SUITE), tmp_path / "y.gif", name="guesser")
    with Image.open(tmp_path / "y.gif") as image:
        assert image.n_frames == 5  # type: ignore[attr-defined]


def test_the_name_of_a_file_says_which_task_is_drawn(
    cli: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli("show", "--model", "k-means", "--suite", SUITE, "--task", "shapes456", "--index", 2).exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["k-means-segmentation-shapes-shapes456-2.png"]


WRONG = {
    "rollout": (["--rollout", "3"], "segmentation-shapes shows still images: there is no --rollout of one"),
    "page": (["--out", "x.html"], "must end in .png (a figure) or .gif (an animation)"),
    "task": (["--task", "balls"], "segmentation-shapes has no task 'balls': it has shapes, shapes456"),
    "index": (["--index", "-1"], "index is 0 to 9999"),
    "split": (["--split", "tests"], "there is no split 'tests'"),
    "step": (["--start", "1"], "start is 0 to 0, not 1"),
    "setting": (["--set", "slots=3"], "there is no 'slots' to set in this model"),
    "setting twice": (["--set", "slots=3", "--set", "slots=4"], "--set gives the same name twice"),
    "no setting": (["--set", "slots"], "is no setting such as noise=0"),
}


@pytest.mark.parametrize(("words", "said"), WRONG.values(), ids=WRONG.keys())
def test_what_cannot_be_drawn_of_an_image_is_refused_in_one_line(
    cli: Callable[..., Result],
    refusal: Callable[[int, str], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    result = cli("show", "--model", "k-means", "--suite", SUITE, *words)
    assert said in refusal(result.exit_code, result.stderr)
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of networks that have learnt nothing."""
    pytest.importorskip("torch")
    from physbench_baselines import checkpoint
    from physbench_baselines.iodine_sizes import ARCHITECTURE as IODINE
    from physbench_baselines.iodine_sizes import IodineSizes
    from physbench_baselines.nem_sizes import NemSizes
    from physbench_baselines.slot_attention_sizes import ARCHITECTURE as SLOT_ATTENTION
    from physbench_baselines.slot_attention_sizes import SlotAttentionSizes

    folder = tmp_path_factory.mktemp("networks")
    iodine = IodineSizes(1, 4, 2, latent=3, decoder=(4,), encoder=(5,), dense=(6,), lstm=5, distribution="bernoulli")
    attention = SlotAttentionSizes(
        channels=1, slots=4, slot_size=6, hidden=5, encoder=(4,), features=7, decoder=(4,), kernel=3
    )
    checkpoint.save(folder / "iodine.safetensors", IODINE.make(iodine))
    checkpoint.save(folder / "slot-attention.safetensors", SLOT_ATTENTION.make(attention))
    checkpoint.save(
        folder / "nem.safetensors",
        NemSizes(slots=3, channels=(3, 4), dense=12, hidden=10, attention=6, embedding=3).build(),
    )
    return folder


@pytest.mark.parametrize(("name", "setting"), [("iodine", "refinements"), ("slot-attention", "iterations")])
def test_a_network_that_refines_has_as_many_steps_as_are_set(
    cli: Callable[..., Result], checkpoints: Path, tmp_path: Path, name: str, setting: str
) -> None:
    heights = []
    for count in (1, 3):
        out = tmp_path / f"{count}.png"
        done = cli(
            "show",
            "--model",
            checkpoints / f"{name}.safetensors",
            "--suite",
            SUITE,
            "--set",
            f"{setting}={count}",
            "--out",
            out,
        )
        assert done.exit_code == 0
        heights.append(len(pixels_of(out)))
    assert heights[1] - heights[0] == 2 * (4 * 28 + 6)  # two rows of pictures more, and the gaps between


def test_a_network_of_sequences_is_looked_at_with_every_showing(checkpoints: Path) -> None:
    from physbench_baselines.checkpoint import model

    network = model(checkpoints / "nem.safetensors")
    assert not hasattr(network, "refinements")
    seen = look(network, "segmentation-multi-dsprites-binary", index=1)
    assert [(each.shown, each.refined) for each in seen.looks] == [(shown, 0) for shown in range(1, 16)]
    assert all(
        each.parts is not None and each.parts.shares.shape == (1, 4, 64, 64) for each in seen.looks
    )  # the suite asks for 4 slots
