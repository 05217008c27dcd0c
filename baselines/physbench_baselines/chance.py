"""Random numbers for each sequence, as functions of its seed, a stream and a position only.

A sequence gets the same numbers in any batch and on any device. The hash is the finaliser of splitmix64 in int64
arithmetic, which tensors have: products wrap around like unsigned ones, and shifts are made logical.

Shapes: B sequences, N numbers of each.
"""

import math

import torch

GOLDEN = 0x9E3779B97F4A7C15
FIRST = 0xBF58476D1CE4E5B9
SECOND = 0x94D049BB133111EB


def bits(seeds: torch.Tensor, stream: int, count: int) -> torch.Tensor:
    """Return 64 random bits for each number: seeds int64 (B,) -> int64 (B, N).

    The streams of one seed are independent of one another.
    """
    key = _mix(
        _mix(seeds + _sign(GOLDEN)) + _sign(GOLDEN * (2 * stream + 1))
    )  # odd, so that no stream is the seed itself
    position = torch.arange(1, count + 1, device=seeds.device) * _sign(GOLDEN)
    return _mix(key[:, None] + position)


def uniform(seeds: torch.Tensor, stream: int, count: int) -> torch.Tensor:
    """Return multiples of 2 ** -24 in [0, 1): seeds int64 (B,) -> float32 (B, N)."""
    return _shift(bits(seeds, stream, count), 40).to(torch.float32) * 2.0**-24


def normal(seeds: torch.Tensor, stream: int, count: int) -> torch.Tensor:
    """Return normal numbers by Box and Muller: seeds int64 (B,) -> float32 (B, N).

    Half of the bits are for the radius and half for the angle. The calculation is in float64, so that devices agree.
    """
    word = bits(seeds, stream, count)
    radius = (_shift(word, 32).to(torch.float64) + 1) * 2.0**-32
    angle = (word & 0xFFFFFFFF).to(torch.float64) * (2 * math.pi * 2.0**-32)
    return (torch.sqrt(-2 * torch.log(radius)) * torch.cos(angle)).to(torch.float32)


def _mix(word: torch.Tensor) -> torch.Tensor:
    word = (word ^ _shift(word, 30)) * _sign(FIRST)
    word = (word ^ _shift(word, 27)) * _sign(SECOND)
    return word ^ _shift(word, 31)


def _shift(word: torch.Tensor, places: int) -> torch.Tensor:
    """Shift to the right, with zeros from the left."""
    return (word >> places) & ((1 << (64 - places)) - 1)


def _sign(number: int) -> int:
    """Return the int64 with the low 64 bits of a number."""
    number &= (1 << 64) - 1
    return number - (1 << 64) if number >> 63 else number
