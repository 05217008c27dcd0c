"""Pictures of datasets: one sequence as a strip of frames, an animation, or a page that plays it; and many scenes on a
contact sheet."""

from physbench.view.clip import Clip, clip_from, clip_of, describe_recipe
from physbench.view.contact import contact_sheet
from physbench.view.pictures import animation, strip
from physbench.view.player import page
from physbench.view.save import save
from physbench.view.times import Times

__all__ = [
    "Clip",
    "Times",
    "animation",
    "clip_from",
    "clip_of",
    "contact_sheet",
    "describe_recipe",
    "page",
    "save",
    "strip",
]
