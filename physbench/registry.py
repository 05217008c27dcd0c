"""Names of datasets, models and other things that packages can add: a built-in table, then the entry points of
installed packages. Nothing is imported before it is needed.

A package adds something by an entry point, in one of these groups:

- `physbench.generators`: a dataset; the entry point leads to its Recipe.
- `physbench.architectures`: a family of networks that can be trained; it leads to its Architecture.
- `physbench.suites`: a suite; it leads to its Suite.
- `physbench.metrics`: a metric; it leads to its Metric.
- `physbench.policies`: a player of games; it leads to its class.
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
    from collections.abc import Callable, Collection, Iterator, Mapping


def attribute(place: str) -> Any:
    """Import and return what `package.module:attribute` names, or raise an error in words."""
    module, _, name = place.partition(":")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        if missing := describe_missing(module, error):
            raise UnknownName(f"{place!r} does not lead to anything: {missing}") from None
        raise UnknownName(
            f"{place!r} does not lead to anything: {error}; it is written package.module:factory"
        ) from None


def describe_missing(module: str, error: Exception) -> str:
    """Say what to do if a module of the user is not found; nothing if something else is wrong."""
    if not isinstance(error, ModuleNotFoundError) or not f"{module}.".startswith(f"{error.name}."):
        return ""
    first = module.partition(".")[0]
    file = f"{first}.py" if first == module else f"the folder {first}"
    return f"{error}; run this in the folder that holds {file}, or name that folder in PYTHONPATH"


@cache
def _entry_points(group: str, path: tuple[str, ...]) -> dict[str, Any]:
    """Return the entry points of a group by name. path: sys.path, so that packages on a new path are found."""
    return {point.name: point for point in entry_points(group=group)}


@cache
def _warn_of_ignored(what: str) -> None:
    """Announce once that a package cannot replace what comes with physbench."""
    announce(f"{what} is ignored: physbench has one of this name; its package has to choose another name")


def _describe(point: Any) -> str:
    """Say where an entry point leads, and which package it is of."""
    return f"{point.value}, of the installed package {point.dist.name}" if point.dist else str(point.value)


@dataclass(frozen=True)
class Registry:
    """The known things of one kind, by name: built-in ones, and those that installed packages add."""

    noun: str
    group: str
    built_in: Mapping[str, str]  # name -> "module:attribute"

    def names(self, taken: Collection[str] = ()) -> list[str]:
        """List the built-in names, then those of installed packages.

        taken: names of physbench that are listed elsewhere. What a package calls so is ignored, with a notice.
        """
        foreign, ours = self._foreign(), {*self.built_in, *taken}
        for name in sorted(set(foreign) & ours):
            _warn_of_ignored(f"the {self.noun} {name!r} of {_describe(foreign[name])}")
        return [*self.built_in, *sorted(set(foreign) - ours)]

    def get(self, name: str) -> Any:
        """Import and return what has this name, or raise an error that suggests another name."""
        if name in self.built_in:
            return attribute(self.built_in[name])
        foreign = self._foreign()
        if name in foreign:
            try:
                return foreign[name].load()
            except Exception as error:  # another package can raise anything when it is imported
                raise UnknownName(
                    f"the {self.noun} {name!r} cannot be loaded from {_describe(foreign[name])}:"
                    f" {type(error).__name__}: {error}"
                ) from error
        raise UnknownName(f"no {self.noun} is called {name!r}: {suggest(name, self.names())}")

    def load_all(
        self, get: Callable[[str], Any] | None = None, *, taken: Collection[str] = ()
    ) -> Iterator[tuple[str, Any]]:
        """Load everything, one by one with `get`. taken: as in `names`.

        What cannot be loaded is skipped with a notice, so that a broken package does not hide the others.
        """
        for name in self.names(taken):
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
"""Recipes by name. If the dataset has the same name as its generator, its parameters may be changed."""

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
        "r-nem-regrouped": "physbench_baselines.bundled:r-nem-regrouped",
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
        "r-nem.multi-dsprites-binary": "physbench_baselines.bundled:r-nem.multi-dsprites-binary",
        "iodine.shapes": "physbench_baselines.bundled:iodine.shapes",
        "iodine.multi-dsprites-binary": "physbench_baselines.bundled:iodine.multi-dsprites-binary",
        "slot-attention.shapes": "physbench_baselines.bundled:slot-attention.shapes",
        "slot-attention.tetris": "physbench_baselines.bundled:slot-attention.tetris",
        "slot-attention.multi-dsprites": "physbench_baselines.bundled:slot-attention.multi-dsprites",
    },
)
"""Models by name: factories without arguments, or with a `device`."""

suites = Registry("suite", "physbench.suites", {})
"""Suites that installed packages add; the built-in ones are in suites.py."""

metrics = Registry("metric", "physbench.metrics", {})
"""Metrics that installed packages add; the built-in ones are in metrics/catalogue.py."""

architectures = Registry(
    "architecture",
    "physbench.architectures",
    {
        "nem": "physbench_baselines.nem_sizes:ARCHITECTURE",
        "nem-regrouped": "physbench_baselines.regrouped_sizes:ARCHITECTURE",
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
"""Architectures of networks that can be trained, by the names in checkpoints."""

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
