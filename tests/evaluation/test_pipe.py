"""Tests of a model behind a pipe: it is scored like one in the process, gets what docs/pipe.md says, and cannot hang or
hide."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import physbench
from physbench.evaluation.child import Child
from physbench.evaluation.pipe import enter, program_name
from physbench.evaluation.window import ask
from physbench.model import Batch, Bernoulli
from physbench.result import NOTES
from physbench.suites import SUITES, Image, Rollout, Still, Window
from tests.builders.pipe_clients import COPY, EXAMPLES, client
from tests.evaluation.toys import Normal, Witness, task, world

ROOT = Path(physbench.__file__).parent.parent
TORCH = COPY.replace("pipe_copy.py", "pipe_torch.py")
ON_SMOKE = ["--suite", "smoke", "--limit", "2"]


@pytest.fixture(autouse=True)
def _in_an_empty_directory(tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


def scores_of(result: Any) -> Any:
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    return found["scores"], found["curves"]


# Scores


@pytest.mark.parametrize("suite", ["smoke", "simulation"])
def test_copying_behind_a_pipe_is_copying_to_the_last_digit(cli: Any, suite: str) -> None:
    words = ["--suite", suite, "--limit", "3", "--batch", "2", "--json"]
    behind = cli("eval", "--command", COPY, *words)
    assert scores_of(behind) == scores_of(cli("eval", "copy", *words))
    assert json.loads(behind.stdout)["provenance"]["model"] == "pipe-copy"


NORMAL = """
for header, arrays in messages():
    if header["ask"] == "hello":
        send({"likelihood": {"kind": "gaussian", "sigma": 0.3}})
    elif header["ask"] == "begin":
        send({})
    else:
        send({}, mean=(1.5 * arrays["frame"] - 0.25).astype(np.float32))
"""


def test_a_gaussian_behind_a_pipe_is_the_gaussian_in_this_process(cli: Any) -> None:
    behind, _ = scores_of(cli("eval", "--command", client(NORMAL), "--limit", 3, "--json"))
    inside = physbench.evaluate(Normal(), "balls", limit=3)
    assert [score["value"] for score in behind] == [None if s.value != s.value else s.value for s in inside.scores]
    assert len(behind) > 5


CERTAIN = """
for header, arrays in messages():
    if header["ask"] == "hello":
        send({**HELLO, "samples": 3})
    elif header["ask"] == "begin":
        send({})
    else:
        frame = arrays["frame"]
        send({}, mean=frame, log_likelihood=np.full(frame.shape[:3], -0.5, np.float32))
"""


def test_a_process_may_give_its_own_log_likelihoods(cli: Any) -> None:
    result = cli("eval", "--command", client(CERTAIN), "--limit", 2, "--json")
    values = {score["metric"]: score["value"] for score in scores_of(result)[0]}
    assert values["log_likelihood"] == -0.5 * 64 * 64
    notes = json.loads(result.stdout)["provenance"]["notes"]
    assert set(notes) == {"isolated", "samples-3", "self-computed-likelihood"}


def test_the_client_in_c_scores_as_copy_does(cli: Any) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler")
    subprocess.run([compiler, "-O2", "-Wall", "-Werror", "-o", "pipe_copy", EXAMPLES / "pipe_copy.c"], check=True)
    behind = cli("eval", "--command", "./pipe_copy", *ON_SMOKE, "--json")
    assert scores_of(behind) == scores_of(cli("eval", "copy", *ON_SMOKE, "--json"))


@pytest.mark.slow
def test_the_torch_client_is_the_network_it_wraps(cli: Any) -> None:
    torch = pytest.importorskip("torch")
    namespace: dict[str, Any] = {}
    source = (EXAMPLES / "pipe_torch.py").read_text()
    exec(source.replace("from pipe_copy import receive, send\n", ""), namespace)
    torch.manual_seed(3)
    network = namespace["TwoFrames"]()
    torch.save(network.state_dict(), "weights.pt")

    class Inside:
        likelihood = Bernoulli()

        def begin(self, batch: Batch) -> None:
            return None

        def observe(self, before: Any, frame: Any, action: Any) -> Any:
            now = torch.from_numpy(frame[..., 0])[:, None]
            return self._advance(now if before is None else before[0], now)

        def imagine(self, state: Any, action: Any) -> Any:
            return self._advance(*state)

        def _advance(self, before: Any, now: Any) -> Any:
            with torch.no_grad():
                mean = network(before, now)
            return (now, mean), physbench.model.Prediction(mean[:, 0, :, :, None].numpy())

    result = cli("eval", "--command", f"{TORCH} weights.pt", *ON_SMOKE, "--json")
    behind, _ = scores_of(result)
    inside = physbench.evaluate(Inside(), "smoke", limit=2).scores
    wanted = [0.0 if score.value != score.value else score.value for score in inside]
    assert np.allclose([score["value"] or 0.0 for score in behind], wanted, rtol=1e-5)
    assert any(score["task"].endswith("rollout-5+10") for score in behind)
    weights = (2 * 5 * 5 + 1) * 16 + (16 * 5 * 5 + 1)
    assert json.loads(result.stdout)["provenance"]["parameters"] == weights


@pytest.mark.parametrize("name", ["pipe_copy.py", "pipe_torch.py", "pipe_copy.c"])
def test_an_example_is_short_and_needs_no_physbench(name: str) -> None:
    text = (EXAMPLES / name).read_text()
    assert len(text.splitlines()) <= (60 if name == "pipe_torch.py" else 50)
    assert not re.search(r"^\s*(import|from) +physbench", text, re.M)


@pytest.mark.slow
def test_scores_carry_the_note_and_the_leaderboard_takes_them(cli: Any) -> None:
    result = cli("eval", "--command", COPY, "--suite", "smoke", "--csv", "mine.csv", "--report", "page")
    assert result.exit_code == 0 and NOTES["isolated"] in result.stdout and not result.stderr.startswith("Error")
    assert ",isolated\n" in Path("mine.csv").read_text()
    assert NOTES["isolated"] in (Path("page") / "index.html").read_text().lower()
    assert cli("leaderboard", "check", "mine.csv").exit_code == 0
    verified = cli("leaderboard", "verify", "mine.csv", "--command", COPY)
    assert verified.exit_code == 0 and "comes out again with" in verified.stdout
    other = cli("leaderboard", "verify", "mine.csv", "--command", client(NORMAL))
    assert other.exit_code == 2 and "does not come out again" in other.stderr
    Path("listed").mkdir()
    assert cli("leaderboard", "add", "mine.csv", "--folder", "listed").exit_code == 0
    assert cli("leaderboard", "build", "--folder", "listed", "--out", "site").exit_code == 0
    assert NOTES["isolated"] in (Path("site") / "index.html").read_text()


def test_predictions_behind_a_pipe_are_those_of_copy(cli: Any) -> None:
    assert cli("predict", "--command", COPY, *ON_SMOKE, "--out", "a.h5").exit_code == 0
    assert cli("predict", "copy", *ON_SMOKE, "--out", "b.h5").exit_code == 0
    assert scores_of(cli("score", "a.h5", "--json")) == scores_of(cli("score", "b.h5", "--json"))


FORGETFUL = """
seen = 0
for header, arrays in messages():
    if header["ask"] == "hello":
        send(HELLO)
    elif header["ask"] == "begin":
        send({})
    else:
        seen += 1
        send({}, mean=np.full_like(arrays["frame"], min(seen, 1000) / 1000))
"""


def test_an_audit_asks_what_can_be_asked(cli: Any) -> None:
    good = json.loads(cli("audit", "--command", COPY, "--json").stdout)
    assert good["passed"]
    unasked = {verdict["check"] for verdict in good["verdicts"] if verdict["passed"] is None}
    assert unasked == {"owner maps", "boxes", "own likelihood", "slots", "state", "branching"}
    bad = json.loads(cli("audit", "--command", client(FORGETFUL), "--json").stdout)
    verdicts = {verdict["check"]: verdict["passed"] for verdict in bad["verdicts"]}
    assert not bad["passed"] and verdicts["runs"] and verdicts["same twice"] is False


# What is sent

WITNESS = """
time_of = 0
for header, arrays in messages():
    with open("seen.jsonl", "a") as file:
        told = {name: [array.dtype.name, array.tolist()] for name, array in arrays.items()}
        file.write(json.dumps({**header, "arrays": told}) + "\\n")
    if header["ask"] == "hello":
        send({**HELLO, "imagines": True, "parameters": 7})
    elif header["ask"] == "begin":
        time_of, shape = 0, (header["batch"], *header["shape"])
        send({})
    else:
        time_of += 1
        mean = np.full(shape, time_of / 100, np.float32)
        send({}, owner=np.full(shape[:3], time_of - 1, np.uint8), mean=mean)  # in whatever order
"""


@pytest.mark.parametrize("asking", [Window(5), Rollout(3, 4), Still(2, shown=3)], ids=lambda each: type(each).__name__)
def test_a_process_is_sent_what_a_model_in_this_process_is_given(asking: Any) -> None:
    examples, source = world(actions=3, colour=True, shape=(6, 5, 3))
    witness = Witness()
    inside = ask(witness, task(asking, slots=4), asking, examples, source, seed=2)
    with Child(client(WITNESS)) as child:
        behind = ask(enter(child).model, task(asking, slots=4), asking, examples, source, seed=2)
    for name in ("means", "owners", "log_likelihoods"):
        assert np.array_equal(getattr(inside, name), getattr(behind, name)), name

    hello, begin, *steps = [json.loads(line) for line in Path("seen.jsonl").read_text().splitlines()]
    assert hello == {"ask": "hello", "protocol": 1, "arrays": {}}
    (batch,) = witness.batches
    assert begin["arrays"] == {"seeds": ["uint64", batch.seeds.tolist()]}
    assert (begin["batch"], begin["shape"], begin["slots"], begin["actions"]) == (3, [6, 5, 3], 4, 3)
    assert len(steps) == len(witness.calls) > 2
    for step, (word, frame, action) in zip(steps, witness.calls, strict=True):
        wanted = {"frame": frame, "action": action}
        assert step["ask"] == word
        assert step["arrays"] == {name: ["float32", a.tolist()] for name, a in wanted.items() if a is not None}


def test_the_documented_bytes_are_the_bytes() -> None:
    block = re.search(r"```text\n(.*?)```", (ROOT / "docs" / "pipe.md").read_text(), re.S)
    assert block
    script = [(line[0], data_of(line[2:])) for line in block[1].splitlines()]
    code = f"""
for side, data in {script!r}:
    if side == "<":
        say(data)
    elif (read := sys.stdin.buffer.read(len(data))) != data:
        sys.exit(f"{{read}} is not {{data}}")
"""
    with Child(client(code), timeout=20) as child:
        entered = enter(child)
        state = entered.model.begin(Batch(np.array([42], np.uint64), (2, 2, 1)))
        frame = np.array([[1, 0], [0, 1]], np.float32).reshape(1, 2, 2, 1)
        _, prediction = entered.model.observe(state, frame, None)
    assert entered.name == "mine" and prediction.owner is not None and prediction.mean is not None
    assert prediction.mean.ravel().tolist() == np.array([0.9, 0.1, 0.1, 0.9], np.float32).tolist()
    assert prediction.owner.ravel().tolist() == [1, 0, 0, 1]


def data_of(text: str) -> bytes:
    return f"{text}\n".encode() if text.startswith("{") else bytes.fromhex(text)


def test_a_process_goes_on_from_its_newest_state_alone() -> None:
    frame = np.zeros((1, 4, 4, 1), np.float32)
    with Child(COPY) as child:
        model = enter(child).model
        old = model.begin(Batch(np.zeros(1, np.uint64), (4, 4, 1)))
        new, _ = model.observe(old, frame, None)
        with pytest.raises(physbench.errors.ModelError, match="from its newest state alone"):
            model.observe(old, frame, None)
        model.observe(new, frame, None)  # which it can still do


@pytest.mark.parametrize("name", [name for name, suite in SUITES.items() if suite.ranked_by])
def test_no_frame_to_be_predicted_was_shown_by_an_earlier_question(name: str) -> None:
    """A process that remembers its batches gains nothing by it."""
    for each in SUITES[name].tasks:
        shown = 0
        for asking in each.askings:
            match asking:
                case Window(frames):
                    first_predicted, last_shown = asking.context, frames
                case Rollout(context):
                    first_predicted, last_shown = context, context
                case Image():  # the image itself is asked for, not what comes next
                    continue
                case Still(frame):  # it is asked for owners alone
                    first_predicted, last_shown = math.inf, frame + 1
            assert shown <= first_predicted
            shown = max(shown, last_shown)
        assert shown > 1 or all(isinstance(asking, Image) for asking in each.askings)


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("python3 nowhere.py", "python3"),
        ("./client.py --fast", "client"),
        ("python3 -u client.py x", "client"),
        ("'./a b' 1", "a-b"),
        ("_", "command"),
    ],
)
def test_a_model_without_a_name_has_that_of_its_program(command: str, name: str) -> None:
    client("")
    assert program_name(command) == name
