"""Tests of the distributions of a pixel: the network's code and the evaluator's agree with SciPy and with one
another."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
import torch

from physbench.metrics.pixels import require_likelihood
from physbench_baselines.pixel_distributions import PIXELS, Logistic, frames_as_images

SCALE = 0.3
ORACLES = {
    "gaussian": lambda x, outputs: scipy.stats.norm.logpdf(x, outputs, SCALE),
    "logistic": lambda x, outputs: scipy.stats.logistic.logpdf(x, outputs, SCALE),
    "bernoulli": lambda x, outputs: scipy.stats.bernoulli.logpmf((x > 0.5).astype(int), 1 / (1 + np.exp(-outputs))),
}


@pytest.mark.parametrize("name", PIXELS)
def test_both_sides_give_the_density_of_the_textbook(name: str) -> None:
    rng = np.random.default_rng(1)
    x, outputs = rng.random((2, 5, 3, 4, 3)), 2 * rng.standard_normal((2, 5, 3, 4, 3))
    if name == "bernoulli":
        x = (x > 0.5).astype(float)
    pixels = PIXELS[name](SCALE)
    wanted = ORACLES[name](x, outputs)
    found = pixels.log_prob(torch.from_numpy(x), torch.from_numpy(outputs)).numpy()
    means = pixels.mean(torch.from_numpy(outputs)).numpy()
    np.testing.assert_allclose(found, wanted, rtol=1e-9)
    np.testing.assert_allclose(require_likelihood(pixels.likelihood).log_prob(x, means), wanted, rtol=1e-9)


@pytest.mark.parametrize("far", [1e3, -1e3])
def test_a_logistic_pixel_far_off_is_unlikely_and_no_overflow(far: float) -> None:
    wanted = scipy.stats.logistic.logpdf(0.0, far, 0.03)
    with np.errstate(all="raise", under="ignore"):
        assert Logistic(0.03).log_prob(np.zeros(1), np.full(1, far)) == pytest.approx(wanted)
    for kind in (torch.float32, torch.float64):
        found = PIXELS["logistic"](0.03).log_prob(torch.zeros(1, dtype=kind), torch.full((1,), far, dtype=kind))
        assert found.item() == pytest.approx(wanted, rel=1e-5)


def test_a_note_says_the_scale() -> None:
    assert Logistic(0.03).note == "likelihood-logistic-0.03"
    assert Logistic(1e-5).note == "likelihood-logistic-0.00001"


def test_bytes_of_colour_become_numbers_from_0_to_1_and_black_and_white_stays() -> None:
    colour = torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 1, 1, 1, 3)
    assert frames_as_images(colour, torch.float64).shape == (1, 1, 3, 1, 1)
    assert frames_as_images(colour, torch.float64).flatten().tolist() == pytest.approx([0, 0.2, 1])
    assert frames_as_images(torch.ones(1, 2, 4, 5, 1, dtype=torch.uint8), torch.float32).unique().tolist() == [1.0]
