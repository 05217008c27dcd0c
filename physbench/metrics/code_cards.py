"""The metrics of codes of frames: how much of a console's memory a linear probe can read from them."""

from __future__ import annotations

import math

from physbench.metrics.metric import RMR, Metric

_PROBE = (
    "Only bytes whose distribution over all shown frames has an entropy above 0.6 nats [Anand et al. 2019]. The probe"
    " is a ridge regression on standardised codes of 4 frames of each of 1,000 training sequences, and the same for"
    " every model"
)

_CAUTION = (
    "A long code has more to read in it: read it beside the frame itself, `pixels`, and an untrained network,"
    " `random-cnn`. Nothing is said of what the model could do with it. The RMR paper's figures are of other play,"
    " other probes and more frames."
)

PROBE_BIT_F1 = Metric(
    name="probe_bit_f1",
    better="higher",
    paper=RMR,
    definition=(
        "The F1 score of the bits that are 1 in the console's memory, read off a model's codes of the frames by a"
        " linear probe."
    ),
    formula=(
        "2 TP / (2 TP + FP + FN) over all bits of all sequences, the frames that are asked about and the bytes that are"
        " scored; a bit is read as 1 above 1/2"
    ),
    caution=(
        f"Without any code, the commoner value of each bit is read: that is the row of `blank`. {_PROBE}. {_CAUTION}"
    ),
    asked_of=("codes",),
    needs=("ram", "probe of memory"),
    function=lambda e: e.probed_bit_f1(),
    bounds=(0.0, 1.0),
    place=27,
    example="""\
>>> import numpy as np
>>> from physbench.metrics import memory, sums
>>> from physbench.metrics.memory_probe import MemoryProbe
>>> ram = np.zeros((50, 4, 128), np.uint8)
>>> ram[..., 7] = np.arange(200).reshape(50, 4) % 4  # a byte of two bits, and a code that is these bits
>>> codes = np.unpackbits(ram[..., 7:8], axis=2)[..., 6:].astype(np.float32)
>>> slots = np.arange(128) == 7
>>> read = MemoryProbe.fit(codes, ram, slots, [7]).read(codes)
>>> sums.value(memory.bit_f1(ram, read.ram, slots))
1.0
""",
)

PROBE_SLOT_ACCURACY = Metric(
    name="probe_slot_accuracy",
    better="higher",
    paper=RMR,
    definition=(
        "The share of the bytes of the console's memory of which all eight bits are read off a model's codes of the"
        " frames by a linear probe."
    ),
    formula=(
        "bytes that are right / bytes, over sequences, the frames that are asked about and the bytes that are scored; a"
        " bit is read as 1 above 1/2"
    ),
    caution=(
        "One wrong bit spoils a byte, and the lowest bit of a place is no linear function of it: probe_variables is"
        f" milder. {_PROBE}. {_CAUTION}"
    ),
    asked_of=("codes",),
    needs=("ram", "probe of memory"),
    function=lambda e: e.probed_slot_accuracy(),
    bounds=(0.0, 1.0),
    place=28,
    example="""\
>>> import numpy as np
>>> from physbench.metrics import memory, sums
>>> from physbench.metrics.memory_probe import MemoryProbe
>>> ram = np.zeros((50, 4, 128), np.uint8)
>>> ram[..., 7] = np.arange(200).reshape(50, 4) % 4
>>> lowest = (ram[..., 7:8] & 1).astype(np.float32)  # a code of one of the two bits; the other is read as 0
>>> slots = np.arange(128) == 7
>>> read = MemoryProbe.fit(lowest, ram, slots, [7]).read(lowest)
>>> sums.value(memory.slot_accuracy(ram, read.ram, slots))
0.5
""",
)

PROBE_VARIABLES = Metric(
    name="probe_variables",
    better="higher",
    definition=(
        "The share of the variance of what Space Invaders keeps in named bytes (the ship's place, the formation's, how"
        " many aliens are left) that a linear probe reads off a model's codes of the frames."
    ),
    formula=(
        "1 - sum (y - probe(code))^2 / sum (y - mean)^2 over sequences, frames and variables, each in units of its"
        " spread in the training frames, with the mean of those"
    ),
    caution=(
        "Anand et al. 2019 ask which of 256 values a byte has, and give an F1 score. Here a byte is an amount, since"
        " to be one off is nearly right, and 4,000 frames show most values a few times. Score and lives are not asked"
        f" about: the frames do not show them. {_CAUTION}"
    ),
    asked_of=("codes",),
    needs=("ram", "probe of memory"),
    function=lambda e: e.probed_variables(),
    bounds=(-math.inf, 1.0),
    place=29,
    example="""\
>>> import numpy as np
>>> from physbench.metrics import sums
>>> from physbench.metrics.memory_probe import MemoryReading
>>> there = np.array([[[10], [20]]], np.uint8)  # two frames of a variable of mean 15, spread 5
>>> read = MemoryReading(np.zeros((1, 2, 128), np.uint8), np.array([[[2.0], [3.0]]]), np.array([3.0]), np.array([5.0]))
>>> sums.value(read.explain(there))  # said are 10 and 15
0.5
""",
)

CODE_CARDS = (PROBE_BIT_F1, PROBE_SLOT_ACCURACY, PROBE_VARIABLES)
