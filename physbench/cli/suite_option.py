"""The option that names a suite, and running the user's code."""

import traceback
from collections.abc import Generator
from contextlib import contextmanager

import click

from physbench.errors import PhysbenchError
from physbench.suites import SUITES, Suite, suite_of

ASKED = (
    f"Suite to evaluate on: {', '.join(SUITES)}, one of an installed package, or package.module:SUITE (this runs its"
    " code)."
)
SUITE = click.option("--suite", default="balls", show_default=True, help=ASKED)


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
        click.echo(traceback.format_exc().rstrip(), err=True)
        raise PhysbenchError(f"{factory} raised {type(error).__name__}: see above") from None
