"""The page that plays a clip, in one file: nothing is fetched, nothing but its own script may run, and every text is data."""

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

from physbench.scene import WALL
from physbench.view.canvas import blank, paste, png
from physbench.view.panels import PALETTE, labelled, legend, shown

if TYPE_CHECKING:
    from physbench.view.clip import Clip
    from physbench.view.panels import Pixels

MOST_LISTED = 2000
LARGEST_SHEET = 4096


def page(clip: Clip) -> str:
    source = files("physbench.view").joinpath("player.html").read_text(encoding="utf-8")
    across = math.ceil(math.sqrt(clip.frames))
    scale = max(1, round(min(384, LARGEST_SHEET / across) / max(clip.size)))
    number = len(clip.events["time"])
    filled = {
        "style_hash": _hash(source, "style"),
        "script_hash": _hash(source, "script"),
        "title": html.escape(clip.title),
        "caption": html.escape(f"{clip.caption}  ·  {clip.frames} frames"),
        "legend": html.escape("  ·  ".join([*legend(clip), "arrow: the way of four frames"])),
        "collisions": f"{number:,}" + f", the first {MOST_LISTED:,}" * (number > MOST_LISTED),
        "shown": _sheet([shown(clip, t, scale=scale) for t in range(clip.frames)], across),
        "labelled": _sheet([labelled(clip, t, scale=scale) for t in range(clip.frames)], across),
        "clip": _told(clip, scale, across),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda place: filled[place[1]], source)


def _told(clip: Clip, scale: int, across: int) -> str:
    """What the script has to know, as JSON that cannot end the element it stands in."""
    height, width = clip.size
    events = np.column_stack([clip.events[name][:MOST_LISTED] for name in ("time", "a", "b", "impulse")]).astype(float)
    motion = np.concatenate([clip.arrays["position"], clip.arrays["velocity"]], axis=2)[:, : clip.objects].astype(float)
    told = {
        "frames": clip.frames, "height": height * scale, "width": width * scale, "scale": scale, "across": across, "wall": WALL,
        "colours": [f"#{PALETTE[k % len(PALETTE)]}" for k in range(clip.objects)],
        "names": clip.names,
        "events": np.nan_to_num(events).clip(-1e9, 1e9).round(3).tolist(),
        "motion": np.nan_to_num(motion).clip(-1e5, 1e5).round(2).tolist(),
    }  # fmt: skip
    return json.dumps(told, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _sheet(pictures: list[Pixels], across: int) -> str:
    """Pictures of one size in rows, as the base64 text of a PNG."""
    height, width = pictures[0].shape[:2]
    image = blank(across * width, -(-len(pictures) // across) * height)
    for i, picture in enumerate(pictures):
        paste(image, picture, i % across * width, i // across * height)
    return b64encode(png(image)).decode()


def _hash(source: str, element: str) -> str:
    """What the policy of the page knows its only style or script by."""
    (text,) = re.findall(f"<{element}>(.*?)</{element}>", source, re.DOTALL)
    return b64encode(sha256(text.encode()).digest()).decode()
