"""What training cost, and whether more of it would have paid: the end of each model's curve of validation."""

from collections.abc import Mapping
from typing import Any

from physbench_baselines.campaign.budget import FLAT, LATE, count_in_stage, gain_at_end
from physbench_baselines.model_card import Card
from physbench_baselines.releasing.cards import format_cost, format_table
from physbench_baselines.training_stages import stage_of, stages_before, total

WORDS = (
    f"The last stage of a training has flattened if its best validation loss improved by less than {FLAT:.0%} over the"
    f" last {LATE:.0%} of its steps. The learning rate of most of them falls in that part, which lowers the loss once"
    " more, so the rule errs towards no. A large gain says that the loss was still falling; of images, `ari` need not"
    " rise with it. Costs are up to the weights that are scored, with everything that these began with; training"
    " after them does not count."
    " A sequence-step is one sequence, predicted one frame further: models of a family are compared fairly where these"
    " agree."
)


def format_flattening(of: Mapping[str, Card]) -> str:
    """Write a table of these models."""
    rows = [
        [
            "model",
            "parameters",
            "core-hours",
            "GPU-hours",
            "sequences",
            "sequence-steps",
            "flattened",
            "gain at the end",
        ]
    ]
    for name, card in of.items():
        curve = [(row["step"], row["validation_loss"]) for row in card.log if row.get("validation_loss") is not None]
        gain = gain_at_end(curve)
        rows.append(
            [
                name,
                f"{card.parameters:,}",
                *format_cost(card),
                f"{total(vars(card), 'sequences'):,}",
                f"{steps:,}" if (steps := sum(map(count_steps, (*stages_before(vars(card)), vars(card))))) else "-",
                "cannot tell" if gain is None else "yes" if gain < FLAT else "no",
                "-" if gain is None else f"{gain:.1%}",
            ]
        )
    return format_table(rows)


def count_steps(stage: Mapping[str, Any]) -> int:
    """Count how often a sequence was predicted one frame further in a stage; 0 if it was only of images."""
    return 0 if tuple(stage["recipe"]["frames"]) == (1,) else count_in_stage(stage_of(stage))
