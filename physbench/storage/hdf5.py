"""The metadata of an HDF5 file, written in one go after the data it describes.

The caller has put the raw bytes of every array somewhere in a plain file and knows where they lie. From that, and from
the tree of groups and datasets wanted, `skeleton` makes the two pieces that turn the file into HDF5: a superblock for
offset 0 and a body of metadata for the end of the file. Nothing here reads or writes files, and libhdf5 is not
involved.

The structures are those of the HDF5 File Format Specification, version 3, as every libhdf5 since 1.8 reads them: the
superblock of version 2 (section II.A), the version 1 B-tree over the chunks of a dataset (III.A.1), the global heap for
the text of attributes (III.E), object headers of version 2 (IV.A.1.b) and their messages (IV.A.2). All numbers are
little-endian, addresses and lengths take 8 bytes, and every structure begins on a multiple of 8.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from struct import pack, unpack
from typing import Any

import numpy as np
from numpy.typing import NDArray

Attributes = Mapping[str, str | int]


@dataclass(frozen=True)
class Contiguous:
    """The whole array, in C order, at `address`; an array without elements lies nowhere and its address is ignored."""

    address: int


@dataclass(frozen=True)
class Chunked:
    """Chunks of one shape, each stored in full even where it overhangs the array, listed in C order of the chunk
    grid."""

    chunk: tuple[int, ...]
    addresses: NDArray[np.uint64]
    sizes: NDArray[np.uint32]  # in bytes, as stored
    deflate: int | None = None  # the level, if the chunks are deflated


@dataclass(frozen=True)
class Dataset:
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    storage: Contiguous | Chunked
    attributes: Attributes = field(default_factory=dict[str, str | int])


@dataclass(frozen=True)
class Group:
    members: Mapping[str, "Group | Dataset"]
    attributes: Attributes = field(default_factory=dict[str, str | int])


def skeleton(root: Group, address: int) -> tuple[bytes, bytes]:
    """(superblock, body): what to write at offset 0 and at `address`, the end of the data rounded up to a multiple of
    8."""
    if address % 8:
        raise ValueError(f"metadata must begin on a multiple of 8, not at {address}")
    body = _Body(address)
    body.words = _lay_words(body, root)
    root_address = _append_object(body, root)
    # Version 2, 8-byte addresses and lengths, no flags; addresses count from 0, and there is no extension.
    superblock = b"\x89HDF\r\n\x1a\n" + pack("<4B4Q", 2, 8, 8, 0, 0, _UNDEFINED, body.end, root_address)
    return _append_checksum(superblock), b"".join(body.pieces)


_UNDEFINED = 2**64 - 1  # the address of what is not there
_UTF8 = 1


@dataclass
class _Body:
    """Structures laid one after another from a given address on, so that each can name those laid before it."""

    end: int
    pieces: list[bytes] = field(default_factory=list[bytes])
    words: Iterator[bytes] = field(default_factory=lambda: iter(()))
    """References to the texts of the datasets, in the order in which their headers are laid."""

    def append(self, piece: bytes) -> int:
        """Lay down one structure and return its address."""
        address = self.end
        self.pieces.append(_pad(piece))
        self.end += len(self.pieces[-1])
        return address


def _pad(piece: bytes) -> bytes:
    return piece + bytes(-len(piece) % 8)


def _lay_words(body: _Body, root: Group) -> Iterator[bytes]:
    """Put the texts of all datasets into one heap: each has its object there, and few bytes are left over."""
    texts = [
        _text(value) for dataset in _datasets(root) for value in dataset.attributes.values() if isinstance(value, str)
    ]
    if len(texts) > _MOST_OBJECTS:
        raise ValueError(f"{len(texts)} texts are more than one heap holds")
    return _references(texts, body.append(_global_heap(texts)) if texts else _UNDEFINED)


def _datasets(group: Group) -> Iterator[Dataset]:
    """Go through the datasets in the order in which their headers are laid."""
    for member in group.members.values():
        if isinstance(member, Dataset):
            yield member
        else:
            yield from _datasets(member)


def _append_object(body: _Body, node: Group | Dataset) -> int:
    """Lay down what an object's header points to, then the header, and return the header's address."""
    messages = _group_messages(body, node) if isinstance(node, Group) else _dataset_messages(body, node)
    content = b"".join(messages + _attribute_messages(body, node))
    return body.append(
        _append_checksum(b"OHDR" + pack("<2BI", 2, 0b10, len(content)) + content)
    )  # 0b10: a 4-byte length


_DATASPACE, _LINK_INFO, _DATATYPE, _FILL_VALUE, _LINK, _LAYOUT, _GROUP_INFO, _FILTERS, _ATTRIBUTE = (
    1,
    2,
    3,
    5,
    6,
    8,
    10,
    11,
    12,
)


def _message(kind: int, content: bytes) -> bytes:
    constant = kind in (_DATATYPE, _FILL_VALUE, _GROUP_INFO, _FILTERS)  # a flag: never changes during the object's life
    return pack("<BHB", kind, len(content), constant) + content


def _group_messages(body: _Body, group: Group) -> list[bytes]:
    links = [_message(_LINK, _link(name, _append_object(body, member))) for name, member in group.members.items()]
    all_in_header = pack("<2B2Q", 0, 0, _UNDEFINED, _UNDEFINED)  # no fractal heap of links, no index of their names
    return [_message(_LINK_INFO, all_in_header), _message(_GROUP_INFO, pack("<2B", 0, 0)), *links]


def _link(name: str, address: int) -> bytes:
    if name in ("", ".") or "/" in name:
        raise ValueError(f"{name!r} cannot name a member of a group")
    two_byte_length, has_character_set = 0b01, 0b10000
    encoded = _text(name)
    return pack("<3BH", 1, two_byte_length | has_character_set, _UTF8, len(encoded)) + encoded + pack("<Q", address)


def _dataset_messages(body: _Body, dataset: Dataset) -> list[bytes]:
    allotted = 2 if isinstance(dataset.storage, Contiguous) else 3  # late, or chunk by chunk: libhdf5's own choices
    return [
        _message(_DATASPACE, _dataspace(dataset.shape)),
        _message(_DATATYPE, _datatype(dataset.dtype)),
        _message(_FILL_VALUE, pack("<2B", 3, 2 << 2 | allotted)),  # no value given, so zeros
        *_storage_messages(body, dataset.storage, dataset),
    ]


def _storage_messages(body: _Body, storage: Contiguous | Chunked, dataset: Dataset) -> list[bytes]:
    if isinstance(storage, Contiguous):
        size = math.prod(dataset.shape) * dataset.dtype.itemsize
        return [_message(_LAYOUT, pack("<2B2Q", 3, 1, storage.address if size else _UNDEFINED, size))]
    dimensions = (*storage.chunk, dataset.dtype.itemsize)  # the format counts the bytes of an element as a last axis
    tree = _append_chunk_tree(body, storage, dataset.shape)
    layout = _message(_LAYOUT, pack(f"<3BQ{len(dimensions)}I", 3, 2, len(dimensions), tree, *dimensions))
    if storage.deflate is None:
        return [layout]
    deflate, optional = 1, 1  # "optional" as H5Pset_deflate has it; the level is the filter's one parameter
    return [layout, _message(_FILTERS, pack("<2B3HI", 2, 1, deflate, optional, 1, storage.deflate))]


def _dataspace(shape: tuple[int, ...]) -> bytes:
    return pack(f"<4B{len(shape)}Q", 2, len(shape), 0, bool(shape), *shape)  # type 0 is a scalar, 1 an array


def _datatype(dtype: np.dtype[Any]) -> bytes:
    """Version 1 datatypes: the class shares its byte with the version, 0x10 for integers and 0x11 for floats."""
    size, bits = dtype.itemsize, 8 * dtype.itemsize
    if dtype.str[0] == ">" or size not in {"u": (1, 2, 4, 8), "i": (1, 2, 4, 8), "f": (4, 8)}.get(dtype.kind, ()):
        raise ValueError(f"{dtype!r} is not a little-endian integer or float of a size kept here")
    if dtype.kind != "f":
        return pack("<4BI2H", 0x10, 0b1000 if dtype.kind == "i" else 0, 0, 0, size, 0, bits)
    mantissa = np.finfo(dtype).nmant
    exponent = bits - 1 - mantissa
    implied_leading_one, sign, bias = 0x20, bits - 1, 2 ** (exponent - 1) - 1
    return pack("<4BI2H4BI", 0x11, implied_leading_one, sign, 0, size, 0, bits, mantissa, exponent, 0, mantissa, bias)


_FANOUT = 64  # children of a full chunk tree node: twice the K = 32 that holds where a superblock names no other


def _append_chunk_tree(body: _Body, storage: Chunked, shape: tuple[int, ...]) -> int:
    """Lay down the B-tree over a dataset's chunks, leaves first, and return the address of its root."""
    keys, children, level = _chunk_keys(storage, shape), storage.addresses, 0
    while len(children) and (level == 0 or len(children) > 1):
        nodes = _tree_level(level, keys, children, body.end)
        children = body.append(nodes.tobytes()) + nodes.itemsize * np.arange(len(nodes), dtype=np.uint64)
        keys, level = np.concatenate([keys[:-1:_FANOUT], keys[-1:]]), level + 1
    return int(children[0]) if len(children) else _UNDEFINED


def _chunk_keys(storage: Chunked, shape: tuple[int, ...]) -> NDArray[np.void]:
    """The key of each chunk and one more beyond them all, which bounds the last chunk from the right."""
    grid = tuple(-(-length // side) for length, side in zip(shape, storage.chunk, strict=True))
    count = math.prod(grid)
    if storage.addresses.shape != (count,) or storage.sizes.shape != (count,):
        raise ValueError(f"shape {shape} in chunks of {storage.chunk} needs {count} addresses and sizes")
    keys = np.zeros(count + 1, [("size", "<u4"), ("skipped_filters", "<u4"), ("offset", "<u8", (len(shape) + 1,))])
    keys["size"][:-1] = storage.sizes
    keys["offset"][:-1, :-1] = np.stack(np.unravel_index(np.arange(count), grid), axis=-1) * storage.chunk
    keys["offset"][-1, 0] = grid[0] * storage.chunk[0]
    return keys


def _tree_level(level: int, keys: NDArray[np.void], children: NDArray[np.uint64], address: int) -> NDArray[np.void]:
    """One level of nodes, laid side by side from `address` on; keys and children alternate, and a last key closes each
    node."""
    count = -(-len(children) // _FANOUT)
    entry = np.dtype([("key", keys.dtype), ("child", "<u8")])
    head = [("signature", "S4"), ("type", "u1"), ("level", "u1"), ("used", "<u2"), ("left", "<u8"), ("right", "<u8")]
    nodes = np.zeros(count, [*head, ("entries", entry, (_FANOUT,)), ("last_key", keys.dtype)])
    addresses = address + nodes.itemsize * np.arange(count, dtype=np.uint64)
    nodes["signature"], nodes["type"], nodes["level"] = b"TREE", 1, level
    nodes["used"] = np.diff([*range(0, len(children), _FANOUT), len(children)])
    nodes["left"], nodes["right"] = [_UNDEFINED, *addresses[:-1]], [*addresses[1:], _UNDEFINED]
    slots = np.zeros(_FANOUT * count + 1, entry)
    slots["key"][: len(keys)], slots["child"][: len(children)] = keys, children
    nodes["entries"] = slots[:-1].reshape(count, _FANOUT)
    nodes["last_key"] = slots["key"][_FANOUT::_FANOUT]
    return nodes


# Class 9, variable length; of kind string, ended by NUL in memory, in UTF-8; on disk 16 bytes that lead to bytes in the
# heap.
_STRING = pack("<4BI", 0x19, 1, _UTF8, 0, 16) + _datatype(np.dtype("u1"))
_INT64 = _datatype(np.dtype("<i8"))
_MOST_OBJECTS = 65535  # of a heap: they are numbered in 16 bits


def _attribute_messages(body: _Body, node: Group | Dataset) -> list[bytes]:
    """The texts of a group go ahead into a heap of its own; those of datasets are laid already."""
    attributes, references = node.attributes, body.words
    if isinstance(node, Group):
        texts = [_text(value) for value in attributes.values() if isinstance(value, str)]
        references = _references(texts, body.append(_global_heap(texts)) if texts else _UNDEFINED)
    return [
        _attribute(name, _STRING, next(references))
        if isinstance(value, str)
        else _attribute(name, _INT64, pack("<q", value))
        for name, value in attributes.items()
    ]


def _references(texts: list[bytes], heap: int) -> Iterator[bytes]:
    return (pack("<IQI", len(text), heap, index) for index, text in enumerate(texts, start=1))


def _attribute(name: str, datatype: bytes, value: bytes) -> bytes:
    encoded, scalar = _text(name) + b"\0", _dataspace(())
    sizes = pack("<2B3HB", 3, 0, len(encoded), len(datatype), len(scalar), _UTF8)
    return _message(_ATTRIBUTE, sizes + encoded + datatype + scalar + value)


def _text(text: str) -> bytes:
    if "\0" in text:
        raise ValueError(f"{text!r} holds a NUL, which would end it early")
    return text.encode()


def _global_heap(texts: list[bytes]) -> bytes:
    """A collection of texts, numbered from 1; object 0 is the free space behind them, at the least its own header."""
    header, smallest = 16, 4096  # libhdf5 takes no collection below 4096 bytes
    objects = b"".join(pack("<2HIQ", index, 0, 0, len(text)) + _pad(text) for index, text in enumerate(texts, start=1))
    free = max(smallest - header - len(objects), header)
    size = header + len(objects) + free
    return b"GCOL" + pack("<B3xQ", 1, size) + objects + pack("<2HIQ", 0, 0, 0, free) + bytes(free - header)


def _append_checksum(structure: bytes) -> bytes:
    return structure + pack("<I", lookup3(structure))


def lookup3(data: bytes) -> int:
    """Bob Jenkins' 32-bit hash (`hashlittle`, from 0); his mixing steps are one step here, after which a, b, c move
    round."""
    if not data:
        return 0xDEADBEEF
    mask = 0xFFFFFFFF
    words = unpack(f"<{-(-len(data) // 12) * 3}I", data + bytes(-len(data) % 12))
    a = b = c = (0xDEADBEEF + len(data)) & mask
    for start in range(0, len(words), 3):
        if start:
            for shift in (4, 6, 8, 16, 19, 4):
                a = ((a - c) & mask) ^ (c << shift & mask | c >> 32 - shift)
                a, b, c = b, (c + b) & mask, a
        a, b, c = (a + words[start]) & mask, (b + words[start + 1]) & mask, (c + words[start + 2]) & mask
    for shift in (14, 11, 25, 16, 4, 14, 24):
        c = ((c ^ b) - (b << shift & mask | b >> 32 - shift)) & mask
        a, b, c = b, c, a
    return b
