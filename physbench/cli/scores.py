"""Commands that score models, and write what they are shown."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from physbench.amounts import describe_size
from physbench.cli.outputs import Outputs
from physbench.cli.pipe_options import COMMAND, TIMEOUT, run_command
from physbench.cli.root import JSON, STOPPED, main
from physbench.cli.suite_option import SUITE, resolve_suite, say_default, users_code
from physbench.cli.worker_options import ENGINE, SCHEDULER, WORKERS, WorkerOptions, keep_finished
from physbench.printable import printable
from physbench.progress import progress_bar
from physbench.seeds import draw_fresh_seed
from physbench.suites import BATCH as USUAL_BATCH
from physbench.suites import SUITES

if TYPE_CHECKING:
    from physbench.evaluation.contestant import Contestant

MODEL_HELP = """MODEL is a name such as copy, tracker or r-nem (`physbench list models` has all), a file of weights
that `physbench train` wrote (.safetensors, .pt), or the folder of a training run. For a model of your own, give --model
or --command instead."""


class Setting(click.ParamType):  # pyright: ignore[reportMissingTypeArgument]
    """noise=0"""

    name = "NAME=NUMBER"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, float]:
        name, _, text = str(value).partition("=")
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not name.isidentifier() or not math.isfinite(number):
            self.fail(f"{value!r} is no setting such as noise=0", param, ctx)
        return name, int(number) if number.is_integer() else number


class FreshSeed(click.ParamType):  # pyright: ignore[reportMissingTypeArgument]
    """17, or nothing: then the system draws one."""

    name = "[SEED]"
    DRAWN = "drawn by the system"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if value == self.DRAWN:
            seed = draw_fresh_seed()
            click.echo(f"fresh sequences of seed {seed}: --fresh {seed} makes them again", err=True)
            return seed
        try:
            return int(value)
        except ValueError:
            self.fail(
                f"{value!r} is no whole number: give a seed, or --fresh last on the line, and the system draws one",
                param,
                ctx,
            )


def options(*wanted: Callable[..., Any]) -> Callable[..., Any]:
    """Options that several commands share, in this order."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(wanted):
            function = option(function)
        return function

    return decorate


def gather_options(**records: type) -> Callable[..., Any]:
    """Give a command some of its options together: as records, whose fields they are."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def command(**given: Any) -> Any:
            names = {
                name: [item.name for item in fields(record) if item.name in given] for name, record in records.items()
            }
            made = {name: records[name](**{each: given.pop(each) for each in own}) for name, own in names.items()}
            return function(**made, **given)

        return command

    return decorate


@dataclass(frozen=True)
class ModelOptions:
    """The model that a command is about, by the one option that names it."""

    model: str | None
    factory: str | None
    architecture: str | None
    command: str | None
    timeout: float | None
    device: str
    changed: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        if sum(each is not None for each in (self.model, self.factory, self.command)) != 1:
            raise click.UsageError("give a model, or --model PACKAGE.MODULE:FACTORY, or --command TEXT")
        if self.architecture is not None and self.model is None:
            raise click.UsageError("--architecture goes with a file of weights: name it, too")
        if self.command is not None and self.changed:
            raise click.UsageError("--set is for trained models: give your command what it needs among its arguments")
        if self.command is not None and self.device not in ("auto", "cpu"):
            raise click.UsageError(
                f"a command is not moved to {self.device}: give it what it needs among its arguments"
            )
        require_settings(self.changed, own_code=self.factory is not None)
        if self.model is not None:
            from physbench.evaluation.contestant import require_there

            require_there(self.model)

    @contextmanager
    def enter(self) -> Generator[Contestant]:
        """Load the model, or start its process and end it whatever happens."""
        with users_code(self.factory or self.architecture), run_command(self.command, self.timeout) as behind_pipe:
            yield behind_pipe or self._load()

    def _load(self) -> Contestant:
        from physbench.evaluation.contestant import contestant, own_code

        if code := self.factory or self.architecture:
            click.echo(f"running the code of {code}", err=True)
        if self.factory is not None:
            return own_code(self.factory, device=self.device)
        return contestant(
            str(self.model), device=self.device, settings=dict(self.changed), architecture=self.architecture
        )


MODEL = click.argument("model", required=False)
FACTORY = click.option(
    "--model", "factory", metavar="PACKAGE.MODULE:FACTORY", help="A model of your own; this imports and runs its code."
)
ARCHITECTURE = click.option(
    "--architecture",
    metavar="MODULE:ATTRIBUTE",
    help="The architecture of these weights, if it is your own; this runs its code.",
)
SIZE = click.option("--size", default="lite", show_default=True, help="lite: 1,000 sequences; full: 10,000.")
LIMIT = click.option(
    "--limit", type=int, help="Evaluate only the first N sequences. Such scores are marked and cannot be submitted."
)
FRESH = click.option(
    "--fresh",
    type=FreshSeed(),
    is_flag=False,
    flag_value=FreshSeed.DRAWN,
    help=(
        "Score new sequences of the same kind, which no model can have trained on. Without a SEED, one of 63 bits is"
        " drawn and printed. Do not use small seeds: a model could try them all and know the sequences."
    ),
)
BATCH = click.option(
    "--batch", type=int, default=USUAL_BATCH, show_default=True, help="Batch size; on a GPU, use 64 or more."
)
SEED = click.option("--seed", type=int, default=0, show_default=True, help="Seed of the model's own randomness.")
DEVICE = click.option(
    "--device", default="auto", show_default=True, help="Device of PyTorch models: auto, cpu, cuda or cuda:1."
)


def require_settings(changed: Sequence[tuple[str, float]], *, own_code: bool) -> None:
    """Refuse what --set cannot mean."""
    if len(dict(changed)) < len(changed):
        raise click.UsageError("--set gives the same name twice: leave one out")
    if own_code and changed:
        raise click.UsageError("--set is for trained models: give your own factory what it needs in its code")


SETTINGS = click.option(
    "--set",
    "changed",
    type=Setting(),
    multiple=True,
    help="Change a setting of a trained model, for example noise=0 or slots=8. Repeatable.",
)
LABELS = options(
    click.option("--name", help="Name of the model in tables."),
    click.option("--link", metavar="LINK", help="Link to a description of the model (https://...)."),
    click.option("--paper", metavar="LINK", help="Link to the model's paper (https://...)."),
)
OUTPUTS = options(
    click.option(
        "--csv",
        "table",
        type=click.Path(path_type=Path),
        help="Write the scores as CSV, one row per task and metric. This file is a submission.",
    ),
    click.option(
        "--per-sequence",
        type=click.Path(path_type=Path),
        help="Write the figures of each sequence as .npz, for physbench compare.",
    ),
    click.option(
        "--report", type=click.Path(path_type=Path), metavar="DIR", help="Write a page with curves and pictures."
    ),
    click.option("--overwrite", is_flag=True, help="Replace existing files."),
    click.option("--all", "everything", is_flag=True, help="Print every figure instead of the main ones."),
    JSON,
)


@main.command(
    "eval",
    help=f"""Score a model on a suite.

Prints its figures with 95 % intervals, beside those of rows that learn nothing.

{MODEL_HELP}

The test data are generated on first use and checked against a pinned digest. An interrupted evaluation resumes
when the same command is given again; one of your own code, of --command, of --data or of a suite of your own does so
only with --resume.

\b
physbench eval copy --suite smoke
physbench eval conv3 --suite extrapolation --limit 16 --csv mine.csv
physbench eval r-nem --set noise=0 --set slots=5 --limit 8
physbench eval --model physbench_baselines.reference:Copy --suite smoke --report page
physbench eval --command "python3 examples/pipe_copy.py" --suite smoke

On a file of your own:

\b
physbench generate balls --train 0 --valid 0 --test 64 --out mine.h5
physbench eval copy --data mine.h5

Share the work out:

\b
physbench eval r-nem --suite balls --workers 4
physbench eval r-nem --suite balls --engine dask --scheduler tcp://head:8786
""",
)
@options(MODEL, FACTORY, ARCHITECTURE, COMMAND, TIMEOUT, SUITE, SIZE, LIMIT, FRESH)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Evaluate on this dataset file instead; files of the published R-NEM code work, too.",
)
@options(BATCH, SEED, DEVICE, SETTINGS)
@click.option(
    "--resume/--restart",
    default=None,
    help="Resume an interrupted evaluation (the default), or start again (the default for your own code, --command,"
    " --data and a suite of your own).",
)
@options(WORKERS, ENGINE, SCHEDULER)
@LABELS
@OUTPUTS
@gather_options(entry=ModelOptions, outputs=Outputs, team=WorkerOptions)
def evaluate(entry: ModelOptions, outputs: Outputs, team: WorkerOptions, resume: bool | None, **settings: Any) -> None:
    from physbench.evaluation.evaluate import evaluate, extent
    from physbench.evaluation.evaluation_journal import EvaluationJournal
    from physbench.evaluation.identity import identify
    from physbench.evaluation.window import answers_of

    outputs.require_sound()
    place = settings.pop("suite")
    suite = resolve_suite(place)
    with entry.enter() as entered:
        outputs.require_name(entered.name)
        chosen = extent(suite, **{name: settings[name] for name in ("size", "limit", "fresh", "data")})
        identity = identify(entered, place, entry.device, settings)
        if entry.command is not None:
            identity |= {
                "command": entry.command,
                "likelihood": repr(entered.model.likelihood),
            }
        unchanging = entered.identity and not settings["data"] and place in SUITES
        journal = EvaluationJournal.of(identity) if resume is not None or unchanging else None
        if journal and resume is False:
            journal.discard()
        if journal and journal.count_finished():
            click.echo(f"going on after {journal.count_finished()} finished blocks (--restart begins anew)", err=True)
        with progress_bar("evaluating") as update, keep_finished(journal is not None):
            try:
                found = evaluate(
                    entered,
                    suite,
                    **settings,
                    name=entered.name,
                    journal=journal,
                    notes=("own-code",) if entry.factory else ("isolated",) if entry.command else (),
                    **team.to_settings(),
                    progress=lambda now: update(now.done, now.total, f"evaluating on {now.doing}"),
                )
            except KeyboardInterrupt:
                same = "Without --restart, the" if resume is False else "The"
                kept = journal is not None and journal.count_finished() > 0
                click.echo("\nStopped." + (f" {same} same command goes on from there." if kept else ""), err=True)
                sys.exit(STOPPED)
        say_default(place)
        outputs.hand_out(
            found, chosen, answers=answers_of(entered.model, settings["seed"]), likelihood=entered.model.likelihood
        )
    if journal:
        journal.discard()


@main.command(
    help=f"""Write a model's predictions into an HDF5 file.

Score them later, or on another machine. docs/predictions.md describes the layout of the file, so that any framework
can write one.

{MODEL_HELP}

\b
physbench predict copy --suite smoke --out p.h5
physbench score p.h5
"""
)
@options(MODEL, FACTORY, ARCHITECTURE, COMMAND, TIMEOUT, SUITE, SIZE, LIMIT, BATCH, SEED, DEVICE)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The file to write.")
@click.option(
    "--half", is_flag=True, help="Store logits in half precision: half the size; scores differ in the fourth digit."
)
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
@JSON
@gather_options(entry=ModelOptions)
def predict(entry: ModelOptions, out: Path, half: bool, overwrite: bool, as_json: bool, **settings: Any) -> None:
    from physbench.evaluation.predictions import predict

    suite = resolve_suite(settings.pop("suite"))
    with entry.enter() as entered, progress_bar(printable(f"predicting into {out.name}")) as update:
        predict(
            entered.model,
            out,
            suite,
            name=entered.name,
            half=half,
            overwrite=overwrite,
            progress=lambda now: update(now.done, now.total, f"predicting on {now.doing}"),
            **settings,
        )
    size = out.stat().st_size
    click.echo(
        json.dumps({"file": str(out), "bytes": size})
        if as_json
        else f"{out}: the predictions of {entered.name}, {size / 1e6:,.1f} MB"
    )


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--suite", help="The suite that FILE must be for; any other is refused. By default FILE says.")
@click.option("--batch", type=int, default=USUAL_BATCH, show_default=True, help="Batch size.")
@LABELS
@OUTPUTS
@gather_options(outputs=Outputs)
def score(file: Path, suite: str | None, batch: int, outputs: Outputs) -> None:
    """Score a file of predictions, without running a model.

    FILE comes from `physbench predict`, or from a program of yours that writes the layout in docs/predictions.md. If
    it holds 32-bit probabilities, the scores are exactly those of `physbench eval`.

    \b
    physbench predict copy --suite smoke --out p.h5
    physbench score p.h5 --suite smoke --csv mine.csv
    """
    from physbench.evaluation.predictions import open_predictions, score

    outputs.require_sound()
    told = open_predictions(file, suite and resolve_suite(suite))
    outputs.require_name(told.file.header.model)
    with progress_bar(printable(f"scoring {file.name}")) as update:
        found = score(told, batch=batch, progress=lambda now: update(now.done, now.total, f"scoring on {now.doing}"))
    outputs.hand_out(found, told.extent, answers=told.answers, likelihood=told.likelihood)


@main.command(
    help=f"""Audit a model for leaks and broken rules.

Prints a verdict for each rule: what the model may depend on, return and read, and whether it knows data that it
was not shown. The exit code is 1 if a rule is broken.

{MODEL_HELP}

\b
physbench audit copy
physbench audit --model physbench_baselines.reference:Copy
"""
)
@options(MODEL, FACTORY, ARCHITECTURE, COMMAND, TIMEOUT, DEVICE)
@click.option("--dataset", default="balls4mass64", show_default=True, help="Dataset to audit it on.")
@JSON
@gather_options(entry=ModelOptions)
def audit(entry: ModelOptions, dataset: str, as_json: bool) -> None:
    from physbench.audit import audit, has_passed, summarize

    with entry.enter() as entered, progress_bar(f"auditing {entered.name}", unit="") as update:
        verdicts = audit(entered.model, dataset=dataset, progress=lambda done, total, doing: update(done, total, doing))
    if as_json:
        click.echo(
            json.dumps(
                {
                    "model": entered.name,
                    "passed": has_passed(verdicts),
                    "verdicts": [asdict(verdict) for verdict in verdicts],
                }
            )
        )
    else:
        for verdict in verdicts:
            mark = {True: click.style("ok  ", fg="green"), False: click.style("BAD ", fg="red"), None: "-   "}[
                verdict.passed
            ]
            click.echo(f"{mark}{verdict.check}\n      {verdict.finding}")
        click.echo(summarize(verdicts))
    sys.exit(0 if has_passed(verdicts) else 1)


@main.command()
@options(SUITE, SIZE, LIMIT)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The file to write.")
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
@JSON
def export(suite: str, size: str, limit: int | None, out: Path, overwrite: bool, as_json: bool) -> None:
    """Write the inputs of a suite into an HDF5 file.

    The file holds frames and actions, and no ground truth. It is for a model in another language: the model reads it,
    writes its predictions into a second file, and `physbench score` scores that one. docs/predictions.md has the
    layout of both.

    \b
    physbench export --suite smoke --out inputs.h5
    """
    from physbench.evaluation.export import export_inputs

    with progress_bar(f"writing {out.name}") as update:
        verdicts = export_inputs(
            out,
            resolve_suite(suite),
            size=size,
            limit=limit,
            overwrite=overwrite,
            progress=lambda now: update(now.done, now.total, f"writing {now.doing}"),
        )
    bytes_in_all = out.stat().st_size
    if as_json:
        return click.echo(json.dumps({"file": str(out), "bytes": bytes_in_all, "checked": verdicts}))
    note = "checked against their digests" if all(verdicts.values()) else "no digest is known for so many sequences"
    click.echo(f"{out}: the inputs of {suite}, {describe_size(bytes_in_all)}; {note}")
