"""Tests of tapes: they give the same games without the policy, in few bytes, and are not trusted."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import accumulate
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("ale_py")

import physbench
from physbench.errors import HostileFile, RecipeError, StorageError
from physbench.recipe import Recipe
from physbench_generators.atari import policies, tape
from physbench_generators.atari.coder import decode, encode
from physbench_generators.atari.recording import main, record_tape
from physbench_generators.atari.tape import MAGIC, load_tape, read_tape
from physbench_generators.invaders.scenes import Invaders

OWN = Invaders(policy="scripted", noops=8, start_offset=20, epsilon=0.1)
SMALL = Recipe(dataset="invaders", generator=OWN, frames=3, splits={"training": 40, "test": 24}, seed=5)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record_tape(SMALL, tmp_path_factory.mktemp("tapes") / "small.tape", workers=1)


def with_tape(path: Path, recipe: Recipe = SMALL, **changes: object) -> Recipe:
    return replace(recipe, generator=replace(recipe.generator, tape=str(path), tape_sha256="", **changes))  # type: ignore[type-var]


def spoilt(path: Path, **changes: object) -> bytes:
    """A tape whose header says something else."""
    line, _, body = path.read_bytes()[len(MAGIC) :].partition(b"\n")
    return MAGIC + json.dumps({**json.loads(line), **changes}).encode() + b"\n" + body


def no_player(*_: object, **__: object) -> None:
    raise AssertionError("somebody was asked to play")


@pytest.mark.slow
def test_the_same_file_with_and_without_a_tape(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    played = physbench.generate(SMALL, tmp_path / "played.h5", workers=1)
    monkeypatch.setattr(policies, "choose", no_player)
    replayed = physbench.generate(with_tape(path), tmp_path / "replayed.h5", workers=1)
    digests = [physbench.open(file).attributes["content_sha256"] for file in (played, replayed)]
    assert digests[0] == digests[1]
    assert physbench.verify(replayed).sequences_remade == 64


def test_games_on_a_tape_can_be_seen_otherwise(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another dataset, another seed, another geometry: the games are those of the tape."""
    played = SMALL.scenes("test", 0, 24)
    monkeypatch.setattr(policies, "choose", no_player)
    other = replace(with_tape(path, geometry="mnih2013", hud="keep"), seed=77).scenes("test", 0, 24)
    assert np.array_equal(played.truth["ram"], other.truth["ram"])


def test_sittings_that_are_not_on_the_tape_are_played(path: Path) -> None:
    longer = {"training": 40, "validation": 5, "test": 30}
    made, played = (replace(recipe, splits=longer) for recipe in (with_tape(path), SMALL))
    for split in longer:
        assert np.array_equal(
            made.scenes(split, 0, longer[split]).truth["ram"], played.scenes(split, 0, longer[split]).truth["ram"]
        )


@pytest.mark.slow
def test_a_policy_that_is_on_a_tape_in_full_need_not_be_trusted(path: Path, tmp_path: Path) -> None:
    file = physbench.generate(with_tape(path), tmp_path / "taped.h5", workers=1)
    assert not physbench.verify(file).caveats
    recipe = physbench.open(file).recipe
    assert recipe["parameters"]["tape_sha256"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"skip": 3}, "has skip 4, but the recipe has 3"),
        ({"sticky": 0.25}, "has sticky 0.0, but the recipe has 0.25"),
        ({"epsilon": 0.2}, "has epsilon 0.1"),
        ({"noops": 9}, "has noops 8"),
        ({"start_offset": 21}, "has start-offset 20"),
        ({"play_only": False}, "has play-only True"),
        ({"policy": "random"}, "has policy 'scripted', but the recipe has 'random'"),
        ({"rom": "0123"}, "is for the ROM 72ff.*, but the recipe is for 0123"),
    ],
)
def test_a_tape_of_other_games_is_refused(path: Path, changes: dict[str, object], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        with_tape(path, **changes).scenes("test", 0, 1)


def test_a_tape_of_another_rom_is_refused(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.tape"
    other.write_bytes(spoilt(path, rom="4b27f5397c442d25f0c418ccdacf1926"))
    with pytest.raises(RecipeError, match=r"the tape .*other.tape is for the ROM 4b27f.*, but the recipe is for 72ff"):
        with_tape(other).scenes("test", 0, 1)


def test_a_tape_that_was_changed_since_is_refused(path: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.tape"
    mine.write_bytes(path.read_bytes())
    recipe = with_tape(mine)
    mine.write_bytes(spoilt(path, seed=1))
    with pytest.raises(RecipeError, match="mine.tape is not the tape of the recipe"):
        recipe.scenes("test", 0, 1)


def test_a_truncated_tape_is_one_error_wherever_it_is_cut(path: Path) -> None:
    data = path.read_bytes()
    for length in [*range(0, len(data) - 1, max(1, len(data) // 97)), len(data) - 1]:
        with pytest.raises(HostileFile):
            read_tape(data[:length], "cut")
    with pytest.raises(HostileFile, match="cut short or damaged"):
        read_tape(data + b"x", "long")


@pytest.mark.parametrize(
    "changes",
    [
        {"splits": {"training": [[256, -5]]}},
        {"splits": {"training": [[10**9, 50]]}},
        {"splits": {"training": 7}},
        {"splits": {"training": [[1, 2, 3]]}},
        {"splits": {"nothing": [[1, 50]]}},
        {"rules": {}},
        {"rules": []},
        {"actions": 1},
        {"actions": 10**6},
        {"seed": "1"},
        {"sha256": 5},
        {"frames": None},
    ],
)
def test_a_header_that_lies_is_refused(path: Path, changes: dict[str, object]) -> None:
    with pytest.raises(HostileFile):
        read_tape(spoilt(path, **changes), "lying")


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_refused_in_words(data: bytes) -> None:
    for start in (b"", MAGIC, MAGIC + b'{"splits":'):
        with pytest.raises(HostileFile):
            read_tape(start + data, "noise")


def test_lengths_beyond_reason_are_refused(path: Path) -> None:
    line, _, body = path.read_bytes()[len(MAGIC) :].partition(b"\n")
    import hashlib

    body = b"\xff" * 8 + body[8:]
    header = {**json.loads(line), "sha256": hashlib.sha256(body).hexdigest()}
    found = read_tape(MAGIC + json.dumps(header).encode() + b"\n" + body, "long")
    with pytest.raises(HostileFile, match="at most 1,000,000"):
        found.actions(SMALL, next(iter(OWN.spans(SMALL, "training"))))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_whatever_was_done_is_read_back(data: st.DataObject) -> None:
    actions = data.draw(st.integers(2, 18))
    lanes = data.draw(
        st.lists(st.binary(max_size=80).map(lambda raw: bytes(each % actions for each in raw)), min_size=1, max_size=4)
    )
    forced = [[action if data.draw(st.booleans()) else -1 for action in lane] for lane in lanes]
    written = encode(lanes, forced, actions)
    assert decode(written, [len(lane) for lane in lanes], forced, actions) == lanes


def test_likely_actions_cost_little_and_forced_ones_nothing() -> None:
    rng = np.random.default_rng(0)
    lane = bytes(accumulate(rng.random(4000) < 0.1, lambda last, changes: (last + changes) % 6, initial=0))
    entropy = 0.47  # bits a step, of a change in one of ten
    assert len(encode([lane], [[-1] * len(lane)], 6)) * 8 / len(lane) < entropy + 0.06
    assert encode([lane], [[*lane]], 6) == b"\x01"


def test_what_chance_did_not_do_is_not_written() -> None:
    with pytest.raises(StorageError, match="the actions do not follow these rules"):
        encode([b"\x01\x02"], [[-1, 3]], 6)


def test_actions_that_do_not_end_are_refused() -> None:
    with pytest.raises(StorageError, match="do not end where they should"):
        decode(b"\xff" * 9, [3], [[-1] * 3], 6)


def test_a_tape_is_small(path: Path) -> None:
    header = path.read_bytes().index(b"\n", len(MAGIC))
    assert path.stat().st_size - header < 6 * 64


def test_the_command_goes_on_where_it_was_stopped(path: Path, tmp_path: Path) -> None:
    seen: list[int] = []

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        record_tape(SMALL, tmp_path / "again.tape", workers=1, progress=stop)
    assert len([*tmp_path.iterdir()]) == 1
    record_tape(SMALL, tmp_path / "again.tape", workers=1, progress=lambda done, total: seen.append(done))
    assert seen == [64] and (tmp_path / "again.tape").read_bytes() == path.read_bytes()
    assert [*tmp_path.iterdir()] == [tmp_path / "again.tape"]


def test_the_command_writes_a_tape(tmp_path: Path) -> None:
    out = tmp_path / "x.tape"
    words = [
        "invaders",
        str(out),
        "--policy",
        "random",
        "--train",
        "2",
        "--valid",
        "0",
        "--test",
        "0",
        "--workers",
        "1",
    ]
    done = CliRunner().invoke(main, words)
    assert not done.exit_code and "2 sequences" in done.output
    assert load_tape(str(out)).header["rules"]["policy"] == "random"
    before = out.read_bytes()
    again = CliRunner().invoke(main, words)
    assert again.exit_code == 2 and "exists already: use --overwrite" in again.output and out.read_bytes() == before
    assert CliRunner().invoke(main, [*words, "--overwrite"]).exit_code == 0 and out.read_bytes() == before
    done = CliRunner().invoke(main, ["balls", str(tmp_path / "y.tape")])
    assert done.exit_code == 2 and "the world balls has no tapes" in done.output


def test_tapes_that_come_with_the_package_are_found_by_name(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tape, "BUNDLED", tmp_path)
    (tmp_path / "mine.tape").write_bytes(path.read_bytes())
    assert load_tape("mine").header["frames"] == 3
    with pytest.raises(RecipeError, match="no tape is called 'min': did you mean 'mine'"):
        load_tape("min")
