"""Tests of the README: its code blocks run, in order, in one directory."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.pages import ROOT, blocks_of, run_blocks

README = ROOT / "README.md"
BLOCKS = blocks_of(README.read_text(encoding="utf-8"))


def test_every_code_block_runs(tmp_path: Path) -> None:
    assert len(BLOCKS) >= 5
    run_blocks(BLOCKS, tmp_path)


@pytest.mark.parametrize("link", re.findall(r"\]\((?!https?:)([^)#]+)\)", README.read_text(encoding="utf-8")))
def test_every_link_leads_somewhere(link: str) -> None:
    assert (README.parent / link).exists()


def test_quoted_figures_are_those_of_the_last_measurement() -> None:
    """Numbers with a unit in the part about speed stand in the tables that `make bench` wrote."""
    text = README.read_text(encoding="utf-8")
    paragraph = re.sub(
        r"\d+,\d{3}", "", text[text.index("## Speed") : text.index("## Repository")]
    )  # counts of sequences
    measured = (README.parent / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    quoted = re.findall(r"\d+(?:\.\d+)?x|\d+\.\d|\b\d{3}\b", paragraph)
    assert len(quoted) >= 8
    assert [number for number in quoted if f" {number} " not in measured] == []
