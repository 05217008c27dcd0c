"""Tests of the catalogue: every metric has a card, the examples on it are right, and a name in a result leads to its
card."""

from __future__ import annotations

import doctest
import json
import subprocess
import sys

import pytest

from physbench.errors import UnknownName
from physbench.metrics.catalogue import METRICS, find, names, stands_in_tables
from physbench.suites import SUITES

CONTRACT = [
    "bce", "relative_bce", "relational_bce", "relative_relational_bce", "ari", "ari_last", "ari_video", "bce_last", "relative_bce_last", "rollout_bce",
    "rollout_relative_bce", "rollout_overlap", "rollout_position_error",
    "event_error", "permanence_bce", "log_likelihood", "relational_log_likelihood", "relative_bce_ratio",
    "relative_relational_bce_ratio",
]  # fmt: skip


@pytest.mark.parametrize("name", METRICS)
def test_every_worked_example_gives_its_result(name: str) -> None:
    example = doctest.DocTestParser().get_doctest(METRICS[name].example, {}, name, None, 0)
    assert any(line.want for line in example.examples), "an example must say what comes out"
    said: list[str] = []
    doctest.DocTestRunner().run(example, out=said.append)
    assert not said, "".join(said)


@pytest.mark.parametrize("name", METRICS)
def test_every_card_says_everything(name: str) -> None:
    card = METRICS[name]
    for text in (card.definition, card.formula, card.caution, card.paper):
        assert len(text) > 8
    assert card.definition.count(". ") == 0 and card.definition.endswith("."), "one sentence"
    assert card.better in ("lower", "higher", "neither")


@pytest.mark.parametrize("name", CONTRACT)
def test_every_name_of_the_contract_has_a_card(name: str) -> None:
    assert find(name).name == name.removesuffix("_last")
    assert name in names()


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("rollout_bce[3]", "rollout_bce"),
        ("event_error[5,3+]", "event_error"),
        ("relational_bce_last", "relational_bce"),
        ("rollout_position_error[30]", "rollout_position_error"),
    ],
)
def test_a_step_of_a_curve_leads_to_its_card(written: str, name: str) -> None:
    assert find(written).name == name


@pytest.mark.parametrize(
    "written", ["bse", "bce[3]", "ari_video_last", "", "rollout_bce[3", "event_error[]", "rollout_bce_last"]
)
def test_an_unknown_name_is_refused_with_a_hint(written: str) -> None:
    with pytest.raises(UnknownName, match="no metric is called"):
        find(written)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("ari_last", True),
        ("rollout_position_error[5]", True),
        ("rollout_bce[5]", False),
        ("event_error[5,0]", False),
        ("what[5]", False),
    ],
)
def test_tables_show_whole_figures_and_few_positions_but_no_curves(name: str, shown: bool) -> None:
    assert stands_in_tables(name) is shown


def test_grouping_is_headed_by_the_index_of_the_video() -> None:
    assert names().index("ari_video") < names().index("ari")


def test_the_card_says_what_simulation_is_ranked_by() -> None:
    assert SUITES["simulation"].ranked_by == ("balls4mass64/rollout-5+10", "rollout_overlap")
    assert "simulation is ranked by it, over 10 steps after 5 shown frames" in find("rollout_overlap").caution


def test_a_typing_error_gets_a_suggestion() -> None:
    with pytest.raises(UnknownName, match="did you mean 'relative_bce'"):
        find("relativ_bce")


def loaded_after(code: str) -> set[str]:
    report = f"import sys, json\n{code}\nprint(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"
    return set(
        json.loads(
            subprocess.run(
                [sys.executable, "-c", report], capture_output=True, text=True, check=True, timeout=60, cwd="/"
            ).stdout
        )
    )


def test_explaining_needs_no_numpy_and_scoring_nothing_but_numpy() -> None:
    assert "numpy" not in loaded_after("import physbench.metrics.catalogue")
    everything = (
        "import physbench.metrics.bootstrap, physbench.metrics.permanence, physbench.metrics.positions,"
        " physbench.metrics.grouping"
    )
    assert not loaded_after(everything) & {
        "numba",
        "scipy",
        "sklearn",
        "torch",
        "h5py",
        "pandas",
        "physbench_generators",
    }
