"""Tests of the DQN agent as a file and as a player. The file is not trusted, and never run as code."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from physbench.errors import ModelError, StorageError
from physbench_baselines.dqn import agentfile
from physbench_baselines.dqn.policy import Dqn, dqn
from physbench_baselines.dqn.sizes import AgentSizes

torch = pytest.importorskip("torch")
numpy_format = pytest.importorskip("safetensors.numpy")

SIZES = AgentSizes(channels=(4, 4, 4), hidden=16)


def _weights(sizes: AgentSizes = SIZES, seed: int = 0) -> dict[str, Any]:
    from physbench_baselines.adapter import weights_of
    from physbench_baselines.dqn.network import QNetwork

    network = QNetwork(sizes)
    network.begin(torch.Generator().manual_seed(seed))
    return weights_of(network)


def _file(path: Path, weights: dict[str, Any] | None = None, **changed: Any) -> Path:
    """Write a file with a true checksum and whatever header, as an attacker could."""
    arrays = _weights() if weights is None else weights
    content = numpy_format.save(arrays)
    first = 8 + int.from_bytes(content[:8], "little")
    header = json.dumps({"format": agentfile.FORMAT, "sizes": asdict(SIZES), "card": {}, **changed})
    metadata = {"physbench": header, "sha256": sha256(header.encode() + content[first:]).hexdigest()}
    text = json.dumps({"__metadata__": metadata, **json.loads(content[8:first])}).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[first:])
    return path


def test_an_agent_comes_back_as_float16(tmp_path: Path) -> None:
    weights = _weights()
    agentfile.save(tmp_path / "a.safetensors", SIZES, weights, card={"steps": 3})
    agentfile.save(tmp_path / "b.safetensors", SIZES, weights, card={"steps": 3})
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    agent = agentfile.load(tmp_path / "a.safetensors")
    assert (agent.sizes, agent.card) == (SIZES, {"steps": 3})
    for name, array in weights.items():
        assert np.array_equal(agent.weights[name], array.astype(np.float16).astype(np.float32))


def test_float16_keeps_nearly_every_choice(tmp_path: Path) -> None:
    """On frames of the game, with the network that agents have."""
    pytest.importorskip("ale_py")
    from physbench_baselines.dqn.lanes import Lanes

    sizes = AgentSizes()
    weights = _weights(sizes)
    agentfile.save(tmp_path / "agent.safetensors", sizes, weights, card={})
    exact, rounded = Dqn(agentfile.Agent(sizes, weights, {}, "")), dqn(tmp_path / "agent.safetensors")
    rng, lanes, same = np.random.default_rng(0), Lanes(4, seed=0), list[bool]()
    lanes.begin()
    for _ in range(150):
        lanes.step(rng.integers(6, size=4))
        same += (exact.rate(lanes.observations).argmax(1) == rounded.rate(lanes.observations).argmax(1)).tolist()
    assert np.mean(same) >= 0.99


def test_the_highest_is_chosen_and_the_first_of_equals() -> None:
    weights = {name: np.zeros_like(array) for name, array in _weights().items()}
    seen = SimpleNamespace(observations=np.zeros((3, 4, 84, 84), np.uint8), actions=6)
    assert Dqn(agentfile.Agent(SIZES, weights, {}, ""))(seen).tolist() == [0, 0, 0]
    weights["head.bias"] = np.array([0, 1, 2, 5, 5, 2], np.float32)
    assert Dqn(agentfile.Agent(SIZES, weights, {}, ""))(seen).tolist() == [3, 3, 3]


def test_what_an_agent_cannot_play_is_refused() -> None:
    player = Dqn(agentfile.Agent(SIZES, _weights(), {}, ""))
    with pytest.raises(ModelError, match="has learnt 6 actions, and this game has 4"):
        player(SimpleNamespace(observations=np.zeros((1, 4, 84, 84), np.uint8), actions=4))
    with pytest.raises(ModelError, match=r"looks at uint8 \(4, 84, 84\), not at float32 \(4, 84, 84\)"):
        player(SimpleNamespace(observations=np.zeros((1, 4, 84, 84), np.float32), actions=6))


def test_the_best_agent_of_a_run_plays(tmp_path: Path) -> None:
    for seed, name in enumerate(("last", "best")):
        agentfile.save(tmp_path / f"{name}.safetensors", SIZES, _weights(seed=seed), card={"name": name})
    assert dqn(tmp_path).card["name"] == "best"
    (tmp_path / "best.safetensors").unlink()
    assert dqn(tmp_path).card["name"] == "last"


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"format": "physbench-checkpoint"}, "does not say 'physbench-agent 1'"),
        ({"card": None}, "does not say 'physbench-agent 1' and have a card"),
        ({"sizes": {}}, "does not have the sizes of an agent"),
        ({"sizes": {**asdict(SIZES), "more": 1}}, "does not have the sizes of an agent"),
        ({"sizes": {**asdict(SIZES), "hidden": 1e9}}, "has sizes that no agent can have: hidden is a whole number"),
        (
            {"sizes": {**asdict(SIZES), "hidden": 4096, "channels": [256, 256, 256]}},
            "has sizes that no agent can have: an agent of these sizes has",
        ),
        ({"sizes": {**asdict(SIZES), "channels": [4] * 1000}}, "has sizes that no agent can have"),
        ({"sizes": {**asdict(SIZES), "hidden": 17}}, "is F32 of the shape"),
        ({"sizes": {**asdict(SIZES), "normalise": False}}, "does not have the weights of an agent of its sizes"),
    ],
)
def test_foreign_headers(tmp_path: Path, changed: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ModelError, match=sentence) as caught:
        agentfile.load(_file(tmp_path / "agent.safetensors", **changed))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is not an agent: it does not begin as a .safetensors file"),
        (b"\x80\x04\x95" + b"x" * 100, "is not an agent: it does not begin as a .safetensors file"),
        ((10**9).to_bytes(8, "little") + b"{}", "is not an agent: it does not begin as a .safetensors file"),
        ((2).to_bytes(8, "little") + b"{}", "its metadata have no header of ours"),
        ((40_000).to_bytes(8, "little") + b"[" * 40_000, "its metadata have no header of ours"),
        ((8).to_bytes(8, "little") + b"\xff\xfe12345\n", "its metadata have no header of ours"),
    ],
)
def test_files_that_are_not_agents_are_refused(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "agent.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=sentence):
        agentfile.load(path)


def test_damaged_agents_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "agent.safetensors"
    agentfile.save(path, SIZES, _weights(), card={})
    whole = path.read_bytes()
    for content in (whole[:-1], whole[:-1] + b"!", whole + b"x", whole[:200]):
        path.write_bytes(content)
        with pytest.raises(ModelError):
            agentfile.load(path)
    arrays = _weights()
    for name, array, sentence in (
        ("head.bias", np.full(6, np.nan, np.float32), "hold numbers that are not finite"),
        ("head.bias", np.zeros(6, np.int32), "is I32 of the shape"),
        ("head.other", np.zeros(6, np.float32), "'head.other' is unknown"),
    ):
        with pytest.raises(ModelError, match=sentence):
            agentfile.load(_file(path, {**arrays, name: array}))
    with path.open("wb") as file:
        file.truncate(agentfile.MOST_BYTES + 1)
    with pytest.raises(ModelError, match="at most .* are read"):
        agentfile.load(path)


def test_missing_agents_are_refused(tmp_path: Path) -> None:
    with pytest.raises((ModelError, StorageError), match="there is no file"):
        dqn(tmp_path / "none.safetensors")
    with pytest.raises((ModelError, StorageError), match="there is no file"):
        dqn(tmp_path)


def test_what_float16_cannot_hold_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds numbers that float16 cannot"):
        agentfile.save(
            tmp_path / "a.safetensors", SIZES, {**_weights(), "head.bias": np.full(6, 1e6, np.float32)}, card={}
        )
    assert not list(tmp_path.iterdir())


def test_pytorch_is_loaded_with_the_first_agent_and_not_before() -> None:
    words = (
        "import sys, physbench_baselines.dqn.policy, physbench_baselines.dqn.preflight; print('torch' in sys.modules,"
        " 'ale_py' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
