"""Tests that threads of numerical libraries sleep while they wait, unless the user says otherwise."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

MODEL = """
import os
from physbench_baselines.reference import Copy

def build():
    print("policy", os.environ.get("OMP_WAIT_POLICY"), flush=True)
    return Copy()
"""


@pytest.mark.parametrize(("given", "expected"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_a_command_waits_passively_before_any_library_is_loaded(
    tmp_path: Path, given: str | None, expected: str
) -> None:
    (tmp_path / "policy.py").write_text(MODEL)
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    environment |= {"OMP_WAIT_POLICY": given} if given else {}
    words = [sys.executable, "-m", "physbench", "eval", "--model", "policy:build", "--suite", "balls", "--limit", "1"]
    shown = subprocess.run(
        words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=True
    ).stdout
    assert f"policy {expected}" in shown


@pytest.mark.slow
def test_python_that_loads_a_trained_model_waits_passively_too() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    code = (
        "import sys, os; import physbench_baselines.adapter; print(os.environ['OMP_WAIT_POLICY'], 'torch' in"
        " sys.modules)"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120, check=True
    ).stdout
    assert shown.split() == ["PASSIVE", "True"]
