"""Collisions as a table: a dictionary of columns, which can become flat columns or a pandas DataFrame."""
# pandas need not be installed
# pyright: basic, reportMissingImports=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from physbench.errors import MissingPackage

if TYPE_CHECKING:
    import pandas
    from numpy.typing import NDArray


class EventTable(dict[str, "NDArray[Any]"]):
    """Collisions in order of time, column by column. The columns are described in docs/format.md.

    >>> events = physbench.open("balls.h5")["test"].events(0)
    >>> list(events)
    ['time', 'a', 'b', 'normal', 'impulse', 'position']
    >>> events["normal"].shape == (len(events["time"]), 2)
    True
    """

    def flat(self) -> dict[str, NDArray[Any]]:
        """Split every column of x and y into two columns, so that all columns have one number per row.

        >>> list(physbench.open("balls.h5")["test"].events(0).flat())
        ['time', 'a', 'b', 'normal_x', 'normal_y', 'impulse', 'position_x', 'position_y']
        """
        columns: dict[str, NDArray[Any]] = {}
        for name, column in self.items():
            if column.ndim == 1:
                columns[name] = column
            else:
                columns |= {f"{name}_{axis}": column[:, i] for i, axis in enumerate("xy")}
        return columns

    def to_pandas(self) -> pandas.DataFrame:
        """Make a pandas DataFrame of the flat columns. pandas is not installed with physbench.

        >>> table = physbench.open("balls.h5")["test"].events().to_pandas()  # of all sequences
        >>> hardest = table["impulse"].max()
        """
        try:
            import pandas
        except ImportError:
            raise MissingPackage("this needs pandas: pip install pandas") from None
        return pandas.DataFrame(self.flat())
