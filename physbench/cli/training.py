"""The command that trains."""

from __future__ import annotations

import json
import sys
from dataclasses import MISSING, Field, asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from physbench.cli.options import Numbers
from physbench.cli.root import STOPPED, main
from physbench.plainjson import dumped
from physbench.progress import progress_bar
from physbench_baselines.training.recipe import TrainingRecipe

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MOST_FIGURES = 3
"""Of the line that tells how it goes."""


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


def recipe_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command an option for every field of a training recipe that has a help."""
    for item in reversed(fields(TrainingRecipe)):
        if item.metadata.get("help"):
            command = _option(item)(command)
    return command


def _option(item: Field[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Without a default: what is not given is as the model is usually trained."""
    usual, choices, kind = item.default, item.metadata["choices"], cast("Any", type(item.default))
    assert usual is not MISSING
    option = f"--{item.name.replace('_', '-')}"
    shown = ",".join(map(str, cast("tuple[Any, ...]", usual))) if kind is tuple else str(usual)
    text = item.metadata["help"]
    return click.option(
        f"{option}/--no{option[1:]}" if kind is bool else option,
        type=None if kind is bool else click.Choice(choices) if choices else Numbers(cast("Any", type(usual[0]))) if kind is tuple else kind,
        default=None,
        help=f"{text[:1].upper()}{text[1:]}" + (f" [{shown}]." if shown and kind is not bool else "."),
    )


class Training(click.Command):
    """Looks the models up that there are, also those of installed packages, only when it is asked for help."""

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from physbench_baselines.architecture import model_names

        self.help = (self.help or "").replace("NAMES", ", ".join(model_names()))
        super().format_help_text(ctx, formatter)


@main.command(cls=Training)
@click.argument("model", required=False)
@click.option("--out", type=click.Path(path_type=Path), help="The folder of the run; by default runs/MODEL.")
@click.option("--minutes", type=float, help="Stop after so long.")
@click.option("--steps", type=int, help="Stop after so many steps.")
@click.option("--resume", is_flag=True, help="Go on with the run in the folder.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:1.")
@click.option("--size", "sizes", type=Size(), multiple=True, help="A size of the model that is not the usual one. Repeatable.")
@click.option("--slots", "-k", type=int, help="K, for models with slots: the size of this name.")
@click.option("--noise", type=float, help="The share of the input's pixels that are flipped: the size of this name.")
@recipe_options
@click.option("--workers", type=int, default=1, show_default=True, help="Threads that make the data.")
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
    """Train a model into a folder.

    The recipe is the model's own, or that of the R-NEM paper, unless the options say otherwise; the values in brackets are the paper's.

    MODEL is one of NAMES, or package.module:ARCHITECTURE of your own, which runs its code. Ctrl-C and kill lose a
    minute at most; --resume goes on to the same curve. The folder holds the recipe, the log as CSV, curves as a picture,
    and the last and the best weights: `physbench eval runs/r-nem --suite balls` scores the best ones.

    \b
    physbench train conv3 --minutes 5
    physbench train r-nem --minutes 60
    physbench train rnn --data mine.h5 --steps 2000 --out runs/first
    physbench train --out runs/first --resume --steps 4000
    physbench train r-nem --initial r-nem --data balls3curtain64 --minutes 30
    """
    if model is None and not (resume and out):
        raise click.UsageError("name a model, or give --resume and the --out folder of a run")
    if given.get("initial") == "":
        raise click.UsageError("--initial names no weights: give a model, a folder or a file, or leave it out")
    from physbench_baselines.training.folder import Folder
    from physbench_baselines.training.preflight import require_startable, usual_recipe

    if model and ":" in model:
        click.echo(f"running the code of {model}", err=True)
    changed = {name: value for name, value in {"model": model, **given}.items() if value is not None}
    named = {"slots": slots, "noise": noise}
    chosen = {**dict(sizes), **{name: value for name, value in named.items() if value is not None}}
    folder = out or Path("runs") / str(model).replace(":", ".")
    recipe = replace(Folder(folder).recipe(), **changed) if resume else usual_recipe(**changed)
    recipe = replace(recipe, sizes={**recipe.sizes, **chosen})
    require_startable(recipe, folder, minutes=minutes, steps=steps, workers=workers, resume=resume)
    if not sys.stderr.isatty():
        click.echo(f"training into {folder}: {folder / 'log.csv'} tells how it goes", err=True)
    from physbench_baselines.training import run  # this loads PyTorch

    with progress_bar("preparing", unit="") as update:

        def show(now: Any) -> None:
            figures = _listed(dict(list(now.figures.items())[:MOST_FIGURES]))
            update(round(1000 * now.share), 1000, f"step {now.step:,}: loss {now.loss:,.0f}{figures}, {now.sequences_per_second:,.0f} sequences/s")

        try:
            result = run.train(recipe, folder, minutes=minutes, steps=steps, resume=resume, device=device, workers=workers, progress=show)
        except KeyboardInterrupt:
            saved = Folder(folder).last.exists()
            click.echo("\nStopped" + (f" and saved. Go on with: physbench train --out {folder} --resume" if saved else " before anything was saved."), err=True)
            sys.exit(STOPPED)
    if as_json:
        return click.echo(dumped({"folder": str(folder), **asdict(result)}))
    click.echo(f"{folder}: {result.step:,} steps, {result.sequences:,} sequences in {result.minutes:.1f} minutes ({result.ended} used up)")
    last = f"; last: {result.validation_loss:,.1f}{_listed(result.figures)}"
    click.echo(f"  validation loss {result.best_validation_loss:,.1f} at step {result.best_step:,}{last}")


def _listed(figures: Mapping[str, float]) -> str:
    return "".join(f", {name.removeprefix('validation_')} {value:.4g}" for name, value in figures.items())
