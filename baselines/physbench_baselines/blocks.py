"""Layers that several models share: norms, dense and convolutional layers, and encoders and decoders made of them.

Images go in and out as (B, H, W, C) in float32. Between layers they are viewed as (B, C, H, W) but stay in memory as
they came (channels last), so that nothing is copied when an image becomes a vector or a vector an image. Padding is
"same": if it cannot be split evenly, the far side gets the larger part.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

Activation = Callable[[torch.Tensor], torch.Tensor]

EPSILON = 1e-12
"""Added to every variance."""


class Norm(nn.Module):
    """Layer norm with one gain and one offset per channel.

    It is over all axes but the batch; for vectors it is over the last axis. Its statistics are float32.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(channels))
        self.offset = nn.Parameter(torch.zeros(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalise vectors (..., C)."""
        return F.layer_norm(x, self.gain.shape, self.gain, self.offset, EPSILON)


class ImageNorm(Norm):
    """Layer norm for images (B, C, H, W): a group norm with one group."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalise images (B, C, H, W)."""
        return F.group_norm(x, 1, self.gain, self.offset, EPSILON)


class Dense(nn.Module):
    """A linear layer, a norm and an activation."""

    def __init__(self, inputs: int, outputs: int, activation: Activation) -> None:
        super().__init__()
        self.linear = initialise(nn.Linear(inputs, outputs))
        self.norm = Norm(outputs)
        self.activation = activation

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Apply the layers to x."""
        return self.activation(self.norm(self.linear(x)))


class Convolution(nn.Module):
    """A convolution with padding "same": (B, C, H, W) -> (B, C', H / stride, W / stride), rounded up."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.stride = stride
        nn.init.xavier_uniform_(self.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Apply the convolution to x."""
        kernel = self.weight.shape[-1]
        above, below = same_padding(x.shape[-2], kernel, self.stride)
        left, right = same_padding(x.shape[-1], kernel, self.stride)
        if (above, left) != (below, right):
            x, above, left = F.pad(x, (left, right, above, below)), 0, 0
        return F.conv2d(x, self.weight, self.bias, self.stride, (above, left))


class Magnified(nn.Module):
    """The image magnified `factor` times (nearest neighbour), then a convolution with padding "same", in one step.

    Everything is computed from the small image. An output pixel sees only a few different pixels in its large window,
    and which ones depends only on its place within the block that a small pixel became. So the weights of the kernel
    that meet the same small pixel are added up once. Then one small convolution computes all places of a block as
    channels. For a factor of 2 and a 4x4 kernel this takes 9 products instead of 16 per output pixel, and a quarter of
    the memory. The parameters are those of the plain convolution.
    """

    folding: torch.Tensor  # (kernel ** 2, factor ** 2 * taps ** 2)

    def __init__(self, inputs: int, outputs: int, kernel: int, factor: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.factor = factor
        nn.init.xavier_uniform_(self.weight)
        self.reach, folding = _folding(kernel, factor)
        self.register_buffer("folding", folding, persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Magnify and convolve: (B, C, H, W) -> (B, C', H * factor, W * factor)."""
        (batch, _, height, width), (outputs, inputs), f = x.shape, self.weight.shape[:2], self.factor
        with torch.autocast(x.device.type, enabled=False):  # sums of weights must not be rounded
            taps = math.isqrt(self.folding.shape[1] // f**2)
            folded = (self.weight.reshape(outputs * inputs, -1) @ self.folding).view(outputs, inputs, f * f, taps, taps)
            small = folded.permute(2, 0, 1, 3, 4).reshape(f * f * outputs, inputs, taps, taps)
        places = F.conv2d(x, small, self.bias.repeat(f * f), padding=self.reach)
        blocks = places.permute(0, 2, 3, 1).reshape(batch, height, width, f, f, outputs).transpose(2, 3)
        return blocks.reshape(batch, height * f, width * f, outputs).permute(0, 3, 1, 2)


class Resized(nn.Module):
    """The image resized to any size (nearest neighbour), then a convolution with padding "same"."""

    def __init__(self, inputs: int, outputs: int, kernel: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.convolution = Convolution(inputs, outputs, kernel)
        self.size = size

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Resize and convolve x."""
        return self.convolution(F.interpolate(x, size=self.size, mode="nearest"))


class Encoder(nn.Module):
    """Convolutions, then one dense layer; all with norm and ELU. (B, H, W, C) -> (B, dense)."""

    def __init__(
        self,
        shape: tuple[int, int, int],
        channels: Sequence[int],
        kernels: Sequence[int],
        strides: Sequence[int],
        dense: int,
    ) -> None:
        super().__init__()
        height, width, inputs = shape
        layers: list[nn.Module] = []
        for outputs, kernel, stride in zip(channels, kernels, strides, strict=True):
            layers += [Convolution(inputs, outputs, kernel, stride), ImageNorm(outputs), nn.ELU()]
            height, width, inputs = -(-height // stride), -(-width // stride), outputs
        self.convolutions = nn.Sequential(*layers)
        self.dense = Dense(height * width * inputs, dense, F.elu)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Encode images (B, H, W, C)."""
        maps = self.convolutions(images.permute(0, 3, 1, 2))
        return self.dense(maps.permute(0, 2, 3, 1).flatten(1))


class Decoder(nn.Module):
    """Two dense layers to a first small image, which then grows to each of the sizes.

    The output is logits (B, H, W, C). There are norms and ReLU after each layer but the last.
    """

    def __init__(
        self,
        inputs: int,
        dense: int,
        first: tuple[int, int, int],
        sizes: Sequence[tuple[int, int]],
        channels: Sequence[int],
        kernels: Sequence[int],
    ) -> None:
        super().__init__()
        self.first = first
        self.dense = nn.Sequential(Dense(inputs, dense, F.relu), Dense(dense, math.prod(first), F.relu))
        height, width, before = first
        layers: list[nn.Module] = []
        for size, outputs, kernel in zip(sizes, channels, kernels, strict=True):
            layers += [growth(before, outputs, kernel, (height, width), size), ImageNorm(outputs), nn.ReLU()]
            (height, width), before = size, outputs
        self.growths = nn.Sequential(*layers[:-2])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Decode vectors x to logits."""
        maps = self.dense(x).view(-1, *self.first).permute(0, 3, 1, 2)
        return self.growths(maps).permute(0, 2, 3, 1)


def growth(inputs: int, outputs: int, kernel: int, small: tuple[int, int], large: tuple[int, int]) -> nn.Module:
    """Return a layer that resizes (nearest neighbour) and convolves.

    It does both in one step if the large size is the same multiple of the small one in both directions.
    """
    factor = large[0] // small[0]
    if (small[0] * factor, small[1] * factor) == large:
        return Magnified(inputs, outputs, kernel, factor)
    return Resized(inputs, outputs, kernel, large)


def initialise(linear: nn.Linear) -> nn.Linear:
    """Draw Glorot's uniform weights, and set the offset to 0 if there is one."""
    nn.init.xavier_uniform_(linear.weight)
    bias: Any = linear.bias  # by its type always a parameter, but it is None if there is no offset
    if bias is not None:
        nn.init.zeros_(bias)
    return linear


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Return how many pixels of padding before and after give ceil(size / stride) outputs."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def _folding(kernel: int, factor: int) -> tuple[int, torch.Tensor]:
    """Return how far an output sees from its own small pixel, and which weight meets which small pixel, for each place.

    The second is a matrix (kernel ** 2, factor ** 2 * taps ** 2).
    """
    before = (kernel - 1) // 2
    reach = max(-(-before // factor), (factor + kernel - 2 - before) // factor)
    one = np.zeros((kernel, factor, 2 * reach + 1), np.float32)
    for weight in range(kernel):
        for place in range(factor):
            one[weight, place, (place + weight - before) // factor + reach] = 1
    return reach, torch.tensor(np.einsum("ais,bjt->abijst", one, one).reshape(kernel**2, -1))
