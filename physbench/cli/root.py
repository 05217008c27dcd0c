"""The root command and how it fails: one line on stderr, and an exit code."""

import sys
from typing import Any

import click

from physbench import __version__
from physbench.errors import MissingPackage, PhysbenchError
from physbench.machine import wait_without_spinning
from physbench.notices import listen
from physbench.printable import printable

STOPPED = 130

JSON = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")


EXTRAS = {
    "torch": ("PyTorch", "train"),
    "safetensors": ("the package safetensors", "train"),
    "ale_py": ("the Arcade Learning Environment", "atari"),
    "gymnasium": ("the package gymnasium", "atari"),
    "distributed": ("Dask", "cluster"),
}
"""What an optional module is called, and the extra that installs it."""


class Refusal(click.ClickException):
    """An error for the user: one line and the exit code that it knows."""

    def __init__(self, error: PhysbenchError) -> None:
        super().__init__(str(error))
        self.exit_code = error.exit_code  # pyright: ignore[reportAttributeAccessIssue]


class Commands(click.Group):
    """The root: every error is one line on stderr and an exit code."""

    def main(self, *args: Any, standalone_mode: bool = True, **extra: Any) -> Any:
        if not standalone_mode:
            return super().main(*args, standalone_mode=False, **extra)
        try:
            sys.exit(super().main(*args, standalone_mode=False, **extra) or 0)
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            sys.exit(error.exit_code)
        except click.ClickException as error:
            hint = (
                f" (see {error.ctx.command_path} --help)" if isinstance(error, click.UsageError) and error.ctx else ""
            )
            click.echo(printable(f"Error: {' '.join(error.format_message().split())}{hint}"), err=True)
            sys.exit(error.exit_code)
        except click.Abort:  # after an empty line, which Click prints
            click.echo("Stopped.", err=True)
            sys.exit(STOPPED)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except PhysbenchError as error:
            raise Refusal(error) from None
        except BrokenPipeError:
            raise
        except ModuleNotFoundError as error:
            module = (error.name or "").partition(".")[0]
            if module not in EXTRAS:
                raise
            package, extra = EXTRAS[module]
            raise Refusal(MissingPackage(f"this command needs {package}: pip install 'physbench[{extra}]'")) from None
        except OSError as error:
            raise Refusal(PhysbenchError(f"{error.filename or 'the system'}: {error.strerror or error}")) from None


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="physbench")
def main() -> None:
    """A benchmark for models that learn physics from pixels.

    \b
    physbench list                                     list datasets; also: list suites, list models
    physbench show balls4mass64 --index 3 --out x.gif  look at a sequence
    physbench eval copy --suite smoke                  score a model
    physbench explain relative_bce                     explain a metric

    A dataset of your own:

    \b
    physbench generate balls --n 4 --curtain --train 100 --valid 10 --test 10 --out a.h5
    physbench verify a.h5
    """
    wait_without_spinning()
    click.get_current_context().with_resource(listen(lambda text: click.echo(printable(text), err=True)))
