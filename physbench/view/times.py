"""The choice of the frames of a sequence that are drawn."""

from dataclasses import dataclass

from physbench.errors import RecipeError

MOST_COLUMNS = 32
"""The most frames side by side in a still picture."""


@dataclass(frozen=True)
class Times:
    """The frames that a user asks for: the first one, how many, and the step from one to the next.

    Where a value is None, the kind of picture decides.
    """

    start: int | None = None
    frames: int | None = None
    every: int | None = None

    def of(self, total: int) -> range:
        """Choose from so many frames; by default, all of them."""
        self._check(total)
        start, every = self.start or 0, self.every or 1
        left = -(-(total - start) // every)
        if self.frames is not None and self.frames > left:
            stepped = f", every {every}," if every > 1 else ""
            raise RecipeError(f"from frame {start} on{stepped} {left} of {total} frames are left, not {self.frames}")
        return range(start, start + (self.frames or left) * every, every)

    def spread(self, total: int, columns: int) -> range:
        """Choose as many frames as fit into so many columns, in even steps over the rest of the sequence."""
        self._check(total)
        left = total - (self.start or 0)
        return Times(
            self.start, self.frames, self.every or max(1, left // self.frames if self.frames else -(-left // columns))
        ).in_columns(total)

    def in_columns(self, total: int) -> range:
        """Choose frames for a still picture, which has room for at most MOST_COLUMNS."""
        times = self.of(total)
        if len(times) > MOST_COLUMNS:
            raise RecipeError(
                f"a still picture has room for {MOST_COLUMNS} frames, not {len(times)}: say fewer --frames, a larger"
                " --every, or draw a .gif"
            )
        return times

    def _check(self, total: int) -> None:
        if self.start is not None and not 0 <= self.start < total:
            raise RecipeError(f"start is 0 to {total - 1}, not {self.start}: there are {total} frames")
        for name, value in (("frames", self.frames), ("every", self.every)):
            if value is not None and value < 1:
                raise RecipeError(f"{name} is 1 or more, not {value}")


ALL_TIMES = Times()
