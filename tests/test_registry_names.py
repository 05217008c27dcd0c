"""Tests of names that packages take from physbench: they are ignored, and that is said once."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import Any

import pytest

from physbench import registry
from physbench.metrics.catalogue import METRICS, all_metrics
from physbench.notices import listen
from physbench.suites import SUITES, installed_suites


def test_a_package_that_takes_a_built_in_name_is_ignored_and_named_once(monkeypatch: pytest.MonkeyPatch) -> None:
    own = EntryPoint("copy", "mine:Copy", "physbench.models")
    named = EntryPoint("mine-only", "mine:Other", "physbench.models")
    foreign: dict[str, Any] = {"copy": own, "mine-only": named}
    monkeypatch.setattr(registry, "_entry_points", lambda group, path: foreign)
    registry._warn_of_ignored.cache_clear()
    heard: list[str] = []
    with listen(heard.append):
        names = registry.models.names()
        registry.models.names()
    assert names.count("copy") == 1 and names[-1] == "mine-only"
    assert heard == [
        "the model 'copy' of mine:Copy is ignored: physbench has one of this name; its package has to choose another name"
    ]
    assert registry.models.get("copy").__module__.startswith("physbench_baselines")


@pytest.mark.parametrize(
    ("kind", "name", "list_all"), [("suite", "balls", installed_suites), ("metric", "bce", all_metrics.__wrapped__)]
)
def test_a_suite_and_a_metric_of_a_package_do_not_replace_ours(
    kind: str, name: str, list_all: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = EntryPoint(name, "mine:OWN", f"physbench.{kind}s")
    monkeypatch.setattr(registry, "_entry_points", lambda group, path: {name: own} if group == own.group else {})
    registry._warn_of_ignored.cache_clear()
    heard: list[str] = []
    with listen(heard.append):
        found = list_all()
    assert found[name] is {**SUITES, **METRICS}[name]
    assert heard == [
        f"the {kind} {name!r} of mine:OWN is ignored: physbench has one of this name; its package has to choose another"
        " name"
    ]
