"""Tests of plain R-NEM files: they read as the same sequences, whatever their types and layout.

Values that cannot be frames or groups are refused, with their place.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import physbench
from physbench.errors import DamagedFile, HostileFile, StorageError
from physbench.storage.plain import open_plain

T, N, H, W = 6, 70, 5, 4
RNG = np.random.default_rng(0)
FRAMES = RNG.integers(0, 2, (T, N, H, W, 1), np.uint8)
GROUPS = RNG.integers(0, 5, (T, N, H, W, 1), np.uint8)
COLLISIONS = RNG.integers(0, 2, (T, N, H, W, 1), np.uint8)
COLOURS = RNG.integers(0, 256, (T, N, H, W, 3), np.uint8)


def plain(path: Path, split: str = "test", **arrays: Any) -> Path:
    with h5py.File(path, "a") as file:
        for name, values in arrays.items():
            file[f"{split}/{name}"] = values
    return path


def expect(values: Any, start: int, stop: int) -> Any:
    """Sequences first, one by one."""
    return np.stack([values[:, number] for number in range(start, stop)])


@pytest.mark.parametrize("code", ["u1", "?", "i8", ">i4", "f2", "f4", ">f8"])
def test_frames_of_0_and_1_read_as_bytes_of_every_type(code: str, tmp_path: Path) -> None:
    whole = code if code != "?" else "u1"
    split = open_plain(
        plain(
            tmp_path / "x.h5",
            features=FRAMES.astype(code),
            groups=GROUPS.astype(whole),
            collisions=COLLISIONS.astype(code),
        )
    )
    assert (len(split), split.frames, split.shape) == (N, T, (H, W, 1))
    for start, stop in ((0, 3), (3, 70), (69, 70)):
        read = split.read(start, stop)
        for name, values in (("features", FRAMES), ("groups", GROUPS), ("collisions", COLLISIONS)):
            assert read[name].dtype == np.uint8 and read[name].flags.c_contiguous
            np.testing.assert_array_equal(read[name], expect(values, start, stop))


def test_frames_without_channels_and_groups_alone_are_enough(tmp_path: Path) -> None:
    split = open_plain(plain(tmp_path / "x.h5", features=FRAMES[..., 0], groups=GROUPS[..., 0]))
    read = split.read(0, 2)
    assert split.shape == (H, W, 1) and read["collisions"] is None
    np.testing.assert_array_equal(read["features"], expect(FRAMES, 0, 2))
    np.testing.assert_array_equal(read["groups"], expect(GROUPS, 0, 2))
    assert open_plain(plain(tmp_path / "y.h5", features=FRAMES)).read(0, 1)["groups"] is None


def test_colours_in_bytes_become_shares_of_255(tmp_path: Path) -> None:
    read = open_plain(plain(tmp_path / "x.h5", features=COLOURS)).read(2, 9)["features"]
    assert read is not None and read.dtype == np.float32
    np.testing.assert_array_equal(read, (expect(COLOURS, 2, 9) / 255).astype("f4"))


@pytest.mark.parametrize("code", ["f4", ">f8", "f2"])
def test_floats_in_between_stay_floats(code: str, tmp_path: Path) -> None:
    values = RNG.random((T, N, H, W, 3)).astype(code)
    read = open_plain(plain(tmp_path / "x.h5", features=values)).read(0, N)["features"]
    assert read is not None and read.dtype == np.float32
    np.testing.assert_array_equal(read, expect(values, 0, N).astype("f4"))


def test_what_frames_are_does_not_depend_on_the_block_that_is_read(tmp_path: Path) -> None:
    dark = COLOURS.copy()
    dark[:, 30:40] = 1
    split = open_plain(plain(tmp_path / "x.h5", features=dark))
    read = split.read(30, 40)["features"]
    assert read is not None and read.dtype == np.float32 and (read == np.float32(1 / 255)).all()


def test_a_file_of_ours_is_a_plain_file_too(tiny: Any) -> None:
    ours, split = physbench.open(tiny.path)["test"], open_plain(tiny.path)
    read = split.read(0, len(ours))
    for name in ("features", "groups", "collisions"):
        np.testing.assert_array_equal(read[name], ours[:][name])


LAYOUTS: dict[str, dict[str, Any]] = {
    "in one piece": {},
    "as floats": {"dtype": ">f8"},
    "in other chunks": {"chunks": (2, 40, 3, 4, 1), "compression": "gzip"},
    "a sequence per chunk": {"chunks": (T, 1, H, W, 1), "compression": "gzip", "shuffle": True},
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_a_digest_is_of_values_not_of_layout(
    layout: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = open_plain(plain(tmp_path / "x.h5", features=FRAMES, groups=GROUPS)).digest(50)
    with h5py.File(tmp_path / "y.h5", "w") as file:
        for name, values in (("features", FRAMES), ("groups", GROUPS)):
            file.create_dataset(f"test/{name}", data=values, **layout)
    monkeypatch.setattr("physbench.storage.plain.AT_ONCE", 4 * FRAMES[:, :7].size)  # blocks of 7
    assert open_plain(tmp_path / "y.h5").digest(50) == reference


def test_a_digest_tells_values_shapes_and_counts_apart(tmp_path: Path) -> None:
    other = FRAMES.copy()
    other[3, 49, 2, 2, 0] ^= 1
    beyond = FRAMES.copy()
    beyond[3, 50, 2, 2, 0] ^= 1
    files = {
        "a": FRAMES,
        "other": other,
        "turned": FRAMES.reshape(T, N, W, H, 1),
        "beyond": beyond,
        "floats": FRAMES * np.float32(0.5),
    }
    digests = {
        name: open_plain(plain(tmp_path / f"{name}.h5", features=values)).digest(50) for name, values in files.items()
    }
    digests["fewer"] = open_plain(tmp_path / "a.h5").digest(49)
    digests["groups"] = open_plain(plain(tmp_path / "g.h5", features=FRAMES, groups=GROUPS)).digest(50)
    digests["collisions"] = open_plain(plain(tmp_path / "c.h5", features=FRAMES, collisions=GROUPS > 1)).digest(50)
    assert digests.pop("beyond") == digests["a"]
    assert len(set(digests.values())) == len(digests)
    for count in (0, N + 1):
        with pytest.raises(StorageError, match=f"a digest of {count} cannot"):
            open_plain(tmp_path / "a.h5").digest(count)


def spoilt(values: Any, value: Any, code: str = "f4") -> Any:
    values = values.astype(code)
    values[4, 66, 1, 2, 0] = value
    return values


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"features": spoilt(FRAMES, np.nan)}, "features holds nan"),
        ({"features": spoilt(FRAMES, 0.5)}, "features holds 0.5"),
        ({"features": spoilt(FRAMES, 7, "u1")}, "features holds 7"),
        ({"features": spoilt(FRAMES, -1, "i2")}, "features holds -1"),
        ({"features": spoilt(FRAMES * 0.5, 1.5)}, "features holds 1.5"),
        ({"features": spoilt(FRAMES * 0.5, np.nan)}, "features holds nan"),
        ({"features": spoilt(COLOURS, 256, "u2")}, "features holds 256"),
        ({"features": spoilt(COLOURS, -1, "i2")}, "features holds -1"),
        ({"features": FRAMES, "groups": spoilt(GROUPS, 255, "u1")}, "groups holds 255"),
        ({"features": FRAMES, "groups": spoilt(GROUPS, 1.5)}, "groups holds 1.5"),
        ({"features": FRAMES, "groups": spoilt(GROUPS, np.nan)}, "groups holds nan"),
        ({"features": FRAMES, "groups": spoilt(GROUPS, np.inf)}, "groups holds inf"),
        ({"features": FRAMES, "groups": spoilt(GROUPS, -1, "i8")}, "groups holds -1"),
        ({"features": FRAMES, "collisions": spoilt(COLLISIONS, 2, "u1")}, "collisions holds 2"),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_its_place(arrays: dict[str, Any], told: str, tmp_path: Path) -> None:
    split = open_plain(plain(tmp_path / "x.h5", **arrays))
    split.read(0, 66)
    split.read(67, 70)
    with pytest.raises(DamagedFile, match=f"test/{told} in frame 4 of sequence 66"):
        split.read(65, 68)


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"features": FRAMES[0]}, None),
        ({"features": FRAMES[0, 0]}, "has 3 axes"),
        ({"features": FRAMES[:, :0]}, "is empty"),
        ({"features": FRAMES, "groups": GROUPS[:, 1:]}, r"groups has shape \(6, 69, 5, 4, 1\)"),
        ({"features": FRAMES, "groups": COLOURS}, "groups has shape"),
        ({"features": FRAMES, "collisions": COLLISIONS[1:]}, "collisions has shape"),
        ({"features": np.array([b"a"])}, "of a type that is not read"),
    ],
)
def test_shapes_that_do_not_agree_are_refused(arrays: dict[str, Any], told: str | None, tmp_path: Path) -> None:
    path = plain(tmp_path / "x.h5", **arrays)
    if told is None:
        assert open_plain(path).shape == (W, 1, 1)  # four axes are frames without channels
        return
    with pytest.raises(StorageError, match=told):
        open_plain(path)


def test_a_sequence_that_is_too_long_is_refused_unread(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        frames = file.create_dataset(
            "test/features", (1 << 14, 1, 128, 128, 1), "u1", chunks=(1 << 14, 1, 128, 128, 1), compression="gzip"
        )
        frames.id.write_direct_chunk((0, 0, 0, 0, 0), bytes(1 << 19))
    with pytest.raises(StorageError, match="16384 frames of"):
        open_plain(tmp_path / "x.h5")


def test_a_missing_split_is_reported_with_those_that_exist(tmp_path: Path) -> None:
    path = plain(plain(tmp_path / "x.h5", "training", features=FRAMES), "validation", features=FRAMES)
    assert len(open_plain(path, "validation")) == N
    for split in ("test", "tset"):
        with pytest.raises(StorageError, match=f"no features of a split '{split}': it has training, validation"):
            open_plain(path, split)
    with pytest.raises(StorageError, match="is no R-NEM file"):
        open_plain(plain(tmp_path / "y.h5", "other", features=FRAMES))


def test_a_split_behind_a_link_is_refused(tmp_path: Path) -> None:
    path = plain(tmp_path / "x.h5", "training", features=FRAMES)
    with h5py.File(path, "a") as file:
        file["test"] = h5py.ExternalLink("/etc/passwd", "/x")
    with pytest.raises(HostileFile, match="a link to another file"):
        open_plain(path)
    assert len(open_plain(path, "training")) == N
