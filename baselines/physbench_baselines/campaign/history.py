"""What a run of the campaign cost and reached so far, as plain JSON: it travels with the weights."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from physbench.errors import TrainingError
from physbench_baselines.campaign.budget import count_sequence_steps
from physbench_baselines.training.recipe import TrainingRecipe

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MOST_POINTS = 100
"""Of a curve that travels."""


@dataclass(frozen=True)
class Point:
    """One validation."""

    sequence_steps: int
    validation_loss: float
    relative_bce: float | None
    ari: float | None


@dataclass(frozen=True)
class Spent:
    """Time on one kind of hardware, in words that name no machine."""

    hardware: str
    minutes: float


@dataclass(frozen=True)
class History:
    stages: int = 0
    sequence_steps: int = 0
    spent: tuple[Spent, ...] = ()
    validation: str = ""
    """What the curve was measured on: curves of other sequences cannot be joined."""
    curve: tuple[Point, ...] = ()

    @property
    def minutes(self) -> float:
        return sum(each.minutes for each in self.spent)

    @property
    def best(self) -> Point | None:
        """The validation with the lowest loss: that of the weights which are kept as the best."""
        return min(self.curve, key=lambda point: point.validation_loss, default=None)

    def add(self, sequence_steps: int, spent: Iterable[Spent], validation: str, points: Iterable[Point]) -> History:
        """Join one more stage; its points count from its own beginning."""
        moved = [replace(point, sequence_steps=self.sequence_steps + point.sequence_steps) for point in points]
        before = self.curve if validation == self.validation else ()
        return History(self.stages + 1, self.sequence_steps + sequence_steps, _merge([*self.spent, *spent]), validation, (*before, *moved))

    def to_dict(self) -> dict[str, Any]:
        """Give plain JSON, with a thinner curve if it is long."""
        count = min(len(self.curve), MOST_POINTS)
        thin = tuple(self.curve[(number + 1) * len(self.curve) // count - 1] for number in range(count))
        return asdict(replace(self, curve=thin))

    @staticmethod
    def from_dict(given: Any, place: str) -> History:
        """Read what `to_dict` gave, from anybody's file."""
        try:
            entries = dict(given)
            points = tuple(Point(as_whole(item["sequence_steps"]), as_number(item["validation_loss"]), *_figures(item)) for item in entries["curve"])
            spent = tuple(Spent(as_text(item["hardware"]), abs(as_number(item["minutes"]))) for item in entries["spent"])
            return History(as_whole(entries["stages"]), as_whole(entries["sequence_steps"]), spent, as_text(entries["validation"]), points)
        except (KeyError, TypeError, ValueError) as error:
            raise TrainingError(f"{place} does not tell its history as a campaign writes it ({error}): put it back or delete it") from None


def history_of_stages(stages: Iterable[Mapping[str, Any]]) -> History:
    """Add up stages of training that a card tells of, made by whatever command. No curve is known of them."""
    history = History()
    for stage in stages:
        minutes = 60 * float(stage.get("hours", 0.0))
        hardware = str(stage.get("hardware", "unknown hardware"))[:100]
        history = history.add(_steps_of(stage), [Spent(hardware, minutes)] if minutes else [], "", [])
    return history


def describe_validation(recipe: TrainingRecipe) -> str:
    """Say what validation losses of this recipe are measured on, and by which network."""
    network = "".join(f", {name} {recipe.sizes[name]}" for name in ("slots", "noise") if name in recipe.sizes)
    return f"{recipe.validation} sequences of {recipe.longest} frames of {Path(recipe.data).name}{network}"


def _steps_of(stage: Mapping[str, Any]) -> int:
    """Count the sequence-steps of a stage; none where its card has no recipe."""
    recipe = stage.get("recipe")
    try:
        known = TrainingRecipe.from_dict(recipe)
    except (TrainingError, TypeError, ValueError):
        return 0
    limit = stage.get("steps_limit")
    return count_sequence_steps(known, int(stage.get("steps", 0)), limit if isinstance(limit, int) and 0 < limit < 1 << 40 else None)


def _merge(spent: Iterable[Spent]) -> tuple[Spent, ...]:
    minutes: dict[str, float] = {}
    for each in spent:
        minutes[each.hardware] = minutes.get(each.hardware, 0.0) + each.minutes
    return tuple(Spent(hardware, round(count, 4)) for hardware, count in minutes.items())


def as_whole(value: Any, *, most: int = 1 << 53) -> int:
    """Take a count, or raise ValueError."""
    if type(value) is not int or not 0 <= value <= most:
        raise ValueError(f"{value!r:.40} is no count")
    return value


def as_number(value: Any) -> float:
    """Take a finite number, or raise ValueError."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not -1e300 < value < 1e300:
        raise ValueError(f"{value!r:.40} is no number")
    return float(value)


def as_text(value: Any) -> str:
    """Take a line that can be printed, or raise ValueError."""
    if not isinstance(value, str) or len(value) > 300 or not value.isprintable():
        raise ValueError(f"{value!r:.40} is no text")
    return value


def _figures(item: Mapping[str, Any]) -> list[float | None]:
    return [None if item[name] is None else as_number(item[name]) for name in ("relative_bce", "ari")]
