"""`make tables`: write what the READMEs and docs/results.md say of models, from their cards and from the scores of the reference rows."""

from __future__ import annotations

import sys
from pathlib import Path

from physbench.errors import TrainingError
from physbench_baselines.releasing import cards, results
from physbench_baselines.releasing.bars import collect_rows

ROOT = Path(__file__).parents[3]


def replace_between(text: str, content: str, *, mark: str) -> str:
    """Put content between two marks of a text, in the place of what stands there."""
    begin, end = (f"<!-- {mark}: {which} -->" for which in ("begin", "end"))
    before, first, rest = text.partition(begin)
    _, last, after = rest.partition(end)
    if not (first and last):
        raise TrainingError(f"there is no place for the table: a line {begin} and, after it, a line {end}")
    return f"{before}{begin}\n\n{content}\n\n{end}{after}"


def render(root: Path = ROOT) -> dict[Path, str]:
    """Return every file with its tables as they should be now."""
    trained = cards.cards()
    rows = collect_rows(trained)
    baselines, readme = root / "baselines" / "README.md", root / "README.md"
    return {
        baselines: replace_between(baselines.read_text(encoding="utf-8"), cards.told(trained), mark="from the cards"),
        readme: replace_between(readme.read_text(encoding="utf-8"), results.format_summary(rows), mark="results"),
        root / "docs" / "results.md": results.format_page(rows),
    }


if __name__ == "__main__":
    if not (ROOT / "README.md").is_file():
        sys.exit(f"there is no README.md in {ROOT}: this is for a checkout of the repository")
    for path, text in render().items():
        path.write_text(text, encoding="utf-8")
