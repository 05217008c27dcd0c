"""Release of an agent: a finished training becomes the agent that comes with the package, with a card.

The card says how the agent was trained and what it scores. Run `python -m physbench_baselines.releasing.agent
runs/dqn`. The card is in the file of the weights, and in a page beside it, dqn.md, with its curve, dqn.svg. `python -m
physbench_baselines.releasing.agent --page` writes the page again from the file.
"""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click
import numpy as np

from physbench.errors import PhysbenchError, TrainingError
from physbench.files import read_regular_file, write_whole
from physbench.report.charts import WIDTH, Line, Point, line_chart
from physbench.report.pages import render
from physbench_baselines.dqn import agentfile
from physbench_baselines.dqn.policy import BUNDLED, file_of
from physbench_baselines.dqn.preflight import usual_recipe

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from physbench_baselines.dqn.game_scores import GameScores

MOST_ROWS = 60
"""The most rows of the curve."""

MOST_FILE = 4_000_000
"""The most bytes of the agent that comes with the package."""

GAMES, SHOWN_GAMES = 100, 30
"""Games of the agent and of random actions; and of the demonstrator."""

CLOCK = (
    "Its schedules went by the clock, and not all of them to their end: the commands give an agent like it, not the"
    " same one."
)

PUBLISHED = (
    ("random play", "148", "Mnih et al. 2015"),
    ("DQN, 10 million steps", "623 +- 202", "RL Baselines3 Zoo"),
    ("DQN, 10 million steps", "1,099 +- 574", "Open RL Leaderboard, CleanRL"),
    ("PQN, 10 million steps", "1,325 +- 78", "CleanRL"),
    ("DQN, 50 million steps", "1,976", "Mnih et al. 2015, with 5 % random actions"),
)
"""Published scores in this game.

They are with sticky actions, other starts or random actions, so they are for orientation only.
"""


def release(
    run: Path,
    *,
    before: Sequence[Path] = (),
    place: Path = BUNDLED,
    games: int = GAMES,
    doing: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Score the best agent of a run, write it and its page, and return the card.

    before: the runs that its first weights come from, for the curve.
    """
    from physbench_baselines.dqn import game_scores
    from physbench_baselines.dqn.policy import dqn

    player = dqn(run)
    weights = agentfile.load(file_of(run))
    rng = np.random.default_rng(0)
    doing(f"{games} games of the agent")
    own = game_scores.play(player, games=games)
    doing(f"{games} games of the agent with random actions")
    careless = game_scores.play(player, games=games, epsilon=0.05)
    doing(f"{games} games of chance")
    chance = game_scores.play(lambda given: rng.integers(6, size=len(given.observations)), games=games)
    counted = {
        "agent": own.to_dict(),
        "agent, 5 % random actions": careless.to_dict(),
        "random actions": chance.to_dict(),
    }
    if weights.card["recipe"]["demonstrations"]:
        doing(f"{SHOWN_GAMES} games of the demonstrator")
        counted["demonstrator"] = score_demonstrator(SHOWN_GAMES if games >= GAMES else games).to_dict()
    card = {
        **_without_folders(weights.card),
        "scores": counted,
        "curve": curve([*before, run]),
        "parameters": weights.sizes.count(),
    }
    agentfile.save(place, weights.sizes, weights.weights, card=card)
    if (size := place.stat().st_size) > MOST_FILE:
        raise TrainingError(
            f"{place} has {size:,} bytes; the agent that comes with the package has at most {MOST_FILE:,}"
        )
    write_page(place)
    return card


def score_demonstrator(games: int) -> GameScores:
    """Score the demonstrator, which reads the memory, in the lanes of training."""
    from physbench_baselines.dqn.game_scores import summary
    from physbench_baselines.dqn.lanes import AgentLane
    from physbench_baselines.dqn.marksman import demonstrate

    lane, memory, told = AgentLane(0, seed=1_000_003), np.zeros(128, np.uint8), list[float]()
    for _ in range(games):
        lane.begin()
        over = False
        while not over:
            lane.memory(memory)
            _, _, over = lane.step(int(demonstrate(memory[None])[0]), look=False)
        told.append(lane.score)
    return summary(told)


def write_page(place: Path = BUNDLED) -> None:
    """Write the page and the curve beside an agent, from its card."""
    card = agentfile.load(place).card
    write_whole(place.with_suffix(".md"), page(card, size=place.stat().st_size))
    write_whole(place.with_suffix(".svg"), drawing(card))


def page(card: Mapping[str, Any], *, size: int) -> str:
    """Return the page of a card in Markdown. size: of the file, in bytes."""
    recipe, parts = card["recipe"], ["# The agent that plays Space Invaders"]
    parts.append(_what(recipe, card))
    stages = [*card.get("before", []), card]
    parts.append(
        f"It was trained by {', then '.join(f'`{command(stage)}`' for stage in stages)}{_hurry(stages)}. {CLOCK}"
    )
    rows = [["who", "mean score", "95 % interval", "median", "games"]]
    for name, told in card["scores"].items():
        rows.append(
            [
                name,
                f"{told['mean']:,.0f}",
                f"{told['low']:,.0f} to {told['high']:,.0f}",
                f"{told['median']:,.0f}",
                str(len(told["games"])),
            ]
        )
    parts.append(
        "Scores are of whole games of three lives, frame skip 4, no sticky actions, 0 to 29 no-ops before each"
        " game (0 to 30 in the lanes);"
        " the intervals are from a bootstrap over games. The agent and random actions play in ale-py's vector"
        " environment; the demonstrator needs the memory, and plays in the lanes of training."
    )
    parts.append(_table(rows))
    parts.append(
        "`physbench play space_invaders` counts the first row again. What others have published, under other rules, for"
        " orientation:"
    )
    parts.append(_table([["who", "score", "by"], *map(list, PUBLISHED)]))
    parts.append(f"![mean score of the last 100 games, over the steps of training]({BUNDLED.stem}.svg)")
    parts.append(
        f"The file has {size:,} bytes: {card['parameters']:,} weights as float16, in safetensors, with this card in its"
        " header. It sees 84x84 pixels of the whole screen in gray, of four steps, and looks at rows"
        f" {recipe['rows'][0]} to {recipe['rows'][1] - 1} and columns {recipe['columns'][0]} to"
        f" {recipe['columns'][1] - 1} of them: neither at the score nor at the lives."
    )
    return "\n\n".join(parts) + "\n"


def command(card: Mapping[str, Any]) -> str:
    """Return the command that trains such an agent again."""
    recipe: dict[str, Any] = {
        name: tuple(cast("list[Any]", value)) if isinstance(value, list) else value
        for name, value in card["recipe"].items()
    }
    chosen = {name: recipe[name] for name in ("algorithm", "demonstrations")}
    usual = usual_recipe(**chosen)
    words = ["physbench train dqn"]
    for name, value in recipe.items():
        if value != getattr(usual, name) or (name in chosen and value not in ("", "pqn")):
            option = name.replace("_", "-")
            if name == "precision":
                continue  # what auto was on that machine
            if name == "initial":
                value = "FIRST"
            words += (
                [f"--{option if value else f'no-{option}'}"]
                if isinstance(value, bool)
                else [f"--{option}", _write(name, value)]
            )
    return " ".join([*words, "--steps", str(card["steps"])])


def drawing(card: Mapping[str, Any]) -> str:
    """Return the curve as an SVG."""
    lines = [
        Line(name.replace("_", " "), tuple(Point(row["step"], row[name]) for row in card["curve"] if name in row), look)
        for look, name in enumerate(("score", "shown_score"))
    ]
    chart = line_chart("mean score of the last 100 games", [line for line in lines if line.points], along="step")
    return render(
        "curves.svg.j2", {"title": "training of the agent", "width": WIDTH, "charts": [chart] if chart else []}
    )


def _what(recipe: Mapping[str, Any], card: Mapping[str, Any]) -> str:
    how = (
        "parallel Q-learning without replay (PQN, Gallici et al. 2024): Q(lambda) and layer normalisation"
        if recipe["algorithm"] == "pqn"
        else "Q-learning with replay and a target network (Mnih et al. 2015)"
    )
    told = (
        f"A deep Q-network, trained by {how}, on rewards clipped to -1 and 1, for {steps_of(card):,} steps"
        f" ({4 * steps_of(card):,} raw frames)."
    )
    if recipe["demonstrations"]:
        told += (
            " **It did not learn by itself.** A demonstrator who reads the console's memory and plans with the exact"
            " rules of the game (`physbench_baselines/dqn/marksman.py`) played all games at first and"
            f" {recipe['shown']:.0%} of them in the end, and in every state that anybody came to, it said how much"
            " worse each action is than the best one; a large-margin loss (Hester et al. 2018; on the learner's"
            " states, as in Ross et al. 2011) asks that a good one be rated best. So its score says how well a network"
            " that sees pixels imitates a player who knows the state, and is no result of reinforcement learning"
            " alone. When it plays, it sees pixels only."
        )
    return told


def _hurry(stages: list[Mapping[str, Any]]) -> str:
    minutes = sum(stage.get("minutes", 0) for stage in stages)
    return f", in {minutes:.0f} minutes on one shared CPU core" if minutes else ""


def steps_of(card: Mapping[str, Any]) -> int:
    """Return the number of training steps, including those of earlier runs."""
    return sum(stage["steps"] for stage in [*card.get("before", []), card])


def _write(name: str, value: Any) -> str:
    if name in ("rows", "columns"):
        return "-".join(map(str, value))
    return ",".join(map(str, cast("tuple[Any, ...]", value))) if isinstance(value, tuple) else str(value)


def curve(runs: Sequence[Path]) -> list[dict[str, float]]:
    """Return some rows of the logs, one run after the other."""
    rows: list[dict[str, float]] = []
    done = 0.0
    for run in runs:
        rows += [{**row, "step": row["step"] + done} for row in _rows(run)]
        done += agentfile.load(run / "last.safetensors").card["steps"]
    return (
        [rows[place] for place in sorted({round(place) for place in np.linspace(0, len(rows) - 1, MOST_ROWS)})]
        if rows
        else []
    )


def _rows(run: Path) -> list[dict[str, float]]:
    table = csv.DictReader(io.StringIO(read_regular_file(run / "log.csv", 1 << 26).decode()))
    return [
        {name: float(row[name]) for name in ("step", "score", "shown_score", "regret") if row.get(name)}
        for row in table
    ]


def _without_folders(card: Mapping[str, Any]) -> dict[str, Any]:
    """Remove local folders from a card."""
    stages = [*card.get("before", []), card]
    stages = [
        {**stage, "recipe": {**stage["recipe"], "initial": "FIRST" if stage["recipe"].get("initial") else ""}}
        for stage in stages
    ]
    return {**stages[-1], "before": stages[:-1]}


def _table(rows: list[list[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|---" * len(rows[0]) + "|", *lines[1:]])


@click.command()
@click.argument("run", required=False, type=click.Path(path_type=Path))
@click.option("--page", "page_only", is_flag=True, help="Only write the page of the present agent; score nothing.")
@click.option("--games", type=click.IntRange(2), default=GAMES, show_default=True, help="Games of each player.")
@click.option(
    "--before",
    multiple=True,
    type=click.Path(path_type=Path),
    help="An earlier run that the RUN began with, for the curve. Repeatable, the first one first.",
)
@click.option("--place", type=click.Path(path_type=Path), default=BUNDLED, help="File to write the agent to.")
def main(run: Path | None, page_only: bool, games: int, before: tuple[Path, ...], place: Path) -> None:
    """Make the best agent of a RUN the one that comes with the package.

    python -m physbench_baselines.releasing.agent runs/dqn
    """
    try:
        if page_only:
            return write_page(place)
        if run is None:
            raise click.UsageError("name the folder of a run, or give --page")
        release(run, before=before, place=place, games=games, doing=lambda text: click.echo(text, err=True))
    except PhysbenchError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
