"""The metrics of single images, beside `ari`: the reconstruction of an image, and what the slots know about its
objects."""

from __future__ import annotations

import math

from physbench.metrics.metric import IODINE, Metric

_CAUTION = (
    "An object counts with the slot that owns most of its pixels, so a slot that owns two objects is asked about both."
    " A model that gives no codes of its slots has no figure."
)


def _probe(factor: str, values: str, truth: str, definition: str) -> Metric:
    """Make the card of a factor that is an amount.

    values: four values for the example. truth: the same values in the shape that they have in a dataset.
    """
    return Metric(
        name=f"probe_{factor}",
        better="higher",
        paper=IODINE,
        definition=definition,
        formula=(
            "1 - sum |y - probe(code)|^2 / sum |y - mean|^2 over the objects that show; ridge regression on the codes"
            " of training images, mean of those"
        ),
        caution=_CAUTION,
        asked_of=("image",),
        needs=("owners", "groups", factor, f"probe of {factor}"),
        function=lambda e: e.probe(factor),
        bounds=(-math.inf, 1.0),
        example=f"""\
>>> import numpy as np
>>> from physbench.metrics.probe import Probe, Reading
>>> y = np.array({values})
>>> probe = Probe.fit(10 * y, {{"{factor}": y}})  # codes that are the values themselves
>>> reading = Reading(probe, (10 * y[:, None]).astype(np.float32))
>>> tables = np.full((4, 1, 1), 9)  # one slot, which owns 9 pixels of one object
>>> explained, there = reading.explain("{factor}", tables, {{"{factor}": {truth}}})
>>> bool(explained.sum() / there.sum() > 0.9)  # a ridge shrinks what four images say
True
""",
    )


RECONSTRUCTION = Metric(
    name="reconstruction_mse",
    better="lower",
    definition=(
        "The squared error of what the model says an image looks like, after it was shown the image, per pixel and"
        " channel."
    ),
    formula="mean over images, pixels and channels of (x - mean)^2, values in 0..1",
    caution="Copying the image scores 0 and finds no object: read it beside ari.",
    asked_of=("image",),
    needs=("reconstruction",),
    function=lambda e: e.reconstruction_error(),
    bounds=(0.0, math.inf),
    place=14,
    example="""\
>>> import numpy as np
>>> from physbench.metrics.evidence import Evidence
>>> from physbench.metrics.sums import value
>>> from physbench.model import Bernoulli
>>> from physbench.suites import Image
>>> frames = np.array([0, 1], np.uint8).reshape(1, 1, 1, 2, 1)
>>> means = np.array([0.5, 1.0], np.float32).reshape(1, 1, 1, 2, 1)
>>> value(Evidence(Image(), frames, Bernoulli(), means=means).reconstruction_error())  # (0.25 + 0) / 2
0.125
""",
)

PROBE_POSITION = _probe(
    "position",
    "[[1.0, 2.0], [3.0, 2.0], [2.0, 5.0], [6.0, 1.0]]",
    "y[:, None, None]",
    "The share of the variance of the objects' positions that a linear probe reads off the codes of their slots.",
)

PROBE_SCALE = _probe(
    "scale",
    "[[1.0], [3.0], [2.0], [6.0]]",
    "y",
    "The share of the variance of the objects' sizes that a linear probe reads off the codes of their slots.",
)

PROBE_COLOUR = _probe(
    "colour",
    "[[255.0, 0.0, 0.0], [0.0, 255.0, 0.0], [0.0, 0.0, 255.0], [255.0, 255.0, 0.0]]",
    "y[:, None]",
    "The share of the variance of the objects' colours, in red, green and blue, that a linear probe reads off the codes"
    " of their slots.",
)

PROBE_SHAPE = Metric(
    name="probe_shape",
    better="higher",
    paper=IODINE,
    definition="The share of the objects whose shape a linear probe names correctly from the code of their slot.",
    formula=(
        "objects with the right shape / objects that show; the likeliest of the shapes by a ridge regression on the"
        " codes of training images"
    ),
    caution=f"Naming the commonest shape is right as often as that shape occurs. {_CAUTION}",
    asked_of=("image",),
    needs=("owners", "groups", "shape", "probe of shape"),
    function=lambda e: e.probe("shape"),
    bounds=(0.0, 1.0),
    example="""\
>>> import numpy as np
>>> from physbench.metrics.probe import Probe, Reading
>>> shapes = np.array([[1], [2], [3], [2]])
>>> probe = Probe.fit(np.eye(4)[shapes[:, 0]], {"shape": shapes})
>>> reading = Reading(probe, np.eye(4, dtype=np.float32)[[[1], [2], [3], [3]]])  # the last is of another shape
>>> reading.explain("shape", np.full((4, 1, 1), 9), {"shape": shapes})
(array([1., 1., 1., 0.]), array([1., 1., 1., 1.]))
""",
)

IMAGE_CARDS = (RECONSTRUCTION, PROBE_POSITION, PROBE_SCALE, PROBE_COLOUR, PROBE_SHAPE)
