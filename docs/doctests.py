"""Examples in docstrings as blocks of code: mkdocstrings knows them in sections of their own only, and Markdown takes
`>>>` for quotes."""

from __future__ import annotations

import re
from typing import Any

import griffe

EXAMPLE = re.compile(r"^>>> .*(?:\n(?!\s*$).*)*", re.M)
"""From `>>>` to the next empty line."""


class Doctests(griffe.Extension):
    """Fence every example."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring:
            obj.docstring.value = EXAMPLE.sub(lambda match: f"```pycon\n{match[0]}\n```", obj.docstring.value)
