"""Agents that play: the command that trains one, and the command that lets one play."""

from __future__ import annotations

import os
import sys
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import click

from physbench.cli.options import Numbers, Range, kind_of
from physbench.cli.root import STOPPED, main
from physbench.errors import TrainingError
from physbench.plainjson import dump
from physbench.progress import progress_bar

AGENT = "dqn"
"""What `physbench train` calls the agent."""


class AgentTraining(click.Command):
    """Its options are the fields of an agent's recipe, too."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        from physbench_baselines.dqn.agent_recipe import AgentRecipe

        known, usual = {parameter.name for parameter in self.params}, AgentRecipe()
        for item in fields(usual):
            if item.name in known or not item.metadata.get("help"):
                continue
            value, kind, option = getattr(usual, item.name), kind_of(usual, item), f"--{item.name.replace('_', '-')}"
            flag = isinstance(value, bool)
            shown = kind.write(value) if isinstance(kind, (Numbers, Range)) else str(value)
            text = f"{item.metadata['help'][:1].upper()}{item.metadata['help'][1:]}" + (
                f" [{shown}]." if shown and not flag else "."
            )
            words = [f"{option}/--no{option[1:]}" if flag else option]
            self.params.append(click.Option(words, type=None if flag else kind, default=None, help=text))
        return super().get_params(ctx)


@click.command(AGENT, cls=AgentTraining)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("runs") / AGENT,
    show_default=True,
    help="The folder of the run.",
)
@click.option("--minutes", type=float, help="Stop after so many minutes.")
@click.option("--steps", type=int, help="Stop after so many steps of the agent; each is four raw frames of a game.")
@click.option("--resume", is_flag=True, help="Resume the run in the folder.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:1.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def train_agent(
    out: Path, minutes: float | None, steps: int | None, resume: bool, device: str, as_json: bool, **given: Any
) -> None:
    """Train the agent that plays Space Invaders into a folder.

    It is a deep Q-network. By default it plays many games at once and learns without replay (PQN, Gallici et al. 2024);
    `--algorithm nature` learns from a replay with a target network (Mnih et al. 2015). With --demonstrations, a player
    who reads the console's memory plays a part of the games and says what it would do in all of them (Hester et al.
    2018); without, the agent learns by itself, and needs many more steps.

    Ctrl-C and kill save first; --resume goes on. The folder holds the recipe, the log as CSV, and the last and the best
    agent: `physbench play space_invaders --agent runs/dqn` counts its score.

    \b
    physbench train dqn --demonstrations marksman --minutes 60
    physbench train dqn --resume --minutes 120
    physbench train dqn --algorithm nature --games 4 --batch 32 --steps 1000000 --out runs/nature
    """
    from physbench_baselines.dqn.preflight import require_startable, usual_recipe
    from physbench_baselines.training.ranks import ranks_of

    if (ranks := ranks_of(os.environ)).several:
        raise TrainingError(f"{AGENT} is trained by one process, not by {ranks.world}: start it without torchrun")
    changed = {name: value for name, value in given.items() if value is not None}
    recipe = None if resume else usual_recipe(**changed)
    require_startable(out, changed, minutes=minutes, steps=steps, resume=resume)
    if not sys.stderr.isatty():
        click.echo(f"training into {out}: {out / 'log.csv'} tells how it goes", err=True)
    from physbench_baselines.dqn import run  # this loads PyTorch

    with progress_bar("preparing", unit="") as update:

        def show(now: Any, told: dict[str, float]) -> None:
            score = f"score {told['score']:,.0f}" if "score" in told else "no game over yet"
            update(
                round(1000 * now.share),
                1000,
                f"step {now.step:,}: {score}, {now.step / max(now.seconds, 1e-9):,.0f} steps/s",
            )

        try:
            result = run.train(recipe, out, minutes=minutes, steps=steps, resume=resume, device=device, progress=show)
        except KeyboardInterrupt:
            click.echo(f"\nStopped and saved. Go on with: physbench train {AGENT} --out {out} --resume", err=True)
            sys.exit(STOPPED)
    if as_json:
        return click.echo(dump({"folder": str(out), **result}))
    score = (
        f"mean score of the last {result['games']:.0f} games {result['score']:,.0f}"
        if "score" in result
        else "no game came to its end"
    )
    click.echo(
        f"{out}: {result['step']:,} steps in {result['minutes']:.1f} minutes, {score} (with random actions; physbench"
        " play counts it without)"
    )


@main.command()
@click.argument("game", default="space_invaders")
@click.option(
    "--policy",
    default=AGENT,
    show_default=True,
    help="Who plays: a registered policy, or package.module:function of your own, which runs its code.",
)
@click.option(
    "--agent",
    default="",
    help="An agent's file, or the folder of a run, in the place of the agent that comes with the package.",
)
@click.option(
    "--episodes",
    type=click.IntRange(1, 100_000),
    default=100,
    show_default=True,
    help="Games, from the beginning to the last life.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, (1 << 31) - 1),
    default=0,
    show_default=True,
    help="Of the no-ops before each game and of random actions.",
)
@click.option(
    "--epsilon",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="The share of actions drawn at random.",
)
@click.option(
    "--recorder", is_flag=True, help="Play on the recorder's console, and not in ale-py's vector environment."
)
@click.option("--json", "as_json", is_flag=True, help="Print the scores as JSON.")
def play(
    game: str, policy: str, agent: str, episodes: int, seed: int, epsilon: float, recorder: bool, as_json: bool
) -> None:
    """Play whole games with a policy and report its score.

    The score of a game is what the game counts, over three lives. The mean has a 95 % interval from a bootstrap over
    the games. The two places, ale-py's vector environment and --recorder, show a policy the same pictures, so their
    intervals should overlap.

    \b
    physbench play space_invaders
    physbench play space_invaders --agent runs/dqn --episodes 30
    physbench play space_invaders --policy random --recorder --json
    """
    from physbench_generators.atari.console import require_game
    from physbench_generators.atari.policies import ask, resolve_policy

    require_game(game)
    from physbench_baselines.dqn import game_scores

    if ":" in policy:
        click.echo(f"running the code of {policy}", err=True)
    player = resolve_policy(policy, agent=agent, game=game)
    with progress_bar(f"playing {game}", unit="games") as update:

        def show(done: int, total: int) -> None:
            update(done, total, f"playing {game}")

        if recorder:
            from physbench_generators.atari.games import play_games

            told = game_scores.summary(
                play_games(player, name=policy, games=episodes, seed=seed, epsilon=epsilon, game=game, progress=show)
            )
        else:
            chooser = partial(ask, player, name=policy)
            told = game_scores.play(chooser, games=episodes, seed=seed, epsilon=epsilon, game=game, progress=show)
    if as_json:
        return click.echo(
            dump(
                {
                    "game": game,
                    "policy": policy,
                    "epsilon": epsilon,
                    "seed": seed,
                    "recorder": recorder,
                    **told.to_dict(),
                }
            )
        )
    if episodes == 1:
        return click.echo(f"{policy}: score {told.mean:,.0f} in 1 game of {game}; more --episodes give an interval")
    click.echo(
        f"{policy}: mean score {told.mean:,.0f} [{told.low:,.0f}, {told.high:,.0f}] of {episodes:,} games of {game}"
    )
    click.echo(f"  median {told.median:,.0f}, from {told.worst:,.0f} to {told.best:,.0f}")
