"""Tests that untrusted text reaches a terminal only as harmless characters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from physbench.printable import printable
from tests.evaluation.test_npz import save

HARMFUL = "\x1b]0;PWN\x07\n\u202e\ud800"


@given(st.text(st.characters(blacklist_categories=())))
def test_what_comes_out_is_one_line_that_any_terminal_can_be_sent(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable() and len(shown.splitlines()) <= 1
    assert shown.encode("utf-8").decode("utf-8") == shown
    assert [old for old, new in zip(text, shown, strict=True) if old != new] == [
        letter for letter in text if not letter.isprintable()
    ]


@pytest.mark.parametrize("words", [["info"], ["verify"], ["verify", "--quick"], ["show"], ["compare", "x.npz"]])
def test_a_name_in_an_error_does_nothing(words: list[str], cli: Any, refusal: Any, tmp_path: Path) -> None:
    for name in (tmp_path / HARMFUL.replace("\ud800", ""), tmp_path / "\udcff.h5"):
        name.write_bytes(b"")
        result = cli(*words, name)
        assert refusal(result.exit_code, result.stderr).isprintable()


def test_the_names_in_a_file_of_sums_do_nothing(tmp_path: Path, cli: Any) -> None:
    sums = {f"balls{HARMFUL[:-1]}|bce|{part}": np.arange(1.0, 9.0) for part in ("numerator", "denominator")}
    result = cli("compare", *[save(tmp_path / f"{name}.npz", **sums) for name in "ab"], "--all")
    assert result.exit_code == 0 and "balls?]0;PWN???" in result.stdout
    assert all(line.isprintable() for line in result.stdout.splitlines())


def test_a_name_is_no_markup_of_the_progress_bar(
    tiny: Any, tmp_path: Path, cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal
    folder = tmp_path / "x["
    folder.mkdir()
    for name in ("[red]x.h5", "x[b\x1b]0;PWN\x07.h5", "[@click=app.bell()]x.h5"):
        path = folder / name
        path.write_bytes(tiny.path.read_bytes())
        result = cli("verify", path)
        assert result.exit_code == 0 and "is good" in result.stdout
        assert "\x07" not in result.stderr and f"checking {printable(name)}"[:12] in result.stderr
