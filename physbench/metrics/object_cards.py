"""The metrics of objects and of prediction far ahead. Measured figures are of the first 96 test sequences of a set."""

from __future__ import annotations

from physbench.metrics.card import ARI, OWN, R_NEM, Metric

ARI_FRAMES = Metric(
    name="ari",
    better="higher",
    paper=ARI,
    definition="The adjusted Rand index between the model's owner map and the true objects, per frame: 1 is the same grouping, 0 is chance.",
    formula="(I - E) / ((A + B) / 2 - E): I pairs of pixels together in both, A in the owner map, B in the truth, E = A B / all pairs; over the pixels with "
    "groups > 0 outside the curtain, frames 1 .. T - 1; sum of the values / number of values; 1 where both are a single cluster",
    caution="The background is left out, so nobody need find the objects: a slot for each quarter of the picture scores 0.64, which ari_video cuts to "
    "0.46. In black and white every blob of touching pixels as a slot of its own scores 0.97 without learning anything, which ari_video cuts to 0.41. "
    "Models with one slot get 0 where two objects show, and 1 where one does.",
    last=True,
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

ARI_VIDEO = Metric(
    name="ari_video",
    better="higher",
    paper=ARI,
    definition="The adjusted Rand index of a whole sequence at once, so that a slot must stay with its object.",
    formula="as ari, one index per sequence over the pixels of frames 1 .. T - 1 together",
    caution="An object that moves little can be followed by a slot that is a place: a slot for each quarter of the picture scores 0.46.",
    example="""\
>>> import numpy as np
>>> from physbench.metrics import grouping, sums
>>> groups = np.tile(np.array([1, 1, 2, 2], np.uint8), 3).reshape(1, 3, 1, 4, 1)
>>> owners = np.array([[0, 0, 1, 1], [0, 0, 1, 1], [1, 1, 0, 0]], np.uint8).reshape(1, 3, 1, 4)  # the slots change places
>>> tables = grouping.contingency(owners, groups)
>>> sums.value(sums.mean_where_defined(grouping.ari(tables)))
1.0
>>> round(sums.value(sums.mean_where_defined(grouping.ari_video(tables))), 6)  # I = 4, A = B = 12, E = 36/7
-0.166667
""",
)

EVENT_ERROR = Metric(
    name="event_error",
    better="lower",
    of_copying=True,
    paper=OWN,
    definition="The error h steps ahead around objects that have collided j times with others since the last shown frame.",
    formula="each pixel belongs to the object with the least d^2 - r^2 (d to its true centre, r its radius); sum of the BCE over the cells of objects with "
    "j collisions in (c - 1, c - 1 + h] / the same sum for repeating x_{c-1}; the cells add up to rollout_bce[h]",
    caution="A flat curve over j is no sign of understanding: blurs do not care who collided (the mean frame: 0.12 at every j). "
    "Cells hold much background, and an object that should not be there is charged to the cell it is seen in.",
    index="h,j",
    example="""\
>>> import numpy as np
>>> from physbench.metrics import events, sums
>>> frames = np.array([[0, 0, 0, 0], [1, 0, 0, 1]], np.uint8).reshape(1, 2, 1, 4, 1)
>>> means = np.array([1e-3, 1e-6, 1e-6, 1e-2]).reshape(1, 1, 1, 4, 1)
>>> position, radius = np.array([[0.5, 0.5], [3.5, 0.5]] * 2).reshape(1, 2, 2, 2), np.array([[0.5, 0.5]])
>>> collided = np.array([[0, 5]])
>>> error = events.event_error(frames, means, context=1, ahead=1, position=position, radius=radius, collided=collided)
>>> [round(each, 6) for each in sums.curve(error)]  # j = 0, 1, 2, 3+
[0.5, nan, nan, 0.333333]
""",
)

PERMANENCE_BCE = Metric(
    name="permanence_bce",
    better="lower",
    of_copying=True,
    paper=OWN,
    definition="The error around a curtain while an object is hidden behind it, as a share of copying: who forgets it is surprised when it comes out.",
    formula="sum of the BCE over the collar (outside the curtain, within 10 px of it, less what objects with visible > 0 at t own at t or t + 1) / the same "
    "for p_{t+1} = x_t, over the transitions where an object seen before t - 1 has visible = 0 at t - 1 and t",
    caution="Copy and blank score 1. Knowing only how often objects come out pays: that rate (0.0015) as a constant prediction scores 0.54, though "
    "it forgets every object at once. Below that a model must know when and where.",
    example="""\
>>> import numpy as np
>>> from physbench.metrics import events, sums
>>> frames = np.array([[0, 1], [0, 0], [0, 0], [0, 1]], np.uint8).reshape(1, 4, 1, 2, 1)  # seen, hidden twice, out again
>>> groups = np.array([[0, 1], [1, 0], [1, 0], [0, 1]], np.uint8).reshape(1, 4, 1, 2, 1)
>>> visible, curtain = np.array([1, 0, 0, 1], np.uint16).reshape(1, 4, 1), np.array([[0, 0, 1, 1]], np.int16)  # the left pixel
>>> means = np.full((1, 3, 1, 2, 1), 1e-3)
>>> round(sums.value(events.permanence_bce(frames, means, groups, visible, curtain)), 6)
0.5
""",
)

ROLLOUT_BCE = Metric(
    name="rollout_bce",
    better="lower",
    paper=R_NEM,
    definition="The cross-entropy h steps after the last frame that was shown, in nats per frame.",
    formula="mean over sequences of the BCE of frame c - 1 + h, given frames 0 .. c - 1",
    caution="Far ahead the best answer is a blur, and the mean training frame is a good one.",
    index="h",
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
    of_copying=True,
    paper=R_NEM,
    definition="The cross-entropy of a rollout as a share of what repeating the last shown frame costs.",
    formula="sum over sequences (and steps, or at one step h) of the BCE / the same sum for p = x_{c-1}",
    caution="Repeating is certain and soon wrong: the mean training frame scores 0.12 ten steps ahead. Look at mean and constant-velocity beside it.",
    index="h",
    example="""\
>>> import numpy as np
>>> from physbench.metrics import rollout, sums
>>> frames = np.array([0, 0, 1, 1], np.uint8).reshape(1, 4, 1, 1, 1)
>>> means = np.array([1e-3, 1e-2]).reshape(1, 2, 1, 1, 1)
>>> relative = sums.ratio(rollout.rollout_bce(frames, means, context=2), rollout.repeat_bce(frames, context=2, horizon=2))
>>> [round(each, 6) for each in sums.curve(relative)]
[0.5, 0.333333]
""",
)

ROLLOUT_OVERLAP = Metric(
    name="rollout_overlap",
    better="higher",
    paper=OWN,
    definition="How much of what is there in a rollout was imagined there: 1 is all of it and nothing else, 0 is none of it.",
    formula="over sequences and steps: number of pixels that are on and have p > 1/2 / number of pixels that are on or have p > 1/2",
    caution="It hears only yes or no: a blur that never passes 1/2 scores 0, as blank and the mean frame do, and all ones score the share of the frame that "
    "is on. Doubt is not rewarded here, and is in rollout_relative_bce, where the mean frame beats a sharp prediction that is late: read both.",
    example="""\
>>> import numpy as np
>>> from physbench.metrics import rollout, sums
>>> frames = np.array([1, 1, 0, 0], np.uint8).reshape(1, 1, 1, 4, 1)
>>> means = np.array([0.9, 0.4, 0.8, 0.1]).reshape(1, 1, 1, 4, 1)
>>> round(sums.value(rollout.overlap(frames, means)), 6)  # one of three
0.333333
""",
)

OBJECT_CARDS = (ARI_FRAMES, ARI_VIDEO, ROLLOUT_BCE, ROLLOUT_RELATIVE_BCE, ROLLOUT_OVERLAP, EVENT_ERROR, PERMANENCE_BCE)
