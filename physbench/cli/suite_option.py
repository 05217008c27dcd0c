"""The option that names a suite, and running the user's code."""

import sysconfig
import traceback
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType

import click
from click.core import ParameterSource

from physbench.errors import PhysbenchError
from physbench.suites import SUITES, Suite, suite_of

ASKED = (
    f"Suite to evaluate on: {', '.join(SUITES)}, one of an installed package, or package.module:SUITE (this runs its"
    " code)."
)


SUITE = click.option("--suite", default="balls", show_default=True, help=ASKED)


def say_default(suite: str) -> None:
    """Say which suite is taken where the command line names none."""
    if click.get_current_context().get_parameter_source("suite") is ParameterSource.DEFAULT:
        click.echo(f"suite {suite}, as no --suite is given (physbench list suites has the others)", err=True)


def resolve_suite(text: str) -> Suite:
    """A name, or package.module:SUITE, whose code is run."""
    if ":" not in text:
        return suite_of(text)
    from physbench.evaluation.contestant import own_suite

    click.echo(f"running the code of {text}", err=True)
    with users_code(text):
        return own_suite(text)


@contextmanager
def users_code(factory: str | None) -> Generator[None]:
    """The traceback of an error in a user's own code is theirs to read."""
    try:
        yield
    except (PhysbenchError, click.ClickException):
        raise
    except Exception as error:
        if factory is None:
            raise
        error.__traceback__ = _skip_our_frames(error.__traceback__)
        click.echo("".join(traceback.format_exception(error)).rstrip(), err=True)
        raise PhysbenchError(f"{factory} raised {type(error).__name__}: see above") from None


def _skip_our_frames(whole: TracebackType | None) -> TracebackType | None:
    """Return the part of a traceback that begins in the user's code; all of it if nothing of the user is in it."""
    rest = whole
    while rest is not None and _is_ours(Path(rest.tb_frame.f_code.co_filename)):
        rest = rest.tb_next
    return rest or whole


def _is_ours(file: Path) -> bool:
    """Return whether a file belongs to physbench or to Python, which imports and calls for us."""
    python = Path(sysconfig.get_path("stdlib"))
    folders = [
        Path(package.origin).parent
        for name in ("physbench", "physbench_generators", "physbench_baselines", "physbench_leaderboard")
        if (package := find_spec(name)) and package.origin
    ]
    inside_python = file.is_relative_to(python) and "site-packages" not in file.parts
    return str(file).startswith("<frozen") or inside_python or any(map(file.is_relative_to, folders))
