"""Weights kept for moving: small files with a history on their card, so that training can go on on another machine.

They are in the subfolder `weights` as NAME.safetensors, with the card beside them as NAME.json for people.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from physbench.errors import TrainingError
from physbench.files import publish
from physbench_baselines import checkpoint
from physbench_baselines.campaign.history import History, history_of_stages, read_record
from physbench_baselines.campaign.planned_runs import PlannedRun
from physbench_baselines.campaign.stages import TrainingStage
from physbench_baselines.model_card import to_json
from physbench_baselines.releasing import origin
from physbench_baselines.training.folder import Folder
from physbench_baselines.training_stages import stages_before

MOST_BYTES = 16_000_000
"""The most bytes of a file of weights."""


def weights_of(campaign: Path, run: PlannedRun) -> Path:
    """Return the path at which the weights of a run are kept."""
    return campaign / "weights" / f"{run.name}.safetensors"


def keep_weights(campaign: Path, run: PlannedRun, stage: TrainingStage) -> Path | None:
    """Keep the last weights of a stage, in half precision, and return their path.

    Big matrices are stored as int8 if the file would be too large. If it is still too large, nothing is kept, and None
    is returned.
    """
    found = checkpoint.load(Folder(stage.path).last)
    path = weights_of(campaign, run)
    path.parent.mkdir(exist_ok=True)
    card: dict[str, Any] = {
        **found.card,
        "name": run.name,
        **origin.without_folders(found.card),
        "steps_limit": stage.limit or None,
        "budget": run.budget,
        "campaign": stage.history.to_dict(),
    }
    with TemporaryDirectory(dir=path.parent) as folder:
        small = Path(folder) / path.name
        for quantise in (False, True):
            checkpoint.save(small, found.network, card=card, half=True, quantise=quantise)
            if small.stat().st_size <= MOST_BYTES:
                publish(small, path)
                Folder(path.parent).write(f"{run.name}.json", to_json(card))
                return path
    return None


def history_of_weights(campaign: Path, run: PlannedRun) -> History | None:
    """Read what the kept weights of a run have cost and reached, or return None if there are none."""
    path = weights_of(campaign, run)
    if not path.exists():
        return None
    card = checkpoint.inspect(path).card
    recipe: Any = card.get("recipe")
    mine = cast("dict[str, Any]", recipe) if isinstance(recipe, dict) else dict[str, Any]()
    if (mine.get("model"), mine.get("data")) != (run.model, Path(run.data).name):
        raise TrainingError(
            f"{path} holds weights of {mine.get('model')} on {mine.get('data')}, and {run.name} is {run.model} on"
            f" {run.data}: move the file away"
        )
    if "campaign" in card:
        return read_record(History, card["campaign"], path)
    return history_of_stages([*stages_before(card), card])
