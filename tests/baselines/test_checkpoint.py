"""Tests of weights on disk: they are read as they were written, anything else is refused in one sentence, and
nothing in a file is ever run."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import struct
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from physbench import registry
from physbench.errors import (
    DamagedFile,
    HostileFile,
    MissingPackage,
    ModelError,
    PhysbenchError,
    StorageError,
    UnknownName,
)
from physbench.model import Bernoulli
from physbench_baselines import checkpoint
from physbench_baselines.architecture import Architecture

SUFFIXES = (".safetensors", ".pt")
ROOT = Path(__file__).parents[2]
CARD = {
    "name": "little",
    "paper_link": "https://example.org/paper",
    "model_link": "https://example.org/m",
    "train_seed": 4,
    "training": "ten steps ∎",
}


@dataclass(frozen=True)
class LittleSizes:
    width: int = 5
    noise: float = 0.25
    kind: str = "plain"
    bias: bool = True
    layers: tuple[int, ...] = (4, 3)

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ModelError(f"width is at least 1, not {self.width}")

    def build(self) -> Little:
        return Little(self)


class Little(torch.nn.Module):
    likelihood = Bernoulli()

    def __init__(self, sizes: LittleSizes) -> None:
        super().__init__()
        self.sizes = sizes
        widths = (sizes.width, *sizes.layers)
        self.layers = torch.nn.ModuleList(torch.nn.Linear(a, b, bias=sizes.bias) for a, b in pairwise(widths))

    def begin(
        self, seeds: torch.Tensor, *, shape: tuple[int, int, int], slots: int | None = None, actions: int = 0
    ) -> None:
        raise NotImplementedError("its weights are looked at, and nothing is predicted")

    def observe(self, state: None, frame: torch.Tensor, action: torch.Tensor | None = None) -> Any:
        raise NotImplementedError("its weights are looked at, and nothing is predicted")


ARCHITECTURE = Architecture(name="little", sizes=LittleSizes)


@pytest.fixture(autouse=True)
def _little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.architectures.built_in, "little", f"{__name__}:ARCHITECTURE")  # type: ignore[arg-type]


def network_of(**sizes: Any) -> Little:
    torch.manual_seed(3)
    return LittleSizes(**sizes).build()


def arrays_of(network: torch.nn.Module) -> dict[str, np.ndarray]:
    return {name: tensor.numpy() for name, tensor in network.state_dict().items()}


def same(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    ours, theirs = arrays_of(a), arrays_of(b)
    return ours.keys() == theirs.keys() and all(ours[name].tobytes() == theirs[name].tobytes() for name in ours)


def parse(path: Path) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    """The safetensors format read from its description."""
    raw = path.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    entries = json.loads(raw[8 : 8 + length])
    metadata = entries.pop("__metadata__")
    kinds = {"F32": "<f4", "F16": "<f2", "I8": "|i1"}
    arrays = {}
    for name, entry in entries.items():
        begin, end = entry["data_offsets"]
        arrays[name] = np.array(
            np.frombuffer(raw[8 + length + begin : 8 + length + end], kinds[entry["dtype"]])
        ).reshape(entry["shape"])
    return metadata, arrays


def write(
    path: Path, arrays: dict[str, tuple[str, list[int], bytes]], header: str | None = None, **changes: Any
) -> Path:
    """A safetensors file as some other program would write it, as right or as wrong as it is told."""
    told = {"format": "physbench-checkpoint", "version": 1, "architecture": "little", "card": {}}
    told |= {"sizes": {"width": 5, "noise": 0.25, "kind": "plain", "bias": True, "layers": [4, 3]}} | changes
    header = json.dumps(told) if header is None else header
    data, entries = b"", {}
    for name, (kind, shape, raw) in arrays.items():
        entries[name] = {"dtype": kind, "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    metadata = {"physbench": header, "sha256": hashlib.sha256(header.encode() + data).hexdigest()}
    return raw_file(path, json.dumps({"__metadata__": metadata, **entries}).encode(), data)


def save_any(path: Path, network: torch.nn.Module, *, training: Any = None, **how: Any) -> Path:
    """As it is saved; for a .pt as it was before, when runs were kept in PyTorch's own container."""
    if path.suffix != ".pt":
        checkpoint.save(path, network, training=training, **how)
        return path
    beside = path.with_name("beside.safetensors")
    checkpoint.save(beside, network, **how)
    metadata, arrays = parse(beside)
    beside.unlink()
    torch.save(
        {
            "header": metadata["physbench"],
            "weights": {name: torch.from_numpy(array) for name, array in arrays.items()},
            "training": training,
        },
        path,
    )
    return path


def raw_file(path: Path, header: bytes, data: bytes = b"") -> Path:
    path.write_bytes(struct.pack("<Q", len(header)) + header + data)
    return path


def float32(**changes: np.ndarray | None) -> dict[str, tuple[str, list[int], bytes]]:
    """The arrays of a little network, some replaced, some left out."""
    arrays = {**arrays_of(network_of()), **{name.replace("__", "."): array for name, array in changes.items()}}
    return {
        name: ("F32", list(array.shape), array.astype("<f4").tobytes())
        for name, array in arrays.items()
        if array is not None
    }


def require_refusal(path: Path, kind: type[PhysbenchError], words: str) -> None:
    for read in (checkpoint.load, checkpoint.model):
        with pytest.raises(kind, match=words) as caught:
            read(path)
        assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_is_saved_is_loaded_bit_for_bit(tmp_path: Path, suffix: str) -> None:
    network = network_of(width=7, kind="other", layers=(2, 2, 6))
    path = tmp_path / f"x{suffix}"
    save_any(path, network, card=CARD)
    found = checkpoint.load(path)
    assert same(found.network, network)
    assert found.network.sizes == network.sizes
    assert not found.network.training
    assert dict(found.card) == CARD
    assert found.header == checkpoint.inspect(path)
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_suffix_is_for_people_and_the_bytes_are_what_counts(tmp_path: Path, suffix: str) -> None:
    network = network_of()
    save_any(tmp_path / f"x{suffix}", network)
    other = tmp_path / "x.download"
    os.rename(tmp_path / f"x{suffix}", other)
    assert same(checkpoint.load(other).network, network)


def test_another_reader_of_safetensors_finds_the_same_numbers(tmp_path: Path) -> None:
    network = network_of()
    checkpoint.save(tmp_path / "x.safetensors", network, card=CARD)
    metadata, arrays = parse(tmp_path / "x.safetensors")
    for name, expected in arrays_of(network).items():
        assert arrays[name].tobytes() == expected.tobytes()
    header = json.loads(metadata["physbench"])
    assert (header["format"], header["version"], header["architecture"], header["card"]) == (
        "physbench-checkpoint",
        1,
        "little",
        CARD,
    )
    assert header["sizes"] == {"width": 5, "noise": 0.25, "kind": "plain", "bias": True, "layers": [4, 3]}
    length = int.from_bytes((tmp_path / "x.safetensors").read_bytes()[:8], "little")
    assert length % 8 == 0


def test_a_file_of_another_writer_is_read_in_any_order_and_type(tmp_path: Path) -> None:
    arrays = float32()
    bits = np.array([[0x3F80, 0xC000, 0x0001, 0x7F7F]] * 3, "<u2")  # bfloat16: the upper half of a float32
    arrays = {
        "layers.1.weight": ("BF16", [3, 4], bits.tobytes()),
        **{name: arrays[name] for name in reversed(arrays) if name != "layers.1.weight"},
    }
    network = checkpoint.load(write(tmp_path / "x", arrays)).network
    exact = [1.0, -2.0, 2.0**-133, (2 - 2**-7) * 2.0**127]
    assert network.state_dict()["layers.1.weight"].tolist() == [exact] * 3
    assert arrays_of(network)["layers.0.weight"].tobytes() == arrays_of(network_of())["layers.0.weight"].tobytes()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_half_precision_is_what_numpy_rounds_to(tmp_path: Path, suffix: str) -> None:
    network = network_of()
    save_any(tmp_path / f"x{suffix}", network, half=True)
    for name, tensor in checkpoint.load(tmp_path / f"x{suffix}").network.state_dict().items():
        assert tensor.dtype == torch.float32
        np.testing.assert_array_equal(tensor.numpy(), arrays_of(network)[name].astype(np.float16))
    network.layers[0].bias.data[0] = 65520.0
    with pytest.raises(ModelError, match=r"layers.0.bias of the network holds 65520, too much for half precision"):
        save_any(tmp_path / f"x{suffix}", network, half=True)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_quantised_matrix_is_off_by_half_a_step_at_most_and_only_big_ones_are(tmp_path: Path, suffix: str) -> None:
    network = network_of(width=100, layers=(101, 98))  # 10,100 entries, and 9,898
    matrix = network.layers[0].weight.data
    matrix[:] *= torch.logspace(-6, 6, 101)[:, None]
    matrix[1] = 0.0
    matrix[2] = 1e-45
    save_any(tmp_path / f"x{suffix}", network, quantise=True)
    found = arrays_of(checkpoint.load(tmp_path / f"x{suffix}").network)
    for name, expected in arrays_of(network).items():
        if name == "layers.0.weight":
            exact = expected.astype(np.float64)
            step = np.abs(exact).max(axis=1, keepdims=True) / 127
            error = np.abs(found[name] - exact)
            assert (error <= step / 2 * (1 + 1e-5) + 1e-37).all()
            assert error.max() > 0
            assert not found[name][1].any()
        else:
            np.testing.assert_array_equal(found[name], expected)
    assert (tmp_path / f"x{suffix}").stat().st_size < 10_100 + 4 * (101 * 2 + 9_898 + 98) + 4_000


def test_the_state_of_a_run_comes_back_bit_for_bit(tmp_path: Path) -> None:
    network = network_of()
    mean = torch.tensor([1e-45, -0.0, float("nan"), float("-inf")])
    training = {
        "adam/mean": mean,
        "adam/step": torch.tensor(3.0),
        "draws": torch.get_rng_state(),
        "step": 1 << 40,
        "best": float("inf"),
        "seconds": 0.1,
        "sums": {"loss": 0.5, "a/b": 2.0},
    }
    checkpoint.save(tmp_path / "x.safetensors", network, training=training)
    found = checkpoint.load(tmp_path / "x.safetensors")
    assert same(found.network, network)
    assert found.training is not None and found.training.keys() == training.keys()
    for name, value in training.items():
        again = found.training[name]
        assert type(again) is type(value)
        assert again.numpy().tobytes() == value.numpy().tobytes() if isinstance(value, torch.Tensor) else again == value
        assert getattr(again, "dtype", None) == getattr(value, "dtype", None)


def test_a_run_kept_in_a_pt_of_before_still_has_its_state(tmp_path: Path) -> None:
    mean = torch.arange(3.0)
    found = checkpoint.load(save_any(tmp_path / "x.pt", network_of(), training={"step": 7, "adam/mean": mean})).training
    assert found is not None and found["step"] == 7 and torch.equal(found["adam/mean"], mean)


def test_another_reader_of_safetensors_sees_the_state_beside_the_weights(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "x.safetensors", network_of(), training={"step": 3, "best": 0.5, "mean": torch.ones(2)})
    raw = (tmp_path / "x.safetensors").read_bytes()
    entries = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    told = {name: (entry["dtype"], entry["shape"]) for name, entry in entries.items() if name.startswith("training/")}
    assert told == {
        "training/number/step": ("I64", []),
        "training/number/best": ("F64", []),
        "training/mean": ("F32", [2]),
    }


@pytest.mark.slow
def test_the_same_weights_are_the_same_bytes_in_another_process(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    checkpoint.save(path, network_of(), card=CARD)
    code = (
        "import sys\nfrom tests.baselines import test_checkpoint as t\nfrom physbench import registry\nfrom"
        " physbench_baselines import checkpoint\nregistry.architectures.built_in['little'] ="
        " 'tests.baselines.test_checkpoint:ARCHITECTURE'\ncheckpoint.save(sys.argv[1], t.network_of(), card=t.CARD)"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path / "other.safetensors"], check=True, cwd=ROOT)
    assert (tmp_path / "other.safetensors").read_bytes() == path.read_bytes()


def test_what_would_not_be_read_again_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    checkpoint.save(path, network_of(), training={"step": 1})
    before = path.read_bytes()
    for words in (
        {"training": {"draws": np.arange(3)}},
        {"training": {"seed": 2**100}},
        {"card": {"paper_link": "http://example.org"}},
        {"card": {"name": "\x1b[2J"}},
    ):
        with pytest.raises(StorageError, match="nothing was written"):
            checkpoint.save(path, network_of(), **words)
    for card in ({"x": object()}, {"x": float("nan")}):
        with pytest.raises(StorageError, match="is not plain JSON"):
            checkpoint.save(path, network_of(), card=card)
    assert path.read_bytes() == before
    assert checkpoint.load(path).training == {"step": 1}


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("blow", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_a_save_that_is_cut_short_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, blow: BaseException
) -> None:
    path = tmp_path / "x.safetensors"
    old = network_of()
    checkpoint.save(path, old)
    before = path.read_bytes()

    def stop(*_: object) -> None:
        raise blow

    monkeypatch.setattr(os, step, stop)
    new = network_of()
    new.layers[0].bias.data += 1
    with pytest.raises(
        StorageError if isinstance(blow, OSError) else KeyboardInterrupt,
        match="No space left" if isinstance(blow, OSError) else None,
    ):
        checkpoint.save(path, new)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["x.safetensors"]


def test_the_bytes_are_on_the_disk_before_the_name_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    sync, rename = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (order.append(f"sync {os.fstat(handle).st_size}"), sync(handle)))
    monkeypatch.setattr(
        os, "replace", lambda a, b: (order.append(f"rename {Path(a).parent == Path(b).parent}"), rename(a, b))
    )
    checkpoint.save(tmp_path / "x.safetensors", network_of())
    assert order[:2] == [f"sync {(tmp_path / 'x.safetensors').stat().st_size}", "rename True"]


def test_a_model_carries_what_its_card_says(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "x.safetensors", network_of(), card=CARD)
    model = checkpoint.model(tmp_path / "x.safetensors", device="cpu")
    origin = model.origin
    assert (origin.train_seed, origin.paper_link, origin.model_link, origin.training) == (
        4,
        CARD["paper_link"],
        CARD["model_link"],
        CARD["training"],
    )
    said = subprocess.run(["sha256sum", tmp_path / "x.safetensors"], capture_output=True, text=True, check=True).stdout
    assert origin.weights_sha256 == said.split()[0]
    assert (origin.parameters, origin.device) == (5 * 4 + 4 + 4 * 3 + 3, "cpu")
    assert model.likelihood == Bernoulli()


def test_a_listing_needs_no_torch(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "x.safetensors", network_of(), card=CARD)
    code = (
        "import sys\nfrom pathlib import Path\nfrom physbench import registry\nfrom physbench_baselines import"
        " checkpoint\nregistry.architectures.built_in['little'] ="
        " 'nowhere:ARCHITECTURE'\nprint(checkpoint.inspect(Path(sys.argv[1])).card['name'], 'torch' in sys.modules)"
    )
    said = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "x.safetensors"], capture_output=True, text=True, check=True
    ).stdout
    assert said.split() == ["little", "False"]


def test_a_listing_needs_no_safetensors_and_weights_say_that_they_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint.save(tmp_path / "x.safetensors", network_of(), card=CARD)
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    monkeypatch.setitem(sys.modules, "safetensors", None)
    assert checkpoint.inspect(tmp_path / "x.safetensors").card["name"] == "little"
    with pytest.raises(MissingPackage, match=r"the package safetensors: pip install 'physbench\[train\]'"):
        checkpoint.load(tmp_path / "x.safetensors")


class Touch:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return open, (str(self.path), "w")


def _legacy(content: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


def _zip(content: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("allowed", ["0", "1"])
@pytest.mark.parametrize(("how", "kind", "words"), [
    (pickle.dumps, StorageError, "it is a pickle, .* never loaded; ask its author for .safetensors"),
    (_legacy, StorageError, "it is a pickle, as old PyTorch wrote it"),
    (_zip, HostileFile, "holds more than weights and was not loaded: it asks for '\\S*open', which could run code"),
])  # fmt: skip
def test_a_pickle_that_would_make_a_file_is_refused_and_makes_none(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    how: Callable[[Any], bytes],
    kind: type[PhysbenchError],
    words: str,
    allowed: str,
) -> None:
    proof = tmp_path / "proof"
    pickle.loads(pickle.dumps(Touch(proof))).close()
    assert proof.exists()  # it would
    proof.unlink()
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", allowed)
    path = tmp_path / "x.pt"
    for content in (Touch(proof), {"header": "x", "weights": {"a": Touch(proof)}}):
        path.write_bytes(how(content))
        require_refusal(path, kind, words)
        with pytest.raises(kind):
            checkpoint.inspect(path)
    assert not proof.exists()


def test_programs_are_refused_by_name(tmp_path: Path) -> None:
    network = torch.nn.Linear(2, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(network).save(str(tmp_path / "script.pt"))
        torch.export.save(torch.export.export(network, (torch.zeros(1, 2),)), tmp_path / "export.pt2")
    require_refusal(
        tmp_path / "script.pt", StorageError, "is a TorchScript program, which would be run; save the weights"
    )
    require_refusal(tmp_path / "export.pt2", StorageError, r"is a program of torch.export \(.pt2\), which would be run")


@pytest.mark.parametrize(("content", "words"), [
    (b"", "it is empty"),
    (b"<!DOCTYPE html><title>404</title>", "it looks like a web page"),
    (b"\n <html>", "it looks like a web page"),
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:00", "run 'git lfs pull'"),
    (b"\x89HDF\r\n\x1a\n", "it begins with b'.x89HDF"),
    (b"0123456", "is not a checkpoint"),
])  # fmt: skip
def test_files_that_are_not_checkpoints_are_named(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "x.pt").write_bytes(content)
    require_refusal(tmp_path / "x.pt", StorageError, words)


def test_what_is_not_there_or_no_file_is_named(tmp_path: Path) -> None:
    require_refusal(tmp_path / "x.pt", StorageError, "there is no file")
    require_refusal(
        tmp_path,
        StorageError,
        "is not the folder of a training run: it has no best.safetensors and no last.safetensors",
    )
    os.mkfifo(tmp_path / "pipe")
    require_refusal(tmp_path / "pipe", StorageError, "is not a file")
    for path, words in (
        (tmp_path / "no" / "x.safetensors", "there is no folder"),
        (tmp_path / "x.bin", "must end in .safetensors"),
        (tmp_path / "x.pt", "must end in"),
    ):
        with pytest.raises(StorageError, match=words):
            checkpoint.save(path, network_of())


def test_zip_archives_of_other_things_are_named(tmp_path: Path) -> None:
    with (tmp_path / "x.npz").open("wb") as file:
        np.savez(file, a=np.arange(3))
    require_refusal(tmp_path / "x.npz", StorageError, r"is an archive of NumPy arrays \(.npz\)")
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("word/document.xml", "<a/>")
    require_refusal(
        tmp_path / "x.zip", StorageError, "is a zip archive of something else, beginning with .*word/document.xml"
    )
    for content in (
        network_of().state_dict(),
        {"state_dict": {}},
        [1],
        {"header": "x", "weights": [1]},
        {"header": "x", "weights": {}, "code": "x"},
    ):
        torch.save(content, tmp_path / "x.pt")
        require_refusal(tmp_path / "x.pt", StorageError, "is a PyTorch file of another project")


def _header(**changes: Any) -> str:
    told = {"format": "physbench-checkpoint", "version": 1, "architecture": "little", "card": {}}
    return json.dumps(
        told | {"sizes": {"width": 5, "noise": 0.25, "kind": "plain", "bias": True, "layers": [4, 3]}} | changes
    )


def _sizes(**changes: Any) -> dict[str, Any]:
    sizes = {"width": 5, "noise": 0.25, "kind": "plain", "bias": True, "layers": [4, 3]} | changes
    return {name: value for name, value in sizes.items() if value is not None}


HEADERS = [
    (_header(format="other"), StorageError, "is not a checkpoint of physbench"),
    ("{}", StorageError, "is not a checkpoint of physbench"),
    ("[]", HostileFile, "is not a JSON object"),
    ("nonsense", HostileFile, "is not JSON"),
    ('{"a":' * 100_000 + "1" + "}" * 100_000, HostileFile, "nested too deeply"),
    ("[" * 100_000, HostileFile, "nested too deeply"),
    ('{"format": "physbench-checkpoint", "format": "physbench-checkpoint"}', HostileFile, "a name comes twice"),
    (_header(card={"x": float("nan")}), HostileFile, "is not JSON"),
    (_header(card={"x": 1}).replace("1}", "1e999}"), HostileFile, "is not JSON"),
    (_header(card={"x": 1}).replace("1}", "1" * 5000 + "}"), HostileFile, "is not JSON"),
    (_header(version=2), StorageError, "is not of checkpoint version 1"),
    (_header(version=True), StorageError, "is not of checkpoint version 1"),
    (_header(architecture="litle"), StorageError, "architecture 'litle', .*: did you mean 'little'"),
    (_header(architecture="os:system"), HostileFile, "code that does not come with physbench: read it, and allow it to be run with --architecture os:system"),
    (_header(architecture=["little"]), HostileFile, "does not have an architecture, sizes and a card"),
    (_header(more=1), HostileFile, "does not have an architecture, sizes and a card, and nothing else"),
    (_header(sizes=[5]), HostileFile, "does not have an architecture, sizes"),
    (_header(card="x"), HostileFile, "does not have an architecture, sizes and a card"),
    (_header(card={"name": "\x1b[2J"}), HostileFile, "cannot be printed"),
    (_header(card={"name": "x"}).replace('"x"', '"\u202e"'), HostileFile, "cannot be printed"),
    (_header(card={"name": 5}), HostileFile, "has a int for 'name': it is text"),
    (_header(card={"train_seed": True}), HostileFile, "has a bool for 'train_seed': it is a whole number"),
    (_header(card={"model_link": "javascript:alert(1)"}), HostileFile, "the model_link 'javascript:alert.1.': only https"),
    (_header(card={"paper_link": ""}), HostileFile, "only https"),
    (_header(sizes=_sizes(depth=3)), HostileFile, "does not have the sizes of a little: 'depth' is unknown"),
    (_header(sizes=_sizes(kind=None)), HostileFile, "does not have the sizes of a little: 'kind' is missing"),
    (_header(sizes=_sizes(width="5")), HostileFile, "has a str for the size 'width' of its little, which is int"),
    (_header(sizes=_sizes(width=True)), HostileFile, "has a bool for the size 'width'"),
    (_header(sizes=_sizes(width=5.0)), HostileFile, "has a float for the size 'width'"),
    (_header(sizes=_sizes(bias=1)), HostileFile, "has a int for the size 'bias'"),
    (_header(sizes=_sizes(noise="x")), HostileFile, "has a str for the size 'noise' of its little, which is float"),
    (_header(sizes=_sizes(layers=[4, "3"])), HostileFile, "for the size 'layers' of its little, which is tuple.int, ..."),
    (_header(sizes=_sizes(layers=4)), HostileFile, "has a int for the size 'layers'"),
    (_header(sizes=_sizes(width=0)), HostileFile, "has sizes that no little can have: width is at least 1, not 0"),
    (_header(sizes=_sizes(width=100_000_000, layers=[10_000])), HostileFile, "asks for a little of 4,000,000,040,000 bytes; at most 2,147,483,648 are made"),
    (_header(sizes=_sizes(width=10**15, layers=[10**15])), HostileFile, "has sizes that no little can have"),
    (_header(sizes=_sizes(width=10**30)), HostileFile, "has sizes that no little can have"),
    (_header(sizes=_sizes(layers=[-4])), HostileFile, "has sizes that no little can have"),
    (_header(sizes=_sizes(layers=[4, 2])), HostileFile, r"'layers.1.weight' has the shape \(3, 4\), and in a little of its sizes \(2, 4\)"),
    (_header(sizes=_sizes(bias=False)), HostileFile, "'layers.0.bias' is unknown"),
    (_header(sizes=_sizes(layers=[4, 3, 2])), HostileFile, "'layers.2.bias' is missing"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("header", "kind", "words"), HEADERS, ids=[f"{number}-{words[:30]}" for number, (_, _, words) in enumerate(HEADERS)]
)
def test_a_header_is_believed_only_as_far_as_it_is_right(
    tmp_path: Path, header: str, kind: type[PhysbenchError], words: str
) -> None:
    require_refusal(write(tmp_path / "x.safetensors", float32(), header), kind, words)
    torch.save({"header": header, "weights": network_of().state_dict()}, tmp_path / "x.pt")
    require_refusal(tmp_path / "x.pt", kind, words)


def test_the_right_header_is_right(tmp_path: Path) -> None:
    """What the wrong ones are variations of."""
    torch.save({"header": _header(sizes=_sizes(noise=1)), "weights": network_of().state_dict()}, tmp_path / "x.pt")
    for path in (
        write(tmp_path / "x", float32()),
        write(tmp_path / "y", float32(), _header(card={"name": 'a "b" \\ c/d'})),
        tmp_path / "x.pt",
    ):
        assert same(checkpoint.load(path).network, network_of())


MATRIX = np.ones((3, 4))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("arrays", "kind", "words"), [
    (float32(layers__0__bias=None), HostileFile, "'layers.0.bias' is missing"),
    (float32(extra=np.zeros(2)), HostileFile, "'extra' is unknown"),
    (float32(layers__1__weight=MATRIX.T), HostileFile, r"the shape \(4, 3\), and in a little of its sizes \(3, 4\)"),
    (float32(layers__1__weight=MATRIX * np.nan), DamagedFile, "'layers.1.weight' hold numbers that are not finite"),
    (float32(layers__1__weight=MATRIX * np.inf), DamagedFile, "'layers.1.weight' hold numbers that are not finite"),
    (float32() | {"layers.1.weight": ("I8", [3, 4], bytes(12))}, HostileFile, "is int8 and not a matrix with a float32 scale for each row"),
    (float32(**{"layers__1__weight__scale": np.ones(4)}) | {"layers.1.weight": ("I8", [3, 4], bytes(12))}, HostileFile, "scale for each row"),
    (float32(**{"layers__1__weight__scale": np.ones(3) * np.inf}) | {"layers.1.weight": ("I8", [3, 4], bytes(12))}, DamagedFile, "not finite"),
    (float32(**{"layers__1__weight__scale": np.ones(3)}), HostileFile, "'layers.1.weight.scale' is unknown"),
    (float32(**{"layers__1__bias__scale": np.ones(3)}) | {"layers.1.bias": ("I8", [3], bytes(3))}, HostileFile, "not a matrix with"),
])  # fmt: skip
def test_weights_that_are_not_those_of_the_network_are_named(
    tmp_path: Path, arrays: Any, kind: type[PhysbenchError], words: str
) -> None:
    require_refusal(write(tmp_path / "x.safetensors", arrays), kind, words)
    types = {"F32": torch.float32, "I8": torch.int8}
    tensors = {
        name: torch.frombuffer(bytearray(raw), dtype=types[kind]).reshape(shape)
        for name, (kind, shape, raw) in arrays.items()
    }
    torch.save({"header": _header(), "weights": tensors}, tmp_path / "x.pt")
    require_refusal(tmp_path / "x.pt", kind, words)


@pytest.mark.parametrize("thing", [
    torch.zeros(3, dtype=torch.float64), torch.zeros(3, dtype=torch.int64), torch.zeros(3, dtype=torch.complex64), torch.zeros(3, device="meta"),
    torch.zeros(3).to_sparse(), [0.0, 0.0, 0.0], "zeros", None,
], ids=str)  # fmt: skip
def test_values_that_are_not_arrays_of_weights_are_refused(tmp_path: Path, thing: Any) -> None:
    torch.save(
        {"header": _header(), "weights": {**network_of().state_dict(), "layers.1.bias": thing}}, tmp_path / "x.pt"
    )
    require_refusal(
        tmp_path / "x.pt", HostileFile, "'layers.1.bias' is not an array of weights|holds more than weights"
    )


def test_a_tensor_that_claims_more_than_it_has_takes_no_memory(tmp_path: Path) -> None:
    """A million times a million zeros are one number with steps of nothing."""
    for kind in (torch.float32, torch.bfloat16):
        wide = torch.zeros(1, dtype=kind).expand(1_000_000, 1_000_000)
        torch.save(
            {"header": _header(), "weights": {**network_of().state_dict(), "layers.1.weight": wide}}, tmp_path / "x.pt"
        )
        require_refusal(tmp_path / "x.pt", HostileFile, r"has the shape \(1000000, 1000000\)")


def _one(entry: Any, data: int = 4) -> tuple[bytes, bytes]:
    return json.dumps({"__metadata__": {"physbench": _header()}, "a": entry}).encode(), bytes(data)


def _two(first: list[int], second: list[int], data: int = 8) -> tuple[bytes, bytes]:
    entries = {
        name: {"dtype": "F32", "shape": [1], "data_offsets": where} for name, where in (("a", first), ("b", second))
    }
    return json.dumps({"__metadata__": {"physbench": _header()}, **entries}).encode(), bytes(data)


ASTRAY = "is damaged, cut off or added to: its arrays are not where its list says"
ODD = "which no array of weights is"


@pytest.mark.parametrize(("header", "data", "kind", "words"), [
    (*_one({"dtype": "F32", "shape": [1], "data_offsets": [0, 8]}, 8), DamagedFile, ASTRAY),
    (*_one({"dtype": "F64", "shape": [1], "data_offsets": [0, 8]}, 8), HostileFile, ODD),
    (*_one({"dtype": "F32", "shape": [-1], "data_offsets": [4, 0]}), DamagedFile, ASTRAY),
    (*_one({"dtype": "F32", "shape": [-1, -1], "data_offsets": [0, 4]}), DamagedFile, ASTRAY),
    (*_one({"dtype": "F32", "shape": [True], "data_offsets": [0, 4]}), DamagedFile, ASTRAY),
    (*_one({"dtype": "F32", "shape": [1.0], "data_offsets": [0, 4]}), DamagedFile, ASTRAY),
    (*_one({"dtype": "F32", "shape": "1", "data_offsets": [0, 4]}), DamagedFile, ASTRAY),
    (*_one({"dtype": "F32", "shape": [1] * 70, "data_offsets": [0, 4]}), HostileFile, ODD),
    (*_one({"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}), DamagedFile, ASTRAY),
    (*_one({"dtype": "F32", "shape": [1], "data_offsets": [0, 4], "more": 1}), DamagedFile, "its weights are not those"),
    (*_one({"dtype": ["F32"], "shape": [1], "data_offsets": [0, 4]}), DamagedFile, ASTRAY),
    (*_one({"dtype": "F32", "shape": [1]}), DamagedFile, ASTRAY),
    (*_one({"dtype": "F32", "shape": [1], "data_offsets": [0, 4, 4]}), DamagedFile, ASTRAY),
    (*_one([1]), DamagedFile, ASTRAY),
    (*_one(None), DamagedFile, ASTRAY),
    (*_one({"dtype": "F32", "shape": [2**28], "data_offsets": [0, 2**30]}), DamagedFile, ASTRAY),
    (*_one({"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}, 5), DamagedFile, ASTRAY),
    (*_one({"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}), DamagedFile, "its weights are not those that were written"),
    (*_two([0, 4], [0, 4], 4), DamagedFile, ASTRAY),
    (*_two([0, 4], [2, 6], 6), DamagedFile, ASTRAY),
    (*_two([4, 8], [8, 12], 12), DamagedFile, ASTRAY),
    (*_two([8, 12], [0, 4], 12), DamagedFile, ASTRAY),
    (b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}', bytes(4), StorageError, "is a safetensors file of another project"),
    (b'{"__metadata__": {"format": "pt"}}', b"", StorageError, "is a safetensors file of another project"),
    (b'{"__metadata__": {"physbench": {}}}', b"", StorageError, "is a safetensors file of another project"),
    (b'{"__metadata__": ["physbench"]}', b"", StorageError, "is a safetensors file of another project"),
    (b'{"a": 1, "a": 1}', b"", HostileFile, "a name comes twice"),
    (b'{"a": ' + b"[" * 200_000, b"", HostileFile, "nested too deeply"),
    (b'{"a": "\xff\xfe"}', b"", HostileFile, "is not JSON"),
    (b'{"__metadata__": {"physbench": "\\ud800"}}', b"", HostileFile, "cannot be printed"),
])  # fmt: skip
def test_a_safetensors_file_whose_parts_do_not_fit_is_refused(
    tmp_path: Path, header: bytes, data: bytes, kind: type[PhysbenchError], words: str
) -> None:
    require_refusal(raw_file(tmp_path / "x.safetensors", header, data), kind, words)


def test_no_size_is_believed_that_the_file_does_not_have(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    for claim, kind, words in (
        (10 << 30, HostileFile, "claims a header of 10,737,418,240 bytes; at most 1,048,576 are read"),
        (2**64 - 1, HostileFile, "claims a header of"),
        (1 << 20, DamagedFile, "is cut off within its header"),
    ):
        path.write_bytes(struct.pack("<Q", claim) + b'{"a": 1}')
        require_refusal(path, kind, words)


def test_a_file_beyond_the_bound_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_any(tmp_path / "x.pt", network_of())
    size = (tmp_path / "x.pt").stat().st_size
    monkeypatch.setattr(checkpoint, "MOST_BYTES", size)
    assert same(checkpoint.load(tmp_path / "x.pt").network, network_of())
    monkeypatch.setattr(checkpoint, "MOST_BYTES", size - 1)
    require_refusal(tmp_path / "x.pt", HostileFile, f"has {size:,} bytes, and at most {size - 1:,} are read")


def test_a_file_of_ten_gigabytes_is_refused_by_its_size_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*_: object) -> None:
        raise AssertionError("it was opened")

    for name in ("x.pt", "x.safetensors"):
        with (tmp_path / name).open("wb") as file:
            file.write(b"PK\x03\x04")
            file.truncate(10 << 30)
    monkeypatch.setattr(os, "open", read)
    for name in ("x.pt", "x.safetensors"):
        require_refusal(tmp_path / name, HostileFile, "has 10,737,418,240 bytes, and at most 2,147,483,648 are read")


def zip_again(content: bytes, change: Callable[[str, bytes], bytes | None], **how: Any) -> bytes:
    """The same archive with other members, its checksums right."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w", **how) as new:
        for name in old.namelist():
            if (data := change(name, old.read(name))) is not None:
                new.writestr(name, data)
    return buffer.getvalue()


def test_a_zip_archive_whose_parts_do_not_fit_is_refused(tmp_path: Path) -> None:
    path = save_any(tmp_path / "x.pt", network_of())
    good = path.read_bytes()

    def spoilt(content: bytes, kind: type[PhysbenchError], words: str) -> None:
        path.write_bytes(content)
        require_refusal(path, kind, words)

    path.write_bytes(zip_again(good, lambda _, data: data))
    assert same(checkpoint.load(path).network, network_of())
    spoilt(
        zip_again(good, lambda _, data: data, compression=zipfile.ZIP_DEFLATED),
        HostileFile,
        "members that are compressed",
    )
    spoilt(
        zip_again(good, lambda name, data: None if name.endswith("data/0") else data),
        HostileFile,
        "holds more than weights and was not loaded: torch says",
    )
    spoilt(
        zip_again(good, lambda name, data: data[:-1] if name.endswith("data/0") else data), HostileFile, "torch says"
    )
    spoilt(
        zip_again(good, lambda name, data: None if name.endswith("data.pkl") else data),
        StorageError,
        "is a zip archive of something else",
    )
    spoilt(good[:-1], DamagedFile, "is cut off")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        buffer = io.BytesIO(good)
        with zipfile.ZipFile(buffer, "a") as archive:
            archive.writestr(archive.namelist()[0], b"again")
    spoilt(buffer.getvalue(), HostileFile, "of the same name")
    directory = struct.unpack("<I", zip_again(good, lambda _, data: data)[-6:-2])[0]
    plain = bytearray(zip_again(good, lambda _, data: data))
    for at in (20, 24):  # the sizes of the first member: 1 GiB, stored as it is
        plain[directory + at : directory + at + 4] = struct.pack("<I", 1 << 30)
    spoilt(bytes(plain), HostileFile, "claims members of 1,07")
    plain[-10:-6] = struct.pack("<I", 1 << 31)
    spoilt(bytes(plain), HostileFile, "claims a list of members of more than 1,048,576 bytes")


def test_an_old_torch_is_not_trusted_with_a_pickle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_any(tmp_path / "x.pt", network_of())
    checkpoint.save(tmp_path / "x.safetensors", network_of())
    monkeypatch.setattr(torch, "__version__", "2.9.1+cu130")
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("it was asked to load"))
    with pytest.raises(
        MissingPackage, match=r"only read with PyTorch 2.10 or newer, not 2.9.1\+cu130: pip install -U torch"
    ):
        checkpoint.load(tmp_path / "x.pt")
    assert same(checkpoint.load(tmp_path / "x.safetensors").network, network_of())


def test_a_network_of_no_known_architecture_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="Linear has no sizes of a known architecture: there is nem"):
        checkpoint.save(tmp_path / "x.safetensors", torch.nn.Linear(2, 2))
    network = network_of()
    network.architecture = "unheard-of"  # type: ignore[assignment]
    with pytest.raises(UnknownName, match="no architecture is called 'unheard-of'"):
        checkpoint.save(tmp_path / "x.safetensors", network)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, bytes]]:
    """One small file of each container."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(registry.architectures.built_in, "little", f"{__name__}:ARCHITECTURE")  # type: ignore[arg-type]
        folder = tmp_path_factory.mktemp("good")
        for suffix in SUFFIXES:
            save_any(folder / f"x{suffix}", network_of(), card=CARD, half=True)
        yield {suffix: (folder / f"x{suffix}").read_bytes() for suffix in SUFFIXES}


def the_same_or_refused(path: Path, expected: torch.nn.Module) -> None:
    try:
        found = checkpoint.load(path)
    except PhysbenchError as error:
        assert "\n" not in str(error)
    else:
        assert same(found.network, expected)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_flipped_bit_in_any_byte_of_a_weight_is_noticed(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    save_any(path, network_of())
    content = bytearray(path.read_bytes())
    weights = arrays_of(network_of())["layers.0.bias"].tobytes()
    first = content.index(weights)
    for at in range(first, first + len(weights)):
        content[at] ^= 1
        path.write_bytes(content)
        content[at] ^= 1
        require_refusal(path, DamagedFile, "download it again")


FUZZ = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize("suffix", SUFFIXES)
@FUZZ
@given(data=st.data())
def test_flipped_and_missing_bytes_change_no_weight_unnoticed(
    suffix: str, data: st.DataObject, good: dict[str, bytes], tmp_path: Path
) -> None:
    content = bytearray(good[suffix])
    for at, bits in data.draw(st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(1, 255)), max_size=4)):
        content[at] ^= bits
    cut = data.draw(st.one_of(st.just(len(content)), st.integers(0, len(content))))
    path = tmp_path / "x"
    path.write_bytes(content[:cut])
    expected = network_of().half().float()
    the_same_or_refused(path, expected)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@FUZZ
@given(data=st.data())
def test_a_pickle_that_was_tampered_with_raises_nothing_but_refusals(
    data: st.DataObject, good: dict[str, bytes], tmp_path: Path
) -> None:
    """Checksums made right again, so that torch sees it."""
    with zipfile.ZipFile(io.BytesIO(good[".pt"])) as archive:
        name = next(name for name in archive.namelist() if name.endswith("data.pkl"))
        pickled = bytearray(archive.read(name))
    for at, byte in data.draw(
        st.lists(st.tuples(st.integers(0, len(pickled) - 1), st.integers(0, 255)), min_size=1, max_size=3)
    ):
        pickled[at] = byte
    (tmp_path / "x.pt").write_bytes(zip_again(good[".pt"], lambda each, old: bytes(pickled) if each == name else old))
    try:
        checkpoint.load(tmp_path / "x.pt")
    except PhysbenchError as error:
        assert "\n" not in str(error)


@pytest.mark.slow
@FUZZ
@given(data=st.data())
def test_a_safetensors_header_that_was_tampered_with_raises_nothing_but_refusals(
    data: st.DataObject, good: dict[str, bytes], tmp_path: Path
) -> None:
    """Its parts replaced by other JSON, and the lengths made right again."""
    content = good[".safetensors"]
    length = int.from_bytes(content[:8], "little")
    entries = json.loads(content[8 : 8 + length])
    words = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=3),
        st.lists(st.integers(0, 9), max_size=3),
        st.just({}),
    )
    name = data.draw(st.sampled_from(sorted(entries)))
    field = data.draw(st.sampled_from([None, *sorted(entries[name])]))
    if field is None:
        entries[name] = data.draw(words)
    else:
        entries[name][field] = data.draw(words)
    raw_file(tmp_path / "x", json.dumps(entries).encode(), content[8 + length :])
    the_same_or_refused(tmp_path / "x", network_of().half().float())


def lend(folder: Path, *, half: bool = False, quantise: bool = False) -> Path:
    """A file with weights, and beside it one that borrows all of them but one."""
    network = network_of()
    checkpoint.save(folder / "lender.safetensors", network, card=CARD, half=half, quantise=quantise)
    other = network_of(noise=0.5)
    other.load_state_dict(checkpoint.load(folder / "lender.safetensors").network.state_dict())
    with torch.no_grad():
        other.layers[0].bias.add_(1)  # type: ignore[union-attr]
    words: dict[str, Any] = {"half": half, "quantise": quantise, "card": {"name": "x"}}
    checkpoint.save(folder / "x.safetensors", other, lender=folder / "lender.safetensors", **words)
    return folder / "x.safetensors"


@pytest.mark.parametrize("kind", [{}, {"half": True}, {"quantise": True}, {"half": True, "quantise": True}])
def test_borrowed_weights_are_those_of_the_file_beside_it(
    tmp_path: Path, kind: dict[str, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("physbench_baselines.containers.arrays.MANY", 1)
    path = lend(tmp_path, **kind)
    found, lender = checkpoint.load(path), checkpoint.load(tmp_path / "lender.safetensors")
    assert parse(path)[1].keys() == {"layers.0.bias"} and found.network.sizes.noise == 0.5
    for name, tensor in found.network.state_dict().items():
        difference = tensor - lender.network.state_dict()[name]
        assert float(difference.abs().max()) == (pytest.approx(1, abs=1e-3) if name == "layers.0.bias" else 0)
    assert found.card == {"name": "x"}
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest() != lender.sha256
    assert checkpoint.inspect(path).borrows == found.header.borrows and lender.header.borrows is None


def test_a_weight_of_its_own_takes_the_place_of_a_borrowed_one_with_its_scale(tmp_path: Path) -> None:
    matrix = {
        "layers.1.weight": ("I8", [3, 4], bytes(range(12))),
        "layers.1.weight.scale": ("F32", [3], struct.pack("<3f", 1, 2, 3)),
    }
    lender = write(tmp_path / "lender.safetensors", {**float32(), **matrix})
    loan = {"file": lender.name, "sha256": hashlib.sha256(lender.read_bytes()).hexdigest()}
    own = float32()["layers.1.weight"]
    path = write(tmp_path / "x.safetensors", {"layers.1.weight": own}, _header(borrows=loan))
    assert same(checkpoint.load(path).network, network_of())
    assert not same(checkpoint.load(lender).network, network_of())


def test_borrowed_weights_are_refused_where_they_are_not_those_that_were_meant(tmp_path: Path) -> None:
    path = lend(tmp_path)
    lender = tmp_path / "lender.safetensors"
    content = lender.read_bytes()
    checkpoint.save(lender, network_of(bias=True), card={"name": "another"})
    require_refusal(path, StorageError, "borrows the weights of lender.safetensors, and the file beside it is another")
    lender.unlink()
    require_refusal(path, StorageError, "borrows the weights of lender.safetensors, which is not beside it")
    lender.write_bytes(content)
    for target, source in ((tmp_path / "y.safetensors", path), (path, path), (lender, lender)):
        with pytest.raises(StorageError, match="has no weights to lend"):
            checkpoint.save(target, network_of(), lender=source)
    loan = {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    chain = write(tmp_path / "y.safetensors", {}, _header(borrows=loan))
    require_refusal(chain, HostileFile, "x.safetensors, which borrows some itself")
    (tmp_path / "deep").mkdir()
    with pytest.raises(StorageError, match="only from a file beside it"):
        checkpoint.save(tmp_path / "deep" / "x.safetensors", network_of(), lender=lender)
    odd = write(
        tmp_path / "odd.safetensors",
        {"extra": ("F32", [1], bytes(4))},
        _header(borrows=loan | {"file": "lender.safetensors", "sha256": hashlib.sha256(content).hexdigest()}),
    )
    require_refusal(odd, HostileFile, "'extra' is unknown")


@pytest.mark.parametrize(
    "loan",
    [
        None,
        "lender.safetensors",
        {},
        {"file": "lender.safetensors"},
        {"file": "../lender.safetensors", "sha256": "0" * 64},
        {"file": "/etc/lender.safetensors", "sha256": "0" * 64},
        {"file": "lender.pt", "sha256": "0" * 64},
        {"file": "lender.safetensors", "sha256": "0" * 63},
        {"file": "lender.safetensors", "sha256": 0},
        {"file": "lender.safetensors", "sha256": "0" * 64, "more": 1},
    ],
)
def test_a_loan_names_a_file_in_the_same_folder_and_its_checksum(tmp_path: Path, loan: Any) -> None:
    path = write(tmp_path / "x.safetensors", {}, _header(borrows=loan))
    require_refusal(path, HostileFile, "borrows its weights, and does not say from which file beside it")
