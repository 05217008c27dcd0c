"""Fixtures of the evaluation: the reference rows on the smallest suite, evaluated once, and a separate cache
directory."""

from __future__ import annotations

from pathlib import Path

import pytest

import physbench
from physbench import cache, registry
from physbench.result import Result
from physbench.suites import ROWS


@pytest.fixture(scope="session")
def rows() -> dict[str, Result]:
    return {name: physbench.evaluate(registry.models.get(name)(), "smoke", name=name) for name in ROWS}


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty but for the compiled kernels, which need not be compiled again."""
    kernels = cache.directory() / "numba"
    folder = tmp_path / "cache"
    folder.mkdir()
    if kernels.is_dir():
        (folder / "numba").symlink_to(kernels)
    monkeypatch.setenv("PHYSBENCH_CACHE", str(folder))
    return folder
