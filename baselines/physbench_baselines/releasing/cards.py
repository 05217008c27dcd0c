"""Tables for the README of the baselines, made from the cards of the models that come with the package."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, cast

from physbench import registry
from physbench.evaluation.known import PUBLISHED, scores_of
from physbench.model import TrainingCost
from physbench.suites import PRIVILEGED, SIZES
from physbench_baselines import bundled
from physbench_baselines.architecture import find_architecture
from physbench_baselines.model_card import Card
from physbench_baselines.releasing.bars import Row, collect_rows, compare_with_rows, find_score
from physbench_baselines.releasing.worlds import WORLDS, ModelWorld
from physbench_baselines.training.preflight import usual_recipe
from physbench_baselines.training.training_recipe import TrainingRecipe
from physbench_baselines.training_stages import cost_of, stages_before, total

NOTHING = "No trained weights are here yet."


def cards() -> dict[str, Card]:
    """Return the cards of the bundled models, in the order in which the models are listed everywhere."""
    there = bundled.names()
    listed = [name for name in registry.models.built_in if name in there]
    return {name: bundled.card(name) for name in [*listed, *(name for name in there if name not in listed)]}


def describe_cards(of: Mapping[str, Card]) -> str:
    """Write all tables of these cards."""
    if not of:
        return NOTHING
    below = "\n".join(
        ["Against the best row that learns nothing and sees frames alone:\n", *compare_with_rows(collect_rows(of))]
    )
    tables = [_table(world, members) for world in WORLDS if (members := _choose(world, of))]
    return "\n\n".join(part for part in (*tables, _sizes(of), below, _costs(of), _shortness(of)) if part)


def file_size(count: int) -> str:
    """Write a number of bytes as kB or MB."""
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.0f} kB"


def command(card: Mapping[str, Any]) -> str:
    """Return the command that trains such a model again.

    The card may also be that of an earlier stage, which has fewer fields.
    """
    recipe = TrainingRecipe.from_dict(card["recipe"])
    usual = usual_recipe(recipe.model, data=recipe.data)
    words = ["physbench train", recipe.model]
    for item in fields(recipe):
        value = getattr(recipe, item.name)
        if item.metadata.get("help") and value != (
            TrainingRecipe.data if item.name == "data" else getattr(usual, item.name)
        ):
            option = item.name.replace("_", "-")
            words += (
                [f"--{option if value else f'no-{option}'}"]
                if isinstance(value, bool)
                else [f"--{option}", _as_typed(value)]
            )
    for name, value in recipe.sizes.items():
        words += ["--size", f"{name}={json.dumps(value, separators=(',', ':'))}"]
    minutes = card.get("minutes_limit")
    words += ["--minutes", f"{minutes:g}"] if minutes else []
    words += (
        ["--steps", str(card.get("steps_limit") or card["steps"])] if card.get("steps_limit") or not minutes else []
    )
    return " ".join(words)


def _as_typed(value: Any) -> str:
    return ",".join(map(str, cast("tuple[Any, ...]", value))) if isinstance(value, tuple) else str(value)


def _table(world: ModelWorld, of: Mapping[str, Card]) -> str:
    """Write the figures of a world: of the rows that learn nothing, of models, and of papers.

    A column without figures is left out.
    """
    places = list(world.figures.values())
    rows = [["model", "parameters", *world.figures, f"{next(iter(world.figures))}, without noise"]]
    for name in world.references:
        known = scores_of(name)
        kind = " (told the truth)" if name in PRIVILEGED else ""
        rows.append([f"{name}{kind}", "0", *(format_figure(find_score(known, *place)) for place in places), "-"])
    for name, card in of.items():
        figures = [format_figure(find_score(card.scores, *place)) for place in places]
        clean = format_figure(find_score(card.scores_without_noise, *places[0]))
        rows.append(
            [f"[{name}]({card.paper_link})" if card.paper_link else name, f"{card.parameters:,}", *figures, clean]
        )
    published = [row for row in PUBLISHED if (row.suite, row.task, row.metric) in places]
    for name in dict.fromkeys(row.model for row in published):
        reported = {(row.suite, row.task, row.metric): f"{row.value:g}" for row in published if row.model == name}
        remarks = "; ".join(dict.fromkeys(row.remark for row in published if row.model == name))
        rows.append([f"{name}, as published ({remarks})", "-", *(reported.get(place, "-") for place in places), "-"])
    told = [at for at in range(len(rows[0])) if any(row[at] != "-" for row in rows[1:])]
    return f"{world.title}:\n\n{format_table([[row[at] for at in told] for row in rows])}"


def _choose(world: ModelWorld, of: Mapping[str, Card]) -> dict[str, Card]:
    """Choose the models that learnt a world, and those that have a figure in its table."""
    places = world.figures.values()
    return {
        name: card
        for name, card in of.items()
        if card.data in world.datasets or any(find_score(card.scores, *place) for place in places)
    }


def _sizes(of: Mapping[str, Card]) -> str:
    """Say what the scores were measured on."""
    places = [place for world in WORLDS for place in world.figures.values()]
    used = {row["size"] for card in of.values() for place in places if (row := find_score(card.scores, *place))}
    counted = " or ".join(f"{count:,} (`{size}`)" for size, count in SIZES.items() if size in used)
    ours = (
        f"Scores are of {counted} pinned test sequences, of the weights as they are here, with 95 % intervals. "
        if counted
        else ""
    )
    return f"{ours}What is published was measured on the paper's own data, and is for orientation."


NAMES_OF_STAGES = (
    "After `--initial` and `--reuse` stands what the stage before was called when it was trained, also where a model"
    " that comes along has that name now. To repeat a training, give each stage an `--out` of its own, and the next one"
    " that folder."
)


def _costs(of: Mapping[str, Card]) -> str:
    rows = [
        [
            "model",
            "steps to these weights",
            "sequences",
            "core-hours",
            "GPU-hours",
            "at last on",
            "weights",
            "trained by",
        ]
    ]
    for name, card in of.items():
        weights = f"{file_size(card.bytes)}, {'int8 and half' if card.int8 else 'half'}"
        trained = ", then ".join(
            f"`{command(stage)}`" for stage in (*stages_before(vars(card)), vars(card)) if stage.get("recipe")
        )
        steps, sequences = (f"{total(vars(card), field):,}" for field in ("steps", "sequences"))
        rows.append([name, steps, sequences, *format_cost(card), card.hardware, weights, trained])
    return f"{format_table(rows)}\n\n{NAMES_OF_STAGES}"


def format_cost(card: Card) -> tuple[str, str]:
    """Write the core-hours and the GPU-hours of a card, "-" for none."""
    cost = cost_of(vars(card)) or TrainingCost()
    core, gpu = (f"{hours:.2f}" if hours else "-" for hours in (cost.cpu_hours, cost.gpu_hours))
    return core, gpu


def _shortness(of: Mapping[str, Card]) -> str:
    short: dict[str, list[str]] = {}
    for name, card in of.items():
        if card.training:
            rule = find_architecture(card.architecture).stopping
            short.setdefault(f", which goes on {rule.words}" if rule else "", []).append(name)
    from_papers = [name for name, card in of.items() if card.paper_link]
    all_of_them = "All of these are" if len(from_papers) == len(of) else "All that come from a paper are"
    parts: list[str] = []
    for words, names in short.items():
        who = all_of_them if names == from_papers else f"{', '.join(names)} {'are' if len(names) > 1 else 'is'}"
        parts.append(
            f"{who} trained for less than the paper{words}: the scores say what so much training gives, and not what"
            " the models are capable of."
        )
    return "\n\n".join(parts)


def format_figure(row: Row | None) -> str:
    """Write a score with its interval."""
    if row is None or row["value"] is None:
        return "-"
    interval = "" if row["low"] is None or row["high"] is None else f" [{_short(row['low'])}, {_short(row['high'])}]"
    return f"{_short(row['value'])}{interval}"


def _short(value: float) -> str:
    """Write three decimals, or a power of ten for a value close to 0."""
    return f"{value:.3f}" if value == 0 or abs(value) >= 0.0005 else f"{value:.1e}"


def format_table(rows: Sequence[Sequence[str]]) -> str:
    """Write rows as a table in Markdown, with the first row as its head."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|---" * len(rows[0]) + "|", *lines[1:]])
