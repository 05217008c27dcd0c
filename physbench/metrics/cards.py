"""One card per metric: what it says, where it comes from, how it can be gamed, and an example that is also a test.

The measured figures are of 96 sequences of balls4mass64 and 64 of balls3curtain64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

R_NEM = "van Steenkiste et al., Relational Neural Expectation Maximization, 2018"
R_SQAIR = "Stanic and Schmidhuber, R-SQAIR: Relational Sequential Attend, Infer, Repeat, 2019"
ARI = "Hubert and Arabie, Comparing Partitions, 1985"
OWN = "physbench"


@dataclass(frozen=True, slots=True)
class Metric:
    name: str
    better: Literal["lower", "higher", "neither"]
    paper: str
    definition: str
    formula: str
    caution: str  # how it can be gamed, and what it does not say
    example: str  # lines as typed in Python, and what must come out
    last: bool = False  # also reported for the last transition alone, as NAME_last
    index: str = ""  # what stands in the brackets of NAME[...]


BCE = Metric(
    name="bce",
    better="lower",
    paper=R_NEM,
    definition="The binary cross-entropy of the next frame, summed over its pixels, in nats per frame.",
    formula="mean over sequences and transitions of sum over pixels of -[x ln p + (1 - x) ln(1 - p)], p clipped to [1e-6, 1 - 1e-6]",
    caution="Doubt is cheap and certainty dear: a wrong certain pixel costs 13.8 nats, so grey (p = 0.5 everywhere) scores below copying. "
    "Frames with more or larger objects cost more: compare only on the same data.",
    last=True,
    example="""\
>>> import numpy as np
>>> from physbench.metrics import pixels, sums
>>> frames = np.array([0, 0, 1, 1], np.uint8).reshape(1, 2, 1, 2, 1)  # two frames of two pixels: 00, then 11
>>> means = np.array([0.5, 0.25]).reshape(1, 1, 1, 2, 1)
>>> round(sums.value(sums.mean(pixels.bce(frames, means))), 6)  # ln 2 + ln 4
2.079442
""",
)

RELATIVE_BCE = Metric(
    name="relative_bce",
    better="lower",
    paper=R_NEM,
    definition="The cross-entropy as a share of what copying the current frame costs: 1 is copying, 0 is knowing the future.",
    formula="sum over sequences and transitions of the BCE of p / the same sum for p_{t+1} = x_t; a ratio of sums, never a mean of ratios",
    caution="Predictors without any motion beat copying, which is always certain: grey scores 0.94, the mean training frame 0.50, a copy with "
    "soft edges 0.23. Look at constant-velocity beside it, not at 1.",
    last=True,
    example="""\
>>> import numpy as np
>>> from physbench.metrics import pixels, sums
>>> frames = np.array([0, 0, 1, 1], np.uint8).reshape(1, 2, 1, 2, 1)
>>> means = np.full((1, 1, 1, 2, 1), 1e-3)  # a hundredth of the way, in logarithms half of it
>>> copy = pixels.bce(frames, pixels.copied(frames))
>>> round(sums.value(sums.ratio(pixels.bce(frames, means), copy)), 6)
0.5
>>> sums.value(sums.ratio(copy, copy))
1.0
""",
)

RELATIONAL_BCE = Metric(
    name="relational_bce",
    better="lower",
    paper=R_NEM,
    definition="The cross-entropy on the pixels of objects that are hitting another object, in nats per frame.",
    formula="as bce, over the pixels with collisions[t] = 1 for the transition t -> t + 1; the mean is over all transitions, also those without",
    caution="It is told where the objects are: an object fills most of the pixels that count, so claiming one everywhere pays. All ones score 128 and "
    "p = 0.9 everywhere 27, where copying scores 256. Never read it without bce.",
    last=True,
    example="""\
>>> import numpy as np
>>> from physbench.metrics import pixels, sums
>>> frames = np.array([0, 0, 1, 1, 0, 0], np.uint8).reshape(1, 3, 1, 2, 1)
>>> means = np.full((1, 2, 1, 2, 1), 0.5)
>>> collisions = np.array([1, 0, 0, 0, 1, 1], np.uint8).reshape(1, 3, 1, 2, 1)  # frame 2's flags are for a frame that is not there
>>> round(sums.value(sums.mean(pixels.relational_bce(frames, means, collisions))), 6)  # ln 2, once in two transitions
0.346574
""",
)

RELATIVE_RELATIONAL_BCE = Metric(
    name="relative_relational_bce",
    better="lower",
    paper=R_NEM,
    definition="The relational cross-entropy as a share of what copying costs on the same pixels.",
    formula="sum of the BCE of p over the pixels with collisions[t] = 1 / the same sum for p_{t+1} = x_t; empty where nothing collides",
    caution="It is told where the objects are: p = 0.9 everywhere scores 0.11, all ones 0.50, grey 0.17. Never read it without relative_bce.",
    last=True,
    example="""\
>>> import numpy as np
>>> from physbench.metrics import pixels, sums
>>> frames = np.array([0, 0, 1, 1], np.uint8).reshape(1, 2, 1, 2, 1)
>>> collisions = np.array([1, 0, 0, 0], np.uint8).reshape(1, 2, 1, 2, 1)
>>> means = np.array([1e-3, 1e-6]).reshape(1, 1, 1, 2, 1)  # the second pixel does not count
>>> above, below = (pixels.relational_bce(frames, p, collisions) for p in (means, pixels.copied(frames)))
>>> round(sums.value(sums.ratio(above, below)), 6)
0.5
""",
)

ARI_FRAMES = Metric(
    name="ari",
    better="higher",
    paper=ARI,
    definition="The adjusted Rand index between the model's owner map and the true objects, per frame: 1 is the same grouping, 0 is chance.",
    formula="(I - E) / ((A + B) / 2 - E): I pairs of pixels together in both, A in the owner map, B in the truth, E = A B / all pairs; over the pixels with "
    "groups > 0 outside the curtain, frames 1 .. T - 1; sum of the values / number of values; 1 where both are a single cluster",
    caution="The background is left out, so nobody need find the objects: a slot for each quarter of the picture scores 0.61, which ari_video cuts to "
    "0.42. Models with one slot get 0 where two objects show, and 1 where one does.",
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
    caution="An object that moves little can be followed by a slot that is a place: a slot for each quarter of the picture scores 0.42.",
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

EVENT_ERROR = Metric(
    name="event_error",
    better="lower",
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

LOG_LIKELIHOOD = Metric(
    name="log_likelihood",
    better="higher",
    paper=R_SQAIR,
    definition="The logarithm of the probability (for normal pixels: the density) that the model gives the next frame, in nats per frame.",
    formula="mean of sum over pixels of ln Bernoulli(x; p), with the clip of bce, or of ln Normal(x; p, sigma), p as it is",
    caution="Densities and probabilities cannot be compared, nor densities of different sigma: sigma is the model's choice, and on "
    "black and white frames a small one pays without limit wherever the mean is exact.",
    last=True,
    example="""\
>>> import numpy as np
>>> from physbench.metrics import pixels, sums
>>> frames, means = np.array([1.0, 0.0]).reshape(1, 1, 2, 1), np.array([0.0, 0.0]).reshape(1, 1, 2, 1)
>>> round(sums.value(sums.mean(pixels.gaussian_log_likelihood(frames, means, sigma=1.0))), 6)  # -1/2 - ln(2 pi)
-2.337877
""",
)

RELATIONAL_LOG_LIKELIHOOD = Metric(
    name="relational_log_likelihood",
    better="higher",
    paper=R_SQAIR,
    definition="The log-likelihood of the pixels of objects that are hitting another object, in nats per frame.",
    formula="as log_likelihood, over the pixels with collisions[t] = 1 for the transition t -> t + 1; the mean is over all transitions",
    caution="It is told where the objects are, as relational_bce is: claiming an object everywhere pays.",
    last=True,
    example="""\
>>> import numpy as np
>>> from physbench.metrics import pixels, sums
>>> frames, means = np.ones((1, 1, 2, 1), np.uint8), np.full((1, 1, 2, 1), 0.5)
>>> where = np.array([1, 0], np.uint8).reshape(1, 1, 2, 1)
>>> round(sums.value(sums.mean(pixels.bernoulli_log_likelihood(frames, means, where))), 6)  # ln 1/2, one pixel
-0.693147
""",
)

QUOTIENT_EXAMPLE = """\
>>> import numpy as np
>>> from physbench.metrics import bootstrap, sums
>>> many, few = sums.ratio(np.array([1.0, 2.0]), np.array([10.0, 5.0])), sums.ratio(np.array([1.0]), np.array([10.0]))
>>> bootstrap.quotient(many, few).value  # 3/15 over 1/10
2.0
"""

RELATIVE_BCE_RATIO = Metric(
    name="relative_bce_ratio",
    better="lower",
    paper=R_NEM,
    definition="How much worse a model is on more objects than it was trained with: relative_bce there over relative_bce here.",
    formula="relative_bce on balls678mass64 / relative_bce on balls4mass64",
    caution="A model that is bad everywhere generalises perfectly: copying scores exactly 1. It ranks nobody.",
    example=QUOTIENT_EXAMPLE,
)

RELATIVE_RELATIONAL_BCE_RATIO = Metric(
    name="relative_relational_bce_ratio",
    better="lower",
    paper=R_NEM,
    definition="How much worse a model is around collisions of more objects than it was trained with.",
    formula="relative_relational_bce on balls678mass64 / relative_relational_bce on balls4mass64",
    caution="A model that is bad everywhere generalises perfectly: copying scores exactly 1. It ranks nobody.",
    example=QUOTIENT_EXAMPLE,
)

CLIPPED_SHARE = Metric(
    name="clipped_share",
    better="neither",
    paper=OWN,
    definition="The share of a Gaussian model's means that lie outside [0, 1] and were clipped before bce.",
    formula="number of means below 0 or above 1 / number of means",
    caution="It is no score: it says how far bce is from what the model said.",
    example="""\
>>> import numpy as np
>>> from physbench.metrics import pixels, sums
>>> sums.value(pixels.clipped_share(np.array([[-0.1, 0.0, 1.0, 1.1]])))
0.5
""",
)

CARDS = (
    *(BCE, RELATIVE_BCE, RELATIONAL_BCE, RELATIVE_RELATIONAL_BCE, ARI_FRAMES, ARI_VIDEO, ROLLOUT_BCE, ROLLOUT_RELATIVE_BCE, EVENT_ERROR, PERMANENCE_BCE),
    *(LOG_LIKELIHOOD, RELATIONAL_LOG_LIKELIHOOD, RELATIVE_BCE_RATIO, RELATIVE_RELATIONAL_BCE_RATIO, CLIPPED_SHARE),
)
