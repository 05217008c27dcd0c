"""Fixtures of the storage: a dataset of several blocks, and the work folder of a run that was stopped half-way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from physbench.generate import generate
from physbench.storage.writer import workings_of
from tests.builders.datasets import MadeDataset


@pytest.fixture(scope="session")
def long(recipe_of: Any, tmp_path_factory: pytest.TempPathFactory) -> MadeDataset:
    recipe = recipe_of(training=2560, validation=40, test=300, n=(3, 3), size=32, radius=4.0, frames=26)
    return MadeDataset(generate(recipe, tmp_path_factory.mktemp("long") / "long.h5"), recipe)


@pytest.fixture(scope="session")
def half(long: MadeDataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workings of a run that was stopped half-way."""
    path = tmp_path_factory.mktemp("half") / "half.h5"

    def stop(progress: Any) -> None:
        if progress.done >= progress.total // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate(long.recipe, path, workers=1, progress=stop)
    assert not path.exists()
    return workings_of(path)
