"""The metrics of models of states: predicted positions of balls, violations of physics, and the memory of a console."""

from __future__ import annotations

import math

from physbench.metrics.metric import RMR, Metric
from physbench.metrics.object_cards import position_steps

_SCALE = (
    "The side of the box is 1, and the number depends on that, on the speeds and on how often balls meet: the RMR"
    " paper's 4.59e-4 is of other balls in a box of unknown size, and compares with nothing here. Copying scores 5.3e-4"
    " on balls10, and the last step again 1.6e-4."
)

POSITION_MSE = Metric(
    name="position_mse",
    better="lower",
    paper=RMR,
    definition=(
        "The squared error of the place of an object, per coordinate, one step ahead or over the steps of a rollout,"
        " where the side of the box is 1."
    ),
    formula=(
        "mean over sequences, states from the fourth on, objects and their two coordinates of (x - y)^2, given all"
        " states before; in a rollout, the first"
    ),
    caution=_SCALE,
    asked_of=("trajectory", "flight"),
    needs=("means", "position", "radius"),
    function=lambda e: e.position_mse(),
    bounds=(0.0, math.inf),
    oracle_is_least=True,
    place=20,
    curve="squared error, where the side of the box is 1",
    example="""\
>>> import numpy as np
>>> from physbench.metrics import sums, trajectories
>>> there = np.array([[[[0.5, 0.5], [0.2, 0.2]]]])  # two objects, of which the second does not exist
>>> said, radius = there + [0.1, 0.2], np.array([[4.0, 0.0]])
>>> round(sums.value(trajectories.position_mse(there, said, radius)), 6)  # (0.01 + 0.04) / 2
0.025
""",
)

RELATIVE_POSITION_MSE = Metric(
    name="relative_position_mse",
    better="lower",
    one_is="copying",
    definition=("The squared error of places as a share of what copying the last ones has; 0 is knowing the future."),
    formula=(
        "sum over sequences and states of the squared errors / the same sum for the last state that was shown; a ratio"
        " of sums"
    ),
    caution=(
        "No unit of length stands in it, so it can be laid beside other boxes. One step ahead, the last step again"
        " scores 0.29 on balls10, and straight flight by true velocities 0.15: look at both, not at 1."
    ),
    asked_of=("trajectory", "flight"),
    needs=("means", "position", "radius"),
    function=lambda e: e.relative_position_mse(),
    bounds=(0.0, math.inf),
    oracle_is_least=True,
    share_of="position_mse",
    place=21,
    example="""\
>>> import numpy as np
>>> from physbench.metrics import sums, trajectories
>>> there, radius = np.array([[[[0.5, 0.5]]]]), np.ones((1, 1))
>>> errors = [trajectories.square_errors(there, there + off, radius) for off in (0.1, 0.2)]
>>> round(sums.value(sums.ratio(*errors)), 6)
0.25
""",
)

ROLLOUT_POSITION_MSE = Metric(
    name="rollout_position_mse",
    better="lower",
    paper=RMR,
    definition=(
        "The squared error of the place of an object h steps after the last state that was shown, per coordinate, where"
        " the side of the box is 1."
    ),
    formula=(
        "mean over sequences, objects and their two coordinates of (x - y)^2 of state c - 1 + h, given states 0 .."
        " c - 1"
    ),
    caution=(
        "Balls that collide are chaotic: ten steps on, a hair's breadth is a ball's. Far ahead the centre of the box is"
        " a good guess, which scores 0.067 on balls10, and is no motion: read energy_error beside it."
    ),
    asked_of=("flight",),
    needs=("means", "position", "radius"),
    function=lambda e: {index: e.position_mse_at(int(index) - 1) for index in position_steps(e.asking)},
    indices=position_steps,
    index="h",
    bounds=(0.0, math.inf),
    oracle_is_least=True,
    place=22,
    place_index="10",
    tabled=True,
    example="""\
>>> import numpy as np
>>> from physbench.metrics import sums, trajectories
>>> there = np.zeros((1, 2, 1, 2))  # two steps of one object
>>> said = there + np.array([0.1, 0.2]).reshape(1, 2, 1, 1)
>>> [round(each, 6) for each in sums.curve(trajectories.position_mse(there, said, np.ones((1, 1))))]
[0.01, 0.04]
""",
)

ENERGY_ERROR = Metric(
    name="energy_error",
    better="lower",
    definition="How far the kinetic energy of what is imagined is from the true one, as a share of it.",
    formula=(
        "sum over sequences and steps of |E - E'| / sum of E'; E of a step is the sum over objects of mass times the"
        " square of the way that each is imagined to make in it, E' the same of the true way"
    ),
    caution=(
        "Standing still scores 1, and so does the mean place. A way with a collision in it is shorter than the motion"
        " along it, so other true paths of the same energy score above 0. It says nothing of where the objects are."
    ),
    asked_of=("flight",),
    needs=("means", "position", "mass"),
    function=lambda e: e.energy_error(),
    bounds=(0.0, math.inf),
    place=23,
    curve="share of the true energy",
    example="""\
>>> import numpy as np
>>> from physbench.metrics import sums, trajectories
>>> before, there = np.zeros((1, 1, 2)), np.array([0.2, 0.0]).reshape(1, 1, 1, 2)
>>> error = trajectories.energy_error(before, there, there / 2, np.ones((1, 1)))
>>> round(sums.value(error), 6)  # half as fast: a quarter of the energy
0.75
""",
)

PENETRATION = Metric(
    name="penetration",
    better="lower",
    definition="How deep objects are imagined to lie in one another and in the walls, as a share of their radius.",
    formula=(
        "mean over sequences, steps and objects of [sum over the others of max(0, r + r' - d) + sum over the four walls"
        " of max(0, r - d)] / r, d the distances of the centre"
    ),
    caution=(
        "Whatever flies straight on flies through everything; what stands still in a true place lies in nothing. Read"
        " it beside energy_error."
    ),
    asked_of=("flight",),
    needs=("means", "position", "radius"),
    function=lambda e: e.penetration(),
    bounds=(0.0, math.inf),
    place=24,
    curve="share of the radius",
    example="""\
>>> import numpy as np
>>> from physbench.metrics import sums, trajectories
>>> said = np.array([[0.1, 0.5], [0.25, 0.5]]).reshape(1, 1, 2, 2)
>>> depth = trajectories.penetration(said, np.array([[0.1, 0.1]]))
>>> round(sums.value(depth), 6)  # 0.05 of 0.1 in each other; the first touches the wall
0.5
""",
)

_ENTROPY = (
    "Only bytes whose distribution over all shown states has an entropy above 0.6 nats [Anand et al. 2019]. The RMR"
    " paper's figures are of games that 32 heads of Agent57 played: other play, other bytes, another copy."
)

SLOT_ACCURACY = Metric(
    name="slot_accuracy",
    better="higher",
    paper=RMR,
    definition=(
        "The share of the bytes of the next memory of which all eight bits are predicted, among those that are not"
        " nearly always the same."
    ),
    formula=(
        "bytes that are right / bytes, over sequences, states from the second on and the bytes that are scored; a bit"
        " is set where p > 1/2"
    ),
    caution=f"Most bytes do not change in a step, so copying scores high: read it beside copy. {_ENTROPY}",
    asked_of=("memory",),
    needs=("means", "ram"),
    function=lambda e: e.slot_accuracy(),
    bounds=(0.0, 1.0),
    place=25,
    example="""\
>>> import numpy as np
>>> from physbench.metrics import memory, sums
>>> there, said = np.zeros((1, 1, 128), np.uint8), np.zeros((1, 1, 128), np.uint8)
>>> there[..., :3], said[..., :3] = [1, 2, 7], [1, 2, 3]
>>> sums.value(memory.slot_accuracy(there, said, np.arange(128) < 4))  # one of four is wrong in a bit
0.75
""",
)

BIT_F1 = Metric(
    name="bit_f1",
    better="higher",
    paper=RMR,
    definition=(
        "The F1 score of the bits that are 1 in the next memory, in the bytes that are not nearly always the same."
    ),
    formula=(
        "2 TP / (2 TP + FP + FN) over all bits of all sequences, states from the second on and bytes that are scored; a"
        " bit is set where p > 1/2"
    ),
    caution=f"The paper does not say over what it averages. Copying scores high. {_ENTROPY}",
    asked_of=("memory",),
    needs=("means", "ram"),
    function=lambda e: e.bit_f1(),
    bounds=(0.0, 1.0),
    place=26,
    example="""\
>>> import numpy as np
>>> from physbench.metrics import memory, sums
>>> there, said = np.zeros((1, 1, 128), np.uint8), np.zeros((1, 1, 128), np.uint8)
>>> there[..., :3], said[..., :3] = [1, 2, 7], [1, 2, 3]  # 5 bits, of which 4 are found
>>> round(sums.value(memory.bit_f1(there, said, np.arange(128) < 4)), 6)  # 8 / 9
0.888889
""",
)

STATE_CARDS = (
    POSITION_MSE,
    RELATIVE_POSITION_MSE,
    ROLLOUT_POSITION_MSE,
    ENERGY_ERROR,
    PENETRATION,
    SLOT_ACCURACY,
    BIT_F1,
)
