"""The audit of a model: can it be scored fairly? The model is run in different ways that must give the same answers.
Each check says in words what difference it found.

An evaluation checks its own numbers. But it cannot see that they would be different in other batches, or that a model
knows frames that it was not shown.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from physbench import registry
from physbench.audit.checks import CHECKS, INFORMATIVE, Answer, Ask
from physbench.audit.stage import Play, Stage, set_stage
from physbench.errors import ModelError, RecipeError
from physbench.model import Model


@dataclass(frozen=True)
class Verdict:
    """The result of one check."""

    check: str
    passed: bool | None  # None = could not be checked
    finding: str


def audit(
    model: Model,
    *,
    dataset: str = "balls4mass64",
    sequences: int = 16,
    frames: int = 12,
    batch: int = 8,
    seed: int = 0,
    progress: Callable[[int, int, str], None] | None = None,
) -> tuple[Verdict, ...]:
    """Run every check, in order.

    A model that raises an error fails the check in which it raises it. A check cannot be made if a check that it needs
    has not passed.
    """
    if sequences < 1 or batch < 1:
        raise RecipeError(
            f"an audit takes 1 sequence or more in batches of 1 or more, not {sequences} in batches of {batch}"
        )
    if frames < 2:
        raise RecipeError(f"an audit shows 2 frames or more, not {frames}")
    stage = set_stage(model, registry.datasets.get(dataset), sequences, frames, min(batch, sequences), seed)
    base: list[Play] = []
    found: dict[str, Verdict] = {}
    for number, (name, (needs, ask)) in enumerate(CHECKS.items()):
        unmet = next((found[need] for need in needs if not found[need].passed), None)
        if unmet is None:
            found[name] = Verdict(name, *_answer(ask, stage, base))
        else:
            found[name] = Verdict(
                name,
                None,
                unmet.finding if unmet.passed is None else f"could not be checked while {unmet.check!r} fails",
            )
        if progress:
            progress(number + 1, len(CHECKS), name)
    return tuple(found.values())


def has_passed(verdicts: Iterable[Verdict]) -> bool:
    """Return whether no check has failed, apart from those that are only informative."""
    return all(verdict.passed is not False or verdict.check in INFORMATIVE for verdict in verdicts)


def summarize(verdicts: Iterable[Verdict]) -> str:
    """Count the verdicts in one line.

    >>> summarize([Verdict("runs", True, "8 sequences"), Verdict("slots", None, "not checked")])
    '1 rule kept, 0 broken, 1 could not be checked'
    """
    answers = [verdict.passed for verdict in verdicts]
    kept, broken, open_ = (answers.count(answer) for answer in (True, False, None))
    return f"{kept} rule{'s' * (kept != 1)} kept, {broken} broken, {open_} could not be checked"


def _answer(ask: Ask, stage: Stage, base: list[Play]) -> Answer:
    try:
        return ask(stage, base)
    except ModelError as error:
        return False, str(error)
