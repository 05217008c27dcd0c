"""What decides the numbers of an evaluation: the identity of its journal.

Code of a user may change between two runs, and a file may be replaced by another one. As much of them as can be seen is
part of the identity, so that no block of other code or data is ever taken for one of this evaluation.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from physbench import __version__
from physbench.evaluation.contestant import Contestant
from physbench.metrics.catalogue import all_metrics
from physbench.model import Origin
from physbench.result import METRIC_VERSION
from physbench.storage.shard_index import find_index


def identify(entered: Contestant, suite: str, device: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Name everything that decides the numbers of an evaluation, for `EvaluationJournal.of`.

    How many processes work on it decides nothing. suite: its name, or package.module:SUITE. settings: size, limit,
    fresh, data, batch and seed.
    """
    return {
        **settings,
        "suite": [suite, _describe_code([suite])],
        "data": _describe_file(settings["data"]),
        "model": entered.identity or _describe_model(entered),
        "device": device,
        "physbench": __version__,
        "metrics": [METRIC_VERSION, *all_metrics()],
    }


def _describe_model(entered: Contestant) -> dict[str, Any]:
    """Describe a model whose code may change: by its name, the current folder, its weights and its code."""
    origin = getattr(entered.model, "origin", None)
    origin = origin if isinstance(origin, Origin) else Origin()
    source = entered.source
    places = [origin.code, f"{type(entered.model).__module__}:"]
    places += [source.factory, source.architecture] if source else []
    return {
        "name": entered.name,
        "folder": str(Path.cwd()),
        "weights": origin.weights_sha256,
        "code": _describe_code(place for place in places if place),
    }


def _describe_code(places: Iterable[str]) -> dict[str, str]:
    """Return the digests of the modules of code that is written package.module:NAME, as far as they have a file."""
    found: dict[str, str] = {}
    for module in {place.partition(":")[0] for place in places if ":" in place}:
        file = getattr(sys.modules.get(module), "__file__", None)
        if file is not None and Path(file).is_file():
            found[module] = hashlib.sha256(Path(file).read_bytes()).hexdigest()
    return found


def _describe_file(data: Path | None) -> list[Any] | None:
    """Describe a dataset file, or the index of shards, by its place and by what tells whether it was replaced."""
    if data is None:
        return None
    path = (find_index(data) or data).resolve()
    told = path.stat()
    return [str(path), told.st_size, told.st_mtime_ns, told.st_ino]
