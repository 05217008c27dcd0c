"""The stages of training behind some weights, as cards list them, and what they cost in all.

Cards can come from any source, so whatever is not as it should be counts as nothing.
"""

import re
from collections.abc import Mapping
from typing import Any, cast

from physbench.model import TrainingCost

Stage = dict[str, Any]

COUNTED = {"steps": int, "sequences": int, "sequence_steps": int, "hours": float}
"""The fields of a stage that are added up over all stages."""

KEPT = (*COUNTED, "name", "hardware", "data", "recipe", "minutes_limit", "steps_limit")
"""The fields of a stage of training that a card keeps."""

MOST_HOURS = 9_999_999
"""More hours than that are not believed."""

HARDWARE = re.compile(r"([1-9][0-9]{0,5}) (CPU core|GPU)s?\b.*", re.DOTALL)
"""How a card names the hardware of a stage, such as "2 CPU cores"."""


def stages_before(card: Mapping[str, Any]) -> list[Stage]:
    """Return the stages of training that a card lists as earlier ones, without the card's own stage."""
    told = card.get("before")
    return (
        [stage_of(cast("Stage", stage)) for stage in cast("list[Any]", told) if isinstance(stage, dict)]
        if isinstance(told, list)
        else []
    )


def total(card: Mapping[str, Any], field: str) -> Any:
    """Return the sum of `steps`, `sequences` or `hours` over all stages of training."""
    return sum(stage[field] for stage in (*stages_before(card), stage_of(card)))


def stage_of(card: Mapping[str, Any]) -> Stage:
    """Read a stage from a card."""
    told = {field: card.get(field) for field in (*KEPT, "weights_sha256") if field in card}
    for field, kind in COUNTED.items():
        value = told.get(field)
        told[field] = kind(value) if isinstance(value, (int, float)) and 0 <= value < 1 << 53 else kind(0)
    return told


def cost_of(card: Mapping[str, Any]) -> TrainingCost | None:
    """Return what all stages of training cost together; None if a card does not say it of each of them."""
    told: Any = card.get("before", [])
    if not isinstance(told, list) or not all(isinstance(stage, dict) for stage in cast("list[Any]", told)):
        return None
    stages = [*stages_before(card), stage_of(card)]
    spent = {"CPU core": 0.0, "GPU": 0.0}
    for stage in stages:
        named = HARDWARE.fullmatch(str(stage.get("hardware")))
        if named is None or not stage["hours"]:
            return None
        spent[named[2]] += int(named[1]) * stage["hours"]
    if max(spent.values()) > MOST_HOURS:
        return None
    return TrainingCost(spent["CPU core"], spent["GPU"], total(card, "sequences"))
