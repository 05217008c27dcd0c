"""Tests of what can be scored: a name, a file of weights, the folder of a run, or a user's own code."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from physbench.errors import ModelError, UnknownName
from physbench.evaluation import contestant as entrance
from physbench.evaluation.contestant import contestant, own_code
from physbench.model import Origin
from physbench_baselines.reference import Blank, Copy

opened: list[tuple[Path, str]] = []
given: list[dict[str, float]] = []


def checkpoint(path: Path, *, device: str, settings: dict[str, float], architecture: str | None) -> Any:
    """In the place of what opens weights."""
    opened.append((path, device))
    given.append(settings)
    model = Copy()
    object.__setattr__(model, "origin", Origin(parameters=7, weights_sha256="abc", code=architecture))
    return model


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(entrance, "CHECKPOINT", f"{__name__}:checkpoint")
    opened.clear()


def test_a_name_is_a_model_and_a_typing_error_gets_a_suggestion() -> None:
    entered = contestant("copy")
    assert isinstance(entered.model, Copy) and entered.name == "copy" and entered.identity == "copy"
    with pytest.raises(UnknownName, match="did you mean 'constant-velocity'"):
        contestant("constant-velocty")
    with pytest.raises(UnknownName, match="no model is called 'xyzzy': there is copy"):
        contestant("xyzzy")
    with pytest.raises(UnknownName, match="no model is called '': there is copy"):
        contestant("")


def test_a_folder_that_is_called_like_a_model_does_not_hide_it() -> None:
    Path("copy").mkdir()
    assert isinstance(contestant("copy").model, Copy) and not opened


@pytest.mark.parametrize("suffix", entrance.SUFFIXES)
def test_what_looks_like_weights_is_opened_as_weights_even_if_it_is_not_there(suffix: str) -> None:
    entered = contestant(f"mine{suffix}", device="cuda:1")
    assert opened == [(Path(f"mine{suffix}"), "cuda:1")]
    assert entered.name == "mine" and entered.identity == "checkpoint abc"


def test_settings_reach_the_weights_and_are_part_of_what_decides_the_answers() -> None:
    plain, other = contestant("mine.pt"), contestant("mine.pt", settings={"slots": 8, "noise": 0.0})
    assert given[-1] == {"slots": 8, "noise": 0.0}
    again = contestant("mine.pt", settings={"noise": 0.0, "slots": 8})
    assert len({plain.identity, other.identity}) == 2 and other.identity == again.identity
    with pytest.raises(ModelError, match="there is no 'noise' to set in this model: it leaves nothing open"):
        contestant("copy", settings={"noise": 0})


def test_weights_of_a_users_own_code_have_no_identity_and_a_name_has_no_such_code() -> None:
    entered = contestant("mine.pt", architecture="own:ARCHITECTURE")
    assert entered.model.origin.code == "own:ARCHITECTURE" and entered.identity is None, (
        "it may have changed by tomorrow"
    )
    with pytest.raises(ModelError, match="for a file of weights or the folder of a run, and 'copy' is neither"):
        contestant("copy", architecture="own:ARCHITECTURE")


def test_the_folder_of_a_run_stands_for_its_best_weights_and_names_the_model() -> None:
    Path("runs/seed-3").mkdir(parents=True)
    assert contestant("runs/seed-3").name == "seed-3"
    assert contestant("runs/seed-3/best.pt").name == contestant("runs/seed-3/last.pt").name == "seed-3"
    assert [path for path, _ in opened] == [
        Path("runs/seed-3"),
        Path("runs/seed-3/best.pt"),
        Path("runs/seed-3/last.pt"),
    ]
    assert contestant("somewhere/else").name == "else", "what is written as a path is one"
    Path("plain").write_text("anything")
    assert contestant("plain").name == "plain"


OWN = """
from physbench_baselines.reference import Blank, Copy

said = []

def build():
    return Blank(0.25)

def movable(device="cpu"):
    said.append(device)
    return Copy()

class Incomplete:
    likelihood = None

    def begin(self, batch): ...

number = 3
model = Copy()
"""


@pytest.fixture
def own() -> str:
    Path("own_models.py").write_text(OWN)
    sys.modules.pop("own_models", None)
    return "own_models"


def test_a_users_own_code_is_found_in_the_current_folder_and_called(own: str) -> None:
    entered = own_code(f"{own}:build")
    assert entered.model == Blank(0.25) and entered.name == "own_models:build"
    assert entered.identity is None, "it may have changed by tomorrow"


def test_a_class_is_a_factory_too() -> None:
    assert isinstance(own_code("physbench_baselines.reference:Copy").model, Copy)


def test_a_factory_gets_the_device_if_it_has_a_parameter_for_it(own: str) -> None:
    own_code(f"{own}:movable", device="cuda:1")
    assert sys.modules["own_models"].said == ["cuda:1"]
    for device in ("auto", "cpu"):
        own_code(f"{own}:build", device=device)
    with pytest.raises(ModelError, match="no parameter `device`, so it cannot be moved to cuda"):
        own_code(f"{own}:build", device="cuda")


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("nowhere_at_all:build", "No module named 'nowhere_at_all'"),
        ("own_models.deeper:build", "No module named 'own_models.deeper'"),
        ("own_models:bild", "own_models has no 'bild'"),
        ("own_models", "written package.module:factory"),
        ("own_models:", "written package.module:factory"),
        (":build", "written package.module:factory"),
        ("..own_models:build", "written package.module:factory"),
        ("own models:build", "written package.module:factory"),
        ("own_models.py:build", "'own_models.py:build' names a file: write own_models:build"),
        ("models/own.py:build", "names a file: write models.own:build"),
        ("own_models:number", "3 is no factory"),
        ("own_models:model", "is no factory"),
        ("own_models:Incomplete", "Incomplete lacks observe"),
    ],
)
def test_names_that_lead_to_no_model_are_refused_in_words(own: str, place: str, words: str) -> None:
    with pytest.raises((UnknownName, ModelError), match=words):
        own_code(place)


def test_code_given_as_a_name_is_refused_with_the_right_option() -> None:
    with pytest.raises(UnknownName, match="give --model own_models:build, or an object in Python"):
        contestant("own_models:build")


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("import a_package_that_is_not_there", ModuleNotFoundError),
        ("from physbench_baselines.reference import Kopy", ImportError),
        ("import math; math.squirt", AttributeError),
        ("int('x')", ValueError),
        ("def f(:", SyntaxError),
    ],
)
def test_an_error_inside_the_users_code_shows_its_traceback(own: str, line: str, error: type[Exception]) -> None:
    Path("own_models.py").write_text(line + "\n" + OWN)
    with pytest.raises(error):
        own_code(f"{own}:build")
