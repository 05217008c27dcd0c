"""The training loop: step, log, evaluate and save, until the time, the steps or the patience are used up."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, cast

import torch

from physbench.errors import TrainingError
from physbench.suites import Suite
from physbench_baselines import checkpoint
from physbench_baselines.architecture import architecture_of
from physbench_baselines.training.folder import Folder, LogRow
from physbench_baselines.training.interrupts import Interrupts, Stopped
from physbench_baselines.training.keep import card_of
from physbench_baselines.training.learning_curves import curves
from physbench_baselines.training.ranks import ALONE, LostProcess, Order, Ranks, Word
from physbench_baselines.training.score import judge, validate
from physbench_baselines.training.sources import cut
from physbench_baselines.training.step import Stepper
from physbench_baselines.training.trainable import LOSS
from physbench_baselines.training.training_recipe import TrainingRecipe

if TYPE_CHECKING:
    from physbench_baselines.training.sources import Batch, Source

SAVE_SECONDS = 50
"""Seconds between saves; even with a step of some seconds, a run is saved at least once a minute."""

PENDING = 16
"""How many losses may wait on a graphics card before they are read."""


@dataclass(frozen=True)
class TrainingProgress:
    """How far a run is."""

    step: int
    share: float  # of the run, 0 to 1
    minutes: float
    frames: int
    loss: float  # of the last step
    figures: Mapping[str, float]  # of the evaluator at the last validation; before the first one, of the last step
    sequences_per_second: float
    seconds_left: float | None  # None without a limit


@dataclass(frozen=True)
class TrainingResult:
    """How a run ended."""

    model: str
    data: str
    step: int
    sequences: int
    minutes: float
    ended: str  # time, steps or patience; "pause" for a run that is not over
    validation_loss: float  # of the last weights
    best_validation_loss: float
    best_step: int
    figures: Mapping[str, float]  # of the last weights: all other figures of the last validation
    device: str


@dataclass
class LoopState:
    """Plain numbers that a resumed run needs besides the tensors; NaN and -1 stand for what has not happened yet."""

    step: int = 0
    seconds: float = 0.0
    logged: int = -1
    evaluated: int = -1
    best: float = math.inf
    best_step: int = -1
    validation: float = math.nan
    summed: int = 0  # steps since the last row
    learning_rate: float = 0.0  # of the last step
    frames: int = 0
    minutes_limit: float = 0.0  # 0 = none
    steps_limit: int = 0
    sequence_steps: int = 0  # -1 in a run whose first steps were not counted
    sums: dict[str, float] = field(default_factory=dict[str, float])  # of figures, over the steps since the last row
    measured: dict[str, float] = field(default_factory=dict[str, float])  # in the last validation

    @staticmethod
    def of(saved: Mapping[str, Any]) -> LoopState:
        """Read a state from what `asdict` returned.

        An older save has no figures, so their sums begin at 0, and no count of sequence-steps, which stays unknown.
        """
        saved = {"sequence_steps": -1, **saved}
        numbers = {
            item.name: type(item.default)(saved[item.name])
            for item in fields(LoopState)
            if item.name not in ("sums", "measured")
        }
        figures = {
            kind: {str(name): float(value) for name, value in saved.get(kind, {}).items()}
            for kind in ("sums", "measured")
        }
        return LoopState(**{**numbers, **figures, "summed": numbers["summed"] if figures["sums"] else 0})


@dataclass
class Loop:
    """A run in progress."""

    recipe: TrainingRecipe
    source: Source
    stepper: Stepper
    folder: Folder
    state: LoopState
    interrupts: Interrupts
    progress: Callable[[TrainingProgress], None] | None
    before: Sequence[Mapping[str, Any]] = ()
    """The stages of training that gave the weights which the run began with."""
    suite: Suite | None = None
    """The suite that judges the network, if not the usual one."""
    ranks: Ranks = ALONE
    """The processes that take part. This one leads."""

    def __post_init__(self) -> None:
        self.every = self.recipe.evaluate_every or max(self.source.epoch // self.recipe.batch, 1)
        self.pending: list[torch.Tensor] = []
        self.latest: Mapping[str, float] = {LOSS: math.nan}
        self._began = time.monotonic() - self.state.seconds
        self._saved = -math.inf
        self._mark = (self.state.step, self.seconds)
        self._in_step = False

    @property
    def seconds(self) -> float:
        """Seconds spent on this run, including those before it was resumed."""
        return time.monotonic() - self._began

    @property
    def share(self) -> float:
        """How much of the run is over."""
        state = self.state
        by_time = self.seconds / (60 * state.minutes_limit) if state.minutes_limit else 0.0
        by_steps = state.step / state.steps_limit if state.steps_limit else 0.0
        return min(max(by_time, by_steps), 1.0)

    def to_its_end(self, workers: int, *, pause_after: float | None = None) -> TrainingResult:
        """Run to the end, or to the first step after `pause_after` minutes.

        At a pause, the run is saved; it is not evaluated, and no result is written.
        """
        state = self.state
        pause = math.inf if pause_after is None else time.monotonic() + 60 * pause_after
        batches = self.source.batches(state.step, wants=self.stepper.traits.wants, workers=workers)
        try:
            self._save()
            while True:
                ended = self._why_it_ends()
                self._look(last=ended is not None)
                if ended is None and self._out_of_patience():
                    ended = "patience"
                if ended is not None:
                    break
                if time.monotonic() - self._saved > SAVE_SECONDS:
                    self._save()
                self._step(batches, self._confer(Order.STEP, self.share).share)
                if time.monotonic() >= pause:
                    ended = "pause"
                    break
            self._save()
            result = self._result(ended)
            if ended != "pause":
                self.folder.write("result.json", json.dumps(asdict(result), indent=2) + "\n")
            self._end(result)
        except Stopped:
            self._save()
            raise
        except LostProcess as error:
            raise TrainingError(f"{error}, after step {state.step}; {self._save_what_is_left()}") from None
        except Exception:
            if not self._in_step:  # there the others hear of it when this process is gone
                with suppress(LostProcess):
                    self.ranks.confer(Order.FAIL)
            raise
        finally:
            batches.close()
        return result

    def _step(self, batches: Generator[Batch], share: float) -> None:
        state, recipe = self.state, self.recipe
        state.frames, state.learning_rate = recipe.frames_at(share), recipe.learning_rate_at(state.step, share)
        self._in_step = True
        self.pending.append(take_step(self.stepper, next(batches), step=state.step, share=share))
        self._in_step = False
        state.step += 1
        if state.sequence_steps >= 0:
            state.sequence_steps += recipe.batch * recipe.count_predicted(state.frames)
        if self.stepper.device.type == "cpu" or len(self.pending) >= PENDING:
            self._settle()

    def _confer(self, order: Order, share: float = 0.0) -> Word:
        """Say to the other processes what follows; stop here if anybody was asked to."""
        word = self.ranks.confer(order, share=share, signal=self.interrupts.caught or 0)
        self.interrupts.stop_on(word.signal)
        return word

    def _wait(self) -> None:
        """After a batch of a validation: the other processes wait for the next one."""
        self._confer(Order.WAIT)

    def _end(self, result: TrainingResult) -> None:
        """Let the other processes go."""
        with suppress(LostProcess):  # nothing is left to do
            self.ranks.confer(Order.END)
            self.ranks.tell(result)

    def _save_what_is_left(self) -> str:
        """Without the other processes the last whole step can still be saved, unless the device waits for them."""
        if self.stepper.device.type != "cpu":
            return f"{self._before()}: resume it"
        self._save()
        return f"{self.folder.last} is of that step: resume it"

    def _settle(self) -> None:
        """Read the losses that are still pending."""
        if not self.pending:
            return
        state = self.state
        rows = cast("list[list[float]]", torch.stack(self.pending).tolist())
        first = state.step - len(rows) + 1
        self.pending.clear()
        for step, row in enumerate(rows, start=first):
            self.latest = dict(zip(self.stepper.figures, row, strict=True))
            if not math.isfinite(loss := self.latest[LOSS]):
                raise TrainingError(
                    f"the loss became {loss} at step {step}: try a lower learning rate, a warm-up or a gradient limit;"
                    f" {self._before()}"
                )
            state.sums = {name: state.sums.get(name, 0.0) + value for name, value in self.latest.items()}
            state.summed += 1
        if self.progress:
            self.progress(self._progress())

    def _look(self, *, last: bool) -> None:
        """Log or evaluate, if it is time and has not been done at this step."""
        state = self.state
        if (last or (state.step and state.step % self.every == 0)) and state.evaluated != state.step:
            self._evaluate()
        elif state.step and state.step % self.recipe.log_every == 0 and state.logged != state.step:
            self._log()

    def _evaluate(self) -> None:
        self._settle()
        state, recipe, network, device = self.state, self.recipe, self.stepper.judged, self.stepper.device
        rate = self._rate()
        found = validate(network, self.source, recipe, device=device, between=self._wait)
        if not math.isfinite(loss := found.pop(LOSS)):
            raise TrainingError(
                f"the validation loss became {loss} after step {state.step}: try a lower learning rate;"
                f" {self._before()}"
            )
        judged = judge(network, recipe, self.source, self.suite, device=device, between=self._wait)
        state.validation = loss
        state.measured = _finite({**{f"validation_{name}": value for name, value in found.items()}, **judged})
        state.evaluated = state.step
        if loss < state.best:
            state.best, state.best_step = loss, state.step
            self._keep("best")
        self._log(rate, measured=True)
        self.folder.write("curves.svg", curves(self.folder.rows(), title=f"{recipe.model} on {self.source.dataset}"))

    def _log(self, rate: float | None = None, *, measured: bool = False) -> None:
        self._settle()
        state, recipe = self.state, self.recipe
        means = {name: value / state.summed for name, value in state.sums.items()}
        row = LogRow(
            step=state.step,
            sequences=state.step * recipe.batch,
            minutes=round(self.seconds / 60, 4),
            sequences_per_second=round(self._rate() if rate is None else rate, 3),
            learning_rate=state.learning_rate,
            frames=state.frames,
            loss=means.pop(LOSS, None),
            figures={**_finite(means), **({"validation_loss": state.validation, **state.measured} if measured else {})},
        )
        self.folder.append(row)
        state.logged, state.sums, state.summed = state.step, {}, 0
        self._mark = (state.step, self.seconds)

    def _rate(self) -> float:
        """Return the sequences per second of training since the last row."""
        step, seconds = self._mark
        return (self.state.step - step) * self.recipe.batch / max(self.seconds - seconds, 1e-9)

    def _why_it_ends(self) -> str | None:
        state = self.state
        if state.steps_limit and state.step >= state.steps_limit:
            return "steps"
        if state.minutes_limit and self.seconds >= 60 * state.minutes_limit:
            return "time"
        return "patience" if self._out_of_patience() else None

    def _out_of_patience(self) -> bool:
        """Return whether validation has stopped improving; the paper trained until then."""
        state = self.state
        epoch = max(self.source.epoch // self.recipe.batch, 1)  # in steps, as between validations
        return state.best_step >= 0 and state.evaluated - state.best_step >= self.recipe.patience * epoch

    def _save(self) -> None:
        self._settle()
        self._keep("last")
        self._saved = time.monotonic()

    def _keep(self, name: str) -> None:
        """Save the weights. Weights that are not finite never overwrite others."""
        if not self.stepper.finite():
            raise TrainingError(
                f"the weights are no longer finite after step {self.state.step}: try a lower learning rate;"
                f" {self._before()}"
            )
        self.state.seconds = self.seconds
        card = card_of(
            self.recipe,
            self.state.step,
            sequence_steps=max(self.state.sequence_steps, 0),
            seconds=self.seconds,
            device=self.stepper.device,
            data=self.source.dataset,
            architecture=architecture_of(self.stepper.network),
            ended="patience" if self._out_of_patience() else None,
            before=self.before,
            processes=self.ranks.world,
        )
        training = asdict(self.state) | self.stepper.state() if name == "last" else None
        checkpoint.save(
            self.folder.path / f"{name}.safetensors", self.stepper.judged, card=vars(card), training=training
        )

    def _before(self) -> str:
        return f"{self.folder.last} holds earlier weights" if self.folder.last.exists() else "nothing was saved before"

    def _progress(self) -> TrainingProgress:
        state = self.state
        left = [60 * state.minutes_limit - self.seconds] if state.minutes_limit else []
        rate = self._rate()
        if state.steps_limit and rate > 0:
            left.append((state.steps_limit - state.step) * self.recipe.batch / rate)
        return TrainingProgress(
            step=state.step,
            share=self.share,
            minutes=self.seconds / 60,
            frames=state.frames,
            loss=self.latest[LOSS],
            figures=self._last_judgement() or {name: value for name, value in self.latest.items() if name != LOSS},
            sequences_per_second=rate,
            seconds_left=max(min(left), 0.0) if left else None,
        )

    def _last_judgement(self) -> dict[str, float]:
        """Return the figures of the evaluator at the last validation."""
        return {name: value for name, value in self.state.measured.items() if not name.startswith("validation_")}

    def _result(self, ended: str) -> TrainingResult:
        state, recipe = self.state, self.recipe
        return TrainingResult(
            model=recipe.model,
            data=recipe.data,
            step=state.step,
            sequences=state.step * recipe.batch,
            minutes=round(self.seconds / 60, 3),
            ended=ended,
            validation_loss=state.validation,
            best_validation_loss=state.best,
            best_step=state.best_step,
            figures=state.measured,
            device=str(self.stepper.device),
        )


def take_part(source: Source, stepper: Stepper, interrupts: Interrupts, *, step: int, workers: int) -> TrainingResult:
    """Take every step that the process which leads takes, from number `step` on, and return its result."""
    ranks = stepper.ranks
    batches = source.batches(step, wants=stepper.traits.wants, workers=workers)
    try:
        while (word := ranks.confer(Order.WAIT, signal=interrupts.caught or 0)).order is not Order.END:
            if word.order is Order.FAIL:
                ranks.outlast()  # it says why
                raise SystemExit(TrainingError.exit_code)
            interrupts.stop_on(word.signal)
            if word.order is Order.STEP:
                take_step(stepper, next(batches), step=step, share=word.share)
                step += 1
        return ranks.tell(None)
    except Stopped:
        ranks.outlast()  # it saves
        raise
    except LostProcess as error:
        raise LostProcess(f"{error}, after step {step}: resume what rank 0 saved") from None
    finally:
        batches.close()


def take_step(stepper: Stepper, arrays: Batch, *, step: int, share: float) -> torch.Tensor:
    """Show a network its next batch, with as many frames and at the learning rate that the recipe has for this step."""
    recipe = stepper.recipe
    batch = cut({name: stepper.place(array) for name, array in arrays.items()}, recipe.frames_at(share))
    return stepper.take(batch, step=step, learning_rate=recipe.learning_rate_at(step, share), share=share)


def _finite(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in figures.items() if math.isfinite(value)}
