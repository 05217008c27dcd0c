"""Tests of the notebook of first steps: it runs as it is, and shows what it says."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.pages import ROOT, links_of

nbformat = pytest.importorskip("nbformat")
PATH = ROOT / "examples" / "first-steps.ipynb"


@pytest.fixture(scope="module")
def notebook() -> Any:
    return nbformat.read(PATH, as_version=4)


def test_the_notebook_is_valid_and_carries_no_outputs(notebook: Any) -> None:
    nbformat.validate(notebook)
    assert notebook.cells[0].source.startswith("# ")
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code and not [cell for cell in code if cell.outputs or cell.execution_count]
    assert PATH.stat().st_size < 20_000


def test_every_link_of_the_notebook_leads_somewhere(notebook: Any) -> None:
    links = [target for cell in notebook.cells if cell.cell_type == "markdown" for target, _ in links_of(cell.source)]
    assert len(links) >= 4 and not [target for target in links if not (PATH.parent / target).exists()]


@pytest.mark.slow
def test_the_notebook_runs_within_ten_minutes(notebook: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = pytest.importorskip("nbclient").NotebookClient
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    asked = nbformat.v4.new_code_cell("scores['copy'] == 1 and scores['tracker'] < scores['trained'] < scores['blur']")
    notebook.cells.append(asked)
    client(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    pictures = [
        each
        for cell in notebook.cells
        for each in cell.get("outputs", [])
        if {"image/png", "image/svg+xml"} & set(each.get("data", {}))
    ]
    assert len(pictures) == 3
    assert asked.outputs[0].data["text/plain"] == "True"
