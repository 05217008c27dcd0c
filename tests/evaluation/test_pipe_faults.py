"""Tests of a process behind a pipe that dies, hangs, or sends nonsense: it is reported in one line, and nothing of
it is left."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from physbench.evaluation import child as child_module
from tests.builders.interrupted_runs import COMMAND
from tests.builders.pipe_clients import COPY, client, is_alive, pids, require_gone


@pytest.fixture(autouse=True)
def _in_an_empty_directory(tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


def scores_of(result: Any) -> Any:
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    return found["scores"], found["curves"]


FAULTY = """
fault = sys.argv[1]
offspring = subprocess.Popen(["sleep", "600"], stdin=subprocess.DEVNULL, stdout=ANSWERS if "survived" in fault else 2)
with open("pids", "w") as file:
    file.write(f"{os.getpid()} {offspring.pid}")
print("these are my last words\\x1b[31m", file=sys.stderr, flush=True)

def mean(array, **changes):
    entry = {"name": "mean", "dtype": "float32", "shape": array.shape, **changes}
    return json.dumps({"arrays": [entry]}).encode() + b"\\n"

def header_only(header):
    return json.dumps(header).encode() + b"\\n"

def sleep():
    open("asleep", "w").close()
    time.sleep(600)

if fault == "exit at once":
    sys.exit(3)
if fault == "silent at once":
    sleep()
if fault == "a crash while loading":
    raise ImportError("no weights here")
step = 0
for header, arrays in messages():
    if header["ask"] == "hello":
        say(sys.argv[2].encode() + b"\\n" if sys.argv[2:] else header_only(HELLO))
        continue
    if header["ask"] == "begin":
        send({})
        if fault == "never reads":
            sleep()
        if fault == "closes its input":
            os.close(0)
            sleep()
        continue
    frame = arrays["frame"]
    step += 1
    if step < 3:
        send({}, mean=frame)
        continue
    data = frame.tobytes()
    match fault:
        case "NaN": send({}, mean=np.where(frame > 0, np.nan, frame).astype(np.float32))
        case "a probability of 2": send({}, mean=2 * frame + 1)
        case "float64": send({}, mean=frame.astype(np.float64))
        case "integers": send({}, mean=frame.astype(np.uint8))
        case "half the sequences": send({}, mean=frame[:1])
        case "no channels": send({}, mean=frame[..., 0])
        case "no mean": send({}, owner=np.zeros(frame.shape[:3], np.uint8))
        case "no arrays": send({})
        case "an unknown array": send({}, mean=frame, mask=frame)
        case "a mean twice": say(header_only({"arrays": 2 * json.loads(mean(frame))["arrays"]}) + data + data)
        case "an unknown key": send({"means": 1}, mean=frame)
        case "arrays of nothing": say(header_only({"arrays": None}))
        case "arrays of numbers": say(header_only({"arrays": [1]}))
        case "a size without end": say(mean(frame, shape=[10**30]) + data)
        case "a negative size": say(mean(frame, shape=[-1, 64, 64, 1]) + data)
        case "half an array": say(mean(frame) + data[:100]); sys.exit(0)
        case "half an array, then silence": say(mean(frame) + data[:100]); sleep()
        case "bytes too many": say(mean(frame) + data + b"more")
        case "an answer twice": say(2 * (mean(frame) + data))
        case "garbage": say(b"loss: 0.3\\n")
        case "not UTF-8": say(b"\\xff\\xfe\\n")
        case "a list": say(b"[]\\n")
        case "a header of NaN": say(b'{"arrays":NaN}\\n')
        case "a header nested deeply": say(b"[" * 60000 + b"\\n")
        case "arrays nested deeply": say(b'{"arrays":[' + b"[" * 800 + b"]" * 800 + b"]}\\n")
        case "a number of 60,000 digits": say(b'{"arrays":' + b"9" * 60000 + b"}\\n")
        case "a line that is too long": say(b'{"x":"' + b"x" * 70000 + b'"}\\n')
        case "no line, for ever":
            while True: say(b"x" * 65536)
        case "exit half-way": sys.exit(0)
        case "a crash": raise ZeroDivisionError("mine alone")
        case "a crash survived by offspring that holds the output": sys.exit(5)
        case "killed": os.kill(os.getpid(), signal.SIGKILL)
        case "closes its output": os.close(ANSWERS.fileno()); sleep()
        case "silent": sleep()
        case "last words without end":
            sys.stderr.write("\\x1b[2J\\r\\t\\u202e" * 1000000 + "the end")
            sys.exit(1)
        case _: raise AssertionError(fault)
"""

FAULTS = {
    "exit at once": "it ended with exit code 3 before it had answered 'hello'",
    "a crash while loading": "it ended with exit code 1 before it had answered 'hello'",
    "silent at once": "it did not answer 'hello' within 1 seconds (--timeout)",
    "never reads": "it did not answer 'observe' at step 0 within",
    "closes its input": "it closed its standard input before it had read 'observe' at step 0",
    "NaN": "predicted nan, which is not a finite number (on balls4mass64, sequence",
    "a probability of 2": "probabilities from 1 to 3: they lie in 0 to 1",
    "float64": '"dtype": "float64"',
    "integers": '"dtype": "uint8"',
    "half the sequences": '"shape": [1, 64, 64, 1]}, not {"name": "mean", "dtype": "float32", "shape": [40, 64, 64, 1]',
    "no channels": '"shape": [40, 64, 64]}, not',
    "no mean": "its answer has no mean",
    "no arrays": "its answer has no mean",
    "an unknown array": '"name": "mask"',
    "a mean twice": "where owner, log_likelihood is expected",
    "an unknown key": "its answer has the key 'means', which means nothing: there is arrays",
    "arrays of nothing": "'arrays' is a list of arrays, not null",
    "arrays of numbers": "its answer lists the array 1 where mean, owner, log_likelihood is expected",
    "a size without end": '"shape": [1000000000000000000000000000000]}, not',
    "a negative size": '"shape": [-1, 64, 64, 1]}, not',
    "half an array": "it ended with exit code 0 after 100 of the 655,360 bytes of its answer to 'observe' at step 2",
    "half an array, then silence": "it did not answer 'observe' at step 2 within",
    "bytes too many": "it said more than its answer to 'observe' at step 2: b'm",
    "an answer twice": "it said more than its answer to 'observe' at step 2",
    "garbage": r"it answered b'loss: 0.3\n', which is not a line of JSON",
    "not UTF-8": r"it answered b'\xff\xfe\n', which is not a line of JSON",
    "a list": r"it answered b'[]\n', which is not a JSON object",
    "a header of NaN": "which is not a line of JSON",
    "a header nested deeply": "which is not a line of JSON",
    "arrays nested deeply": "its answer lists the array",
    "a number of 60,000 digits": "which is not a line of JSON",
    "a line that is too long": "the first line of its answer is longer than 65,536 bytes",
    "no line, for ever": "the first line of its answer is longer than 65,536 bytes",
    "exit half-way": "it ended with exit code 0 before it had answered 'observe' at step 2",
    "a crash": "it ended with exit code 1 before it had answered 'observe' at step 2",
    "a crash survived by offspring that holds the output": "it ended with exit code 5 before it had answered 'observe'",
    "killed": "it was killed by signal 9 (Killed) before it had answered",
    "closes its output": "it closed its standard output before it had answered",
    "silent": "it did not answer 'observe' at step 2 within",
    "last words without end": "it ended with exit code 1",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_process_is_refused_and_nothing_of_it_is_left(cli: Any, monkeypatch: Any, fault: str) -> None:
    monkeypatch.setattr(child_module, "LAST_GASP", 0.3)
    is_late = "did not answer" in FAULTS[fault]
    for patience in (1, 4, 16) if is_late else (60,):  # more, where the machine takes that long to load it
        result = cli("eval", "--command", client(FAULTY, fault), "--limit", 40, "--batch", 64, "--timeout", patience)
        if "'hello'" not in result.stderr:
            break
        require_gone(pids() if Path("pids").exists() else [])
        if FAULTS[fault] in result.stderr:
            break
    assert result.exit_code == 2 and not result.stdout, result.output
    *words, last = result.stderr.strip().split("\n")
    assert last.startswith("Error: ") and FAULTS[fault] in last, result.stderr
    assert len(last) < 800 and all(line.isprintable() for line in (*words, last))
    assert words[0] == f"the end of what {client(FAULTY, fault)} wrote to its standard error:"
    assert all(line.startswith("| ") for line in words[1:]) and 2 <= len(words) <= 32
    assert "| these are my last words?[31m" in words or fault == "last words without end"
    assert words[-1] == LAST_WORDS.get(fault, words[-1])
    require_gone(pids())


LAST_WORDS = {
    "a crash": "| ZeroDivisionError: mine alone",
    "a crash while loading": "| ImportError: no weights here",
    "no line, for ever": "| these are my last words?[31m",
}

GREETINGS = {
    "{}": "its answer has no 'likelihood'",
    '{"likelyhood":{"kind":"bernoulli"}}': "its answer has no 'likelihood'",
    '{"likelihood":"bernoulli"}': 'its likelihood is {"kind": "bernoulli"}',
    '{"likelihood":{"kind":"bernoulli","sigma":1}}': "with S above 0, not",
    '{"likelihood":{"kind":"gaussian"}}': "with S above 0, not",
    '{"likelihood":{"kind":"gaussian","sigma":0}}': "with S above 0, not",
    '{"likelihood":{"kind":"gaussian","sigma":true}}': "with S above 0, not",
    '{"likelihood":{"kind":"gaussian","sigma":1e999}}': "with S above 0, not",
    '{"likelihood":{"kind":"gaussian","sigma":"0.3"}}': "with S above 0, not",
    '{"likelihood":{"kind":"bernoulli"},"name":"=cmd()"}': "its name is at most 64 letters",
    '{"likelihood":{"kind":"bernoulli"},"name":""}': "its name is at most 64 letters",
    '{"likelihood":{"kind":"bernoulli"},"imagines":1}': "'imagines' is true or false, not 1",
    '{"likelihood":{"kind":"bernoulli"},"parameters":1.5}': "'parameters' is a whole number",
    '{"likelihood":{"kind":"bernoulli"},"samples":0}': "'samples' is a whole number from 1",
    '{"likelihood":{"kind":"bernoulli"},"arrays":[]}': "the key 'arrays', which means nothing",
    '{"likelihood":{"kind":"bernoulli"},"colour":"red"}': "the key 'colour', which means nothing",
}


@pytest.mark.parametrize("greeting", GREETINGS)
def test_a_wrong_greeting_is_refused(cli: Any, greeting: str) -> None:
    result = cli("eval", "--command", client(FAULTY, "none", greeting), "--limit", 2)
    assert result.exit_code == 2 and GREETINGS[greeting] in result.stderr.strip().split("\n")[-1]
    require_gone(pids())


REFUSED = {
    "no model": ([], "or --command TEXT"),
    "two models": (["copy", "--command", COPY], "or --command TEXT"),
    "code and a command": (["--model", "a:b", "--command", COPY], "or --command TEXT"),
    "an empty command": (["--command", ""], "the command is empty"),
    "half a quotation": (["--command", "python3 'x"], "is no command: No closing quotation"),
    "no such program": (["--command", "no-such-program"], "there is no program 'no-such-program'"),
    "a folder": (["--command", "/"], "'/' cannot be run: Permission denied"),
    "a text": (["--command", "./text"], "'./text' cannot be run: "),
    "no time": (["--command", COPY, "--timeout", "0"], "a timeout is a number of seconds above 0, not 0"),
    "time without end": (["--command", COPY, "--timeout", "inf"], "not inf"),
    "no number": (["--command", COPY, "--timeout", "nan"], "not nan"),
    "a timeout without a command": (["copy", "--timeout", "3"], "--timeout is for a model behind --command"),
    "a setting": (["--command", COPY, "--set", "noise=0"], "--set is for trained models"),
    "a device": (["--command", COPY, "--device", "cuda"], "a command is not moved to cuda"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_command_that_cannot_be_run_is_refused_in_one_line(cli: Any, refusal: Any, name: str) -> None:
    Path("text").write_text("not a program")
    Path("text").chmod(0o755)
    words, sentence = REFUSED[name]
    result = cli("eval", *words, "--limit", 2)
    assert sentence in refusal(result.exit_code, result.stderr)


def test_no_shell_runs_a_command(cli: Any) -> None:
    assert cli("eval", "--command", f"{COPY} > here; touch there | $HOME", "--limit", 2).exit_code == 0
    assert not Path("here").exists() and not Path("there").exists()


TALKER = """
for header, arrays in messages():
    sys.stderr.write("epoch 1 of 1\\n" * 100000)
    sys.stderr.flush()
    send(HELLO if header["ask"] == "hello" else {}, **({"mean": arrays["frame"]} if "frame" in arrays else {}))
sys.stderr.write("done\\n" * 100000)
"""


def test_a_flood_on_standard_error_holds_nothing_up_and_is_not_shown(cli: Any) -> None:
    result = cli("eval", "--command", client(TALKER), "--suite", "smoke", "--limit", 2, "--json", "--timeout", 60)
    assert scores_of(result) == scores_of(cli("eval", "copy", "--suite", "smoke", "--limit", 2, "--json"))
    assert not result.stderr


HASTY = """
shape, source = None, sys.stdin.buffer
while line := source.readline():
    header = json.loads(line)
    if header["ask"] == "hello":
        send(HELLO)
    elif header["ask"] == "begin":
        shape = (header["batch"], *header["shape"])
        source.read(8 * header["batch"])
        send({})
    else:
        send({}, mean=np.zeros(shape, np.float32))  # more than a pipe holds, and so is what is not yet read
        source.read(4 * math.prod(shape))
"""


def test_an_answer_that_is_written_before_the_question_is_read_holds_nothing_up(cli: Any) -> None:
    behind = cli("eval", "--command", client(HASTY), "--limit", 64, "--json", "--timeout", 60)
    assert scores_of(behind) == scores_of(cli("eval", "blank", "--limit", 64, "--json"))


LINGERING = """
offspring = subprocess.Popen(["sleep", "600"])
open("pids", "w").write(f"{os.getpid()} {offspring.pid}")
for header, arrays in messages():
    send(HELLO if header["ask"] == "hello" else {}, **({"mean": arrays["frame"]} if "frame" in arrays else {}))
time.sleep(float(sys.argv[1]))
open("ended", "w").close()
"""


@pytest.mark.parametrize(("seconds", "ended"), [(0, True), (600, False)])
def test_a_process_may_end_by_itself_but_not_stay(cli: Any, monkeypatch: Any, seconds: int, ended: bool) -> None:
    if not ended:
        monkeypatch.setattr(child_module, "PATIENCE", 0.2)
    assert cli("eval", "--command", client(LINGERING, str(seconds)), "--limit", 2).exit_code == 0
    require_gone(pids())
    assert Path("ended").exists() is ended


@pytest.mark.parametrize("line", ["predict --limit 2 --out p.h5", "audit"])
def test_predictions_and_audits_end_a_faulty_process_too(cli: Any, line: str) -> None:
    words = line.split()
    result = cli(*words, "--command", client(FAULTY, "exit half-way"))
    assert result.exit_code == (1 if words == ["audit"] else 2) and "it ended with exit code 0" in result.output
    require_gone(pids())
    assert not Path("p.h5").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
@pytest.mark.parametrize("fault", ["silent at once", pytest.param("silent", marks=pytest.mark.slow)])
def test_a_signal_leaves_no_process_behind(number: signal.Signals, fault: str) -> None:
    words = [*COMMAND, "eval", "--command", client(FAULTY, fault), "--limit", "2"]

    def restore_signals() -> None:  # the process that runs the tests may ignore a signal, which is inherited
        signal.signal(number, signal.SIG_DFL)

    pipe = subprocess.PIPE
    running = subprocess.Popen(words, stdout=pipe, stderr=pipe, text=True, preexec_fn=restore_signals)
    deadline = time.monotonic() + 60
    while not Path("asleep").exists():
        assert running.poll() is None and time.monotonic() < deadline, running.communicate()
        time.sleep(0.01)
    started = pids()
    assert len(started) == 2 and all(is_alive(pid) for pid in started)
    running.send_signal(number)
    output, errors = running.communicate(timeout=60)
    assert running.returncode == 130 and not output and "Traceback" not in errors
    require_gone(started)


BREAKING = """
begun = 0
for header, arrays in messages():
    if header["ask"] == "hello":
        send(HELLO)
    elif header["ask"] == "begin":
        begun += 1
        if begun == 3 and not os.path.exists("healed"):
            sys.exit(1)
        send({})
    else:
        send({}, mean=arrays["frame"])
"""


def test_an_evaluation_goes_on_where_it_was_told_to_and_for_the_same_command(cli: Any) -> None:
    words = ["--suite", "curtain", "--limit", "6", "--batch", "2", "--json"]
    command, other = client(BREAKING), client(BREAKING, "another argument")
    assert cli("eval", "--command", command, *words, "--resume").exit_code == 2
    Path("healed").touch()
    assert "going on after" not in cli("eval", "--command", other, *words, "--resume").stderr
    assert "going on after" not in cli("eval", "--command", command, *words).stderr
    again = cli("eval", "--command", command, *words, "--resume")
    assert "going on after 2 finished blocks" in again.stderr
    assert scores_of(again) == scores_of(cli("eval", "copy", *words))
