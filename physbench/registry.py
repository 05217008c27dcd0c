"""Names for things that others may add: a table of our own, then the entry points of installed packages. Nothing is
imported before it is asked for.

A package adds a dataset with an entry point in the group `physbench.generators` that leads to its Recipe, a family of
networks that can be trained with one in `physbench.architectures` that leads to its Architecture, a suite with one in
`physbench.suites` that leads to its Suite, a metric with one in `physbench.metrics` that leads to its Metric, and a
player of games with one in `physbench.policies` that leads to its class.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from physbench.errors import UnknownName, suggest
from physbench.notices import announce

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


def attribute(place: str) -> Any:
    """What `package.module:attribute` names, imported; an error in words if there is no such thing."""
    module, _, name = place.partition(":")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UnknownName(
            f"{place!r} does not lead to anything: {error}; it is written package.module:factory"
        ) from None


@cache
def _entry_points(group: str, path: tuple[str, ...]) -> dict[str, Any]:
    """By name. path: where packages lie, so that one that comes to lie there is found."""
    return {point.name: point for point in entry_points(group=group)}


@dataclass(frozen=True)
class Registry:
    noun: str
    group: str
    built_in: Mapping[str, str]  # name -> "module:attribute"

    def names(self) -> list[str]:
        return [*self.built_in, *sorted(set(self._foreign()) - set(self.built_in))]

    def get(self, name: str) -> Any:
        if name in self.built_in:
            return attribute(self.built_in[name])
        foreign = self._foreign()
        if name in foreign:
            try:
                return foreign[name].load()
            except Exception as error:  # whatever a stranger's package does when it is imported
                place = (
                    f"{foreign[name].value}, of the installed package {foreign[name].dist.name}"
                    if foreign[name].dist
                    else foreign[name].value
                )
                raise UnknownName(
                    f"the {self.noun} {name!r} cannot be loaded from {place}: {type(error).__name__}: {error}"
                ) from error
        raise UnknownName(f"no {self.noun} is called {name!r}: {suggest(name, self.names())}")

    def load_all(self, get: Callable[[str], Any] | None = None) -> Iterator[tuple[str, Any]]:
        """Load everything, one by one by `get`; a notice names what cannot be loaded, so that a broken package hides no
        other."""
        for name in self.names():
            try:
                found = (get or self.get)(name)
            except UnknownName as error:
                announce(str(error))
            else:
                yield name, found

    def _foreign(self) -> dict[str, Any]:
        return _entry_points(self.group, tuple(sys.path))


datasets = Registry(
    "dataset",
    "physbench.generators",
    {
        "balls4mass64": "physbench_generators.balls.scenes:balls4mass64",
        "balls678mass64": "physbench_generators.balls.scenes:balls678mass64",
        "balls3curtain64": "physbench_generators.balls.scenes:balls3curtain64",
        "balls4mass64-crop50": "physbench_generators.balls.scenes:balls4mass64_crop50",
        "balls678mass64-crop50": "physbench_generators.balls.scenes:balls678mass64_crop50",
        "balls-leave50": "physbench_generators.balls.scenes:balls_leave50",
        "balls10": "physbench_generators.balls.scenes:balls10",
        "balls10-colour": "physbench_generators.balls.scenes:balls10_colour",
        "balls": "physbench_generators.balls.scenes:balls",
        "multi-dsprites": "physbench_generators.images.dsprites:multi_dsprites",
        "multi-dsprites678": "physbench_generators.images.dsprites:multi_dsprites678",
        "multi-dsprites-binary": "physbench_generators.images.dsprites:multi_dsprites_binary",
        "multi-dsprites-binary456": "physbench_generators.images.dsprites:multi_dsprites_binary456",
        "tetris": "physbench_generators.images.tetris:tetris",
        "tetris456": "physbench_generators.images.tetris:tetris456",
        "shapes": "physbench_generators.images.shapes:shapes",
        "shapes456": "physbench_generators.images.shapes:shapes456",
        "invaders84": "physbench_generators.invaders.scenes:invaders84",
        "invaders": "physbench_generators.invaders.scenes:invaders",
        "atari-ram": "physbench_generators.atari.memory_world:atari_ram",
        "invaders-ram": "physbench_generators.atari.memory_world:invaders_ram",
    },
)
"""Recipes by name. One whose dataset has the name of its generator is a world whose parameters may be changed."""

models = Registry(
    "model",
    "physbench.models",
    {
        "copy": "physbench_baselines.reference:Copy",
        "blur": "physbench_baselines.framewise:Blur",
        "blobs": "physbench_baselines.framewise:Blobs",
        "tracker": "physbench_baselines.tracking.tracker:tracker",
        "tracker-80": "physbench_baselines.tracking.tracker:tracker_80",
        "constant-velocity": "physbench_baselines.reference_states:constant_velocity",
        "inertia": "physbench_baselines.reference_states:Inertia",
        "mean": "physbench_baselines.reference:Mean",
        "blank": "physbench_baselines.reference:Blank",
        "oracle": "physbench_baselines.reference_states:oracle",
        "k-means": "physbench_baselines.segments:KMeans",
        "k-means-true": "physbench_baselines.segments:KMeansTrue",
        "k-means-colour": "physbench_baselines.segments:KMeansColour",
        "k-means-colour-true": "physbench_baselines.segments:KMeansColourTrue",
        "colours": "physbench_baselines.segments:HueSegments",
        "one-segment": "physbench_baselines.segments:OneSegment",
        "random-segments": "physbench_baselines.segments:RandomSegments",
        "pixels": "physbench_baselines.codes:Pixels",
        "random-cnn": "physbench_baselines.codes:random_cnn",
        "rnn": "physbench_baselines.bundled:rnn",
        "lstm": "physbench_baselines.bundled:lstm",
        "rnn-em": "physbench_baselines.bundled:rnn-em",
        "r-nem": "physbench_baselines.bundled:r-nem",
        "r-nem-no-attention": "physbench_baselines.bundled:r-nem-no-attention",
        "r-nem.balls3curtain64": "physbench_baselines.bundled:r-nem.balls3curtain64",
        "conv3": "physbench_baselines.bundled:conv3",
        "rnn.invaders84": "physbench_baselines.bundled:rnn.invaders84",
        "sqair.balls4mass64-crop50": "physbench_baselines.bundled:sqair.balls4mass64-crop50",
        "r-sqair-in.balls4mass64-crop50": "physbench_baselines.bundled:r-sqair-in.balls4mass64-crop50",
        "r-sqair-rmc.balls4mass64-crop50": "physbench_baselines.bundled:r-sqair-rmc.balls4mass64-crop50",
        "sqair.balls-leave50": "physbench_baselines.bundled:sqair.balls-leave50",
        "rmr-mpnn.balls10": "physbench_baselines.bundled:rmr-mpnn.balls10",
        "cswm.invaders84": "physbench_baselines.bundled:cswm.invaders84",
        "rmr-contrastive.invaders84": "physbench_baselines.bundled:rmr-contrastive.invaders84",
        "rmr-ram-mpnn.invaders-ram": "physbench_baselines.bundled:rmr-ram-mpnn.invaders-ram",
        "rmr-ram-deep-sets.invaders-ram": "physbench_baselines.bundled:rmr-ram-deep-sets.invaders-ram",
        "rmr-ram-mlp.invaders-ram": "physbench_baselines.bundled:rmr-ram-mlp.invaders-ram",
        "r-nem.shapes": "physbench_baselines.bundled:r-nem.shapes",
        "iodine.shapes": "physbench_baselines.bundled:iodine.shapes",
        "iodine.multi-dsprites-binary": "physbench_baselines.bundled:iodine.multi-dsprites-binary",
        "slot-attention.shapes": "physbench_baselines.bundled:slot-attention.shapes",
        "slot-attention.tetris": "physbench_baselines.bundled:slot-attention.tetris",
        "slot-attention.multi-dsprites": "physbench_baselines.bundled:slot-attention.multi-dsprites",
    },
)
"""Models by name: factories without arguments, or with a `device`."""

suites = Registry("suite", "physbench.suites", {})
"""Suites that installed packages add; ours are in suites.py."""

metrics = Registry("metric", "physbench.metrics", {})
"""Metrics that installed packages add; ours are in metrics/catalogue.py."""
architectures = Registry(
    "architecture",
    "physbench.architectures",
    {
        "nem": "physbench_baselines.nem_sizes:ARCHITECTURE",
        "conv3": "physbench_baselines.conv3_sizes:ARCHITECTURE",
        "iodine": "physbench_baselines.iodine_sizes:ARCHITECTURE",
        "slot-attention": "physbench_baselines.slot_attention_sizes:ARCHITECTURE",
        "sqair": "physbench_baselines.sqair_sizes:ARCHITECTURE",
        "rmr-trajectories": "physbench_baselines.rmr_sizes:TRAJECTORIES",
        "rmr-memories": "physbench_baselines.rmr_sizes:MEMORIES",
        "rmr-pixels": "physbench_baselines.rmr_pixels_sizes:ARCHITECTURE",
        "contrastive": "physbench_baselines.contrastive_sizes:ARCHITECTURE",
    },
)
"""Records of networks that can be trained, by the names that checkpoints say."""

policies = Registry(
    "policy",
    "physbench.policies",
    {
        "random": "physbench_generators.atari.policies:Random",
        "scripted": "physbench_generators.atari.policies:Scripted",
        "dqn": "physbench_baselines.dqn.policy:dqn",
    },
)
"""Players of Atari games: classes, or functions that make one, without arguments or with an `agent`, the path of a
file."""
