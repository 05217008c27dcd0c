"""Linear probes: can the factors of an object be read from the code of its slot?

The slot of an object is the one that owns most of its pixels. The probe of a factor is a ridge regression on
standardised codes. It is the same for every model, and fitted to other images than those that are scored [the protocol
of figure 5 of Greff et al. 2019, with a linear probe].

N images, K slots, D numbers of a code, A owners, G objects, M visible objects.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from physbench.metrics.sums import Floats

RIDGE = 1.0
"""The number that is added to the diagonal, for codes of variance 1."""


def objects_of(tables: NDArray[Any], slots: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return image, object and slot of each visible object, (M,) each, from tables (N, A, G).

    Owners whose number is not that of a slot are ignored.
    """
    tables = tables[:, :slots]
    image, thing = np.nonzero(tables.sum(axis=1))
    return image, thing, tables[image, :, thing].argmax(axis=1)


def factor_of(truth: Mapping[str, NDArray[Any]], name: str) -> NDArray[np.float64]:
    """Return a factor as (N, G, F), or as (N, G, 1) if it is a kind."""
    array = np.asarray(truth[name], np.float64)
    array = array[:, 0] if name == "position" else array  # the only frame of an image
    return array if array.ndim == 3 else array[..., None]


@dataclass(frozen=True)
class Probe:
    """A fitted probe: how codes are standardised, the weights and the mean of each factor, and the kinds there are."""

    centre: Floats  # (D,)
    spread: Floats  # (D,)
    weights: Mapping[str, Floats]  # (D, F)
    means: Mapping[str, Floats]  # (F,)
    kinds: Floats | None = None  # (C,)

    @staticmethod
    def fit(codes: Floats, factors: Mapping[str, Floats]) -> Probe:
        """Fit a probe to codes (M, D) and factors (M, F) by name. Factors that have only one value are left out."""
        factors = {name: values for name, values in factors.items() if np.ptp(values, axis=0).any()}
        centre, spread = codes.mean(axis=0), codes.std(axis=0)
        spread = np.where(spread > 1e-9 * (np.abs(centre) + 1), spread, np.inf)  # a constant carries no information
        x = (codes - centre) / spread
        kinds = np.unique(factors["shape"]) if "shape" in factors else None
        wanted = {
            name: (values == kinds).astype(np.float64) if name == "shape" else values
            for name, values in factors.items()
        }
        means = {name: values.mean(axis=0) for name, values in wanted.items()}
        gram = x.T @ x + RIDGE * np.eye(x.shape[1])
        weights: dict[str, Floats] = {
            name: np.linalg.solve(gram, x.T @ (values - means[name])) for name, values in wanted.items()
        }
        return Probe(centre, spread, weights, means, kinds)

    def read(self, name: str, codes: Floats) -> Floats:
        """Read a factor from codes (M, D) -> (M, F); if it is a kind, the likeliest one, (M, 1)."""
        found = (codes - self.centre) / self.spread @ self.weights[name] + self.means[name]
        return self.kinds[found.argmax(axis=1)][:, None] if name == "shape" and self.kinds is not None else found


@dataclass(frozen=True)
class Reading:
    """A probe and the codes of some images."""

    probe: Probe
    codes: NDArray[np.float32]  # (N, K, D)

    def explain(self, name: str, tables: NDArray[Any], truth: Mapping[str, NDArray[Any]]) -> tuple[Floats, Floats]:
        """Return, for each image, the explained variance of a factor and the whole variance, (N,) each.

        If the factor is a kind, return how many objects are right and how many there are.
        """
        image, thing, slot = objects_of(tables, self.codes.shape[1])
        actual = factor_of(truth, name)[image, thing]
        read = self.probe.read(name, self.codes[image, slot].astype(np.float64))
        if name == "shape":
            parts = (read == actual)[:, 0].astype(np.float64), np.ones(len(image))
        else:
            all_of_it = ((actual - self.probe.means[name]) ** 2).sum(axis=1)
            parts = all_of_it - ((actual - read) ** 2).sum(axis=1), all_of_it
        explained, there = (
            np.bincount(image, weights=part, minlength=len(self.codes)).astype(np.float64) for part in parts
        )
        return explained, there
