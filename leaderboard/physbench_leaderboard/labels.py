"""Names beside dots: each where it lies on no other name, no dot and no line, within the drawing."""

from __future__ import annotations

from dataclasses import dataclass, field

LETTER = 6.7
"""About how wide one is."""

ABOVE, BELOW = 10.0, 3.0
"""How far letters reach from the line they stand on."""

ASIDE = 7.0
"""From the middle of a dot to its name."""

LOOKS = {"start": "name", "end": "end name", "middle": "mid name"}


@dataclass(frozen=True)
class Place:
    x: float
    y: float  # of the line that the letters stand on
    look: str  # a class of the page: which end of the name is at x


@dataclass
class Labels:
    """The drawing, and what is taken of it."""

    left: float
    top: float
    right: float
    bottom: float
    taken: list[tuple[float, float, float, float]] = field(default_factory=list[tuple[float, float, float, float]])

    def block(self, left: float, top: float, right: float, bottom: float) -> None:
        """Keep a box free of names."""
        self.taken.append((left, top, right, bottom))

    def place(self, name: str, x: float, y: float) -> Place | None:
        """Take room for a name beside a dot; None where there is none, and pointing at the dot must do."""
        width = width_of(name)
        for end, dx, dy in (
            *(("start", ASIDE, dy) for dy in (4.0, -3.0, 11.0)),
            *(("end", -ASIDE, dy) for dy in (4.0, -3.0, 11.0)),
            *(("middle", 0.0, dy) for dy in (-8.0, 17.0)),
            *(("start", ASIDE, dy) for dy in (-10.0, 18.0)),
            *(("end", -ASIDE, dy) for dy in (-10.0, 18.0)),
        ):
            start = x + dx - {"start": 0.0, "end": width, "middle": width / 2}[end]
            box = (start, y + dy - ABOVE, start + width, y + dy + BELOW)
            if self._within(box) and self._is_free(*box):
                self.block(*box)
                return Place(x + dx, y + dy, LOOKS[end])
        return None

    def _within(self, box: tuple[float, float, float, float]) -> bool:
        return self.left <= box[0] and self.top - ABOVE <= box[1] and box[2] <= self.right and box[3] <= self.bottom

    def _is_free(self, left: float, top: float, right: float, bottom: float) -> bool:
        return not any(left < right_ and left_ < right and top < bottom_ and top_ < bottom for left_, top_, right_, bottom_ in self.taken)


def width_of(name: str) -> float:
    return LETTER * len(name)
