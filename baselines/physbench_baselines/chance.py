"""Random numbers that a sequence takes with it: a function of its seed, a stream and a position, of nothing else.

Whatever batch a sequence is in, on whatever device, its numbers are the same. The hash is the finaliser of splitmix64
in the int64 arithmetic that tensors have: products wrap around as unsigned ones do, and shifts are made logical. B
sequences, N numbers of each.
"""

import math

import torch

GOLDEN = 0x9E3779B97F4A7C15
FIRST = 0xBF58476D1CE4E5B9
SECOND = 0x94D049BB133111EB


def bits(seeds: torch.Tensor, stream: int, count: int) -> torch.Tensor:
    """int64 (B,), any stream -> int64 (B, N): 64 random bits each. Streams of one seed have nothing to do with one
    another."""
    key = _mix(
        _mix(seeds + _sign(GOLDEN)) + _sign(GOLDEN * (2 * stream + 1))
    )  # odd, so that no stream is the seed itself
    position = torch.arange(1, count + 1, device=seeds.device) * _sign(GOLDEN)
    return _mix(key[:, None] + position)


def uniform(seeds: torch.Tensor, stream: int, count: int) -> torch.Tensor:
    """int64 (B,) -> float32 (B, N) in [0, 1): multiples of 2 ** -24."""
    return _shift(bits(seeds, stream, count), 40).to(torch.float32) * 2.0**-24


def normal(seeds: torch.Tensor, stream: int, count: int) -> torch.Tensor:
    """int64 (B,) -> float32 (B, N) by Box and Muller, half of the bits for the radius and half for the angle. In
    float64, so that devices agree."""
    word = bits(seeds, stream, count)
    radius = (_shift(word, 32).to(torch.float64) + 1) * 2.0**-32
    angle = (word & 0xFFFFFFFF).to(torch.float64) * (2 * math.pi * 2.0**-32)
    return (torch.sqrt(-2 * torch.log(radius)) * torch.cos(angle)).to(torch.float32)


def _mix(word: torch.Tensor) -> torch.Tensor:
    word = (word ^ _shift(word, 30)) * _sign(FIRST)
    word = (word ^ _shift(word, 27)) * _sign(SECOND)
    return word ^ _shift(word, 31)


def _shift(word: torch.Tensor, places: int) -> torch.Tensor:
    """To the right, with zeros from the left."""
    return (word >> places) & ((1 << (64 - places)) - 1)


def _sign(number: int) -> int:
    """The int64 with the low 64 bits of a number."""
    number &= (1 << 64) - 1
    return number - (1 << 64) if number >> 63 else number
