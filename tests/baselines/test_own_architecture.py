"""Tests of a user's own network, which needs only its record: it is trained, resumed, scored and audited.

It is never run only because a file names it.
"""

from __future__ import annotations

import shutil
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
import torch

from physbench import registry
from physbench.errors import HostileFile, ModelError, StorageError, UnknownName
from physbench.notices import listen
from physbench_baselines import checkpoint
from physbench_baselines.architecture import Architecture, architecture_with, find_architecture, model_names
from physbench_baselines.training.initial import network_of
from physbench_baselines.training.training_recipe import TrainingRecipe

PLACE = "ownmodel:ARCHITECTURE"

OWN = """
from dataclasses import dataclass
from pathlib import Path

import torch
from physbench.model import Bernoulli
from physbench_baselines.architecture import Architecture

with Path("was-run").open("a") as file:
    file.write("again")


@dataclass(frozen=True)
class Sizes:
    width: int = 2
    noise: float = 0.0


@dataclass
class Loss:
    total: torch.Tensor
    figures: dict


class Own(torch.nn.Module):
    likelihood = Bernoulli()

    def __init__(self, sizes):
        super().__init__()
        if sizes.width == 7:
            self.register_buffer("exact", torch.zeros(1, dtype=torch.float64))
        self.layers = torch.nn.Sequential(torch.nn.Conv2d(1, sizes.width, 3, padding=1), torch.nn.Conv2d(sizes.width, 1, 1))

    def forward(self, frame):
        return self.layers(frame[:, None].float())[:, 0]

    def loss(self, batch, *, generator, share):
        frames = batch["features"]
        each = [torch.nn.functional.binary_cross_entropy_with_logits(self(frames[:, t, ..., 0]), frames[:, t + 1, ..., 0].float())
                for t in range(frames.shape[1] - 1)]
        return Loss(torch.stack(each).mean(), {})

    def begin(self, seeds, *, shape, slots=None, actions=0):
        return None

    def observe(self, state, frame, action):
        return state, torch.sigmoid(self(frame[..., 0]))[..., None], None


ARCHITECTURE = Architecture(
    name="own", sizes=Sizes, build=Own, settable=("noise",), variants={"own-wide": {"": Sizes(width=3), "balls3curtain64": Sizes(width=4)}},
    recipes={"": {"": {"batch": 1, "frames": (3,), "validation": 1, "scored": 0}}},
)
number = 3
"""


@pytest.fixture(autouse=True)
def _a_users_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    forget()
    Path("ownmodel.py").write_text(OWN)


def forget() -> None:
    """As in a process that has not run it yet."""
    sys.modules.pop("ownmodel", None)
    Path("was-run").unlink(missing_ok=True)


def train_own(cli: Any, *words: str) -> Path:
    told = cli("train", PLACE, "--steps", "1", "--out", "runs/own", *words)
    assert told.exit_code == 0, told.output
    return Path("runs/own")


def weights_in(run: Path) -> Path:
    return next(path for path in run.iterdir() if path.stem == "best")


@pytest.mark.slow
def test_it_is_trained_resumed_scored_predicted_and_audited_by_its_record_alone(cli: Any) -> None:
    run = train_own(cli)
    assert checkpoint.inspect(weights_in(run)).architecture == PLACE
    assert TrainingRecipe.from_json((run / "recipe.json").read_text()).batch == 1, (
        "the record says how it is usually trained"
    )
    for words in (
        ("train", "--out", str(run), "--resume", "--steps", "2"),
        ("eval", str(run), "--suite", "smoke", "--limit", "2", "--csv", "own.csv"),
        ("eval", str(run), "--suite", "smoke", "--limit", "2", "--set", "noise=0.5"),
        ("predict", str(run), "--suite", "smoke", "--limit", "2", "--out", "p.h5"),
        ("audit", str(run)),
    ):
        forget()
        heard: list[str] = []
        with listen(heard.append):
            told = cli(*words)
        assert told.exit_code == 0, told.output
        assert Path("was-run").exists() and any(f"running the code of {PLACE}" in line for line in heard)
    assert "own-code" in Path("own.csv").read_text()


def test_weights_alone_never_decide_that_code_is_run(cli: Any) -> None:
    moved = Path("moved.safetensors")
    shutil.copy(weights_in(train_own(cli)), moved)
    forget()
    told = cli("eval", str(moved), "--suite", "smoke", "--limit", "2")
    assert told.exit_code == 2 and f"allow it to be run with --architecture {PLACE}" in told.stderr
    for read in (checkpoint.load, checkpoint.model):
        with pytest.raises(HostileFile, match="code that does not come with physbench"):
            read(moved)
    assert checkpoint.inspect(moved).architecture == PLACE
    assert not Path("was-run").exists() and "ownmodel" not in sys.modules
    told = cli("eval", str(moved), "--suite", "smoke", "--limit", "2", "--architecture", PLACE, "--csv", "own.csv")
    assert told.exit_code == 0 and f"running the code of {PLACE}" in told.stderr and Path("was-run").exists()
    assert "own-code" in Path("own.csv").read_text()


def test_the_recipe_of_another_model_allows_nothing(cli: Any) -> None:
    run = train_own(cli)
    text = (run / "recipe.json").read_text()
    forget()
    (run / "recipe.json").write_text(text.replace(PLACE, "ownmodel:number"))
    with pytest.raises(HostileFile, match="code that does not come with physbench"):
        checkpoint.load(run)
    assert not Path("was-run").exists()


def test_a_run_may_begin_with_weights_of_its_own_code(cli: Any) -> None:
    shutil.copy(weights_in(train_own(cli)), "first.safetensors")
    told = cli("train", PLACE, "--steps", "1", "--initial", "first.safetensors", "--out", "runs/second")
    assert told.exit_code == 0, told.output
    told = cli("train", "rnn", "--steps", "1", "--initial", "first.safetensors", "--out", "runs/third")
    assert told.exit_code == 2 and "code that does not come with physbench" in told.stderr


@pytest.mark.parametrize(("place", "words"), [
    ("ownmodel:Sizes", "'ownmodel:Sizes' leads to Sizes, not to an Architecture"),
    ("ownmodel:number", "'ownmodel:number' leads to int, not to an Architecture"),
    ("ownmodel:nothing", "does not lead to anything"),
    ("nomodel:ARCHITECTURE", "does not lead to anything"),
])  # fmt: skip
def test_objects_that_are_not_records_are_refused_and_leave_nothing_behind(cli: Any, place: str, words: str) -> None:
    told = cli("train", place, "--steps", "1")
    assert told.exit_code == 2 and words in told.stderr and "Traceback" not in told.stderr
    assert not Path("runs").exists()


def test_a_network_that_cannot_be_kept_is_refused_before_anything_is_written(cli: Any) -> None:
    told = cli("train", PLACE, "--steps", "1", "--size", "width=7")
    assert told.exit_code == 2 and "exact of the network is torch.float64: weights are float32" in told.stderr
    assert not Path("runs").exists()


def test_its_sizes_go_by_the_dataset() -> None:
    assert [
        network_of(TrainingRecipe(model=PLACE), dataset=name).sizes.width
        for name in ("balls4mass64", "balls3curtain64")
    ] == [3, 4]
    own = find_architecture(PLACE)
    assert own.name == PLACE and own.models == ("own-wide",)


def test_a_package_gives_its_record_a_name_by_an_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [
        EntryPoint("theirs", PLACE, "physbench.architectures"),
        EntryPoint("broken", "nowhere:ARCHITECTURE", "physbench.architectures"),
    ]
    monkeypatch.setattr(registry, "entry_points", lambda group: points if group == "physbench.architectures" else [])
    monkeypatch.syspath_prepend(Path.cwd())
    assert "own-wide" in model_names()
    network = network_of(TrainingRecipe(model="own-wide"))
    checkpoint.save("theirs.safetensors", network)
    found = checkpoint.load("theirs.safetensors")
    assert found.header.architecture == "theirs" and found.network.sizes.width == 3
    with pytest.raises(
        UnknownName,
        match="the architecture 'broken' cannot be loaded from nowhere:ARCHITECTURE: .*No module named 'nowhere'",
    ):
        find_architecture("broken")
    points.clear()
    registry._entry_points.cache_clear()
    with pytest.raises(
        StorageError, match="'theirs', which this physbench does not have: there is nem, nem-regrouped, conv3"
    ):
        checkpoint.load("theirs.safetensors")


@pytest.mark.parametrize("name", model_names())
def test_every_record_of_ours_gives_sizes_and_a_recipe_for_each_model(name: str) -> None:
    architecture = architecture_with(name)
    assert isinstance(architecture.sizes_of(name), architecture.sizes)
    assert TrainingRecipe(model=name, **architecture.recipe_of(name)).model == name
    assert architecture_with(name) is architecture is find_architecture(architecture.name)


def test_a_model_learns_a_dataset_in_the_sizes_that_fit_it() -> None:
    nem = find_architecture("nem")
    assert {
        (nem.sizes_of(name, dataset="invaders84").height, nem.sizes_of(name, dataset="balls4mass64").height)
        for name in nem.models
    } == {(84, 64)}
    assert [nem.sizes_of(name, dataset="invaders84").actions for name in ("rnn-em", "r-nem")] == [0, 6]


def test_recipes_are_joined_from_all_models_and_datasets_to_the_one_that_is_meant() -> None:
    record = Architecture(
        name="x", sizes=dict, variants={"a": {}, "b": {}},
        recipes={"": {"": {"batch": 1, "seed": 1}, "stars": {"batch": 2}}, "a": {"": {"seed": 3}, "stars": {"seed": 4}}},
    )  # fmt: skip
    told = {(model, data): record.recipe_of(model, dataset=data) for model in "ab" for data in ("stars", "balls")}
    assert told["a", "stars"] == {"batch": 2, "seed": 4} and told["a", "balls"] == {"batch": 1, "seed": 3}
    assert told["b", "stars"] == {"batch": 2, "seed": 1} and told["b", "balls"] == {"batch": 1, "seed": 1}


def test_what_may_be_set_can_depend_on_the_sizes() -> None:
    nem = find_architecture("nem")
    assert nem.settable_in(nem.sizes_of("r-nem")) == ("slots", "noise") and nem.settable_in(nem.sizes_of("rnn")) == (
        "noise",
    )


def test_a_network_outside_the_registry_has_no_architecture(tmp_path: Path) -> None:
    with pytest.raises(
        ModelError, match="Linear has no sizes of a known architecture: there is nem, nem-regrouped, conv3"
    ):
        checkpoint.save(tmp_path / "x.safetensors", torch.nn.Linear(2, 2))


MISTAKES = {
    "two values": (
        ("[..., None], None", "[..., None]"),
        "observe returns (state, prediction of the next frame, owner map or None): Own returned 2 values",
    ),
    "a tensor alone": (
        ("return state, torch.sigmoid(self(frame[..., 0]))[..., None], None", "return frame"),
        "Own returned a Tensor",
    ),
    "begin of a model in NumPy": (
        ("def begin(self, seeds, *, shape, slots=None, actions=0)", "def begin(self, batch)"),
        "Own.begin(batch) cannot be called: got an unexpected keyword argument 'shape'; it is given"
        " begin(seeds, *, shape, slots, actions)",
    ),
    "no action": (
        ("def observe(self, state, frame, action)", "def observe(self, state, frame)"),
        "Own.observe(state, frame) cannot be called: too many positional arguments; it is given"
        " observe(state, frame, action)",
    ),
    "a loss of the batch alone": (
        ("def loss(self, batch, *, generator, share)", "def loss(self, batch)"),
        "Own.loss(batch) cannot be called: got an unexpected keyword argument 'generator'",
    ),
    "no build": (("sizes=Sizes, build=Own,", "sizes=Sizes,"), "Sizes has no build(): the sizes of an architecture"),
    "sizes that change": (
        ("@dataclass(frozen=True)\nclass Sizes", "@dataclass\nclass Sizes"),
        "the sizes of the architecture own are of a class that can be changed: write @dataclass(frozen=True) above Sizes",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_usual_mistake_is_one_line(cli: Any, mistake: str) -> None:
    (old, new), sentence = MISTAKES[mistake]
    assert OWN.count(old) == 1
    Path("ownmodel.py").write_text(OWN.replace(old, new))
    told = cli("train", PLACE, "--steps", "1", "--out", "runs/own", "--scored", "1")
    errors = [line for line in told.stderr.splitlines() if line.startswith("Error: ")]
    assert told.exit_code == 2 and sentence in errors[0] and "Traceback" not in told.stderr, told.output


def test_an_error_in_ones_own_network_is_shown_from_ones_own_code_on(cli: Any) -> None:
    Path("ownmodel.py").write_text(OWN.replace('frames = batch["features"]', 'frames = batch["colours"]'))
    told = cli("train", PLACE, "--steps", "1", "--out", "runs/own")
    assert told.exit_code == 2 and "Error: ownmodel:ARCHITECTURE raised KeyError: see above" in told.stderr
    lines = told.stderr[told.stderr.index("Traceback") :].splitlines()
    assert "ownmodel.py" in lines[1] and 'batch["colours"]' in lines[2] and "physbench" not in "".join(lines[1:-1])


def test_a_module_that_is_elsewhere_is_looked_for_in_words(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run = train_own(cli).resolve()
    forget()
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    monkeypatch.setattr(sys, "path", [place for place in sys.path if Path(place) != run.parents[1]])
    for words in (("eval", str(run), "--suite", "smoke"), ("train", PLACE, "--steps", "1"), ("eval", "--model", PLACE)):
        told = cli(*words)
        assert told.exit_code == 2
        assert "No module named 'ownmodel'; run this in the folder that holds ownmodel.py, or name that folder in" in (
            told.stderr
        )
        assert "it is written" not in told.stderr
