# mymodel.py
import numpy as np

from physbench.model import Bernoulli, Prediction


class Mix:
    """The next frame is mostly this one, and a little the one before."""

    likelihood = Bernoulli()

    def begin(self, batch):
        return np.zeros((len(batch.seeds), *batch.shape), np.float32)

    def observe(self, state, frame, action):
        mean = np.clip(0.8 * frame + 0.2 * state, 0.02, 0.9)
        return frame.copy(), Prediction(mean)
