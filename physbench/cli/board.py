"""Commands of the leaderboard."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING

import click

from physbench.cli.pipe_options import COMMAND, TIMEOUT, run_command
from physbench.cli.root import JSON, main
from physbench.cli.scores import FRESH
from physbench.errors import PhysbenchError, StorageError, UnknownName, suggest
from physbench.files import write_whole
from physbench.printable import printable
from physbench.progress import progress_bar
from physbench.suites import suite_of

if TYPE_CHECKING:
    from physbench.evaluation.evaluate import Progress
    from physbench_leaderboard.boards import Board

FILE = click.argument("file", type=click.Path(path_type=Path))
FOLDER = click.option(
    "--folder",
    type=click.Path(path_type=Path),
    help="Where submissions are kept; by default those that come with physbench.",
)
GRANT = click.option(
    "--grant",
    is_flag=True,
    help="If all is well, write it into the column `trust` of the listed submission: for the keeper of the table.",
)


@main.group()
def leaderboard() -> None:
    """Check, add, rank and publish submissions.

    \b
    physbench eval conv3 --suite smoke --csv mine.csv
    physbench leaderboard check mine.csv
    physbench leaderboard show --suite smoke --with mine.csv
    """


@leaderboard.command()
@FILE
@JSON
def check(file: Path, as_json: bool) -> None:
    """Check a submission.

    FILE is what `physbench eval ... --csv FILE` wrote. Says in plain words what is wrong with it. The exit code is 2
    if something is.

    \b
    physbench eval conv3 --suite smoke --csv mine.csv
    physbench leaderboard check mine.csv
    """
    from physbench_leaderboard.submission_checks import problems as find_problems

    problems = find_problems(file)
    if as_json:
        click.echo(json.dumps({"file": str(file), "good": not problems, "problems": list(problems)}))
    elif not problems:
        click.echo(f"{file}: all is well")
    for problem in problems[: 0 if as_json else None]:
        click.echo(printable(f"{file}: {problem}"), err=True)
    sys.exit(2 if problems else 0)


@leaderboard.command()
@FILE
@FOLDER
@JSON
def add(file: Path, folder: Path | None, as_json: bool) -> None:
    """Check a submission and add it to the others.

    The file is copied to the other submissions: into the folder that --folder names, otherwise, in an editable install,
    into leaderboard/submissions of the clone, whatever the current folder is. If NAME.npz of
    `physbench eval ... --per-sequence` lies beside NAME.csv, it comes along, and lets the model be compared sequence by
    sequence.

    \b
    physbench eval conv3 --suite smoke --csv mine.csv --per-sequence mine.npz
    physbench leaderboard add mine.csv
    """
    from physbench_leaderboard import store

    place = _folder(folder)
    if folder is None and not as_json:
        click.echo(f"adding to {place.resolve()}, the folder of this installation (--folder names another)", err=True)
    added = store.add(file, place)
    if as_json:
        return click.echo(json.dumps({"file": str(added.path), "already": added.already}))
    click.echo(f"{added.path}: {'was listed already' if added.already else 'added'}")


@leaderboard.command()
@click.option("--suite", help="One suite alone.")
@click.option(
    "--with",
    "beside",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="FILE",
    help="Also a submission of yours, which is not added.",
)
@click.option("--all", "every", is_flag=True, help="Every column, in tables one below the other.")
@click.option("--budget", help="Only models whose training cost no more: night (24 core-hours) or gpu-hour.")
@FOLDER
@click.option("--csv", "as_csv", is_flag=True, help="Print the table as CSV.")
@JSON
def show(
    suite: str | None,
    beside: tuple[Path, ...],
    every: bool,
    budget: str | None,
    folder: Path | None,
    as_csv: bool,
    as_json: bool,
) -> None:
    """Show the table, with ranks and 95 % intervals.

    Models that cannot be told apart share a rank. The table is as wide as the terminal, or as COLUMNS says.

    \b
    physbench leaderboard show --suite balls
    physbench leaderboard show --suite balls --with mine.csv
    physbench leaderboard show --suite balls --budget night
    """
    from physbench_leaderboard import exports, terminal
    from physbench_leaderboard.budgets import BUDGETS

    if suite:
        suite_of(suite)
    if budget is not None and budget not in BUDGETS:
        raise UnknownName(f"there is no budget {budget!r}: {suggest(budget, BUDGETS)}")
    boards = _boards(folder, suite, beside, budget)
    if as_json or as_csv:
        return click.echo((exports.as_json if as_json else exports.as_csv)(boards, budget=budget), nl=False)
    click.echo(terminal.as_text(boards, width=get_terminal_size().columns, every=every, budget=budget))


@leaderboard.command()
@FILE
@click.argument("sums", type=click.Path(path_type=Path))
@GRANT
@FOLDER
def recompute(file: Path, sums: Path, grant: bool, folder: Path | None) -> None:
    """Recompute the figures of a submission.

    FILE is the submission. SUMS is what `physbench eval ... --per-sequence SUMS` wrote beside it, or a file of
    predictions. The exit code is 2 if the figures differ.

    \b
    physbench eval copy --suite smoke --csv mine.csv --per-sequence mine.npz
    physbench leaderboard recompute mine.csv mine.npz
    """
    from physbench_leaderboard import submission
    from physbench_leaderboard.recompute import recompute

    found = recompute(submission.read(file), sums)
    for problem in found.problems:
        click.echo(printable(f"{file}: {problem}"), err=True)
    if not found.all_well:
        raise PhysbenchError(f"{file} is not what {sums} gives: {found.rows} of {found.of} rows agree")
    click.echo(f"{file}: all {found.rows} rows come out of {sums} again")
    if grant:
        _grant(file, folder, "recomputed")


@leaderboard.command()
@FILE
@click.option(
    "--model",
    "model",
    help="The model that the submission is of: a name, a checkpoint, or package.module:FACTORY, which is run.",
)
@COMMAND
@TIMEOUT
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@FRESH
@GRANT
@FOLDER
def verify(
    file: Path,
    model: str | None,
    command: str | None,
    timeout: float | None,
    device: str,
    fresh: int | None,
    grant: bool,
    folder: Path | None,
) -> None:
    """Run the evaluation of a submission again.

    With --fresh it is also run on new sequences: a model that does worse there than chance allows may know the pinned
    ones. The exit code is 2 if anything comes out differently.

    \b
    physbench eval conv3 --suite smoke --csv mine.csv
    physbench leaderboard verify mine.csv --model conv3
    physbench leaderboard verify mine.csv --model conv3 --fresh
    """
    from physbench.evaluation.contestant import contestant, is_own_code, own_code
    from physbench_leaderboard import rerun, submission

    if (model is None) == (command is None):
        raise click.UsageError("give --model NAME, or --command TEXT")
    with run_command(command, timeout) as behind_pipe, progress_bar("evaluating again") as update:

        def show(now: Progress) -> None:
            update(now.done, now.total, f"evaluating on {now.doing}")

        find = own_code if is_own_code(str(model)) else contestant
        evaluated = behind_pipe or find(str(model), device=device)
        again = rerun.verify(submission.read(file), evaluated.model, fresh=fresh, progress=show)
    for each in again:
        for difference in each.differences:
            click.echo(printable(f"{file}: {difference}"), err=True)
        if each.fresh:
            click.echo(f"{file}: on fresh data: {each.fresh}", err=each.suspicious)
    if not all(each.all_well for each in again):
        raise PhysbenchError(f"{file} does not come out again with {model or command}")
    click.echo(f"{file}: comes out again with {model or command}")
    if grant:
        _grant(file, folder, "re-run")


@leaderboard.command()
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("site"), show_default=True, help="The folder to write."
)
@click.option(
    "--pictures",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="A folder with a NAME.png for models that have one.",
)
@FOLDER
def build(out: Path, pictures: Path | None, folder: Path | None) -> None:
    """Write the leaderboard as a single HTML file.

    \b
    physbench leaderboard build --out site
    """
    from physbench_leaderboard import board_page

    click.echo(
        str(
            board_page.build(
                _boards(folder, None), out, pictures=board_page.load_pictures(pictures) if pictures else {}
            )
        )
    )


@leaderboard.command()
@click.option("--suite", required=True, help="The suite whose charts are drawn.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The .svg file to write.")
@click.option("--overwrite", is_flag=True, help="Replace a file that exists.")
@FOLDER
def draw(suite: str, out: Path, overwrite: bool, folder: Path | None) -> None:
    """Draw the charts of a suite into an SVG file.

    They are those of the page: scores with intervals, score against parameters and, of rollouts, error against the
    steps imagined and against collisions. A suite has a part for each of its tables: sizes, and likelihoods that must
    not be compared.

    \b
    physbench leaderboard draw --suite simulation --out simulation.svg
    """
    from physbench_leaderboard.drawing import draw_boards

    suite_of(suite)
    if out.suffix != ".svg":
        raise StorageError(f"{out} must end in .svg")
    if out.exists() and not overwrite:
        raise StorageError(f"{out} exists already: use --overwrite to replace it, or another name")
    boards = _boards(folder, suite)
    if not boards:
        raise PhysbenchError(f"nothing is listed for {suite}: there is nothing to draw")
    write_whole(out, draw_boards(boards))
    click.echo(str(out))


@leaderboard.command()
@click.option(
    "--site", type=click.Path(path_type=Path), default=Path("site"), show_default=True, help="What `build` wrote."
)
@click.option("--port", type=int, default=0, help="By default any that is free.")
def serve(site: Path, port: int) -> None:
    """Serve the page on this machine until Ctrl-C.

    The file opens in a browser without it, too.

    \b
    physbench leaderboard build --out site && physbench leaderboard serve
    """
    from physbench_leaderboard.serve import serve

    server, url = serve(site, port=port)
    click.echo(f"{url}   (Ctrl-C ends it)")
    with suppress(KeyboardInterrupt), server:
        server.serve_forever()


def _grant(file: Path, folder: Path | None, degree: str) -> None:
    from physbench_leaderboard import store, submission, trust

    own = submission.read(file)
    listed = next((each for each in store.load_all(_folder(folder)) if each.submission.sha256 == own.sha256), None)
    if listed is None:
        raise PhysbenchError(f"{file} is not listed: add it first")
    click.echo(str(trust.grant(listed.path, own, degree)))


def _folder(folder: Path | None) -> Path:
    from physbench_leaderboard.pins import bundled_folder

    return folder or bundled_folder()


def _boards(
    folder: Path | None, suite: str | None, beside: Sequence[Path] = (), budget: str | None = None
) -> list[Board]:
    from physbench_leaderboard import boards, store

    return boards.boards(store.load_all(_folder(folder), beside=beside), suite=suite, budget=budget)
