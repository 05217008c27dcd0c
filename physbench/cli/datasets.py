"""Commands about datasets."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from physbench import registry
from physbench.amounts import describe_size, describe_time
from physbench.cli.root import STOPPED, main
from physbench.cli.scores import SETTINGS, require_settings
from physbench.cli.shard_commands import count_sequences, generate_into_shards, say_finished
from physbench.cli.world_options import list_options
from physbench.errors import StorageError
from physbench.printable import printable
from physbench.progress import progress_bar

if TYPE_CHECKING:
    from physbench.recipe import Recipe
    from physbench.storage.reader import Split
    from physbench.storage.verify import Report
    from physbench.view import Times

COUNTS = {"training": "train", "validation": "valid", "test": "test"}


class Datasets(click.Group):
    """A command for every dataset and generator that the registry knows, its options taken from the generator's
    fields."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name, _ in registry.datasets.load_all()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        return _generate_command(registry.datasets.get(cmd_name))

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str, click.Command, list[str]]:
        return args[0], self.get_command(ctx, args[0]), args[1:]


@main.group(cls=Datasets, subcommand_metavar="DATASET [OPTIONS]...")
def generate() -> None:
    """Generate a dataset file, or resume one that was interrupted.

    \b
    physbench generate balls4mass64 --train 1000 --valid 100 --test 100
    physbench generate balls --n 6-8 --gravity 0.1 --train 1000 --valid 100 --test 100 --out mine.h5

    The file depends only on the options, not on the number of workers. It appears only when it is complete: after
    Ctrl-C or a kill, run the same command again to resume. To split the work over machines, run it with --part 1/8 to
    --part 8/8, and then once without.

    With --engine dask, a Dask cluster makes the dataset as a folder of shards with an index. Such a folder is used like
    a file, and `physbench join` makes one file of it:

    \b
    physbench generate balls4mass64 --engine dask --out balls
    physbench generate balls4mass64 --engine dask --scheduler tcp://host:8786 --out /shared/balls
    physbench join balls --out balls.h5
    """


def _generate_command(usual: Recipe) -> click.Command:
    own = usual.dataset == usual.generator.name
    options = list_options(usual.generator) if own else []
    if own:
        options.append(
            click.Option(["--frames"], type=int, default=usual.frames, show_default=True, help="Frames per sequence.")
        )
    for split, word in COUNTS.items():
        count = usual.splits.get(split, 0)
        options.append(
            click.Option(
                [f"--{word}", split], type=int, default=count, show_default=True, help=f"Number of {split} sequences."
            )
        )
    options += [
        click.Option(["--seed"], type=int, default=usual.seed, show_default=True, help="Seed of the sequences."),
        click.Option(
            ["--out"], type=click.Path(path_type=Path), help="File to write; by default it is named after its contents."
        ),
        click.Option(["--workers"], type=int, help="Number of threads or processes; by default one per core."),
        click.Option(["--part"], type=str, metavar="I/N", help="Generate only this share of the file."),
        click.Option(
            ["--engine"],
            type=click.Choice(["here", "dask"]),
            default="here",
            show_default=True,
            help="Work on this machine, or on a Dask cluster that writes shards into a folder.",
        ),
        click.Option(
            ["--scheduler"],
            metavar="ADDRESS",
            help="Scheduler of the cluster, such as tcp://host:8786; without, a cluster is started on this machine.",
        ),
        click.Option(
            ["--shard-size"],
            type=int,
            help="Sequences in a shard, a multiple of 256; makes shards on this machine, too.  [Dask: 8192]",
        ),
        click.Option(["--overwrite"], is_flag=True, help="Replace an existing file."),
        click.Option(
            ["--dry-run"],
            is_flag=True,
            help=(
                "Make no dataset: estimate its size and time, and draw its first sequences into a picture beside it,"
                " x.png for x.h5."
            ),
        ),
        click.Option(["--json", "as_json"], is_flag=True, help="Print the result as JSON."),
    ]

    def run(**given: Any) -> None:
        names = ("out", "workers", "part", "overwrite", "dry_run", "as_json", "engine", "scheduler", "shard_size")
        settings = {name: given.pop(name) for name in names}
        splits = {split: given.pop(split) for split in COUNTS}
        seed, frames = given.pop("seed"), given.pop("frames", usual.frames)
        generator = replace(usual.generator, **given)  # type: ignore[type-var]
        recipe = replace(usual, generator=generator, splits=splits, seed=seed, frames=frames)
        out = settings.pop("out") or Path(recipe.file_name(usual))
        shards = {name: settings.pop(name) for name in ("engine", "scheduler", "shard_size")}
        if settings.pop("dry_run"):
            if settings.pop("part"):
                raise click.UsageError("--dry-run estimates the whole file: leave out --part")
            _dry_run(recipe, out, **settings)
        elif shards == {"engine": "here", "scheduler": None, "shard_size": None}:
            _generate(recipe, out, **settings)
        else:
            generate_into_shards(recipe, out, **settings, **shards)

    example = f"physbench generate {usual.dataset} --train 1000 --valid 100 --test 100 --out {usual.dataset}.h5"
    return click.Command(
        usual.dataset,
        params=list(options),
        callback=run,
        help=f"{usual.about[:1].upper()}{usual.about[1:]}.\n\n\b\n{example}",
    )


def _generate(
    recipe: Recipe, out: Path, *, workers: int | None, part: str | None, overwrite: bool, as_json: bool
) -> None:
    from physbench.generate import generate, is_finished, require_hdf5_name

    require_hdf5_name(out)
    if not overwrite and not out.is_dir() and is_finished(recipe, out):
        return say_finished(recipe, out, "is there already", as_json)
    done = 0.0
    with progress_bar(printable(f"preparing {out.name}")) as update:

        def show(progress: Any) -> None:
            nonlocal done
            done = progress.done / progress.total
            update(progress.done, progress.total, printable(f"making {out.name}"))

        try:
            path = generate(recipe, out, workers=workers, overwrite=overwrite, part=_part(part), progress=show)
        except KeyboardInterrupt:
            click.echo(f"\nStopped at {done:.0%}. The same command goes on from there.", err=True)
            sys.exit(STOPPED)
    if part:
        return click.echo(json.dumps({"part": str(path)}) if as_json else f"{path}: part {part} is ready")
    say_finished(recipe, path, "", as_json)


def _part(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    try:
        number, parts = map(int, text.split("/"))
    except ValueError:
        raise click.UsageError(f"--part is a share such as 3/8, not {text!r}") from None
    return number, parts


def _dry_run(recipe: Recipe, out: Path, *, workers: int | None, overwrite: bool, as_json: bool) -> None:
    from physbench.generate import estimate, is_finished, require_hdf5_name
    from physbench.view import contact_sheet, describe_recipe
    from physbench.view.canvas import encode_png

    require_hdf5_name(out)
    finished = not overwrite and not out.is_dir() and is_finished(recipe, out)
    guess = estimate(recipe, workers=workers)
    sheet = out.with_suffix(".png")
    drawn = guess.sample.features is not None or guess.sample.groups is not None
    if drawn:
        words, split = describe_recipe(recipe.to_json()), next(iter(recipe.splits))
        drawing = contact_sheet(guess.sample, dataset=recipe.name, split=split, recipe=words, world=recipe.generator)
        _write_picture(sheet, encode_png(drawing), overwrite)
    if as_json:
        found = {
            "file": str(out),
            "bytes": guess.bytes,
            "seconds": guess.seconds,
            "sequences": recipe.sequences,
            "contact_sheet": str(sheet) if drawn else None,
            "finished": finished,
        }
        return click.echo(json.dumps(found))
    count = count_sequences(recipe.sequences, recipe.frames)
    click.echo(
        f"{out} would hold {count} in about {describe_size(guess.bytes)} and take about {describe_time(guess.seconds)}"
    )
    if finished:
        click.echo(f"{out} is there already: the same command without --dry-run leaves it as it is")
    if drawn:
        click.echo(
            f"{sheet} is a picture of the first"
            f" {'images' if recipe.frames == 1 else 'sequences, each as its first frame with the ways of the objects'}"
        )
    else:
        click.echo("no picture is drawn: this dataset has neither frames nor labels of pixels")


def _write_picture(path: Path, content: bytes, overwrite: bool) -> None:
    """Write it where nothing else is; the same picture may be there already."""
    from physbench.files import read_regular_file, write_whole

    if path.exists() and not overwrite:
        if path.stat().st_size != len(content) or read_regular_file(path, len(content)) != content:
            raise StorageError(f"{path} exists already: use --overwrite to replace this picture, or another --out")
        return
    write_whole(path, content)


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def info(file: Path, as_json: bool) -> None:
    """Show the metadata and the contents of a dataset file.

    \b
    physbench generate balls --train 9 --valid 9 --test 9 --out a.h5
    physbench info a.h5
    """
    from physbench.storage.reader import open_dataset

    dataset = open_dataset(file)
    attributes, recipe = dict(dataset.attributes), json.loads(dataset.attributes["recipe"])
    if as_json:
        splits = {name: _name_axes(split.sizes) for name, split in dataset.items()}
        arrays = {path: {"type": field.dtype.name, **field.describe()} for path, field in dataset.layout.paths.items()}
        texts = {"recipe": recipe, "created_with": json.loads(attributes["created_with"])}
        return click.echo(json.dumps({**attributes, **texts, "splits": splits, "arrays": arrays}))
    click.echo(
        click.style(printable(f"{file}: {attributes['dataset']}"), bold=True) + f", {describe_size(dataset.nbytes)}"
    )
    for name, split in dataset.items():
        click.echo(f"  {name:<11} {', '.join(_describe_split(split))}")
    parameters = ", ".join(f"{name} {value}" for name, value in recipe.get("parameters", {}).items())
    click.echo(printable(f"  recipe      seed {recipe.get('seed')}; {parameters}"))
    click.echo(f"  content     {attributes['content_sha256']}")
    click.echo(
        printable(
            "  made with  "
            f" {', '.join(f'{name} {number}' for name, number in json.loads(attributes['created_with']).items())}"
        )
    )
    _describe_arrays(next(iter(dataset.values())))


def _name_axes(sizes: Mapping[str, int]) -> dict[str, int]:
    """Give the lengths of axes under names that people know."""
    from physbench.storage.layout import AXES

    return {AXES[axis]: length for axis, length in sizes.items() if axis in AXES and axis != "O"}


def _describe_split(split: Split) -> Iterator[str]:
    """Say how many sequences there are, and of what."""
    sizes, collisions = split.sizes, "events/impulse" in split.file.layout.paths
    yield count_sequences(len(split), sizes.get("T", 0), width=7)
    frames = [f"{sizes['T']} frames"] if sizes.get("T", 1) > 1 else []
    pixels = [f"{sizes['H']}x{sizes['W']}x{sizes.get('C', 1)}"] if "H" in sizes else []
    if frames or pixels:
        yield " of ".join(frames + pixels)
    for axis, words in {
        "K": "up to {:,} objects",
        "A": "{:,} actions",
        "M": "{:,} collisions" if collisions else "{:,} events",
    }.items():
        if axis in sizes:
            text = words.format(sizes[axis])
            yield text.removesuffix("s") if sizes[axis] == 1 else text


def _describe_arrays(split: Split) -> None:
    """Print of each array what one sequence holds and what it means; of `events`, the columns."""
    from physbench.storage.layout import AXES

    width = min(shutil.get_terminal_size((80, 24)).columns, 110)
    click.echo("  arrays      of one sequence, split[i]; docs/format.md has more. In the file, time comes first")
    for path, field in split.file.layout.paths.items():
        axes = [axis for axis in field.axes if axis not in "NMO"]
        shape = "x".join(axis if axis.isdigit() else str(split.sizes[axis]) for axis in axes)
        named = ", ".join(AXES.get(axis) or ("1 value" if axis == "1" else f"{axis} values") for axis in axes)
        size = f"{shape} ({named})" if named else shape
        click.echo(f"    {path:<16} {field.dtype.name:<8} {', '.join(filter(None, [size, field.unit]))}".rstrip())
        details = [
            f"{topic}: {text}" for topic, text in field.describe().items() if topic not in ("axes", "unit", "meaning")
        ]
        for text in (field.meaning, *details):
            click.echo(click.wrap_text(text, width, " " * 8, " " * 10))


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--quick", is_flag=True, help="Check only structure and digests. This finds accidental damage, but not forged data."
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def verify(file: Path, quick: bool, as_json: bool) -> None:
    """Verify the contents of a dataset file.

    Generates every sequence again from the recipe and compares every value, including pixels and events; replays the
    motion; checks the recipe against the name of the dataset; and compares what plain h5py reads. This takes about as
    long as generating the file. The exit code is 0 if the file is good and 2 if it is not. A file whose world is not
    installed can only be reported as undamaged.

    \b
    physbench verify a.h5
    """
    from physbench.storage.verify import verify

    with progress_bar(printable(f"checking {file.name}")) as update:
        report = verify(
            file,
            depth="quick" if quick else "plain",
            progress=lambda progress: update(progress.done, progress.total, progress.doing),
        )
    click.echo(json.dumps(asdict(report)) if as_json else printable(_verdict(file, report)))


def _verdict(file: Path, report: Report) -> str:
    content = f"content {report.content_sha256[:16]}"
    if report.depth == "quick":
        return (
            f"{file}: {report.dataset} has no accidental damage ({report.sequences:,} sequences; {content}); only"
            " verify without --quick finds lies"
        )
    if not report.sequences_remade:
        return (
            f"{file}: {report.dataset} is undamaged ({report.sequences:,} sequences; {content}), but"
            f" {'; '.join(report.caveats)}"
        )
    looked = f"{report.sequences:,} sequences, each made again from the recipe; {content}"
    return "; ".join([f"{file}: {report.dataset} is good ({looked})", *report.caveats])


@main.command()
@click.argument("source", required=False)
@click.option("--split", help="training, validation or test.")
@click.option("--index", type=int, default=0, show_default=True, help="Number of the sequence.")
@click.option(
    "--model", help="Draw what this model does: a name, a checkpoint, or package.module:factory (this runs its code)."
)
@click.option("--suite", help="With --model: suite to take the sequence from (default: balls).")
@click.option("--task", help="With --model: task of the suite (default: the first).")
@SETTINGS
@click.option(
    "--rollout",
    type=int,
    metavar="N",
    help="With --model: show only the first frames (5 unless the suite says otherwise) and let it imagine N more.",
)
@click.option("--start", type=int, metavar="T", help="First frame to draw (default: just before the first collision).")
@click.option("--frames", type=int, metavar="N", help="Number of frames to draw.")
@click.option("--every", type=int, metavar="N", help="Draw every N-th frame.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="File to write: .png, .gif or, without --model, .html with a player."
)
def show(
    source: str | None,
    split: str | None,
    index: int,
    model: str | None,
    suite: str | None,
    task: str | None,
    changed: tuple[tuple[str, float], ...],
    rollout: int | None,
    start: int | None,
    frames: int | None,
    every: int | None,
    out: Path | None,
) -> None:
    """Draw a sequence, or a model's predictions of it.

    The sequence comes from a dataset file, or from a named dataset, which need not be generated first.

    \b
    physbench show balls3curtain64 --index 3 --out curtain.gif
    physbench show balls4mass64 --start 20 --frames 6 --every 2
    physbench show --model r-nem --suite balls --index 3 --out r-nem.png
    physbench show --model r-nem --rollout 10 --out r-nem.gif
    physbench show --model runs/iodine --suite segmentation-shapes --set refinements=8 --out iodine.png

    For models of still images there is one row for each refinement step; --start, --frames and --every select steps.
    """
    if (source is None) == (model is None):
        raise click.UsageError("give a dataset, or --model and no dataset: a model is shown sequences of a --suite")
    from physbench.view import Times, clip_of, save

    times = Times(start, frames, every)
    if model is not None:
        require_settings(changed, own_code=_is_code(model))
        asked = Asked(suite or "balls", task, split or "test", index, rollout)
        return _show_model(model, dict(changed), asked, times, out)
    given = {"--suite": suite, "--task": task, "--set": changed or None, "--rollout": rollout}
    if alone := [name for name, value in given.items() if value is not None]:
        raise click.UsageError(f"{alone[0]} goes with --model")
    clip = clip_of(str(source), split, index)
    out = out or Path(f"{Path(str(source)).stem}-{clip.split}-{index}.png")
    save(clip, out, times=times)
    click.echo(str(out))


def _is_code(model: str) -> bool:
    """Whether a model is a user's factory."""
    return ":" in model and not Path(model).exists()


@dataclass(frozen=True)
class Asked:
    """What a model is shown."""

    suite: str
    task: str | None
    split: str
    index: int
    rollout: int | None


def _show_model(model: str, settings: dict[str, float], asked: Asked, times: Times, out: Path | None) -> None:
    from physbench.cli.suite_option import resolve_suite
    from physbench.evaluation.contestant import contestant, own_code, require_there

    if not _is_code(model):
        require_there(model)
    from physbench.evaluation.look import look
    from physbench.evaluation.watch import shows_images, watch
    from physbench.report import decomposition, story
    from physbench.view.save import suffix_of

    if out is not None:
        suffix_of(out, story.DRAWN)
    chosen = resolve_suite(asked.suite)
    still = shows_images(chosen, asked.task)
    if still and asked.rollout is not None:
        raise click.UsageError(f"{asked.suite} shows still images: there is no --rollout of one")
    code = _is_code(model)
    if code:
        click.echo(f"running the code of {model}", err=True)
    entered = own_code(model) if code else contestant(model, settings=settings)
    if out is None:
        name = "".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in entered.name)
        words = [
            name,
            chosen.name,
            asked.task,
            str(asked.index),
            None if asked.rollout is None else f"rollout-{asked.rollout}",
        ]
        out = Path("-".join(filter(None, words)) + ".png")
    where: dict[str, Any] = {"task": asked.task, "index": asked.index, "split": asked.split}
    if still:
        decomposition.save(look(entered.model, chosen, **where), out, name=entered.name, times=times)
    else:
        story.save(watch(entered.model, chosen, rollout=asked.rollout, **where), out, name=entered.name, times=times)
    click.echo(str(out))
