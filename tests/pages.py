"""A reader of Markdown pages for tests: blocks of code that are run, links, and GitHub's anchors of headings."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
FENCED = re.compile(r"^( *)```.*?^\1``` *$", re.M | re.S)


def blocks_of(text: str) -> list[tuple[str, str]]:
    """The language and the code of every block that can be run."""
    return re.findall(r"^```(sh|python)\n(.*?)^```", text, re.M | re.S)


def run_blocks(blocks: list[tuple[str, str]], folder: Path) -> None:
    """Run them one after the other in a folder, as a reader would; the first that fails fails the test.

    A block of Python that begins with `# NAME.py` is saved under this name instead.
    """
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for language, code in blocks:
        if named := re.match(r"# (\w+\.py)\n", code):
            (folder / named[1]).write_text(code, encoding="utf-8")
            continue
        command = ["bash", "-euo", "pipefail", "-c", code] if language == "sh" else [sys.executable, "-c", code]
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"


def links_of(text: str) -> list[tuple[str, str]]:
    """Every relative link as (path, anchor); a path is empty where the link stays on the page."""
    return re.findall(r"\]\((?!\w+:)([^)#\s]*)#?([^)\s]*)\)", FENCED.sub("", text))


def anchors_of(text: str) -> set[str]:
    """What GitHub calls the headings of a page."""
    headings = re.findall(r"^#+ +(.*?) *$", FENCED.sub("", text), re.M)
    plain = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "") for heading in headings)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in plain}
