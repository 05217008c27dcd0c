"""Models behind a pipe: another process, in any language, gets one frame at a time. See docs/pipe.md."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from physbench.errors import ModelError
from physbench.evaluation.child import Child, split_command
from physbench.evaluation.contestant import Contestant, ModelSource
from physbench.evaluation.messages import (
    MessageLayout,
    decode_arrays,
    decode_header,
    encode,
    excerpt,
    read_announcement,
    require_keys,
)
from physbench.model import MOST_BOXES, Batch, Bernoulli, Gaussian, Likelihood, Origin, Prediction

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Header: TypeAlias = "dict[str, Any]"
Arrays: TypeAlias = "dict[str, NDArray[Any]]"
Read: TypeAlias = Callable[[Header], Sequence[MessageLayout]]
"""A function that returns which arrays follow the header of an answer, or refuses it."""

PROTOCOL = 1

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+:-]{0,63}")
"""The names that the leaderboard accepts."""

MOST_PARAMETERS, MOST_SAMPLES = 10**18, 10**5 - 1
"""The largest numbers that fit the cells of a submission."""

LARGEST_SIGMA = 1e3
"""The largest sigma that is accepted; pixels lie in 0 to 1."""


@dataclass(frozen=True)
class Greeting:
    """What a process says about its model before it is shown anything."""

    likelihood: Likelihood
    name: str | None = None
    imagines: bool = False
    parameters: int | None = None
    samples: int = 1
    boxes: int = 0  # rows of the boxes of a frame


@dataclass(frozen=True, eq=False)
class PipeMoment:
    """A state. The memory of the model is in its process; this only says how many frames it has seen."""

    sequences: int
    shape: tuple[int, int, int]  # H, W, C
    time: int  # frames observed or imagined


class PipeModel:
    """A model whose answers come from a child process. It can only go on from its newest state."""

    sequential = True

    def __init__(self, child: Child, greeting: Greeting) -> None:
        self.likelihood = greeting.likelihood
        self.origin = Origin(parameters=greeting.parameters, samples=greeting.samples, device="")
        self._child = child
        self._boxes = greeting.boxes
        self._newest: PipeMoment | None = None

    def begin(self, batch: Batch) -> PipeMoment:
        """Tell the process that a batch begins."""
        count = len(batch.seeds)
        header = {"ask": "begin", "batch": count, "shape": batch.shape, "slots": batch.slots, "actions": batch.actions}
        ask(self._child, header, {"seeds": batch.seeds}, lambda answer: read_announcement(answer, []), topic="'begin'")
        self._newest = PipeMoment(count, batch.shape, 0)
        return self._newest

    def observe(
        self,
        state: PipeMoment,
        frame: NDArray[np.float32],
        action: NDArray[np.float32] | None,
    ) -> tuple[PipeMoment, Prediction]:
        """Send a frame to the process, and return its prediction."""
        return self._step("observe", state, {"frame": frame, "action": action})

    def _step(
        self,
        word: str,
        state: PipeMoment,
        arrays: Mapping[str, NDArray[np.float32] | None],
    ) -> tuple[PipeMoment, Prediction]:
        if state is not self._newest:
            raise ModelError("a model behind a pipe goes on from its newest state alone: its process keeps no other")
        given = {name: array for name, array in arrays.items() if array is not None}
        expected = _prediction(state, self._boxes)
        topic = f"{word!r} at step {state.time}"
        _, said = ask(
            self._child, {"ask": word}, given, lambda answer: read_announcement(answer, expected), topic=topic
        )
        self._newest = PipeMoment(state.sequences, state.shape, state.time + 1)
        return self._newest, Prediction(**said)


class ImaginingPipeModel(PipeModel):
    """A model behind a pipe whose process can imagine a frame."""

    def imagine(self, state: PipeMoment, action: NDArray[np.float32] | None) -> tuple[PipeMoment, Prediction]:
        """Let the process imagine a frame, and return its next prediction."""
        return self._step("imagine", state, {"action": action})


def enter(child: Child) -> Contestant:
    """Greet a process, and return the model that it offers."""
    header, _ = ask(child, {"ask": "hello", "protocol": PROTOCOL}, {}, _require_greeting, topic="'hello'")
    greeting = _greeting(header)
    model = (ImaginingPipeModel if greeting.imagines else PipeModel)(child, greeting)
    name = greeting.name or program_name(child.command)
    return Contestant(model, name, None, ModelSource(command=child.command, timeout=child.timeout))


def ask(
    child: Child,
    header: Header,
    arrays: Mapping[str, NDArray[Any]],
    read: Read,
    *,
    topic: str,
) -> tuple[Header, Arrays]:
    """Send a message, and return the header and the arrays of the answer."""
    answer: list[tuple[Header, Sequence[MessageLayout]]] = []

    def size(line: bytes) -> int:
        decoded = decode_header(line)
        answer.append((decoded, read(decoded)))
        return sum(layout.nbytes for layout in answer[0][1])

    _, body = child.exchange(encode(header, arrays), size, topic)
    decoded, layouts = answer[0]
    return decoded, decode_arrays(body, layouts)


def program_name(command: str) -> str:
    """Return a name for a model: that of its script, or of its program if there is no script."""
    program, *words = split_command(command)
    script = next((word for word in words if Path(word).is_file()), program)
    name = re.sub(r"[^A-Za-z0-9_.+-]", "-", Path(script).stem).lstrip("_.+-")[:64]
    return name or "command"


def _prediction(state: PipeMoment, boxes: int) -> list[MessageLayout]:
    """Return the arrays that an answer may have, in their order. boxes: how many rows the model has announced."""
    maps = state.sequences, *state.shape[:2]
    return [
        MessageLayout("mean", "float32", (*maps, state.shape[2])),
        MessageLayout("owner", "uint8", maps, optional=True),
        MessageLayout("log_likelihood", "float32", maps, optional=True),
        *[MessageLayout("boxes", "float32", (state.sequences, boxes, 5), optional=True)] * (boxes > 0),
    ]


def _require_greeting(header: Header) -> Sequence[MessageLayout]:
    """Refuse a wrong greeting now, so that the error names the process. No arrays follow a greeting."""
    _greeting(header)
    return ()


def _greeting(header: Header) -> Greeting:
    require_keys(header, required=("likelihood",), allowed=("name", "imagines", "parameters", "samples", "boxes"))
    name = header.get("name")
    if name is not None and not (isinstance(name, str) and NAME.fullmatch(name)):
        allowed = "at most 64 letters, digits and _ . + : -, the first a letter or digit"
        raise ModelError(f"its name is {allowed}, not {excerpt(name)}")
    imagines = header.get("imagines", False)
    if not isinstance(imagines, bool):
        raise ModelError(f"'imagines' is true or false, not {excerpt(imagines)}")
    parameters = _whole(header, "parameters", None, 0, MOST_PARAMETERS)
    samples = _whole(header, "samples", 1, 1, MOST_SAMPLES)
    boxes = _whole(header, "boxes", 0, 0, MOST_BOXES)
    return Greeting(
        _likelihood(header["likelihood"]), name, imagines, parameters, 1 if samples is None else samples, boxes or 0
    )


def _whole(header: Header, key: str, default: int | None, least: int, most: int) -> int | None:
    number = header.get(key)
    if number is None:
        return default
    if not isinstance(number, int) or isinstance(number, bool) or not least <= number <= most:
        raise ModelError(f"{key!r} is a whole number from {least} to {most}, not {excerpt(number)}")
    return number


def _likelihood(said: Any) -> Likelihood:
    stated = cast("Header", said) if isinstance(said, dict) else {}
    if stated == {"kind": "bernoulli"}:
        return Bernoulli()
    if stated.keys() == {"kind", "sigma"} and stated["kind"] == "gaussian" and _is_scale(stated["sigma"]):
        return Gaussian(float(stated["sigma"]))
    allowed = '{"kind": "bernoulli"}, or {"kind": "gaussian", "sigma": S} with S above 0'
    raise ModelError(f"its likelihood is {allowed}, not {excerpt(said)}")


def _is_scale(number: Any) -> bool:
    return isinstance(number, (int, float)) and not isinstance(number, bool) and 0 < number <= LARGEST_SIGMA
