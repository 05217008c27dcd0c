"""The scores of the reference rows, to be shown beside that of a model: stored ones for pinned sequences, and scored on
the spot for a few others."""

from collections.abc import Callable

from physbench import registry
from physbench.errors import PhysbenchError
from physbench.evaluation.evaluate import Extent, evaluate
from physbench.evaluation.known import Known, references

FEW = 256
"""The most sequences of each task for which the rows are scored while the user waits."""


def reference_scores(
    chosen: Extent, *, besides: str = "", doing: Callable[[str], None] = lambda text: None
) -> list[Known]:
    """Return the scores of the reference rows on the sequences of an evaluation.

    The list is empty if they are not stored and would take long to compute. besides: the model that was scored, which
    is not scored again.
    """
    known = references(chosen)
    if known or chosen.count > FEW:
        return known
    return [row for name in chosen.suite.references if name != besides for row in _score_row(name, chosen, doing)]


def _score_row(name: str, chosen: Extent, doing: Callable[[str], None]) -> list[Known]:
    doing(f"scoring {name}, to stand beside it")
    try:
        result = evaluate(
            registry.models.get(name)(),
            chosen.suite,
            limit=chosen.count,
            fresh=chosen.fresh,
            split=chosen.split,
            data=chosen.data,
            name=name,
        )
    except PhysbenchError:  # a file may lack the ground truth that a row needs, or the training frames that it averages
        return []
    return [Known(score.task, score.metric, name, score.value, score.low, score.high) for score in result.scores]
