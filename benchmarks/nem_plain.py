"""The NEM family in its plainest form. The fast formulation must agree with it, and is compared with it in speed.

Frames stay (B, C, H, W) in memory, images are enlarged by nearest neighbours before a 4x4 convolution, every ordered
pair of slots is concatenated before the pairwise layers, and norms are computed as means and variances. The weights are
those of a Nem, found by their names.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F

Weights = Mapping[str, torch.Tensor]
EPSILON = 1e-12


class PlainNem:
    """The loss of a Nem of square frames, with any recurrence.

    weights: its state_dict, or its named parameters if gradients are wanted.
    """

    def __init__(self, weights: Weights, *, recurrence: str, size: int = 64) -> None:
        self.weights = weights
        self.recurrence = recurrence
        self.size = size
        self.convolutions = sum(name.startswith("encoder.convolutions") and name.endswith("weight") for name in weights)

    def loss(
        self, clean: torch.Tensor, noisy: torch.Tensor, gamma: torch.Tensor, actions: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Compute the loss per sequence and step: clean, noisy (B, T, H, W) float32, gamma (B, K, H, W), actions
        (B, T, A) -> ()."""
        batch, slots = gamma.shape[:2]
        hidden = self.weights["recurrence.norm.gain"].shape[0]
        theta = gamma.new_zeros(batch, slots, 2 * hidden if self.recurrence == "lstm" else hidden)
        psi = torch.zeros_like(gamma)
        total = gamma.new_zeros(())
        for t in range(clean.shape[1] - 1):
            theta, psi = self.step(theta, psi, gamma, noisy[:, t], None if actions is None else actions[:, t])
            x = clean[:, t + 1, None]
            with torch.no_grad():
                likelihood = x * psi + (1 - x) * (1 - psi) + 1e-6
                gamma = likelihood / likelihood.sum(dim=1, keepdim=True)
            clipped = psi.clamp(1e-6, 1 - 1e-6)
            intra = -(x * clipped.log() + (1 - x) * (1 - clipped).log())
            inter = (1 / (1 - psi)).clamp(1e-6, 1e6).log()
            total = total + (gamma * intra + (1 - gamma) * inter).sum() / batch
        return total / (clean.shape[1] - 1)

    def step(
        self,
        theta: torch.Tensor,
        psi: torch.Tensor,
        gamma: torch.Tensor,
        noisy: torch.Tensor,
        action: torch.Tensor | None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Take one step in time; return the new theta and psi."""
        batch, slots = gamma.shape[:2]
        x = (gamma * (noisy[:, None] - psi)).reshape(batch * slots, 1, self.size, self.size)
        for number in range(self.convolutions):
            x = F.conv2d(F.pad(x, (1, 1, 1, 1)), *self.layer(f"encoder.convolutions.{3 * number}"), stride=2)
            x = F.elu(self.image_norm(x, f"encoder.convolutions.{3 * number + 1}"))
        height, channels = x.shape[2], x.shape[1]
        x = F.elu(self.dense(x.permute(0, 2, 3, 1).reshape(batch * slots, -1), "encoder.dense"))
        theta, output = getattr(self, self.recurrence.partition("-no-")[0].replace("-", "_"))(
            theta, x.view(batch, slots, -1), action
        )
        y = F.relu(self.dense(output.reshape(batch * slots, -1), "decoder.dense.0"))
        y = F.relu(self.dense(y, "decoder.dense.1")).view(-1, height, height, channels).permute(0, 3, 1, 2).contiguous()
        for number in range(self.convolutions):
            y = F.pad(F.interpolate(y, scale_factor=2, mode="nearest"), (1, 2, 1, 2))
            y = F.conv2d(y, *self.layer(f"decoder.growths.{3 * number}"))
            if number + 1 < self.convolutions:
                y = F.relu(self.image_norm(y, f"decoder.growths.{3 * number + 1}"))
        return theta, torch.sigmoid(y.float()).view(batch, slots, self.size, self.size)

    def rnn(
        self, theta: torch.Tensor, x: torch.Tensor, action: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Apply the recurrence of `rnn`; return the new theta and the output."""
        return self.sigmoid_cell(torch.cat([x, theta], dim=-1))

    def lstm(
        self, theta: torch.Tensor, x: torch.Tensor, action: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Apply the recurrence of `lstm`; return the new theta and the output."""
        cell, output = theta.chunk(2, dim=-1)
        gates = F.linear(torch.cat([x, output], dim=-1), self.weights["recurrence.linear.weight"]).chunk(4, dim=-1)
        gain, offset = self.weights["recurrence.gain"], self.weights["recurrence.offset"]
        i, j, f, o = (normalise(gate, (-1,)) * gain[number] + offset[number] for number, gate in enumerate(gates))
        cell = self.norm(cell * torch.sigmoid(f + 1) + torch.sigmoid(i) * torch.tanh(j), "recurrence.norm")
        output = torch.tanh(cell) * torch.sigmoid(o)
        return torch.cat([cell, output], dim=-1), output

    def r_nem(
        self, theta: torch.Tensor, x: torch.Tensor, action: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Apply the recurrence of `r-nem`; return the new theta and the output."""
        slots = theta.shape[1]
        told = [] if action is None else [F.relu(self.dense(action, "recurrence.act"))]
        states = [F.relu(self.dense(torch.cat([theta[:, k], *told], dim=-1), "recurrence.enc")) for k in range(slots)]
        rows: list[torch.Tensor] = []
        for k in range(slots):
            effect = torch.zeros_like(states[k])
            for i in range(slots):
                if i != k:
                    pair = F.linear(torch.cat([states[k], states[i]], dim=-1), *self.layer("recurrence.emb"))
                    xi = F.relu(self.norm(pair, "recurrence.emb_norm"))
                    effect = effect + self.attention(xi) * F.relu(self.dense(xi, "recurrence.eff"))
            rows.append(torch.cat([states[k], effect, x[:, k], *told], dim=-1))
        return self.sigmoid_cell(torch.stack(rows, dim=1))

    def attention(self, xi: torch.Tensor) -> torch.Tensor:
        """Return the attention to a pair of slots; it is 1 in the model without attention."""
        if self.recurrence == "r-nem-no-attention":
            return torch.ones_like(xi[..., :1])
        return torch.sigmoid(F.linear(torch.tanh(self.dense(xi, "recurrence.att.0")), *self.layer("recurrence.att.1")))

    def sigmoid_cell(self, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the new theta and the output of a recurrence with sigmoids."""
        u = F.linear(inputs, *self.layer("recurrence.linear"))
        return torch.sigmoid(u), torch.sigmoid(self.norm(u, "recurrence.norm"))

    def layer(self, name: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the weight and the bias of a layer."""
        return self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]

    def dense(self, x: torch.Tensor, name: str) -> torch.Tensor:
        """Apply a linear layer with its norm."""
        return self.norm(F.linear(x, *self.layer(f"{name}.linear")), f"{name}.norm")

    def norm(self, x: torch.Tensor, name: str) -> torch.Tensor:
        """Apply a norm over the last axis."""
        return normalise(x, (-1,)) * self.weights[f"{name}.gain"] + self.weights[f"{name}.offset"]

    def image_norm(self, x: torch.Tensor, name: str) -> torch.Tensor:
        """Apply a norm over channels and pixels."""
        gain, offset = (self.weights[f"{name}.{which}"][:, None, None] for which in ("gain", "offset"))
        return normalise(x, (1, 2, 3)) * gain + offset


def normalise(x: torch.Tensor, axes: tuple[int, ...]) -> torch.Tensor:
    """Shift and scale to mean 0 and variance 1 over some axes."""
    variance, mean = torch.var_mean(x, dim=axes, correction=0, keepdim=True)
    return (x - mean) * torch.rsqrt(variance + EPSILON)
