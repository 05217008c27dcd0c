"""SplitMix64 in Python's big integers."""

GOLDEN, WORD = 0x9E3779B97F4A7C15, 2**64
KNOWN = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821]
"""SplitMix64 from the state 1234567, as other implementations publish it."""


def splitmix(state: int) -> int:
    z = state % WORD
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % WORD
    z = (z ^ z >> 27) * 0x94D049BB133111EB % WORD
    return z ^ z >> 31
