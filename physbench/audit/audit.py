"""Is a model fit to be scored? It is run in ways that must make no difference, and every check says in words what
difference they made.

An evaluator can guard its own figures. What it cannot see is that they would be others in other batches, or that a
model knows what it was not shown.
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
    """Every check, in order. A model that raises has failed the check it raised in; a check whose need was not met
    could not be made."""
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
    """Nothing that matters to its figures was found wrong."""
    return all(verdict.passed is not False or verdict.check in INFORMATIVE for verdict in verdicts)


def summarize(verdicts: Iterable[Verdict]) -> str:
    """Count the verdicts in one line.

    >>> summarize([Verdict("runs", True, "8 sequences"), Verdict("slots", None, "it gives no owner maps")])
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
