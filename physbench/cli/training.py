"""The command that trains."""

from __future__ import annotations

import sys
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import click

from physbench import registry
from physbench.cli.root import STOPPED, main
from physbench.plainjson import dumped
from physbench.progress import progress_bar


class Counts(click.ParamType):  # pyright: ignore[reportMissingTypeArgument]
    """31, or 8,12,20,31."""

    name = "N,N,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        try:
            return tuple(int(part) for part in str(value).split(","))
        except ValueError:
            self.fail(f"{value!r} is no list of whole numbers such as 8,12,20,31", param, ctx)


@main.command()
@click.argument("model", required=False)
@click.option("--data", help="A dataset, made while it is learnt from (the default: balls4mass64), or a dataset file.")
@click.option("--out", type=click.Path(path_type=Path), help="The folder of the run; by default runs/MODEL.")
@click.option("--minutes", type=float, help="Stop after so long.")
@click.option("--steps", type=int, help="Stop after so many steps.")
@click.option("--resume", is_flag=True, help="Go on with the run in the folder.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:1.")
@click.option("--precision", type=click.Choice(["auto", "fp32", "bf16"]), help="auto: bf16 where the machine has it.")
@click.option("--initial", metavar="WEIGHTS", help="Begin with these: a model that comes with the package, a run's folder or a checkpoint.")
@click.option("--batch", type=int, help="Sequences in a step (64).")
@click.option("--learning-rate", type=float, help="Of Adam (0.001).")
@click.option("--frames", type=Counts(), help="Of a sequence (31); several are a curriculum, each for an equal share of the run.")
@click.option("--slots", "-k", type=int, help="K, for models with slots.")
@click.option("--noise", type=float, help="The share of the input's pixels that are flipped.")
@click.option("--warm-up", type=int, help="Steps until the learning rate is reached (0).")
@click.option("--decay", type=float, help="The last share of the run, over which the learning rate falls to nothing (0).")
@click.option("--averaging", type=float, help="Decay of averaged weights, which are then what is kept (0: none).")
@click.option("--gradient-limit", type=float, help="The most that a gradient's norm may be (0: no limit).")
@click.option("--evaluate-every", type=int, help="Steps between validations (an epoch).")
@click.option("--validation", type=int, help="Validation sequences (1000).")
@click.option("--seed", type=int, help="Another seed gives another run (0).")
@click.option("--workers", type=int, default=1, show_default=True, help="Threads that make the data.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def train(
    model: str | None,
    out: Path | None,
    minutes: float | None,
    steps: int | None,
    resume: bool,
    device: str,
    workers: int,
    as_json: bool,
    **given: Any,
) -> None:
    """Train a model into a folder.

    The recipe is that of its paper (conv3 has its own), unless the options say otherwise.

    MODEL is rnn, lstm, rnn-em, r-nem, r-nem-no-attention, conv3, or package.module:factory of your own, which runs its code. Ctrl-C and kill lose a minute
    at most; --resume goes on to the same curve. The folder holds the recipe, the log as CSV, curves as a picture, and the last and the best weights:
    `physbench eval runs/r-nem --suite balls` scores the best ones.

    \b
    physbench train conv3 --minutes 5
    physbench train r-nem --minutes 60
    physbench train rnn --data mine.h5 --steps 2000 --out runs/first
    physbench train --out runs/first --resume --steps 4000
    physbench train r-nem --initial r-nem --data balls3curtain64 --minutes 30
    """
    if model is None and not (resume and out):
        raise click.UsageError("name a model, or give --resume and the --out folder of a run")
    if model and ":" in model:
        sys.path.insert(0, str(Path.cwd()))  # where a user's own module is, as with `python -m`
        click.echo(f"running the code of {model}", err=True)
    usual_recipe, folder_of, require_startable = (
        registry.attribute(f"physbench_baselines.training.{place}") for place in ("preflight:usual_recipe", "folder:Folder", "preflight:require_startable")
    )
    wanted = {name: value for name, value in {"model": model, **given}.items() if value is not None}
    if wanted.get("initial") == "":
        raise click.UsageError("--initial names no weights: give a model, a folder or a file, or leave it out")
    folder = out or Path("runs") / str(model).replace(":", ".")
    recipe = replace(folder_of(folder).recipe(), **wanted) if resume else usual_recipe(**wanted)
    require_startable(recipe, folder, minutes=minutes, steps=steps, workers=workers, resume=resume)
    if not sys.stderr.isatty():
        click.echo(f"training into {folder}: {folder / 'log.csv'} tells how it goes", err=True)
    train = registry.attribute("physbench_baselines.training.run:train")  # this loads PyTorch
    with progress_bar("preparing", unit="") as update:

        def show(now: Any) -> None:
            grouping = "" if now.ari is None else f", ARI {now.ari:.2f}"
            update(round(1000 * now.share), 1000, f"step {now.step:,}: loss {now.loss:,.0f}{grouping}, {now.sequences_per_second:,.0f} sequences/s")

        try:
            found = train(recipe, folder, minutes=minutes, steps=steps, resume=resume, device=device, workers=workers, progress=show)
        except KeyboardInterrupt:
            saved = folder_of(folder).last.exists()
            click.echo("\nStopped" + (f" and saved. Go on with: physbench train --out {folder} --resume" if saved else " before anything was saved."), err=True)
            sys.exit(STOPPED)
    if as_json:
        return click.echo(dumped({"folder": str(folder), **asdict(found)}))
    figures = [
        f"{name} {value:.4g}" for field in fields(found) if field.name in ("relative_bce", "ari") and (value := getattr(found, name := field.name)) is not None
    ]
    click.echo(f"{folder}: {found.step:,} steps, {found.sequences:,} sequences in {found.minutes:.1f} minutes ({found.ended} used up)")
    click.echo(f"  validation loss {found.best_validation_loss:,.1f} at step {found.best_step:,}; last: {', '.join(figures) or 'not scored'}")
