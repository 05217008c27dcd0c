"""Tests of the agent in games: what it sees, how it learns from a player, and runs that stop and continue.

They need ale-py.
"""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from physbench.errors import PhysbenchError, TrainingError
from physbench_baselines.dqn.lanes import SKIP, AgentLane, Lanes
from physbench_baselines.dqn.marksman import FORESEEN, choose, demonstrate, judge, march
from physbench_baselines.dqn.picture import GRAY, see

ale_py = pytest.importorskip("ale_py")
pytest.importorskip("gymnasium")
torch = pytest.importorskip("torch")

SMALL = {"games": 4, "rollout": 8, "batch": 16, "channels": (4, 4, 4), "hidden": 16}


def _console() -> Any:
    ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
    console = ale_py.ALEInterface()
    console.setFloat("repeat_action_probability", 0.0)
    console.loadROM(ale_py.roms.get_rom_path("space_invaders"))
    console.reset_game()
    return console


def test_grays_are_those_of_the_emulator() -> None:
    console, rng = _console(), np.random.default_rng(0)
    actions = console.getMinimalActionSet()
    for frame in range(1500):
        console.act(actions[rng.integers(6)])
        if frame % 50 == 0:
            assert np.array_equal(GRAY[console.getScreen()], console.getScreenGrayscale())


def test_pictures_are_means_over_areas() -> None:
    """Against whole numbers: every cell is 2.5 pixels high and 160/84 wide; in units of 1/2 and 1/21 all edges are
    whole."""
    rng = np.random.default_rng(1)
    colours = np.flatnonzero(GRAY)
    older, newer = (rng.choice([0, *colours], (210, 160)).astype(np.uint8) for _ in range(2))
    fine = np.repeat(np.repeat(np.maximum(GRAY[older], GRAY[newer]).astype(np.int64), 2, 0), 21, 1)
    wanted = fine.reshape(84, 5, 84, 40).mean((1, 3))
    found = np.zeros((84, 84), np.uint8)
    see(older, newer, found)
    assert np.abs(found - wanted).max() <= 0.5 + 1e-3


def test_lanes_show_what_the_vector_environment_shows() -> None:
    from ale_py.vector_env import AtariVectorEnv
    from gymnasium.vector import AutoresetMode

    environment = AtariVectorEnv(
        "space_invaders",
        1,
        num_threads=1,
        noop_max=0,
        use_fire_reset=False,
        reward_clipping=False,
        autoreset_mode=AutoresetMode.SAME_STEP,
    )
    lane = AgentLane(0, seed=0)
    lane.noops = lambda: 0  # type: ignore[method-assign]
    lane.begin()
    theirs, _ = environment.reset(seed=0)
    rng, games = np.random.default_rng(2), 0
    for _ in range(900):
        assert np.abs(theirs[0].astype(int) - lane.stack).max() <= 1
        action = int(rng.integers(6))
        theirs, rewards, ended, broken_off, info = environment.step(np.array([action]))
        reward, lost, over = lane.step(action)
        assert (reward, over) == (rewards[0], ended[0] or broken_off[0])
        if over:
            games += 1
            assert lost
            lane.begin()
        assert lane.lives == info["lives"][0]
    assert games


@pytest.mark.slow
def test_the_march_of_the_aliens_is_foreseen() -> None:
    """For as long as none is shot, against the console, for as many aliens as a game comes to."""
    console, rng, numbers = _console(), np.random.default_rng(3), set()
    actions = console.getMinimalActionSet()
    xs, ys = np.empty(FORESEEN, np.int64), np.empty(FORESEEN, np.int64)
    checked = 0
    while checked < 8000 and len(numbers) < 36:
        ram = console.getRAM()
        if ram[42] or not ram[17]:
            console.act(actions[0])
        else:
            march(ram, xs, ys)
            action = int(demonstrate(ram[None])[0])
            for frame in range(1, SKIP * 6):
                console.act(actions[action if frame < SKIP else rng.integers(6)])
                now = console.getRAM()
                if now[42] or not np.array_equal(now[17:24], ram[17:24]):
                    break
                assert (xs[frame], ys[frame]) == (int(now[26]) - 1, 31 + 2 * int(now[16])), (
                    f"{ram[17]} aliens, {frame} frames ahead"
                )
                checked += 1
                numbers.add(int(ram[17]))
        if console.game_over():
            console.reset_game()
    assert len(numbers) > 10


@pytest.mark.slow
def test_the_demonstrator_plays_far_better_than_chance() -> None:
    lanes = Lanes(4, seed=1)
    lanes.begin()
    scores: list[float] = []
    total = np.zeros(4)
    for _ in range(1500):
        regrets = judge(lanes.memories)
        assert (regrets.min(1) == 0).all()
        assert regrets.max() <= 1
        came = lanes.step(choose(regrets))
        total += came.rewards
        scores += came.scores.values()
    assert total.mean() > 1000  # chance scores 150 in a game, and plays three in this time


def test_lanes_come_back() -> None:
    rng, one = np.random.default_rng(4), Lanes(3, seed=5)
    one.begin()
    for _ in range(400):
        one.step(rng.integers(6, size=3))
    two = Lanes(3, seed=5)
    two.restore(one.state())
    for _ in range(50):
        assert np.array_equal(one.observations, two.observations)
        assert np.array_equal(one.memories, two.memories)
        actions = rng.integers(6, size=3)
        here, there = one.step(actions), two.step(actions)
        assert np.array_equal(here.rewards, there.rewards)
        assert here.scores == there.scores


@pytest.mark.parametrize("given", [{}, pytest.param({"demonstrations": "marksman"}, marks=pytest.mark.slow)])
def test_a_run_that_was_stopped_ends_where_it_would_have_ended(tmp_path: Path, given: dict[str, Any]) -> None:
    from physbench_baselines.dqn import run
    from physbench_baselines.dqn.agent_recipe import AgentRecipe

    torch.set_num_threads(1)
    recipe = AgentRecipe(**SMALL, **given, precision="fp32")
    whole = run.train(recipe, tmp_path / "whole", steps=640, device="cpu")

    def stop(now: run.AgentProgress, told: dict[str, float]) -> None:
        if now.update == 9:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run.train(recipe, tmp_path / "stopped", steps=640, device="cpu", progress=stop)
    rest = run.train(None, tmp_path / "stopped", resume=True, device="cpu")
    assert rest["step"] == whole["step"] == 640
    one, two = ((tmp_path / name / "state.safetensors").read_bytes() for name in ("whole", "stopped"))
    assert _arrays(one) == _arrays(two)


def _arrays(content: bytes) -> dict[str, bytes]:
    import safetensors.numpy

    return {
        name: array.tobytes() for name, array in safetensors.numpy.load(content).items() if name != "now"
    }  # the time is another one


@pytest.mark.parametrize(
    ("algorithm", "steps", "more"),
    [
        ("pqn", 2000, {"demonstrations": "marksman"}),
        pytest.param("nature", 800, {"replay": 600, "replay_first": 100, "target_every": 50}, marks=pytest.mark.slow),
    ],
)
def test_a_short_run(tmp_path: Path, algorithm: str, steps: int, more: dict[str, Any]) -> None:
    from physbench_baselines.dqn import run
    from physbench_baselines.dqn.policy import dqn
    from physbench_baselines.dqn.preflight import usual_recipe

    recipe = usual_recipe(
        algorithm=algorithm, **{**SMALL, **more, "normalise": True, "rows": (3, 79), "columns": (8, 76)}
    )
    told = run.train(recipe, tmp_path / "run", steps=steps, device="cpu")
    assert told["step"] >= steps
    assert np.isfinite(told["error"])
    player = dqn(tmp_path / "run")
    assert player.card["steps"] == told["step"]
    assert (tmp_path / "run" / "log.csv").read_text().startswith("step,minutes,share,epsilon,shown,score")
    with pytest.raises(TrainingError, match="is not empty: resume the run in it"):
        run.train(recipe, tmp_path / "run", steps=2000)


@pytest.mark.slow
def test_a_run_begins_with_other_weights(tmp_path: Path) -> None:
    from physbench_baselines.dqn import agentfile, run
    from physbench_baselines.dqn.agent_recipe import AgentRecipe

    run.train(AgentRecipe(**SMALL, seed=1), tmp_path / "first", steps=64, device="cpu")
    recipe = AgentRecipe(**SMALL, initial=str(tmp_path / "first"), learning_rate=1e-12)
    run.train(recipe, tmp_path / "second", steps=32, device="cpu")
    run.train(None, tmp_path / "second", steps=96, resume=True, device="cpu")
    first, second = (agentfile.load(tmp_path / name / "last.safetensors") for name in ("first", "second"))
    for name, array in first.weights.items():
        assert second.weights[name] == pytest.approx(array, abs=1e-3)
    assert [stage["steps"] for stage in second.card["before"]] == [64]
    other = AgentRecipe(**{**SMALL, "hidden": 17}, initial=str(tmp_path / "first"))
    with pytest.raises(TrainingError, match="has other sizes than this run"):
        run.train(other, tmp_path / "third", steps=32, device="cpu")
    assert not (tmp_path / "third").exists()
    (tmp_path / "second" / "log.csv").write_text("of something else\n1,2,3\n")
    with pytest.raises(TrainingError, match=r"log\.csv is not the log of this run"):
        run.train(None, tmp_path / "second", steps=128, resume=True, device="cpu")


def test_a_start_that_is_refused_leaves_no_folder(tmp_path: Path) -> None:
    from physbench_baselines.dqn import run
    from physbench_baselines.dqn.agent_recipe import AgentRecipe

    with pytest.raises(PhysbenchError, match="there is no file"):
        run.train(AgentRecipe(**SMALL, initial=str(tmp_path / "nowhere")), tmp_path / "run", steps=32, device="cpu")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_scores_are_of_whole_games() -> None:
    from physbench_baselines.dqn import game_scores

    def idle(given: Any) -> Any:
        return np.ones(len(given.observations), np.int64)

    told = game_scores.play(idle, games=3, seed=1)
    assert len(told.games) == 3
    assert told.worst <= told.low <= told.mean <= told.high <= told.best
    assert told.mean == pytest.approx(np.mean(told.games))
    assert told == game_scores.play(idle, games=3, seed=1)
    with pytest.raises(PhysbenchError, match="does not show the console's memory"):
        game_scores.play(lambda given: given.ram[:, 0], games=1)


def test_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    from physbench.cli import main

    monkeypatch.chdir(tmp_path)
    small = ["--games", "2", "--rollout", "8", "--batch", "8", "--channels", "4,4,4", "--hidden", "16"]
    done = CliRunner().invoke(main, ["train", "dqn", *small, "--steps", "64", "--json", "--device", "cpu"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["step"] == 64
    more = CliRunner().invoke(main, ["train", "dqn", "--resume", "--steps", "96", "--device", "cpu"])
    assert more.exit_code == 0, more.output
    assert "96 steps" in more.stdout


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "give --minutes or --steps"),
        (["--steps", "0"], "a run has more than 0 steps, not 0"),
        (["--steps", "5", "--games", "0"], "games is a whole number from 1 to 1024, not 0"),
        (["--resume"], "there is no run in runs/dqn to resume"),
    ],
)
def test_the_command_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], sentence: str) -> None:
    from click.testing import CliRunner

    from physbench.cli import main

    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["train", "dqn", *words])
    assert done.exit_code == 2
    assert sentence in done.stderr
    assert not (tmp_path / "runs").exists()


def too_high(given: Any) -> Any:
    return np.full(len(given.words), 99)


def too_few(given: Any) -> Any:
    return [1]


def in_words(given: Any) -> Any:
    return "x"


@pytest.mark.parametrize("recorder", [[], ["--recorder"]])
@pytest.mark.parametrize(
    ("policy", "words"),
    [("too_high", "gave the action 99"), ("too_few", "of shape (1,)"), ("in_words", "gave 'x': it must give an array")],
)
def test_an_action_that_is_none_is_one_error(policy: str, words: str, recorder: list[str]) -> None:
    from click.testing import CliRunner

    from physbench.cli import main

    if recorder and policy == "too_few":
        pytest.skip("the recorder asks for one game at a time")
    line = ["play", "space_invaders", "--policy", f"{__name__}:{policy}", "--episodes", "2", *recorder]
    done = CliRunner().invoke(main, line)
    assert done.exit_code == 2 and words in done.stderr, done.output


@pytest.mark.parametrize("more", [[], ["--recorder"]])
def test_games_are_played_and_scored(more: list[str]) -> None:
    from click.testing import CliRunner

    from physbench.cli import main

    words = ["play", "space_invaders", "--policy", "random", "--episodes", "2", "--seed", "3", "--json", *more]
    done, again = (CliRunner().invoke(main, words) for _ in range(2))
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert done.stdout == again.stdout
    assert len(told["games"]) == 2
    assert told["low"] <= told["mean"] <= told["high"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["space_invader"], "no game 'space_invader': did you mean 'space_invaders'?"),
        (["--policy", "dqm"], "no policy is called 'dqm': did you mean 'dqn'?"),
        (["--policy", "random", "--agent", "x"], "takes no agent file"),
        (["--agent", "nowhere.safetensors"], "no agent can be read: there is no file nowhere.safetensors"),
        (["--policy", "scripted", "--episodes", "1"], "play this policy through the recorder, with --recorder"),
        (["breakout", "--policy", "scripted"], "only space_invaders, not breakout"),
    ],
)
def test_players_that_cannot_play_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], sentence: str
) -> None:
    from click.testing import CliRunner

    from physbench.cli import main

    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["play", *words])
    assert done.exit_code == 2
    assert sentence in done.stderr
