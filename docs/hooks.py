"""What `make docs` adds to the Markdown files of this folder: cards of metrics and models, and the files of the
repository that they link to.

On GitHub a link may lead anywhere in the repository. On the site, a file that lies outside of this folder has a page of
its own, under `repository/`, and every link to it is turned there. MkDocs calls the functions `on_...`.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from physbench.cli.insight import LISTS
from physbench.metrics.box_cards import BOX_CARDS
from physbench.metrics.code_cards import CODE_CARDS
from physbench.metrics.image_cards import IMAGE_CARDS
from physbench.metrics.object_cards import OBJECT_CARDS
from physbench.metrics.pixel_cards import PIXEL_CARDS
from physbench.metrics.state_cards import STATE_CARDS
from physbench.suites import SUITES
from physbench_baselines.releasing.cards import cards, command, format_cost
from physbench_baselines.training.initial import stages_before

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

    from physbench.metrics.metric import Metric

ROOT = Path(__file__).resolve().parents[1]
APART = "repository"
"""The folder of the site that holds what lies outside of docs/."""

LINK = re.compile(r"(?<=\]\()(?!\w+:|#|/)(?P<path>[^()\s#]+)(?P<anchor>#[^()\s]*)?(?=\))")
CODE = re.compile(r"^( *)(`{3,}|~{3,}).*?^\1\2 *$|(?<!`)(`+)(?!`).+?(?<!`)\3(?!`)", re.M | re.S)
LANGUAGES = {".py": "python", ".c": "c", ".toml": "toml", ".json": "json", ".yml": "yaml", ".csv": "text"}
GROUPS = {
    "Pixels": PIXEL_CARDS,
    "Objects, grouping and what is imagined": OBJECT_CARDS,
    "Boxes and identities": BOX_CARDS,
    "Images and codes of their objects": IMAGE_CARDS,
    "Codes of frames": CODE_CARDS,
    "States": STATE_CARDS,
}


# Pages for what lies outside of docs/


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for every file of the repository that a page links to, and for those that these link to."""
    from mkdocs.structure.files import File

    waiting = [f"docs/{file.src_uri}" for file in files if file.src_uri.endswith(".md")]
    waiting += ["examples/first-steps.ipynb", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md"]
    known = set(waiting)
    while waiting:
        place = waiting.pop()
        text = _markdown(ROOT / place)
        if not place.startswith("docs/"):
            files.append(File.generated(config, page_of(place), content=text))
        for target in dict.fromkeys(_targets(place, text)):
            if target not in known and not target.startswith("docs/") and (ROOT / target).exists():
                known.add(target)
                waiting.append(target)
    return files


def page_of(place: str) -> str:
    """Name the page of the site that shows a file or folder of the repository."""
    path = ROOT / place
    if place.startswith("docs/"):
        return place.removeprefix("docs/")
    if path.is_dir():
        return f"{APART}/{place}/{'README.md' if (path / 'README.md').exists() else 'index.md'}"
    return f"{APART}/{place}" + ("" if place.endswith(".md") else ".md")


def place_of(page: str) -> str:
    """Name the file or folder of the repository that a page of the site shows."""
    if not page.startswith(f"{APART}/"):
        return f"docs/{page}"
    place = page.removeprefix(f"{APART}/")
    return place if (ROOT / place).exists() else place.removesuffix("/index.md").removesuffix(".md")


def _markdown(path: Path) -> str:
    if path.is_dir():
        return _folder(path)
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        return re.sub(r"^  (?=\|)", "    ", text, flags=re.M)  # a table under a bullet: two spaces on GitHub, four here
    if path.suffix == ".ipynb":
        return _notebook(json.loads(text))
    title = path.relative_to(ROOT).as_posix()
    return (
        f"---\nsearch:\n  exclude: true\n---\n# {title}\n\n``````{LANGUAGES.get(path.suffix, 'text')}\n{text}\n``````\n"
    )


def _folder(path: Path) -> str:
    listed = [
        each for each in sorted(path.rglob("*")) if each.is_file() and each.suffix in {".md", ".ipynb", *LANGUAGES}
    ]
    lines = [f"- [{each.relative_to(path).as_posix()}]({each.relative_to(path).as_posix()})" for each in listed]
    return "\n".join([f"# {path.relative_to(ROOT).as_posix()}", "", *lines]) + "\n"


def _notebook(notebook: dict[str, Any]) -> str:
    """Write a notebook as a page, without what its cells print."""
    cells = [(cell["cell_type"], "".join(cell["source"])) for cell in notebook["cells"]]
    return "\n\n".join(source if kind == "markdown" else _cell(source) for kind, source in cells) + "\n"


def _cell(source: str) -> str:
    shell = source.removeprefix("%%bash\n")
    return f"```sh\n{shell}\n```" if shell != source else f"```python\n{source}\n```"


# Links and what is filled in


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links to the repository into links to its pages, and put the cards where the page asks for them."""
    for marker, write in FILLED.items():
        if marker in markdown:
            markdown = markdown.replace(marker, write())
    place, own = place_of(page.file.src_uri), page.file.src_uri

    def turn(match: re.Match[str]) -> str:
        target = _target(place, match["path"])
        if not (ROOT / target).exists():
            return match[0]  # MkDocs says so, and ends
        linked = page_of(target)
        if files.get_file_from_path(linked) is None:
            return match[0]
        return posixpath.relpath(linked, posixpath.dirname(own) or ".") + (match["anchor"] or "")

    return _outside_code(markdown, lambda text: LINK.sub(turn, text))


def _outside_code(text: str, change: Callable[[str], str]) -> str:
    """Change what is neither in a block of code nor in quotes of code."""
    done, end = [], 0
    for match in CODE.finditer(text):
        done += [change(text[end : match.start()]), match[0]]
        end = match.end()
    return "".join([*done, change(text[end:])])


def _targets(place: str, text: str) -> Iterator[str]:
    found: list[str] = []
    _outside_code(text, lambda part: found.extend(match["path"] for match in LINK.finditer(part)) or part)
    yield from (_target(place, path) for path in found)


def _target(place: str, path: str) -> str:
    folder = place if (ROOT / place).is_dir() else posixpath.dirname(place)
    return posixpath.normpath(posixpath.join(folder, path))


# Cards


def metric_cards() -> str:
    """Write the card of every metric, in groups."""
    parts: list[str] = []
    for title, group in GROUPS.items():
        parts += [f"## {title}", *map(_metric, group)]
    return "\n\n".join(parts)


def _metric(card: Metric) -> str:
    ranked = [
        suite.name for suite in SUITES.values() if suite.ranked_by and suite.ranked_by[1].partition("[")[0] == card.name
    ]
    facts = [
        _plain(card.reading),
        _plain(card.paper),
        *([f"ranks the suites {', '.join(f'`{name}`' for name in ranked)}"] if ranked else []),
    ]
    parts = [
        f"### `{card.name}`",
        "; ".join(facts) + ".",
        _plain(card.definition),
        f"> `{card.formula}`" if card.formula else "",
    ]
    parts += [
        f"**Caution.** {_plain(card.caution)}" if card.caution else "",
        f"```pycon\n{card.example.rstrip()}\n```" if card.example else "",
    ]
    return "\n\n".join(part for part in parts if part)


def _plain(text: str) -> str:
    """Keep words that are no Markdown from being read as such."""
    return re.sub(r"([\\`*_\[\]<>])", r"\\\1", text)


def model_cards() -> str:
    """List the models that come along: rows without learning, then trained ones with the commands that trained them."""
    from physbench_baselines import bundled

    entries, trained = list(LISTS["models"][0]()), cards()
    known = {entry["model"]: entry for entry in entries}
    rows = [entry for entry in entries if entry["model"] not in bundled.names() and entry["about"]]
    parts = [
        "## Rows that learn nothing",
        "| name | what it says |\n|---|---|\n"
        + "\n".join(f"| `{row['model']}` | {_plain(row['about'])} |" for row in rows),
    ]
    parts += ["## Trained models"]
    for name, card in trained.items():
        scores = [f"`{row['suite']}`: `{row['metric']}` {row['value']:.3f}" for row in known[name]["scores"]]
        link = f", after [its paper]({card.paper_link})" if card.paper_link else ""
        spent = zip(format_cost(card), ("core-hours", "GPU-hours"), strict=True)
        hours = " and ".join(f"{count} {unit}" for count, unit in spent if count != "-")
        commands = "\n".join(command(row) for row in [*stages_before(vars(card)), vars(card)])
        facts = f"{card.parameters:,} parameters{link}; learnt `{card.data}` in {hours}" + (
            f" ({_plain(card.training)})" if card.training else ""
        )
        parts += [
            f"### `{name}`",
            f"{facts}.",
            "Scores: " + ", ".join(scores) + "." if scores else "",
            f"```text\n{commands}\n```",
        ]
    return "\n\n".join(part for part in parts if part)


FILLED: dict[str, Callable[[], str]] = {"<!-- metric cards -->": metric_cards, "<!-- model cards -->": model_cards}
"""What stands in a page where the site puts something."""
