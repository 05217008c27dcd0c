"""One sequence of a dataset to look at: a strip of frames, an animation, or one page that plays it; and many scenes on a contact sheet."""

from physbench.view.clip import Clip, clip_from, clip_of
from physbench.view.pictures import animation, contact_sheet, strip
from physbench.view.player import page
from physbench.view.save import save

__all__ = ["Clip", "animation", "clip_from", "clip_of", "contact_sheet", "page", "save", "strip"]
