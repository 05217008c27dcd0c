"""The command line: parses, calls, prints. What the commands do is elsewhere, and imported when it is needed."""

from physbench.cli import agents, board, campaign, datasets, grids, insight, scores, training
from physbench.cli.root import main

__all__ = ["agents", "board", "campaign", "datasets", "grids", "insight", "main", "scores", "training"]
