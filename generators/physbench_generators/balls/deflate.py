"""A writer of zlib streams that compresses a movie from its runs, without making its pixels.

Deflate [RFC 1951] offers two ways to write many bytes in a few bits, and a movie of discs needs only these. A run of
an owner is written as its byte and a match at distance 1, which repeats the byte. A gap is written as a match at the
distance of a row, which copies the zeros above it (decoders copy rows faster than they repeat bytes). If something lies
above, a gap is a zero byte and a match at distance 1. The Huffman code is constant, so each of these is one look-up.
The stream is one block with that code, between the header and the Adler-32 checksum of zlib [RFC 1950]. The checksum
of a run has a closed form.
"""

import heapq
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from physbench_generators.compiled import kernel

LONGEST = 258
SHORTEST = 3
END_OF_BLOCK = 256
FIRST_LENGTH = 257

# The length codes of RFC 1951, section 3.2.5: the shortest match of each code, and how many extra bits it has.
LENGTHS = (
    3,
    4,
    5,
    6,
    7,
    8,
    9,
    10,
    11,
    13,
    15,
    17,
    19,
    23,
    27,
    31,
    35,
    43,
    51,
    59,
    67,
    83,
    99,
    115,
    131,
    163,
    195,
    227,
    258,
)
LENGTH_BITS = (0,) * 8 + (1,) * 4 + (2,) * 4 + (3,) * 4 + (4,) * 4 + (5,) * 4 + (0,)
ORDER = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)
"""The order in which a block states the lengths of its code-length code (section 3.2.7)."""

# How often each symbol occurs in 100,000, counted over label movies of the three named datasets. The constant code is
# made from these counts.
ZERO, OWNERS, ENDS = 13_800, 29_500, 9
LENGTH_COUNTS = (
    1250, 1530, 1780, 2040, 2350, 2630, 3310, 4520, 7560, 6360, 880, 850, 1460, 1200, 1100,
    1230, 1600, 2330, 8720, 1350, 50, 40, 45, 80, 90, 130, 100, 125, 2020,
)  # fmt: skip


class Code(NamedTuple):
    """The bits to write for each run and gap, and how many they are, with the least significant bit first."""

    header: NDArray[np.uint32]  # everything before the first symbol, except the last few bits
    start: tuple[int, int]  # these last bits, and how many they are
    run: NDArray[np.uint64]  # (owners + 1, W + 1): runs by owner and length; owner 0: a gap below something
    run_bits: NDArray[np.int64]
    copy: NDArray[np.uint64]  # (259,): gaps by length, below zeros: a copy of the row above, or zeros if it is short
    copy_bits: NDArray[np.int64]
    end: tuple[int, int]


@lru_cache(maxsize=16)
def code_for(owners: int, width: int) -> Code:
    """Return the constant code for movies with this number of owners and this width.

    The width is 2 to 256 pixels, so that one match is long enough for any run.
    """
    counts = {0: ZERO, END_OF_BLOCK: ENDS} | {owner: OWNERS // owners for owner in range(1, owners + 1)}
    counts |= {FIRST_LENGTH + i: count for i, count in enumerate(LENGTH_COUNTS)}
    lengths = huffman_lengths(counts, limit=10)
    symbols = canonical(lengths)
    distance, distance_extra, distance_bits = _distance(width)

    def match(length: int, *, row: bool) -> tuple[int, int]:
        i = max(i for i, shortest in enumerate(LENGTHS) if shortest <= length)
        # one bit for the distance: 0 = a byte, 1 = a row
        far = ((1 | distance_extra << 1), 1 + distance_bits) if row else (0, 1)
        return _join(symbols[FIRST_LENGTH + i], (length - LENGTHS[i], LENGTH_BITS[i]), far)

    def run(owner: int, length: int) -> tuple[int, int]:
        rest = length - 1
        if rest < SHORTEST:
            return _join(*[symbols[owner]] * length)
        return _join(symbols[owner], match(rest, row=False))

    runs = [[run(owner, length) if length else (0, 0) for length in range(width + 1)] for owner in range(owners + 1)]
    copies = [match(length, row=True) if length >= SHORTEST else runs[0][length] for length in range(LONGEST + 1)]
    bits, count = _header(lengths, distance)
    whole = count // 32
    return Code(
        header=np.array([bits >> 32 * i & 0xFFFFFFFF for i in range(whole)], np.uint32),
        start=(bits >> 32 * whole, count - 32 * whole),
        run=np.array([[bits for bits, _ in row] for row in runs], np.uint64),
        run_bits=np.array([[count for _, count in row] for row in runs], np.int64),
        copy=np.array([bits for bits, _ in copies], np.uint64),
        copy_bits=np.array([count for _, count in copies], np.int64),
        end=symbols[END_OF_BLOCK],
    )


def huffman_lengths(counts: dict[int, int], *, limit: int) -> dict[int, int]:
    """Return the length of each symbol's code word. Counts are evened out until no word is longer than the limit."""
    while True:
        heap = [(count, symbol, (symbol,)) for symbol, count in sorted(counts.items())]
        heapq.heapify(heap)
        lengths = dict.fromkeys(counts, 0)
        while len(heap) > 1:
            (few, _, left), (more, tie, right) = heapq.heappop(heap), heapq.heappop(heap)
            for symbol in left + right:
                lengths[symbol] += 1
            heapq.heappush(heap, (few + more, tie, left + right))
        if max(lengths.values()) <= limit:
            return lengths
        counts = {symbol: count // 2 + 1 for symbol, count in counts.items()}


def canonical(lengths: dict[int, int]) -> dict[int, tuple[int, int]]:
    """Return the code words of RFC 1951, section 3.2.2, with their bits reversed for writing, and their lengths."""
    words: dict[int, tuple[int, int]] = {}
    word = previous = 0
    for length, symbol in sorted((length, symbol) for symbol, length in lengths.items()):
        word <<= length - previous
        words[symbol] = (int(f"{word:0{length}b}"[::-1], 2), length)
        word, previous = word + 1, length
    return words


def _distance(width: int) -> tuple[int, int, int]:
    """Return the distance code of a row: its symbol, its extra bits, and how many extra bits there are."""
    shortest, symbol, bits = 1, 0, 0
    while shortest + (1 << bits) <= width:
        shortest += 1 << bits
        symbol += 1
        bits = max(0, symbol // 2 - 1)
    return symbol, width - shortest, bits


def _header(lengths: dict[int, int], distance: int) -> tuple[int, int]:
    """Return the two header bytes of zlib and the head of the only block, which holds the code in coded form."""
    stated = [lengths.get(symbol, 0) for symbol in range(FIRST_LENGTH + len(LENGTHS))]
    distances = [1, *[0] * (distance - 1), 1]
    words = list(_with_zeros_counted(stated + distances))
    counts: dict[int, int] = {}
    for symbol, _, _ in words:
        counts[symbol] = counts.get(symbol, 0) + 1
    code_lengths = huffman_lengths(counts, limit=7)
    code = canonical(code_lengths)
    used = max(ORDER.index(symbol) for symbol in code_lengths) + 1
    parts = [(0x0178, 16), (1, 1), (2, 2), (len(stated) - 257, 5), (len(distances) - 1, 5), (used - 4, 4)]
    parts += [(code_lengths.get(symbol, 0), 3) for symbol in ORDER[:used]]
    for symbol, extra, bits in words:
        parts += [code[symbol], (extra, bits)]
    return _join(*parts)


def _with_zeros_counted(lengths: list[int]) -> list[tuple[int, int, int]]:
    """Write code lengths as symbols of the code-length code, with extra bits.

    17 stands for 3 to 10 zeros, and 18 for 11 to 138 zeros.
    """
    words: list[tuple[int, int, int]] = []
    while lengths:
        zeros = next((i for i, length in enumerate(lengths) if length), len(lengths))
        if zeros >= 11:
            zeros = min(zeros, 138)
            words.append((18, zeros - 11, 7))
        elif zeros >= 3:
            words.append((17, zeros - 3, 3))
        else:
            words.append((lengths[0], 0, 0))
            zeros = 1
        lengths = lengths[zeros:]
    return words


def _join(*parts: tuple[int, int]) -> tuple[int, int]:
    """Put bits one after another. Each part is its bits and how many they are."""
    bits = count = 0
    for more, length in parts:
        bits |= more << count
        count += length
    return bits, count


def most_words(runs: int, length: int) -> int:
    """Return a limit on the words of a stream of this many runs over this many bytes.

    There are two look-ups of at most 32 bits for each run, and the pieces of long gaps.
    """
    return 256 + 3 * runs + length // 255


@kernel
def write_stream(runs, count, length, width, owners, code, out):
    """Write a zlib stream of `length` bytes into out (most_words,) uint32, and return how many bytes the stream has.

    All bytes outside the runs are zero. With one owner, every run is a run of ones. `pending` holds `filled` bits, less
    than 32, that are not written yet; no look-up has more than 32. Indices are unsigned, so that Numba does not check
    for negative ones.
    """
    run, run_bits, copy, copy_bits = code.run, code.run_bits, code.copy, code.copy_bits
    at = code.header.size
    for i in range(at):
        out[i] = code.header[i]
    pending, filled = np.uint64(code.start[0]), code.start[1]
    low, high = np.uint64(1), np.uint64(0)  # the two sums of Adler-32, reduced at the end
    position = 0
    above = np.uint64(0)  # the first run that does not end before the row above
    for i in range(np.uint64(count) + np.uint64(1)):
        next_start = np.int64(runs[i, 0]) if i < count else length
        gap = next_start - position
        if gap > 0:
            high += np.uint64(gap) * low
            over = position - width
            while above < i and runs[above, 1] <= over:
                above += np.uint64(1)
            clear = over >= 0 and (above == i or runs[above, 0] >= over + min(gap, width))
            first = np.uint64(min(gap, width))
            pending |= (copy[first] if clear else run[0, first]) << np.uint64(filled)
            filled += copy_bits[first] if clear else run_bits[0, first]
            at, pending, filled = flush(out, at, pending, filled)
            gap -= np.int64(first)
            while gap > 0:  # a row of zeros is above by now
                piece = np.uint64(min(gap, LONGEST))
                pending |= copy[piece] << np.uint64(filled)
                filled += copy_bits[piece]
                at, pending, filled = flush(out, at, pending, filled)
                gap -= np.int64(piece)
        if i == count:
            break
        size = np.uint64(np.int64(runs[i, 1]) - next_start)
        owner = np.uint64(runs[i, 2] if owners > 1 else 1)
        pending |= run[owner, size] << np.uint64(filled)
        filled += run_bits[owner, size]
        at, pending, filled = flush(out, at, pending, filled)
        high += size * low + owner * (size * (size + np.uint64(1)) // np.uint64(2))
        low += owner * size
        position = next_start + np.int64(size)
    pending |= np.uint64(code.end[0]) << np.uint64(filled)
    filled += code.end[1]
    at, pending, filled = flush(out, at, pending, filled)
    out[at] = np.uint32(pending)
    stream = out.view(np.uint8)
    size = 4 * at + (filled + 7) // 8
    adler = ((high % np.uint64(65521)) << np.uint64(16)) | (low % np.uint64(65521))
    for i in range(4):
        stream[size + i] = (adler >> np.uint64(24 - 8 * i)) & np.uint64(255)
    return size + 4


@kernel
def flush(out, at, pending, filled):
    """Write a word, and move on to the next one if it is full. A branch is avoided: it could not be predicted."""
    out[np.uint64(at)] = np.uint32(pending & np.uint64(0xFFFFFFFF))
    full = filled >> 5
    return at + full, pending >> np.uint64(full << 5), filled & 31
