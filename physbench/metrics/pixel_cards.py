"""The metrics of pixels, one transition at a time. Numbers in the texts are of the first 96 test sequences of
balls4mass64."""

import math
from dataclasses import replace

from physbench.metrics.metric import R_NEM, R_SQAIR, RMR, Metric
from physbench.model import CLIP

DEAREST = -math.log(CLIP)
"""The cross-entropy of a pixel that was predicted with certainty and is wrong."""

BCE = Metric(
    name="bce",
    better="lower",
    paper=R_NEM,
    definition="The binary cross-entropy of the next frame, summed over its pixels, in nats per frame.",
    formula=(
        "mean over sequences and transitions of sum over pixels of -[x ln p + (1 - x) ln(1 - p)], p clipped to [1e-6, 1"
        " - 1e-6]"
    ),
    caution=(
        "Doubt is cheap and certainty dear: a wrong certain pixel costs 13.8 nats, so grey (p = 0.5 everywhere) scores"
        " below copying, and a copy blurred by 1.6 pixels below constant-velocity on 6-8 balls. Frames with more or"
        " larger objects cost more: compare only on the same data."
    ),
    asked_of=("window",),
    needs=("means",),
    function=lambda e: e.mean(e.cost),
    last=True,
    bounds=(0.0, DEAREST),
    per_pixel=True,
    oracle_is_least=True,
    curve="nats per frame",
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
    one_is="copying",
    paper=R_NEM,
    definition=("The cross-entropy as a share of what copying the current frame costs; 0 is knowing the future."),
    formula=(
        "sum over sequences and transitions of the BCE of p / the same sum for p_{t+1} = x_t; a ratio of sums, never a"
        " mean of ratios"
    ),
    caution=(
        "Predictors without any motion beat copying, which is always certain: grey scores 0.94, the mean training frame"
        " 0.51, a copy with soft edges 0.26, a copy blurred by 1.6 pixels 0.16. On 6-8 balls that blur still scores"
        " 0.17, and constant-velocity, certain and wrong at every collision, 0.24. Look at both, not at 1."
    ),
    asked_of=("window",),
    needs=("means",),
    function=lambda e: e.ratio(e.cost, e.copied_cost),
    last=True,
    bounds=(0.0, math.inf),
    oracle_is_least=True,
    share_of="bce",
    place=1,
    example="""\
>>> import numpy as np
>>> from physbench.metrics import pixels, sums
>>> frames = np.array([0, 0, 1, 1], np.uint8).reshape(1, 2, 1, 2, 1)
>>> means = np.full((1, 1, 1, 2, 1), 1e-3)  # ln 1e-3 is half of ln 1e-6
>>> copy = pixels.bce(frames, pixels.copy_frames(frames))
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
    formula=(
        "as bce, over the pixels with collisions[t] = 1 for the transition t -> t + 1; the mean is over all"
        " transitions, also those without"
    ),
    caution=(
        "It is told where the objects are: an object fills most of the pixels that count, so claiming one everywhere"
        " pays. All ones score 125 and p = 0.9 everywhere 26, where copying scores 250. Never read it without bce."
    ),
    asked_of=("window",),
    needs=("means", "collisions"),
    function=lambda e: e.mean(e.near_cost),
    last=True,
    bounds=(0.0, DEAREST),
    per_pixel=True,
    example="""\
>>> import numpy as np
>>> from physbench.metrics import pixels, sums
>>> frames = np.array([0, 0, 1, 1, 0, 0], np.uint8).reshape(1, 3, 1, 2, 1)
>>> means = np.full((1, 2, 1, 2, 1), 0.5)
>>> collisions = np.array([1, 0, 0, 0, 1, 1], np.uint8).reshape(1, 3, 1, 2, 1)  # those of frame 2 do not count
>>> round(sums.value(sums.mean(pixels.relational_bce(frames, means, collisions))), 6)  # ln 2, once in two transitions
0.346574
""",
)

RELATIVE_RELATIONAL_BCE = Metric(
    name="relative_relational_bce",
    better="lower",
    one_is="copying",
    paper=R_NEM,
    definition="The relational cross-entropy as a share of what copying costs on the same pixels.",
    formula=(
        "sum of the BCE of p over the pixels with collisions[t] = 1 / the same sum for p_{t+1} = x_t; empty where"
        " nothing collides"
    ),
    caution=(
        "It is told where the objects are: p = 0.9 everywhere scores 0.10, all ones 0.50, grey 0.17. Never read it"
        " without relative_bce."
    ),
    asked_of=("window",),
    needs=("means", "collisions"),
    function=lambda e: e.ratio(e.near_cost, e.near_copied_cost),
    last=True,
    bounds=(0.0, math.inf),
    share_of="relational_bce",
    place=2,
    example="""\
>>> import numpy as np
>>> from physbench.metrics import pixels, sums
>>> frames = np.array([0, 0, 1, 1], np.uint8).reshape(1, 2, 1, 2, 1)
>>> collisions = np.array([1, 0, 0, 0], np.uint8).reshape(1, 2, 1, 2, 1)
>>> means = np.array([1e-3, 1e-6]).reshape(1, 1, 1, 2, 1)  # the second pixel does not count
>>> above, below = (pixels.relational_bce(frames, p, collisions) for p in (means, pixels.copy_frames(frames)))
>>> round(sums.value(sums.ratio(above, below)), 6)
0.5
""",
)

LOG_LIKELIHOOD = Metric(
    name="log_likelihood",
    better="higher",
    paper=R_SQAIR,
    definition=(
        "The logarithm of the probability (for normal pixels: the density) that the model gives the next frame, in nats"
        " per frame."
    ),
    formula=(
        "mean of sum over pixels of ln Bernoulli(x; p), with the clip of bce, or of ln Normal(x; p, sigma), p as it is"
    ),
    caution=(
        "Densities and probabilities cannot be compared, nor densities of different sigma: sigma is the model's choice,"
        " and on black and white frames a small one pays without limit wherever the mean is exact. A copy blurred by 1"
        " pixel with sigma = 0.2 scores 190 on the crops of 4 balls, where no Bernoulli model can pass 0: rank"
        " densities among themselves. One that the model computed itself is taken on trust."
    ),
    asked_of=("window", "samples"),
    needs=("means",),
    function=lambda e: e.mean(e.log_probability()),
    last=True,
    minus_of="bce",
    bounds=(-DEAREST, 0.0),
    per_pixel=True,
    place=11,
    example="""\
>>> import numpy as np
>>> from physbench.metrics import pixels, sums
>>> from physbench.model import Gaussian
>>> frames, means = np.array([1.0, 0.0]).reshape(1, 1, 2, 1), np.array([0.0, 0.0]).reshape(1, 1, 2, 1)
>>> round(sums.value(sums.mean(pixels.log_likelihood(frames, means, Gaussian(sigma=1.0)))), 6)  # -1/2 - ln(2 pi)
-2.337877
""",
)

RELATIONAL_LOG_LIKELIHOOD = Metric(
    name="relational_log_likelihood",
    better="higher",
    paper=R_SQAIR,
    definition="The log-likelihood of the pixels of objects that are hitting another object, in nats per frame.",
    formula=(
        "as log_likelihood, over the pixels with collisions[t] = 1 for the transition t -> t + 1; the mean is over all"
        " transitions"
    ),
    caution="It is told where the objects are, as relational_bce is: claiming an object everywhere pays.",
    asked_of=("window", "samples"),
    needs=("means", "collisions"),
    function=lambda e: e.mean(e.log_probability(near=True)),
    last=True,
    minus_of="relational_bce",
    bounds=(-DEAREST, 0.0),
    per_pixel=True,
    place=12,
    example="""\
>>> import numpy as np
>>> from physbench.metrics import pixels, sums
>>> from physbench.model import Bernoulli
>>> frames, means = np.ones((1, 1, 2, 1), np.uint8), np.full((1, 1, 2, 1), 0.5)
>>> where = np.array([1, 0], np.uint8).reshape(1, 1, 2, 1)
>>> round(sums.value(sums.mean(pixels.log_likelihood(frames, means, Bernoulli(), where))), 6)  # ln 1/2, one pixel
-0.693147
""",
)

RELATIVE_BCE_RATIO = Metric(
    name="relative_bce_ratio",
    better="lower",
    paper=R_NEM,
    definition=(
        "How much worse a model is on more objects than it was trained with: relative_bce there over relative_bce here."
    ),
    formula="relative_bce on balls678mass64 / relative_bce on balls4mass64",
    caution=(
        "A model that is bad everywhere generalises perfectly: copying scores exactly 1. It is not used for ranking."
    ),
    quotient_of="relative_bce",
    bounds=(0.0, math.inf),
    place=7,
    example="""\
>>> import numpy as np
>>> from physbench.metrics import bootstrap, sums
>>> many, few = sums.ratio(np.array([1.0, 2.0]), np.array([10.0, 5.0])), sums.ratio(np.array([1.0]), np.array([10.0]))
>>> bootstrap.quotient(many, few).value  # 3/15 over 1/10
2.0
""",
)

RELATIVE_RELATIONAL_BCE_RATIO = replace(
    RELATIVE_BCE_RATIO,
    name="relative_relational_bce_ratio",
    definition="How much worse a model is around collisions of more objects than it was trained with.",
    formula="relative_relational_bce on balls678mass64 / relative_relational_bce on balls4mass64",
    quotient_of="relative_relational_bce",
    place=8,
)

CLIPPED_SHARE = Metric(
    name="clipped_share",
    better="neither",
    definition="The share of a Gaussian model's means that lie outside [0, 1] and were clipped before bce.",
    formula="number of means below 0 or above 1 / number of means",
    caution="It is no score: it says how far bce is from what the model said.",
    asked_of=("window",),
    needs=("means", "unbounded"),
    function=lambda e: e.clip(),
    bounds=(0.0, 1.0),
    example="""\
>>> import numpy as np
>>> from physbench.metrics import pixels, sums
>>> sums.value(pixels.clipped_share(np.array([[-0.1, 0.0, 1.0, 1.1]])))
0.5
""",
)

PIXEL_MSE = Metric(
    name="pixel_mse",
    better="lower",
    paper=RMR,
    definition="The squared error of the next frame, per pixel and channel, where values go from 0 to 1.",
    formula="mean over sequences, frames from the fourth on, pixels and channels of (x - mean)^2",
    caution=(
        "The number depends on how much of a frame moves, so compare only on the same data: the 7.94e-4 and 9.47e-4 of"
        " the RMR paper are of other balls. On balls10-colour copying scores 0.0342, a copy with soft edges half of"
        " that, and a black frame 0.0567."
    ),
    asked_of=("colours",),
    needs=("means",),
    function=lambda e: e.pixel_mse(),
    bounds=(0.0, math.inf),
    oracle_is_least=True,
    place=27,
    example="""\
>>> import numpy as np
>>> from physbench.metrics import pixels, sums
>>> frames, means = np.array([1.0, 0.0]).reshape(1, 1, 1, 2, 1), np.array([0.5, 0.0]).reshape(1, 1, 1, 2, 1)
>>> sums.value(sums.mean(pixels.square_error(frames, means)))  # (0.25 + 0) / 2
0.125
""",
)

RELATIVE_PIXEL_MSE = Metric(
    name="relative_pixel_mse",
    better="lower",
    one_is="copying",
    definition=(
        "The squared error of the next frame as a share of what copying the current one has; 0 is knowing the future."
    ),
    formula="sum over sequences and frames of the squared errors / the same sum for p_{t+1} = x_t; a ratio of sums",
    caution="A copy with soft edges scores well below 1 without knowing any motion: look at blur, not at 1.",
    asked_of=("colours",),
    needs=("means",),
    function=lambda e: e.relative_pixel_mse(),
    bounds=(0.0, math.inf),
    oracle_is_least=True,
    share_of="pixel_mse",
    place=28,
    example="""\
>>> import numpy as np
>>> from physbench.metrics import pixels, sums
>>> frames = np.zeros((1, 1, 1, 2, 1))
>>> errors = [pixels.square_error(frames, frames + off) for off in (0.1, 0.2)]
>>> round(sums.value(sums.ratio(*errors)), 6)
0.25
""",
)

PIXEL_CARDS = (
    *(BCE, RELATIVE_BCE, RELATIONAL_BCE, RELATIVE_RELATIONAL_BCE, LOG_LIKELIHOOD, RELATIONAL_LOG_LIKELIHOOD),
    *(RELATIVE_BCE_RATIO, RELATIVE_RELATIONAL_BCE_RATIO, CLIPPED_SHARE, PIXEL_MSE, RELATIVE_PIXEL_MSE),
)
