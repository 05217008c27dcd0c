"""Put a torch module behind the pipe: `physbench eval --command "python3 pipe_torch.py weights.pt"`.

The network sees two frames, the one before and this one. Without a file its weights are random. Needs pipe_copy.py
beside it, PyTorch and NumPy, and no physbench.
"""

import sys

import torch
from pipe_copy import receive, send


class TwoFrames(torch.nn.Module):
    """What is on now is likely to be on next; the convolutions say where it is not."""

    def __init__(self, hidden=16):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Conv2d(2, hidden, 5, padding=2),
            torch.nn.ReLU(),
            torch.nn.Conv2d(hidden, 1, 5, padding=2),
        )

    def forward(self, before, now):  # (B, 1, H, W) each
        return torch.sigmoid(6 * (now - 0.5) + self.layers(torch.cat([before, now], dim=1)))


def main():
    torch.manual_seed(0)
    network = TwoFrames().eval()
    if sys.argv[1:]:
        network.load_state_dict(torch.load(sys.argv[1], map_location="cpu", weights_only=True))
    parameters = sum(weight.numel() for weight in network.parameters())
    before = mean = None
    while (message := receive())[0]:
        header, arrays = message
        if header["ask"] == "hello":
            likelihood = {"kind": "bernoulli"}
            send({"name": "two-frames", "likelihood": likelihood, "imagines": True, "parameters": parameters})
            continue
        if header["ask"] == "begin":
            before = None
            send({})
            continue
        now = mean  # to imagine is to go on from what was predicted
        if header["ask"] == "observe":
            now = torch.from_numpy(arrays["frame"].copy()).permute(0, 3, 1, 2)
        with torch.inference_mode():
            mean = network(now if before is None else before, now)
        before = now
        send({}, mean=mean.permute(0, 2, 3, 1).contiguous().numpy())


if __name__ == "__main__":
    main()
