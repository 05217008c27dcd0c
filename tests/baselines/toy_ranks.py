"""Runs that a process takes part in, one after the other: `python -m torch.distributed.run` starts several of these."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from physbench_baselines.training.ranks import ranks_of
from physbench_baselines.training.run import follow, train
from physbench_baselines.training.training_recipe import TrainingRecipe


def work(runs: list[dict[str, Any]]) -> None:
    ranks = ranks_of(os.environ)
    for run in runs:
        if ranks.leads:
            recipe = TrainingRecipe.from_dict(run["recipe"]) if "recipe" in run else None
            train(recipe, run["out"], steps=run["steps"], resume=recipe is None, device="cpu", workers=0, ranks=ranks)
        else:
            follow(ranks, device="cpu", workers=0)


if __name__ == "__main__":
    work(json.loads(sys.argv[1]))
