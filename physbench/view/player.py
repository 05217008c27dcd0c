"""The page that plays a clip, in one file. It loads nothing, no other script can run in it, and every text is only
data."""

from __future__ import annotations

import html
import json
import math
import re
from base64 import b64encode
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physbench.scene import WALL
from physbench.view.canvas import blank, paste, png
from physbench.view.panels import Pixels, legend, panels_of
from physbench.view.times import ALL_TIMES, Times

if TYPE_CHECKING:
    from physbench.view.clip import Clip

MOST_LISTED = 2000
LARGEST_SHEET = 4096


def page(clip: Clip, *, times: Times = ALL_TIMES) -> str:
    """Make the HTML page of a clip."""
    chosen = times.of(clip.frames)
    source = files("physbench.view").joinpath("player.html").read_text(encoding="utf-8")
    across = math.ceil(math.sqrt(len(chosen)))
    scale = max(1, round(min(384, LARGEST_SHEET / across) / max(clip.size)))
    events = _events(clip, chosen)
    number, panels = len(events), panels_of(clip)
    arrows = {"position", "velocity"} <= clip.arrays.keys()
    collide = "impulse" in clip.events
    sheets = {name: _sheet([panels[name](clip, t, scale=scale) for t in chosen], across) for name in panels}
    filled = {
        "style_hash": _hash(source, "style"),
        "script_hash": _hash(source, "script"),
        "title": html.escape(clip.title),
        "caption": html.escape("  ·  ".join([clip.caption, *[_extent(clip, chosen)] * (clip.frames > 1)])),
        "legend": html.escape(
            "  ·  ".join([*legend(clip, chosen), *["arrow: how far it goes in four frames"] * arrows])
        ),
        "events": ("Collisions" if collide else "Events")
        + f" ({number:,}"
        + f", the first {MOST_LISTED:,}" * (number > MOST_LISTED)
        + ")",
        "heads": "".join(
            f'<th scope="col">{head}<small>{unit}</small></th>'
            for name, (head, unit) in _heads(collide).items()
            if name in clip.events
        ),
        "shown": sheets.get("frames", ""),
        "labelled": sheets.get("objects", ""),
        "no_frames": _hide("frames" in panels),
        "no_objects": _hide("objects" in panels),
        "no_events": _hide("time" in clip.events),
        "no_arrows": _hide(arrows),
        "no_controls": _hide(clip.frames > 1),
        "clip": _to_json(clip, chosen, events, scale, across),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda place: filled[place[1]], source)


def _heads(collide: bool) -> dict[str, tuple[str, str]]:
    """Return the headings of the columns of events, by the first array that a column shows."""
    whom = "hits whom" if collide else "and whom"
    return {
        "time": ("time", "in frames"),
        "kind": ("what", ""),
        "a": ("who", whom),
        "impulse": ("impulse", "in mass &times; pixels per frame"),
    }


def _hide(there: bool) -> str:
    return "" if there else " hidden"


def _extent(clip: Clip, times: range) -> str:
    """Say in words which frames are shown."""
    if len(times) == clip.frames:
        return f"{clip.frames} frames"
    return f"frames {times[0]} to {times[-1]} of {clip.frames}" + f", every {times.step}" * (times.step > 1)


def _events(clip: Clip, times: range) -> NDArray[np.float64]:
    """Return the events from the first frame to the one after the last, (M, 6).

    The columns are time, a, b, impulse, the place of the last frame before the event, and kind.
    """
    none = np.full(len(clip.events.get("time", ())), -1.0)
    columns = np.column_stack([clip.events.get(name, none) for name in ("time", "a", "b", "impulse", "kind")]).astype(
        float
    )
    before = np.maximum(np.ceil(np.nan_to_num(columns[:, :1])), 1) - 1
    place = np.floor_divide(before - times.start, times.step)
    return np.hstack([columns[:, :4], place, columns[:, 4:]])[(place[:, 0] >= 0) & (place[:, 0] < len(times))]


def _to_json(clip: Clip, times: range, events: NDArray[np.float64], scale: int, across: int) -> str:
    """Return the data of the script, as JSON that cannot close the HTML element around it."""
    height, width = clip.size
    motion = np.empty((len(times), 0, 4))
    if {"position", "velocity"} <= clip.arrays.keys():
        motion = np.concatenate([clip.arrays["position"], clip.arrays["velocity"]], axis=2)[
            list(times), : clip.objects
        ].astype(float)
    told = {
        "times": list(times), "height": height * scale, "width": width * scale, "scale": scale, "across": across,
        "wall": WALL, "none": "the wall" if "impulse" in clip.events else "nothing",
        "panels": [{"frames": "shown", "objects": "labelled"}[name] for name in panels_of(clip)],
        "columns": [name for name in _heads(True) if name in clip.events],
        "moments": [clip.tell_time(t) for t in times],
        "colours": [f"#{bytes(colour).hex()}" for colour in clip.colours[1 : clip.objects + 1].tolist()],
        "names": clip.names,
        "kinds": {str(kind): words for kind, words in clip.marks.kinds.items()},
        "events": np.nan_to_num(events[:MOST_LISTED]).clip(-1e9, 1e9).round(3).tolist(),
        "motion": np.nan_to_num(motion).clip(-1e5, 1e5).round(2).tolist(),
    }  # fmt: skip
    return json.dumps(told, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _sheet(pictures: list[Pixels], across: int) -> str:
    """Arrange pictures of one size in rows; return the base64 text of a PNG."""
    height, width = pictures[0].shape[:2]
    image = blank(across * width, -(-len(pictures) // across) * height)
    for i, picture in enumerate(pictures):
        paste(image, picture, i % across * width, i // across * height)
    return b64encode(png(image)).decode()


def _hash(source: str, element: str) -> str:
    """Return the hash by which the security policy of the page allows its only style or script."""
    (text,) = re.findall(f"<{element}>(.*?)</{element}>", source, re.DOTALL)
    return b64encode(sha256(text.encode()).digest()).decode()
