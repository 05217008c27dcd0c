"""The metrics of objects and of rollouts. Numbers in the texts are of the first 96 test sequences of a dataset."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from physbench.metrics.metric import ARI, R_NEM, Metric
from physbench.metrics.pixel_cards import DEAREST

if TYPE_CHECKING:
    from physbench.metrics.evidence import Evidence
    from physbench.metrics.sums import Sums

POSITION_STEPS = (1, 5, 10, 30)
"""The h of `rollout_position_error[h]`."""

FARTHEST = 16.0
"""The largest `rollout_position_error` of an object, in pixels; also that of an object without any predicted pixel."""

EVENT_STEPS = (5, 10, 30)
"""The h of `event_error[h,j]`."""

CLASSES = ("0", "1", "2", "3+")
"""The j of `event_error[h,j]`: collisions with other objects since frame c - 1."""


def steps(rollout: Any) -> tuple[str, ...]:
    """Return the indices h of all steps of a rollout."""
    return tuple(str(h + 1) for h in range(rollout.horizon))


def position_steps(rollout: Any) -> tuple[str, ...]:
    """Return the indices h of the steps of a rollout at which positions are scored."""
    return tuple(str(h) for h in POSITION_STEPS if h <= rollout.horizon)


def event_cells(rollout: Any) -> tuple[str, ...]:
    """Return the indices h,j of `event_error` for a rollout."""
    return tuple(f"{h},{kind}" for h in EVENT_STEPS if h <= rollout.horizon for kind in CLASSES)


def position_errors(e: Evidence) -> Mapping[str, Sums]:
    """Score the positions of objects, by the indices of `position_steps`."""
    from physbench.metrics.positions import rollout_position_error
    from physbench.metrics.sums import Sums

    rollout: Any = e.asking
    assert e.means is not None
    found: dict[str, Sums] = {}
    for index in position_steps(rollout):
        frame = rollout.context - 1 + int(index)
        position, visible = e.truth["position"][:, frame], e.truth["visible"][:, frame]
        error = rollout_position_error(e.means[:, int(index) - 1], position, e.truth["radius"], visible)
        found[index] = Sums(error.numerator[:, None], error.denominator[:, None])
    return found


def event_errors(e: Evidence) -> Mapping[str, Sums]:
    """Score the pixels around objects by the number of their collisions, by the indices of `event_cells`."""
    from physbench.metrics.collisions import collisions_between, event_error
    from physbench.metrics.sums import step

    rollout: Any = e.asking
    assert e.means is not None
    radius, position = e.truth["radius"], e.truth["position"]
    columns = [e.events[name] for name in ("sequence", "time", "a", "b")]
    found: dict[str, Sums] = {}
    for ahead in (h for h in EVENT_STEPS if h <= rollout.horizon):
        first = rollout.context - 1
        collided = collisions_between(*columns, shape=radius.shape, first=first, last=first + ahead)
        errors = event_error(
            e.frames, e.means, context=rollout.context, ahead=ahead, position=position, radius=radius, collided=collided
        )
        found |= {f"{ahead},{kind}": step(errors, j) for j, kind in enumerate(CLASSES)}
    return found


ARI_VIDEO = Metric(
    name="ari_video",
    better="higher",
    paper=ARI,
    definition="The adjusted Rand index of a whole sequence at once, so that a slot must stay with its object.",
    formula="as ari, one index per sequence over the pixels of frames 1 .. T - 1 together",
    caution=(
        "The headline of grouping; ari stands beside it. An object that moves little can be followed by a slot that is"
        " a place: a slot for each quarter of the picture scores 0.46."
    ),
    asked_of=("window",),
    needs=("owners", "groups"),
    function=lambda e: e.mean_where_defined(e.rand(e.tables.sum(axis=1))[:, None]),
    bounds=(-1.0, 1.0),
    place=9,
    example="""\
>>> import numpy as np
>>> from physbench.metrics import grouping, sums
>>> groups = np.tile(np.array([1, 1, 2, 2], np.uint8), 3).reshape(1, 3, 1, 4, 1)
>>> owners = np.array([[0, 0, 1, 1], [0, 0, 1, 1], [1, 1, 0, 0]], np.uint8).reshape(1, 3, 1, 4)  # slots swap
>>> tables = grouping.contingency(owners, groups)
>>> sums.value(sums.mean_where_defined(grouping.ari(tables)))
1.0
>>> round(sums.value(sums.mean_where_defined(grouping.ari_video(tables))), 6)  # I = 4, A = B = 12, E = 36/7
-0.166667
""",
)

ARI_FRAMES = Metric(
    name="ari",
    better="higher",
    paper=ARI,
    definition=(
        "The adjusted Rand index between the model's owner map and the true objects, per frame: 1 is the same grouping,"
        " 0 is chance."
    ),
    formula=(
        "(I - E) / ((A + B) / 2 - E): I pairs of pixels together in both, A in the owner map, B in the truth, E = A B /"
        " all pairs; over the pixels with groups > 0 outside the curtain, frames 1 .. T - 1; sum of the values / number"
        " of values; 1 where both are a single cluster"
    ),
    caution=(
        "The background is left out, so the objects need not be found: a slot for each quarter of the picture scores"
        " 0.64, which ari_video cuts to 0.46. In black and white every blob of touching pixels as a slot of its own"
        " scores 0.97 without learning anything, which ari_video cuts to 0.41. Models with one slot get 0 where two"
        " objects show, and 1 where one does."
    ),
    asked_of=("window", "still", "image"),
    needs=("owners", "groups"),
    function=lambda e: e.mean_where_defined(e.rand(e.tables)),
    last=True,
    bounds=(-1.0, 1.0),
    place=10,
    curve="owners against objects",
    example="""\
>>> import numpy as np
>>> from physbench.metrics import grouping, sums
>>> groups = np.array([[0, 1, 1, 2, 2], [0, 1, 1, 2, 2]], np.uint8).reshape(1, 2, 1, 5, 1)
>>> owners = np.array([[9, 9, 9, 9, 9], [7, 5, 5, 5, 3]], np.uint8).reshape(1, 2, 1, 5)  # frame 0 is not scored
>>> tables = grouping.contingency(owners, groups)
>>> round(sums.value(sums.mean_where_defined(grouping.ari(tables))), 6)  # I = 1, A = 3, B = 2, E = 1
0.0
>>> sums.value(sums.mean_where_defined(grouping.ari(grouping.contingency(groups[..., 0], groups))))
1.0
""",
)

EVENT_ERROR = Metric(
    name="event_error",
    better="lower",
    one_is="copying",
    definition=(
        "The error h steps ahead around objects that have collided j times with others since the last shown frame."
    ),
    formula=(
        "each pixel belongs to the object with the least d^2 - r^2 (d to its true centre, r its radius); sum of the BCE"
        " over the cells of objects with j collisions in (c - 1, c - 1 + h] / the same sum for repeating x_{c-1}; the"
        " cells add up to rollout_bce[h]"
    ),
    caution=(
        "A flat curve over j is no sign of understanding: blurs do not care who collided (the mean frame: 0.12 at every"
        " j). Cells hold much background, and an object that should not be there is charged to the cell it is seen in."
    ),
    asked_of=("rollout",),
    needs=("means", "events", "position", "radius"),
    function=event_errors,
    indices=event_cells,
    index="h,j",
    bounds=(0.0, math.inf),
    curve="relative to copying",
    example="""\
>>> import numpy as np
>>> from physbench.metrics import collisions, sums
>>> frames = np.array([[0, 0, 0, 0], [1, 0, 0, 1]], np.uint8).reshape(1, 2, 1, 4, 1)
>>> means = np.array([1e-3, 1e-6, 1e-6, 1e-2]).reshape(1, 1, 1, 4, 1)
>>> position, radius = np.array([[0.5, 0.5], [3.5, 0.5]] * 2).reshape(1, 2, 2, 2), np.array([[0.5, 0.5]])
>>> collided = np.array([[0, 5]])
>>> error = collisions.event_error(
...     frames, means, context=1, ahead=1, position=position, radius=radius, collided=collided
... )
>>> [round(each, 6) for each in sums.curve(error)]  # j = 0, 1, 2, 3+
[0.5, nan, nan, 0.333333]
""",
)

PERMANENCE_BCE = Metric(
    name="permanence_bce",
    better="lower",
    one_is="about the best that a model without memory can reach",
    definition=(
        "The error around a curtain while an object is hidden behind it, as a share of what the best forecast has that"
        " knows the distance to the curtain and remembers nothing: who forgets the object is surprised when it comes"
        " out."
    ),
    formula=(
        "sum of the BCE over the collar (outside the curtain, at most 10 px from it, less what objects with visible > 0"
        " at t own at t or t + 1) / the same for p = the share of pixels that are on at this Chebyshev distance, 1 .."
        " 10, to the curtain, fitted in hindsight on the same sequences and pinned for pinned ones; over the"
        " transitions where an object seen before t - 1 has visible = 0 at t - 1 and t"
    ),
    caution=(
        "No map of the distance that is constant in time is below 1. The constant 0.0015, how often objects come out,"
        " scores 1.30; copy and blank 2.43. A forecast without memory that knows more than the distance gets a little"
        " below 1: 0.99 by the side of the curtain, 1.00 by how many objects show now, and 0.94 by the place along the"
        " side (rates of 512 training sequences). Only below that has a model shown that it remembers. A false alarm"
        " costs as a miss does."
    ),
    asked_of=("window",),
    needs=("means", "groups", "visible", "curtain", "rates"),
    function=lambda e: e.share_of_memoryless(),
    bounds=(0.0, math.inf),
    oracle_is_least=True,
    place=3,
    example="""\
>>> import numpy as np
>>> from physbench.metrics import permanence, sums
>>> behind = [[0, 1], [1, 0], [1, 0]]  # groups of two pixels, the curtain is the left one: seen, then hidden twice
>>> groups = np.array([[*behind, [0, 1]], [*behind, [1, 0]]], np.uint8).reshape(2, 4, 1, 2, 1)  # one comes out
>>> visible = np.array([[1, 0, 0, 1], [1, 0, 0, 0]], np.uint16).reshape(2, 4, 1)
>>> curtain = np.array([[0, 0, 1, 1]] * 2, np.int16)
>>> truth = groups * np.array([0, 1], np.uint8).reshape(2, 1), groups, visible, curtain
>>> rates = sums.curve(permanence.count_on(*truth))
>>> rates[:2]  # at distance 1 a pixel is on half of the time; there is none at distance 2
[0.5, nan]
>>> for p in (0.5, 0.25):  # ln 2 + ln 2, ln 4 + ln 4/3
...     round(sums.value(permanence.permanence_bce(truth[0], np.full((2, 3, 1, 2, 1), p), *truth[1:], rates=rates)), 6)
1.0
1.207519
""",
)

ROLLOUT_BCE = Metric(
    name="rollout_bce",
    better="lower",
    paper=R_NEM,
    definition="The cross-entropy h steps after the last frame that was shown, in nats per frame.",
    formula="mean over sequences of the BCE of frame c - 1 + h, given frames 0 .. c - 1",
    caution="Far ahead the best answer is a blur, and the mean training frame is a good one.",
    asked_of=("rollout",),
    needs=("means",),
    function=lambda e: {index: e.mean(e.cost[:, h, None]) for h, index in enumerate(steps(e.asking))},
    indices=steps,
    index="h",
    bounds=(0.0, DEAREST),
    per_pixel=True,
    oracle_is_least=True,
    curve="nats per frame",
    example="""\
>>> import numpy as np
>>> from physbench.metrics import rollout, sums
>>> frames = np.array([0, 0, 1, 0], np.uint8).reshape(1, 4, 1, 1, 1)
>>> means = np.array([0.5, 0.25]).reshape(1, 2, 1, 1, 1)  # of frames 2 and 3, after frames 0 and 1
>>> [round(each, 6) for each in sums.curve(sums.mean(rollout.rollout_bce(frames, means, context=2)))]  # ln 2, ln 4/3
[0.693147, 0.287682]
""",
)

ROLLOUT_RELATIVE_BCE = Metric(
    name="rollout_relative_bce",
    better="lower",
    one_is="copying",
    paper=R_NEM,
    definition="The cross-entropy of a rollout as a share of what repeating the last shown frame costs.",
    formula="sum over sequences (and steps, or at one step h) of the BCE / the same sum for p = x_{c-1}",
    caution=(
        "Repeating is certain and soon wrong: the mean training frame scores 0.12 ten steps ahead. Look at mean and"
        " constant-velocity beside it."
    ),
    asked_of=("rollout",),
    needs=("means",),
    function=lambda e: e.ratio(e.cost, e.copied_cost),
    bounds=(0.0, math.inf),
    oracle_is_least=True,
    share_of="rollout_bce",
    place=5,
    example="""\
>>> import numpy as np
>>> from physbench.metrics import rollout, sums
>>> frames = np.array([0, 0, 1, 1], np.uint8).reshape(1, 4, 1, 1, 1)
>>> means = np.array([1e-3, 1e-2]).reshape(1, 2, 1, 1, 1)
>>> ours = rollout.rollout_bce(frames, means, context=2)
>>> relative = sums.ratio(ours, rollout.repeat_bce(frames, context=2, horizon=2))
>>> [round(each, 6) for each in sums.curve(relative)]
[0.5, 0.333333]
""",
)

ROLLOUT_POSITION_ERROR = Metric(
    name="rollout_position_error",
    better="lower",
    definition=(
        "How far from the true place of each object it was imagined h steps after the last frame that was shown, in"
        " pixels, at most 16."
    ),
    formula=(
        "each pixel belongs to the object with the least d^2 - r^2 (d to its true centre, r its radius); the distance"
        " from the true centre to the mean place of the pixels of its cell with p > 1/2 (in colour: in any channel), at"
        " most 16, and 16 without such a pixel; mean over sequences and over objects of which a pixel shows in frame c"
        " - 1 + h; the middle of a pixel lies at + 0.5"
    ),
    caution=(
        "The cells are drawn from the truth, and it hears only yes or no. All ones score 6.8 at any step, 0.9"
        " everywhere too, below copying (9.5) and constant-velocity (8.1) ten steps ahead; one dot per object scores as"
        " well as its whole disc. Grey, blank and the mean frame cost 16. The oracle scores 0.07, because centroids of"
        " pixels are not centres of discs, and what a curtain half hides looks displaced. Read it beside"
        " rollout_overlap."
    ),
    asked_of=("rollout",),
    needs=("means", "position", "radius", "visible"),
    function=position_errors,
    indices=position_steps,
    index="h",
    bounds=(0.0, FARTHEST),
    place=6,
    place_index="10",
    tabled=True,
    example="""\
>>> import numpy as np
>>> from physbench.metrics import positions, sums
>>> mean = np.array([0.9, 0.6, 0.5, 0.2, 0.8, 0.1]).reshape(1, 1, 6, 1)
>>> position, radius = np.array([[[0.5, 0.5], [5.5, 0.5], [9.5, 0.5]]]), np.array([[0.5, 0.5, 0.5]])  # x, y
>>> visible = np.array([[1, 1, 0]])  # the third does not show
>>> figure = positions.rollout_position_error(mean, position, radius, visible)
>>> figure.numerator.tolist(), figure.denominator.tolist()  # they are at x = 1.0 and x = 4.5
([1.5], [2.0])
>>> sums.value(positions.rollout_position_error(np.full((1, 1, 6, 1), 0.5), position, radius, visible))
16.0
""",
)

ROLLOUT_OVERLAP = Metric(
    name="rollout_overlap",
    better="higher",
    definition=(
        "How much of what is there in a rollout was imagined there: 1 is all of it and nothing else, 0 is none of it."
    ),
    formula=(
        "over sequences and steps: number of pixels that are on and have p > 1/2 / number of pixels that are on or have"
        " p > 1/2"
    ),
    caution=(
        "The suite simulation is ranked by it, over 10 steps after 5 shown frames. It hears only yes or no: a blur that"
        " never passes 1/2 scores 0, as blank and the mean frame do, and all ones score the share of the frame that is"
        " on. Doubt is not rewarded here, and is in rollout_relative_bce, where the mean frame beats a sharp prediction"
        " that is late: read both."
    ),
    asked_of=("rollout",),
    needs=("means",),
    function=lambda e: e.overlap(),
    bounds=(0.0, 1.0),
    place=4,
    curve="share of what is on in the truth or in the prediction",
    example="""\
>>> import numpy as np
>>> from physbench.metrics import rollout, sums
>>> frames = np.array([1, 1, 0, 0], np.uint8).reshape(1, 1, 1, 4, 1)
>>> means = np.array([0.9, 0.4, 0.8, 0.1]).reshape(1, 1, 1, 4, 1)
>>> round(sums.value(rollout.overlap(frames, means)), 6)  # one of three
0.333333
""",
)

OBJECT_CARDS = (
    ARI_VIDEO,
    ARI_FRAMES,
    ROLLOUT_RELATIVE_BCE,
    ROLLOUT_OVERLAP,
    ROLLOUT_BCE,
    ROLLOUT_POSITION_ERROR,
    EVENT_ERROR,
    PERMANENCE_BCE,
)
