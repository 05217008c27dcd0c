"""Tests of what contributors rely on: every step that a workflow, a hook or a page names exists, and versions agree."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import physbench
from tests.pages import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z]+):", MAKEFILE, re.M))
PAGES = [
    ROOT / "CONTRIBUTING.md",
    ROOT / "README.md",
    ROOT / ".github" / "pull_request_template.md",
    *sorted((ROOT / "docs").glob("*.md")),
]


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def require_command(line: str) -> None:
    """A line of a script: a script of ours that can be run, or targets of the Makefile."""
    program, *words = shlex.split(line)
    if program == "make":
        assert words and set(words) <= TARGETS, line
    else:
        assert program.startswith(".ci/") and os.access(ROOT / program, os.X_OK), line


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_the_steps_of_a_workflow_exist(path: Path) -> None:
    workflow = load(path)
    jobs = workflow["jobs"]
    assert workflow["permissions"] == {"contents": "read"} and set(workflow[True]) == {
        "push",
        "pull_request",
    }  # YAML takes `on` for true
    for job in jobs.values():
        needed = job.get("needs", [])
        assert {needed} if isinstance(needed, str) else set(needed) <= jobs.keys()
        assert job["timeout-minutes"] <= 120
        for step in job["steps"]:
            assert ("run" in step) != ("uses" in step)
            for line in step.get("run", "").splitlines():
                require_command(line)
            assert re.fullmatch(r"actions/[a-z-]+@v\d+", step.get("uses", "actions/checkout@v4"))


def test_the_wheel_is_tried_on_every_python_from_the_oldest() -> None:
    jobs = load(ROOT / ".github" / "workflows" / "ci.yml")["jobs"]
    pythons = jobs["try-wheel"]["strategy"]["matrix"]["python"]
    oldest = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["requires-python"]
    assert pythons == [f"3.{minor}" for minor in range(11, 15)] and oldest == f">={pythons[0]}"
    given, taken = (
        {step["with"]["name"] for step in jobs[job]["steps"] if kind in step.get("uses", "")}
        for job, kind in (("wheel", "upload"), ("try-wheel", "download"))
    )
    assert given == taken == {"wheel"}


def test_what_must_hold_before_a_change_lands_is_in_the_makefile() -> None:
    lines = [
        line for line in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines() if line.startswith("make ")
    ]
    assert [line.split()[1] for line in lines] == ["check", "docs", "test", "slow"]
    for line in lines:
        require_command(line)


def test_the_hooks_are_commands_of_this_repository() -> None:
    (repository,) = load(ROOT / ".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    hooks = {hook["id"]: hook for hook in repository["hooks"]}
    assert hooks["check"]["entry"] == "make check" and hooks["message"]["stages"] == ["commit-msg"]
    for hook in hooks.values():
        require_command(hook["entry"])


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_a_form_asks_by_fields_that_there_are(path: Path) -> None:
    form = load(path)
    assert form["name"] and form["description"]
    fields = [part for part in form["body"] if part["type"] != "markdown"]
    assert {part["type"] for part in fields} <= {"input", "textarea", "dropdown"} and all(
        part["attributes"]["label"] for part in fields
    )
    assert len({part["id"] for part in fields}) == len(fields)
    assert any(part.get("validations", {}).get("required") for part in fields)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_make_that_a_page_names_is_a_target(path: Path) -> None:
    named = re.findall(r"(?:`|^    )make ((?:[a-z]+ ?)+)", path.read_text(encoding="utf-8"), re.M)
    assert {word for words in named for word in words.split()} <= TARGETS


def test_every_target_is_phony() -> None:
    phony = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.M)
    assert phony and set(phony[1].split()) == TARGETS


def test_the_version_is_the_same_everywhere() -> None:
    assert load(ROOT / "CITATION.cff")["version"] == physbench.__version__
    assert re.search(
        rf"^## {re.escape(physbench.__version__)}\b", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M
    )


@pytest.mark.parametrize(
    ("message", "fault"),
    [
        ("Refuse links\n\nA link leads out of the file.\n", None),
        ("Refuse links\n# of Git\n\nBecause.\n# more\n", None),
        ("Merge branch 'site'\n", None),
        ("x" * 72 + "\n\nBecause.\n", None),
        ("x" * 73 + "\n\nBecause.\n", "73 characters"),
        ("Refuse links\n", "no body"),
        ("Refuse links\n\n# only what Git says\n", "no body"),
        ("Refuse links\nBecause.\n", "second line"),
        ("\n# nothing\n", "empty"),
        ("Refuse links\n\n# ------------------------ >8 ------------------------\ndiff\n", "no body"),
    ],
)
def test_a_commit_message_has_a_short_subject_and_a_reason(message: str, fault: str | None) -> None:
    loader = importlib.machinery.SourceFileLoader("check_message", str(ROOT / ".ci" / "check-message"))
    spec = importlib.util.spec_from_loader("check_message", loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    said = module.find_fault(message)
    assert said is None if fault is None else fault in said
