"""The command that trains."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import Field, asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from physbench.cli.agents import AGENT, train_agent
from physbench.cli.options import Numbers, kind_of
from physbench.cli.root import STOPPED, main
from physbench.cli.suite_option import users_code
from physbench.plainjson import dump
from physbench.progress import progress_bar

if TYPE_CHECKING:
    from physbench_baselines.training.ranks import Ranks
    from physbench_baselines.training.training_recipe import TrainingRecipe

MOST_FIGURES = 3
"""Of the line that tells how it goes."""

ENDINGS = {
    "time": "the minutes are over",
    "steps": "all steps are done",
    "patience": "the validation loss no longer improved",
}
"""Why a run ended, in words."""


class Size(click.ParamType):  # pyright: ignore[reportMissingTypeArgument]
    """hidden=100, channels=[16,32] or recurrence=lstm."""

    name = "NAME=VALUE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Any]:
        name, equals, text = str(value).partition("=")
        if not name.isidentifier() or not equals:
            self.fail(f"{value!r} is no size such as hidden=100", param, ctx)
        try:
            return name, json.loads(text)
        except (ValueError, RecursionError):
            return name, text


class Training(click.Command):
    """Its options are the fields of a training recipe, too; it looks up what there is only when it is used."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """The agent has a command of its own: it learns from games and not from a dataset."""
        if args[:1] == [AGENT]:
            return train_agent.make_context(f"{info_name} {AGENT}", args[1:], parent, **extra)
        return super().make_context(info_name, args, parent, **extra)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        from physbench_baselines.training.training_recipe import TrainingRecipe

        known = {parameter.name for parameter in self.params}
        usual = TrainingRecipe(model="any")
        self.params += [
            _option(usual, item) for item in fields(usual) if item.metadata.get("help") and item.name not in known
        ]
        return super().get_params(ctx)

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from physbench_baselines.architecture import model_names

        self.help = (self.help or "").replace("NAMES", ", ".join(model_names()))
        super().format_help_text(ctx, formatter)


def _option(usual: TrainingRecipe, item: Field[Any]) -> click.Option:
    """Make an option of a field. It has no default: what is not given is as the model is usually trained."""
    value, kind, text = getattr(usual, item.name), kind_of(usual, item), item.metadata["help"]
    option, flag = f"--{item.name.replace('_', '-')}", isinstance(value, bool)
    shown = "" if flag else kind.write(value) if isinstance(kind, Numbers) else str(value)
    text = f"{text[:1].upper()}{text[1:]}" + (f" [{shown}]." if shown else ".")
    return click.Option(
        [f"{option}/--no{option[1:]}" if flag else option], type=None if flag else kind, default=None, help=text
    )


@main.command(cls=Training)
@click.argument("model", required=False)
@click.option("--out", type=click.Path(path_type=Path), help="Run folder (default: runs/MODEL).")
@click.option("--minutes", type=float, help="Stop after so many minutes.")
@click.option("--steps", type=int, help="Stop after so many steps.")
@click.option("--resume", is_flag=True, help="Resume the run in the folder --out.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:1.")
@click.option("--size", "sizes", type=Size(), multiple=True, help="Change a size of the model. Repeatable.")
@click.option("--slots", "-k", type=int, help="Number of slots K; short for --size slots=K.")
@click.option("--noise", type=float, help="Share of input pixels that are flipped; short for --size noise=SHARE.")
@click.option("--workers", type=int, default=1, show_default=True, help="Number of threads that generate data.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def train(
    model: str | None,
    out: Path | None,
    minutes: float | None,
    steps: int | None,
    resume: bool,
    device: str,
    sizes: tuple[tuple[str, Any], ...],
    slots: int | None,
    noise: float | None,
    workers: int,
    as_json: bool,
    **given: Any,
) -> None:
    """Train a model.

    Without options, the model is trained as in its paper, which takes hours on a GPU, or days on a CPU; models named
    -small and conv3 learn on a CPU. SQAIR, IODINE and Slot Attention need the data of their papers, such as
    --data balls4mass64-crop50 or --data multi-dsprites. Every option changes one thing. The values in brackets are
    those of the R-NEM paper; another model may have its own.

    MODEL is one of NAMES, or package.module:ARCHITECTURE of your own, which runs its code.

    The run has a folder: the recipe, the log as CSV, curves as a picture, and the last and the best weights. Ctrl-C
    and kill lose a minute at most. --resume goes on where the run stopped, to the same curve. `physbench eval FOLDER`
    scores the best weights.

    The agent that plays Space Invaders is trained, too: `physbench train dqn --help`. Started by torchrun, several
    processes share out each batch, on a GPU each where there are some, and learn what one would.

    \b
    physbench train conv3 --steps 20 --batch 8 --validation 8 --out runs/first
    physbench train --out runs/first --resume --steps 25
    physbench eval runs/first --suite smoke --limit 4
    physbench train r-nem --minutes 60
    physbench train r-nem --initial r-nem --data balls3curtain64 --minutes 30
    torchrun --nproc-per-node 2 -m physbench train r-nem --minutes 60
    """
    if model is None and not (resume and out):
        raise click.UsageError("name a model, or give --resume and the --out folder of a run")
    if given.get("initial") == "":
        raise click.UsageError("--initial names no weights: give a model, a folder or a file, or leave it out")
    from physbench_baselines.training.folder import Folder
    from physbench_baselines.training.preflight import require_startable, usual_recipe
    from physbench_baselines.training.ranks import ranks_of

    ranks = ranks_of(os.environ)
    if not ranks.leads:
        return _follow(ranks, device=device, workers=workers)
    if model and ":" in model:
        click.echo(f"running the code of {model}", err=True)
    code = model if model and ":" in model else None
    changed = {name: value for name, value in {"model": model, **given}.items() if value is not None}
    named = {"slots": slots, "noise": noise}
    chosen = {**dict(sizes), **{name: value for name, value in named.items() if value is not None}}
    folder = out or Path("runs") / str(model).replace(":", ".")
    with users_code(code):
        recipe = replace(Folder(folder).recipe(), **changed) if resume else usual_recipe(**changed)
        recipe = replace(recipe, sizes={**recipe.sizes, **chosen})
        require_startable(recipe, folder, minutes=minutes, steps=steps, workers=workers, resume=resume)
    ranks.require_shares(recipe.batch, recipe.accumulate)
    if not sys.stderr.isatty():
        click.echo(f"training into {folder}: {folder / 'log.csv'} tells how it goes", err=True)
    from physbench_baselines.training import run  # this loads PyTorch

    code = recipe.model if ":" in recipe.model else None
    with users_code(code), progress_bar("preparing", unit="") as update:

        def show(now: Any) -> None:
            figures = _list_figures(dict(list(now.figures.items())[:MOST_FIGURES]))
            ends = bool(now.share)  # without minutes or steps, it ends when it no longer improves
            update(
                round(1000 * now.share) if ends else now.step,
                1000 if ends else 0,
                f"step {now.step:,}: loss {_number(now.loss)}{figures}, {now.sequences_per_second:,.0f} sequences/s",
            )

        try:
            result = run.train(
                recipe,
                folder,
                minutes=minutes,
                steps=steps,
                resume=resume,
                device=device,
                workers=workers,
                progress=show,
                ranks=ranks,
            )
        except KeyboardInterrupt:
            saved = Folder(folder).last.exists()
            click.echo(
                "\nStopped"
                + (
                    f" and saved. Go on with: physbench train --out {folder} --resume"
                    if saved
                    else " before anything was saved."
                    + (
                        f" {folder} holds no weights and can be removed."
                        if folder.exists()
                        else " Nothing is left behind."
                    )
                ),
                err=True,
            )
            sys.exit(STOPPED)
    if as_json:
        return click.echo(dump({"folder": str(folder), **asdict(result)}))
    click.echo(
        f"{folder}: {result.step:,} steps, {result.sequences:,} sequences in {result.minutes:.1f} minutes;"
        f" {ENDINGS[result.ended]}"
    )
    last = f"; last: {_number(result.validation_loss)}{_list_figures(result.figures)}"
    click.echo(f"  validation loss {_number(result.best_validation_loss)} at step {result.best_step:,}{last}")


def _follow(ranks: Ranks, *, device: str, workers: int) -> None:
    """Take part in what another process leads, without a word: that one says how it goes."""
    from physbench_baselines.training import run

    try:
        run.follow(ranks, device=device, workers=workers)
    except KeyboardInterrupt:
        sys.exit(STOPPED)


def _list_figures(figures: Mapping[str, float]) -> str:
    return "".join(f", {name.removeprefix('validation_')} {_number(value)}" for name, value in figures.items())


def _number(value: float) -> str:
    """Large ones are nats of a whole frame, small ones are shares."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
