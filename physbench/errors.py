"""Everything physbench can say no to. Each error is one sentence for the user and knows the exit code of the command
line."""

from collections.abc import Iterable


def suggest(name: str, known: Iterable[str]) -> str:
    """Say which known name was meant; all of them, where none is near."""
    from difflib import get_close_matches

    names = list(known)
    close = get_close_matches(name[:40], names, n=1)
    return f"did you mean {close[0]!r}?" if close else f"there is {', '.join(names)}"


class PhysbenchError(Exception):
    """Stand for everything that physbench refuses.

    The message says in words which value was wrong and what to do next.

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
    """A dataset file cannot be written, or must not be read."""


class HostileFile(StorageError):
    """The file breaks the rules a dataset file keeps; nothing was read from it."""


class DamagedFile(StorageError):
    """The file keeps the rules, but its contents are not what it says they are."""


class ModelError(PhysbenchError):
    """A model predicted something that cannot be scored."""


class MissingPackage(PhysbenchError):
    """An optional package is needed and not installed."""


class TrainingError(PhysbenchError):
    """A training run cannot start, go on, or be trusted."""


class WorkerError(PhysbenchError):
    """A process that works for this one died, and what it was making is lost."""


class ClusterError(PhysbenchError):
    """A cluster cannot be used: it does not answer, or its workers do not see what they need."""


class ClusterLost(ClusterError):
    """A cluster was there and is gone, with all that it was at."""
