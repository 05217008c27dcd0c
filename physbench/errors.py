"""The errors of physbench. Each carries one sentence for the user and the exit code of the command line."""

from collections.abc import Iterable


def suggest(name: str, known: Iterable[str]) -> str:
    """Suggest the shortest known name that begins so, or the nearest one, or list all of them where none is near."""
    from difflib import get_close_matches

    names = list(known)
    begun = sorted((each for each in names if len(name) > 2 and each.startswith(name)), key=len)
    close = begun or get_close_matches(name[:40], names, n=1)
    return f"did you mean {close[0]!r}?" if close else f"there is {', '.join(names)}"


class PhysbenchError(Exception):
    """The base class of all errors of physbench.

    The message says which value was wrong and what to do next.

    >>> try:
    ...     physbench.stream("bals")
    ... except physbench.PhysbenchError as error:
    ...     print(error)
    no dataset is called 'bals': did you mean 'balls'?
    """

    exit_code = 2


class RecipeError(PhysbenchError):
    """The dataset asked for cannot exist: a parameter is out of range, or the objects do not fit."""


class UnknownName(PhysbenchError):
    """No dataset, generator, model or suite has this name."""


class StorageError(PhysbenchError):
    """A file cannot be written, or must not be read."""


class HostileFile(StorageError):
    """A file breaks the rules that files must follow; nothing was read from it."""


class DamagedFile(StorageError):
    """A file follows the rules, but its content does not match its digests."""


class ModelError(PhysbenchError):
    """A model predicted something that cannot be scored."""


class UnsuitableModel(ModelError):
    """A model cannot be asked what a suite asks: it is made for other data, or does not say what is scored."""


class MissingPackage(PhysbenchError):
    """An optional package is needed and not installed."""


class TrainingError(PhysbenchError):
    """A training run cannot start, go on, or be trusted."""


class WorkerError(PhysbenchError):
    """A worker process died, and what it was making is lost."""


class ClusterError(PhysbenchError):
    """A cluster cannot be used: it does not answer, or its workers do not see what they need."""


class ClusterLost(ClusterError):
    """A cluster was there and is gone, with all that it was at."""
