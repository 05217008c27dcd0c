"""The evidence that a metric is computed from: the answer of a model and the ground truth. Quantities that several
metrics need are computed once.

B sequences, T frames, H x W pixels, C channels, S predicted frames, F shown frames.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from physbench.metrics import boxes, memory, trajectories
from physbench.metrics.grouping import adjusted_rand, contingency
from physbench.metrics.memory_probe import MemoryReading
from physbench.metrics.permanence import permanence_bce
from physbench.metrics.pixels import bernoulli_bce, clipped_share, log_likelihood, masked_sum, square_error
from physbench.metrics.probe import Reading
from physbench.metrics.rollout import overlap, repeat_last, targets
from physbench.metrics.sums import Floats, Sums, mean, mean_where_defined, ratio
from physbench.model import Likelihood
from physbench.states import read_memory
from physbench.suites import Asking, Codes, Image, Rollout, Still

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Evidence:
    """Some sequences, what was asked about them, and what was answered."""

    asking: Asking
    frames: NDArray[Any]  # (B, T, H, W, C) 0 or 1 as uint8, otherwise 0..1 as float32
    likelihood: Likelihood
    means: NDArray[np.float32] | None = None  # (B, S, H, W, C) of the frames asked for
    owners: NDArray[np.uint8] | None = None  # (B, F, H, W) of the frames shown
    log_likelihoods: NDArray[np.float32] | None = (
        None  # (B, F, H, W) of the frames shown, as the model computed them itself
    )
    boxes: NDArray[np.float32] | None = (
        None  # (B, F, N, 5) of the frames shown: x, y, width, height, identity; a row of NaN is no box
    )
    truth: Mapping[str, NDArray[Any]] = field(default_factory=dict[str, Any])  # the stored arrays by name, (B, ...)
    reading: Reading | None = None  # a probe, and the codes of the slots of images
    memory: MemoryReading | None = None  # what a probe has read from the codes of frames
    events: Mapping[str, NDArray[Any]] = field(
        default_factory=dict[str, Any]
    )  # (M,) each: sequence in the batch, time, a, b
    rates: Sequence[float] | None = None  # of `memoryless_rates`, over all sequences of the evaluation
    box_side: float = 0.0  # in pixels, where positions are shown: their unit
    scored_slots: NDArray[np.bool_] | None = None  # (128,) which bytes of a memory are scored

    mean, mean_where_defined, ratio, rand = (
        staticmethod(mean),
        staticmethod(mean_where_defined),
        staticmethod(ratio),
        staticmethod(adjusted_rand),
    )
    """For the cards of metrics, which can be read without loading NumPy and import no code that computes."""

    @cached_property
    def has(self) -> frozenset[str]:
        """Return the names of everything that is here and that a metric may need."""
        given = {
            "means": self.means,
            "owners": self.owners,
            "boxes": self.boxes,
            "rates": self.rates,
            "events": self.events or None,
        }
        if isinstance(self.asking, Image):
            given["reconstruction"] = given.pop("means")
        probes = (
            [f"probe of {factor}" for factor in self.reading.probe.weights]
            if self.reading
            else ["probe of memory"] * (self.memory is not None)
        )
        low, high = self.likelihood.support
        return frozenset(
            [
                *(name for name, each in given.items() if each is not None),
                *["unbounded"] * (low < 0 or high > 1),
                *self.truth,
                *probes,
            ]
        )

    @cached_property
    def shown(self) -> slice:
        """Return the frames that have owner maps."""
        return (
            slice(self.asking.frame, self.asking.frame + 1)
            if isinstance(self.asking, Still)
            else slice(self.asking.frames)
        )

    @cached_property
    def targets(self) -> NDArray[Any]:
        """Return the frames that were to be predicted, (B, S, H, W, C)."""
        if isinstance(self.asking, Still):
            return self.frames[:, self.shown]
        if isinstance(self.asking, Rollout):
            return targets(self.frames, self.asking.context, self.asking.horizon)
        return self.frames[:, self.asking.context : self.asking.frames]

    @cached_property
    def copied(self) -> NDArray[Any]:
        """Return the prediction of copying, (B, S, H, W, C): the current frame, or in a rollout the last shown one."""
        if isinstance(self.asking, Rollout):
            return repeat_last(self.frames, self.asking.context, self.asking.horizon)
        if isinstance(self.asking, Still):
            return self.targets
        return self.frames[:, self.asking.context - 1 : self.asking.frames - 1]

    @cached_property
    def near(self) -> NDArray[Any]:
        """Return the pixels of objects that collide with another one in the transition to each predicted frame,
        (B, S, H, W, 1)."""
        first = self.asking.context if isinstance(self.asking, Rollout) else 1
        return self.truth["collisions"][:, first - 1 : self.asking.frames - 1]

    @cached_property
    def cost(self) -> Floats:
        """Return the cross-entropy of each predicted frame, (B, S)."""
        return bernoulli_bce(self.targets, self._means)

    @cached_property
    def copied_cost(self) -> Floats:
        """Return the cross-entropy of copying, (B, S)."""
        return bernoulli_bce(self.targets, self.copied)

    @cached_property
    def near_cost(self) -> Floats:
        """Return the cross-entropy on the pixels of `near`, (B, S)."""
        return bernoulli_bce(self.targets, self._means, self.near)

    @cached_property
    def near_copied_cost(self) -> Floats:
        """Return the cross-entropy of copying on the pixels of `near`, (B, S)."""
        return bernoulli_bce(self.targets, self.copied, self.near)

    @cached_property
    def tables(self) -> NDArray[np.int32]:
        """Return how many pixels each owner shares with each object, (B, F, A, G), in the frames where grouping is
        scored; the first frame of a window is left out."""
        assert self.owners is not None
        counted = contingency(self.owners, self.truth["groups"][:, self.shown], self.truth.get("curtain"))
        return counted if isinstance(self.asking, Still) else counted[:, 1:]

    @cached_property
    def box_of(self) -> NDArray[np.int64]:
        """Return the box of each object in all frames of a window except the first, (B, T - 1, K); boxes.NO_BOX if it
        has none."""
        return boxes.match_boxes(self._boxes, self._truth_of("position"), self._truth_of("visible"), **self._size)

    def box_count(self) -> Sums:
        """Score whether there are as many boxes as objects in view, (B, T - 1)."""
        return boxes.count_accuracy(self._boxes, self._truth_of("visible"))

    def box_recall(self) -> Sums:
        """Score which share of the objects in view has a box, (B, T - 1)."""
        return boxes.box_recall(self.box_of, self._truth_of("position"), self._truth_of("visible"), **self._size)

    def box_precision(self) -> Sums:
        """Score which share of the boxes holds an object, (B, T - 1)."""
        return boxes.box_precision(self.box_of, self._boxes)

    def identity_kept(self) -> Sums:
        """Score which share of the objects keeps the identity of the frame before, (B, T - 2)."""
        return boxes.identity_kept(boxes.identities(self.box_of, self._boxes))

    def identity_regained(self) -> Sums:
        """Score which share of the objects that come back has its old identity, (B, T - 1)."""
        return boxes.identity_regained(boxes.identities(self.box_of, self._boxes), self._truth_of("visible"))

    def log_probability(self, *, near: bool = False) -> Floats:
        """Return the log-probability of each frame, (B, S).

        It is computed from the likelihood that the model declares, unless the model gave log-likelihoods. near: on the
        pixels of `near` alone.
        """
        where = self.near if near else None
        if self.log_likelihoods is not None:
            return masked_sum(self.log_likelihoods[:, 1:, ..., None], where)
        if not self.likelihood.note:
            return 0.0 - (self.near_cost if near else self.cost)
        return log_likelihood(self.targets, self._means, self.likelihood, where)

    def reconstruction_error(self) -> Sums:
        """Score the squared error of each image per pixel and channel, (B, 1)."""
        return mean(square_error(self.targets, self._means))

    def pixel_mse(self) -> Sums:
        """Score the squared error of each predicted frame per pixel and channel, (B, S)."""
        return mean(square_error(self.targets, self._means))

    def relative_pixel_mse(self) -> Sums:
        """Divide the squared errors of pixels by those of copying, (B, S)."""
        return ratio(square_error(self.targets, self._means), square_error(self.targets, self.copied))

    def probe(self, factor: str) -> Sums:
        """Score how much of the variance of a factor of the objects a probe reads from the codes of their slots,
        (B, 1)."""
        assert self.reading is not None
        explained, there = self.reading.explain(factor, self.tables[:, 0], self.truth)
        return ratio(explained[:, None], there[:, None])

    def clip(self) -> Sums:
        """Score which share of the means lies outside [0, 1]."""
        return clipped_share(self._means)

    def overlap(self) -> Sums:
        """Score the pixels that are on in both truth and prediction, divided by those on in either, (B, S)."""
        return overlap(self.targets, self._means)

    def share_of_memoryless(self) -> Sums:
        """Divide the cost around a curtain by the least cost that is possible without memory, (B, S)."""
        assert self.rates is not None
        groups, visible = (self.truth[name][:, self.shown] for name in ("groups", "visible"))
        return permanence_bce(
            self.frames[:, self.shown], self._means, groups, visible, self.truth["curtain"], rates=self.rates
        )

    def _truth_of(self, name: str) -> NDArray[Any]:
        """Return an array of the ground truth in the frames of a window that boxes are scored in: all but the first."""
        return self.truth[name][:, self.shown][:, 1:]

    @property
    def _boxes(self) -> NDArray[np.float32]:
        assert self.boxes is not None
        return self.boxes[:, 1:]

    @property
    def _size(self) -> dict[str, int]:
        return dict(zip(("height", "width"), self.frames.shape[2:4], strict=True))

    def position_mse(self) -> Sums:
        """Score the squared error of positions per coordinate, (B, S)."""
        return trajectories.position_mse(_places(self.targets), _places(self._means), self.truth["radius"])

    def position_mse_at(self, step: int) -> Sums:
        """Score the squared error of positions in one state, (B, 1)."""
        here = slice(step, step + 1)
        return trajectories.position_mse(
            _places(self.targets)[:, here], _places(self._means)[:, here], self.truth["radius"]
        )

    def relative_position_mse(self) -> Sums:
        """Divide the squared errors of positions by those of copying, (B, S)."""
        ours, theirs = (
            trajectories.square_errors(_places(self.targets), _places(said), self.truth["radius"])
            for said in (self._means, self.copied)
        )
        return ratio(ours, theirs)

    def energy_error(self) -> Sums:
        """Score the error of the energy of each imagined step as a share of the true energy, (B, S)."""
        return trajectories.energy_error(
            _places(self.copied)[:, 0], _places(self.targets), _places(self._means), self.truth["mass"]
        )

    def penetration(self) -> Sums:
        """Score how deep objects overlap with others and with walls, in units of their radius, (B, S)."""
        return trajectories.penetration(_places(self._means), self.truth["radius"] / self.box_side)

    def slot_accuracy(self) -> Sums:
        """Score which share of the scored bytes is right, (B, S)."""
        return memory.slot_accuracy(read_memory(self.targets), read_memory(self._means), self._slots)

    def bit_f1(self) -> Sums:
        """Score the F1 of the bits that are 1, in the scored bytes, (B, S)."""
        return memory.bit_f1(read_memory(self.targets), read_memory(self._means), self._slots)

    def probed_slot_accuracy(self) -> Sums:
        """Score which share of the scored bytes a probe reads correctly from codes, (B, S)."""
        assert self.memory is not None
        return memory.slot_accuracy(self._probed_ram, self.memory.ram, self._slots)

    def probed_bit_f1(self) -> Sums:
        """Score the F1 of the bits that a probe reads as 1 from codes, in the scored bytes, (B, S)."""
        assert self.memory is not None
        return memory.bit_f1(self._probed_ram, self.memory.ram, self._slots)

    def probed_variables(self) -> Sums:
        """Score how much of the variance of the named variables a probe reads from codes, (B, S)."""
        assert self.memory is not None and isinstance(self.asking, Codes)
        return self.memory.explain(self._probed_ram[..., [address for _, address in self.asking.variables]])

    @property
    def _probed_ram(self) -> NDArray[np.uint8]:
        """Return the memory at the frames after which codes were taken, (B, S, 128)."""
        assert isinstance(self.asking, Codes)
        return self.truth["ram"][:, list(self.asking.moments)]

    @property
    def _slots(self) -> NDArray[np.bool_]:
        assert self.scored_slots is not None
        return self.scored_slots

    @property
    def _means(self) -> NDArray[np.float32]:
        """Return the predictions that are scored; those made after fewer states than the context are left out."""
        assert self.means is not None
        return self.means if isinstance(self.asking, (Rollout, Still)) else self.means[:, self.asking.context - 1 :]


def _places(states: NDArray[Any]) -> NDArray[Any]:
    """Return the positions (B, S, K, 2) in states (B, S, K, 2, 1)."""
    return states[..., 0]
