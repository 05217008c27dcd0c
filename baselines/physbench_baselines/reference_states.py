"""The reference rows for data where states are shown in place of frames, with the usual names. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from physbench.errors import UnsuitableModel
from physbench.model import Batch, Bernoulli, Model, Prediction
from physbench.states import show_memory, show_positions
from physbench_baselines import reference

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    State = NDArray[np.float32]  # (B, K, 2, 1) or (B, 128, 8, 1)


@dataclass(frozen=True)
class Inertia:
    """The last step again, from the two newest states: straight flight without knowing a velocity."""

    likelihood: ClassVar[Bernoulli] = Bernoulli()

    def begin(self, batch: Batch) -> None:
        """Refuse data that do not show the places of objects."""
        if batch.shows != "position":
            raise UnsuitableModel(
                "inertia is for things that move: it needs the places of objects, as in the suite trajectories"
            )

    def observe(
        self, state: tuple[State, State] | None, frame: State, action: State | None
    ) -> tuple[tuple[State, State], Prediction]:
        """Take what is shown, and return the state and a prediction of what is next."""
        following = frame.copy() if state is None else 2 * frame - state[0]
        return (frame.copy(), following), Prediction(following)

    def imagine(self, state: tuple[State, State], action: State | None) -> tuple[tuple[State, State], Prediction]:
        """Predict what is next without seeing anything new."""
        return self.observe(state, state[1], action)


@dataclass(frozen=True)
class StateConstantVelocity:
    """True places and velocities at t, then straight flight, through walls and other balls."""

    privileged: ClassVar[bool] = True
    likelihood: ClassVar[Bernoulli] = Bernoulli()

    def begin(self, batch: Batch) -> tuple[Batch, int, int]:
        """Return the row's state before the first frame."""
        return batch, 0, 0

    def observe(
        self, state: tuple[Batch, int, int], frame: State, action: State | None
    ) -> tuple[tuple[Batch, int, int], Prediction]:
        """Take what is shown, and return the state and a prediction of what is next."""
        batch, t, _ = state
        return (batch, t + 1, 1), self._straight(batch, t, 1)

    def imagine(self, state: tuple[Batch, int, int], action: State | None) -> tuple[tuple[Batch, int, int], Prediction]:
        """Predict what is next without seeing anything new."""
        batch, t, ahead = state
        return (batch, t, ahead + 1), self._straight(batch, t - 1, ahead + 1)

    def _straight(self, batch: Batch, t: int, ahead: int) -> Prediction:
        assert batch.truth is not None, "the evaluator gives it to privileged rows"
        return Prediction(
            show_positions(batch.truth["position"][:, t] + ahead * batch.truth["velocity"][:, t], batch.box_side)
        )


@dataclass(frozen=True)
class StateOracle:
    """The true next state. A check of the whole pipeline."""

    privileged: ClassVar[bool] = True
    likelihood: ClassVar[Bernoulli] = Bernoulli()

    def begin(self, batch: Batch) -> tuple[State, int]:
        """Return the row's state before the first frame."""
        assert batch.truth is not None, "the evaluator gives it to privileged rows"
        array = batch.truth[batch.shows]
        return (
            show_positions(array, batch.box_side) if batch.shows == "position" else show_memory(array).astype("float32")
        ), 0

    def observe(
        self, state: tuple[State, int], frame: State, action: State | None
    ) -> tuple[tuple[State, int], Prediction]:
        """Take what is shown, and return the state and a prediction of what is next."""
        return self.imagine(state, action)

    def imagine(self, state: tuple[State, int], action: State | None) -> tuple[tuple[State, int], Prediction]:
        """Predict what is next without seeing anything new."""
        states, t = state
        return (states, t + 1), Prediction(states[:, min(t + 1, states.shape[1] - 1)])


@dataclass(frozen=True)
class Either:
    """One row with one name: a model of frames if frames are shown, and a model of states otherwise."""

    of_frames: Any
    of_states: Any
    privileged: ClassVar[bool] = True
    likelihood: ClassVar[Bernoulli] = Bernoulli()

    def begin(self, batch: Batch) -> tuple[Model, Any]:
        """Return the row's state before the first frame."""
        model = self.of_frames if batch.shows == "features" else self.of_states
        return model, model.begin(batch)

    def observe(self, state: tuple[Any, Any], frame: State, action: State | None) -> tuple[tuple[Any, Any], Prediction]:
        """Take what is shown, and return the state and a prediction of what is next."""
        model, inner = state
        inner, prediction = model.observe(inner, frame, action)
        return (model, inner), prediction

    def imagine(self, state: tuple[Any, Any], action: State | None) -> tuple[tuple[Any, Any], Prediction]:
        """Predict what is next without seeing anything new."""
        model, inner = state
        inner, prediction = model.imagine(inner, action)
        return (model, inner), prediction


def constant_velocity() -> Either:
    """Straight flight from the true places and velocities."""
    return Either(reference.ConstantVelocity(), StateConstantVelocity())


def oracle() -> Either:
    """The true next frame or state."""
    return Either(reference.Oracle(), StateOracle())
