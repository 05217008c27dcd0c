"""Cards: how weights were trained, at what cost, and what they score, as JSON that people can read too."""

import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Self, cast

from physbench.errors import TrainingError

Rows = list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class RunCard:
    """The card that a run stores with its weights."""

    name: str
    training: str | None  # a few words if it was trained for less than the paper, else None
    train_seed: int
    steps: int
    sequences: int
    hours: float
    hardware: str
    data: str
    recipe: dict[str, Any]
    sequence_steps: int = 0
    """How often a sequence was predicted one frame further; 0 on an older card, which has no count."""
    before: Rows = field(default_factory=lambda: [])
    """The stages of training that gave the weights which it began with."""

    @classmethod
    def from_mapping(cls, given: Any, *, place: object) -> Self:
        """Read a card, or raise an error of one line if a field is missing or unknown."""
        known = {item.name: item.default is MISSING and item.default_factory is MISSING for item in fields(cls)}
        there = cast("Mapping[str, Any]", given).keys() if isinstance(given, dict) else set[str]()
        if not {name for name, needed in known.items() if needed} <= there <= known.keys():
            raise TrainingError(f"{place} is not the card of a model: put it back or delete it")
        return cls(**cast("dict[str, Any]", given))


@dataclass(frozen=True, kw_only=True)
class Card(RunCard):
    """The card that is released with weights."""

    model_link: str | None
    paper_link: str | None
    ended: str | None
    steps_limit: int | None
    minutes_limit: float | None
    log: Rows
    architecture: str
    sizes: dict[str, Any]
    parameters: int
    weights_sha256: str
    bytes: int
    int8: bool
    source_sha256: str  # of the weights before they were made smaller
    comparison: dict[str, Any] | None
    """Scores of the smaller weights beside those of the original ones."""
    not_played: dict[str, str]
    """Suites that the model cannot take, and why."""
    scores: Rows
    scores_without_noise: Rows = field(default_factory=lambda: [])

    def to_json(self) -> str:
        """Write the card as JSON."""
        return to_json(vars(self))

    @classmethod
    def from_json(cls, text: str, *, place: object) -> Self:
        """Read a card from JSON."""
        return cls.from_mapping(_parse(text), place=place)


@dataclass(frozen=True, kw_only=True)
class Repeat(RunCard):
    """The card of another training of a model, whose weights are not released."""

    ended: str | None
    steps_limit: int | None
    minutes_limit: float | None
    parameters: int
    weights_sha256: str
    scores: Rows

    def to_json(self) -> str:
        """Write the card as JSON."""
        return to_json(vars(self))

    @classmethod
    def from_json(cls, text: str, *, place: object) -> Self:
        """Read a card from JSON."""
        return cls.from_mapping(_parse(text), place=place)


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def to_json(card: Mapping[str, Any]) -> str:
    """Write a card as JSON, with a line for each field, and for each row of a table."""
    return "{\n" + ",\n".join(f"{json.dumps(name)}: {_lines(value)}" for name, value in card.items()) + "\n}\n"


def _lines(value: Any) -> str:
    if not value or not isinstance(value, list) or not isinstance(value[0], dict):
        return json.dumps(value, allow_nan=False)
    return "[\n" + ",\n".join(json.dumps(row, allow_nan=False) for row in cast("list[Any]", value)) + "\n]"
