"""The metrics of models that give boxes with identities for the objects."""

from __future__ import annotations

from physbench.metrics.metric import Metric

_MATCHED = (
    "an object has the nearest box within 4 px of its centre, or of the point of the frame that is nearest to it;"
    " nearest pairs first, one to one"
)

_EXAMPLE = """\
>>> import numpy as np
>>> from physbench.metrics import boxes, sums
>>> nan = [np.nan] * 5  # no box
>>> said = np.array([[[[2, 5, 4, 4, 7], nan], [[3, 5, 4, 4, 7], [8, 8, 1, 1, 2]], [nan, nan], [[2, 5, 4, 4, 1], nan]]])
>>> position = np.array([[[[2.0, 5.0]], [[1.0, 5.0]], [[-3.0, 5.0]], [[1.0, 5.0]]]])  # it leaves and comes back
>>> visible = np.array([[[12], [11], [0], [11]]])
>>> box_of = boxes.match_boxes(said, position, visible, height=10, width=10)
"""

COUNT_ACCURACY = Metric(
    name="count_accuracy",
    better="higher",
    definition="The share of frames in which there are as many boxes as objects in view.",
    formula=(
        "over frames 1 .. T - 1: number of frames with L <= boxes <= U / number of frames; L objects of which 10 pixels"
        " or more show, U of which any does"
    ),
    caution=(
        "It does not look where the boxes are. On balls-leave50 L and U differ in 22 % of the frames, so that slivers"
        " at the edge decide nothing; the same number of boxes in every frame scores 0.3 at most. Balls that touch are"
        " one region, so counting regions is no way to count balls."
    ),
    asked_of=("window",),
    needs=("boxes", "visible"),
    function=lambda e: e.box_count(),
    bounds=(0.0, 1.0),
    place=15,
    curve="share of frames with the right number of boxes",
    example=_EXAMPLE
    + """\
>>> boxes.count_accuracy(said, visible).numerator.tolist()  # the second frame has a box too many
[[1.0, 0.0, 1.0, 1.0]]
""",
)

RECALL = Metric(
    name="box_recall",
    better="higher",
    definition="The share of the objects in view that have a box.",
    formula=(
        "over frames 1 .. T - 1 and objects that show and whose centre lies in the frame: number with a box / number;"
        f" {_MATCHED}"
    ),
    caution=(
        "Boxes everywhere score 1: read it beside box_precision. Only the centre of a box counts, not its size. Of an"
        " object cut by the edge, the middle of what shows counts as well as its centre: it is never farther than 4 px"
        " from it along a side, and may be in a corner."
    ),
    asked_of=("window",),
    needs=("boxes", "position", "visible"),
    function=lambda e: e.box_recall(),
    bounds=(0.0, 1.0),
    may_lack=True,
    place=16,
    curve="share of the objects in view that have a box",
    example=_EXAMPLE
    + """\
>>> boxes.box_recall(box_of, position, visible, height=10, width=10).numerator.tolist()
[[1.0, 1.0, 0.0, 1.0]]
""",
)

PRECISION = Metric(
    name="box_precision",
    better="higher",
    definition="The share of the boxes that hold an object.",
    formula=f"over the boxes of frames 1 .. T - 1: number with an object of which a pixel shows / number; {_MATCHED}",
    caution=(
        "One box that is sure scores 1 and leaves out all the others: read it beside box_recall. Without any box there"
        " is no figure."
    ),
    asked_of=("window",),
    needs=("boxes", "position", "visible"),
    function=lambda e: e.box_precision(),
    bounds=(0.0, 1.0),
    may_lack=True,
    place=17,
    curve="share of the boxes that hold an object",
    example=_EXAMPLE
    + """\
>>> sums.value(boxes.box_precision(box_of, said))  # three of four
0.75
""",
)

KEPT = Metric(
    name="identity_kept",
    better="higher",
    definition="The share of objects with a box in two frames on end whose boxes have the same identity in both.",
    formula=(
        "over frames 2 .. T - 1 and objects with a box at t - 1 and t: number with the same identity in both / number;"
        f" {_MATCHED}"
    ),
    caution=(
        "It asks only of objects that have boxes. From one frame to the next, who takes the nearest for the same is"
        " nearly always right: identity_regained is the harder question."
    ),
    asked_of=("window",),
    needs=("boxes", "position", "visible"),
    function=lambda e: e.identity_kept(),
    bounds=(0.0, 1.0),
    may_lack=True,
    place=18,
    curve="share of identities that are kept",
    example=_EXAMPLE
    + """\
>>> sums.value(boxes.identity_kept(boxes.identities(box_of, said)))  # frames 0 and 1, of which both have a box
1.0
""",
)

REGAINED = Metric(
    name="identity_regained",
    better="higher",
    definition="The share of objects that come back into view with the identity that they had before they left it.",
    formula=(
        "over objects with a box at s and t, 1 <= s < t <= T - 1, none between, and visible = 0 in some frame between:"
        f" number with the same identity at both, which no other object has between / number; {_MATCHED}"
    ),
    caution=(
        "It asks only of objects that have a box before and after: read it beside box_recall. A model that calls a lone"
        " object 0 is often right without remembering anything: blobs, which numbers what it sees from the top, scores"
        " about 0.3 on balls-leave50."
    ),
    asked_of=("window",),
    needs=("boxes", "position", "visible"),
    function=lambda e: e.identity_regained(),
    bounds=(0.0, 1.0),
    may_lack=True,
    place=19,
    example=_EXAMPLE
    + """\
>>> regained = boxes.identity_regained(boxes.identities(box_of, said), visible)  # it left as 7 and came back as 1
>>> regained.numerator.tolist(), regained.denominator.tolist()
([[0.0, 0.0, 0.0, 0.0]], [[0.0, 0.0, 0.0, 1.0]])
""",
)

BOX_CARDS = (COUNT_ACCURACY, RECALL, PRECISION, KEPT, REGAINED)
