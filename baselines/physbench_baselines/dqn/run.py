"""The training of an agent: it starts in a folder, can be stopped at any moment, and can be resumed.

The folder holds recipe.json, log.csv, state.safetensors (everything that the next update depends on), last.safetensors
and best.safetensors (agents; the best one by the mean score of the agent's own last games). With a number of steps, a
run of PQN that was stopped and resumed ends like one that was not; one of the method of Nature fills its replay anew,
and begins with the learning network as its target.
"""

from __future__ import annotations

import csv
import io
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from physbench.errors import TrainingError
from physbench.files import read_regular_file, write_whole
from physbench_baselines.adapter import device_of, torch, weights_of
from physbench_baselines.dqn import agentfile
from physbench_baselines.dqn.agent_recipe import AgentRecipe
from physbench_baselines.dqn.learner import Learner
from physbench_baselines.dqn.nature import ReplayedPlay
from physbench_baselines.dqn.policy import file_of
from physbench_baselines.dqn.pqn import ParallelPlay
from physbench_baselines.dqn.preflight import recipe_in, require_none
from physbench_baselines.training.folder import hold
from physbench_baselines.training.interrupts import Interrupts, Stopped
from physbench_baselines.training.step import precision_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

SAVED_EVERY, LOGGED_EVERY = 180.0, 20.0
"""Seconds between saves, and between rows of the log."""

RECENT = 100
"""The mean score is taken over this many last games."""

ENOUGH = 20
"""How many games a mean score needs before it decides which weights are best."""

MOST_STATE = 1 << 30


@dataclass
class AgentProgress:
    """How far a run is."""

    step: int = 0
    update: int = 0
    seconds: float = 0.0
    best: float = -1.0
    minutes_limit: float = 0.0
    steps_limit: int = 0

    @property
    def share(self) -> float:
        """How much of the run is over; the limit that comes first drives the schedules."""
        parts = [self.step / self.steps_limit] if self.steps_limit else []
        return min(max([*parts, *([self.seconds / 60 / self.minutes_limit] if self.minutes_limit else [])]), 1.0)


def train(
    recipe: AgentRecipe | None,
    out: Path | str,
    *,
    minutes: float | None = None,
    steps: int | None = None,
    resume: bool = False,
    device: str = "auto",
    progress: Callable[[AgentProgress, dict[str, float]], None] | None = None,
) -> dict[str, Any]:
    """Train into a folder until the time or the steps are used up. Ctrl-C and SIGTERM save the run first."""
    path, place = Path(out), device_of(device)
    if resume:
        recipe = recipe_in(path)
    elif recipe is None:
        raise TrainingError("a run needs a recipe, or resume and the folder of a run that has one")
    else:
        recipe = replace(recipe, precision=precision_of(recipe.precision, place))
        require_none(path)
        _load_initial(recipe)  # refused before there is a folder
        path.mkdir(parents=True, exist_ok=True)
        write_whole(path / "recipe.json", recipe.to_json())
    with (
        hold(path / "recipe.json", f"the run in {path} is at work in another process: stop that one first"),
        Interrupts() as interrupts,
    ):
        return AgentRun(recipe, path, place).to_its_end(minutes, steps, interrupts, progress)


class AgentRun:
    """A run in progress."""

    def __init__(self, recipe: AgentRecipe, path: Path, device: torch.device) -> None:
        self.recipe, self.path = recipe, path
        self.learner = Learner(recipe, device=device)
        self.play = (ParallelPlay if recipe.algorithm == "pqn" else ReplayedPlay)(recipe, self.learner)
        self.now = AgentProgress()
        self.before: list[dict[str, Any]] = []  # the runs that its first weights come from
        self.scores: list[float] = []  # of the agent's own last games
        self.theirs: list[float] = []  # of the demonstrator's
        if (path / "state.safetensors").exists():
            self._restore()
        else:
            if agent := _load_initial(recipe):
                self._begin_with(agent)
            self.play.lanes.begin()
            write_whole(path / "log.csv", "")

    def _begin_with(self, agent: agentfile.Agent) -> None:
        self.learner.network.load_state_dict({name: torch.from_numpy(array) for name, array in agent.weights.items()})
        stage = {name: agent.card[name] for name in ("recipe", "steps", "minutes") if name in agent.card}
        self.before = [*agent.card.get("before", []), stage]

    def to_its_end(
        self,
        minutes: float | None,
        steps: int | None,
        interrupts: Interrupts,
        progress: Callable[[AgentProgress, dict[str, float]], None] | None,
    ) -> dict[str, Any]:
        """Run to the end, and return the last figures."""
        now = self.now
        now.minutes_limit = minutes or (0.0 if steps else now.minutes_limit)
        now.steps_limit = steps or (0 if minutes else now.steps_limit)
        if not (now.minutes_limit or now.steps_limit):
            raise TrainingError("the schedules of a run need its end: give minutes or steps")
        saved = logged = begun = time.monotonic()
        before, told = now.seconds, dict[str, float]()
        try:
            while now.share < 1:
                told, ended = self.play.update(now.update, now.share)
                now.update += 1
                now.step += self.play.steps_each
                clock = time.monotonic()
                now.seconds = before + clock - begun
                self._count(ended)
                told |= self._figures()
                if progress:
                    progress(now, told)
                if clock - logged > LOGGED_EVERY:
                    logged = clock
                    self._log(told)
                if clock - saved > SAVED_EVERY:
                    saved = clock
                    self.save()
                interrupts.stop_here()
        except Stopped:
            self.save()
            raise
        self._log(told)
        self.save()
        return {"step": now.step, "minutes": now.seconds / 60, **told}

    def _count(self, ended: list[tuple[bool, float]]) -> None:
        for own, score in ended:
            (self.scores if own else self.theirs).append(score)
        del self.scores[:-RECENT], self.theirs[:-RECENT]

    def _figures(self) -> dict[str, float]:
        told = {"score": float(np.mean(self.scores)), "games": float(len(self.scores))} if self.scores else {}
        return told | ({"shown_score": float(np.mean(self.theirs))} if self.theirs else {})

    def save(self) -> None:
        """Save the agent, and everything that the next update depends on."""
        weights = weights_of(self.learner.network)
        card: dict[str, Any] = {
            "recipe": json.loads(self.recipe.to_json()),
            "steps": self.now.step,
            "minutes": round(self.now.seconds / 60, 2),
        }
        card |= {"training": self._figures(), "before": self.before}
        agentfile.save(self.path / "last.safetensors", self.recipe.sizes(), weights, card=card)
        score = card["training"].get("score", -1.0)
        if len(self.scores) >= ENOUGH and score > self.now.best:
            self.now.best = score
            agentfile.save(self.path / "best.safetensors", self.recipe.sizes(), weights, card=card)
        arrays: dict[str, NDArray[Any]] = {f"weights/{name}": array for name, array in weights.items()}
        arrays |= {f"optimiser/{name}": np.array(value.numpy()) for name, value in self.learner.state().items()}
        arrays |= {f"lanes/{name}": array for name, array in self.play.state().items()}
        arrays |= {"scores": np.array(self.scores, np.float64), "theirs": np.array(self.theirs, np.float64)}
        arrays["now"] = np.array([getattr(self.now, name) for name in AgentProgress.__dataclass_fields__], np.float64)
        import safetensors.numpy

        write_whole(self.path / "state.safetensors", safetensors.numpy.save(arrays))

    def _restore(self) -> None:
        import safetensors.numpy

        place = self.path / "state.safetensors"
        try:
            arrays = safetensors.numpy.load(read_regular_file(place, MOST_STATE))
            kinds: list[Any] = [type(getattr(self.now, name)) for name in AgentProgress.__dataclass_fields__]
            self.now = AgentProgress(*(kind(value) for kind, value in zip(kinds, arrays["now"].tolist(), strict=True)))
            self.scores, self.theirs = arrays["scores"].tolist(), arrays["theirs"].tolist()
            weights = {name: torch.from_numpy(np.array(array)) for name, array in _under("weights/", arrays).items()}
            self.learner.network.load_state_dict(weights)
            self.learner.restore(
                {name: torch.from_numpy(np.array(array)) for name, array in _under("optimiser/", arrays).items()}
            )
            self.before = list(agentfile.load(self.path / "last.safetensors").card.get("before", []))
            self.play.restore(_under("lanes/", arrays))
        except (KeyError, ValueError, TypeError, RuntimeError, IndexError, safetensors.SafetensorError) as error:
            raise TrainingError(
                f"{place} does not belong to this run ({str(error).partition(chr(10))[0][:100]}): it cannot be resumed"
            ) from None
        self._cut()

    def _log(self, told: dict[str, float]) -> None:
        row = {"step": self.now.step, "minutes": round(self.now.seconds / 60, 3), "share": round(self.now.share, 5)}
        row |= {"epsilon": self.recipe.epsilon_at(self.now.share), "shown": self.recipe.shown_at(self.now.share)}
        columns = [*row, "score", "games", "shown_score", "value", "error", "margin", "regret"]
        place = self.path / "log.csv"
        empty = not place.exists() or place.stat().st_size == 0
        with place.open("a", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, columns, lineterminator="\n")
            if empty:
                table.writeheader()
            table.writerow(
                {
                    name: f"{value:.6g}" if isinstance(value, float) else value
                    for name, value in {**row, **told}.items()
                    if name in columns
                }
            )

    def _cut(self) -> None:
        """Remove the rows after the saved state from the log, because these steps will run again."""
        place = self.path / "log.csv"
        lines = place.read_text(encoding="utf-8").splitlines(keepends=True) if place.exists() else []
        rows = csv.DictReader(io.StringIO("".join(lines)))
        try:
            kept = [
                line
                for line, row in zip(lines[1:], rows, strict=False)
                if line.endswith("\n") and int(row["step"]) <= self.now.step
            ]
        except (KeyError, TypeError, ValueError):
            raise TrainingError(f"{place} is not the log of this run: put it back or delete it") from None
        write_whole(place, "".join([*lines[:1], *kept]))


def _load_initial(recipe: AgentRecipe) -> agentfile.Agent | None:
    """Load the agent that a run begins with, if there is one, and refuse one of other sizes."""
    if not recipe.initial:
        return None
    agent = agentfile.load(file_of(recipe.initial))
    if agent.sizes != recipe.sizes():
        raise TrainingError(f"the agent {recipe.initial} has other sizes than this run: {agent.sizes}")
    return agent


def _under(start: str, arrays: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(start): array for name, array in arrays.items() if name.startswith(start)}
