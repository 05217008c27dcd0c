"""The leaderboard as one page: nothing is fetched, nothing but its own script runs, it reads as plain tables without it, and every text is data."""

from __future__ import annotations

import re
from base64 import b64encode
from collections import Counter
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING

from physbench.errors import PhysbenchError
from physbench.files import read_regular_file, write_whole
from physbench.report.text import number
from physbench.result import told
from physbench_leaderboard.columns import columns, heads, row
from physbench_leaderboard.definitions import asked, boxes
from physbench_leaderboard.markup import Markup, anchor, breakable, element, joined
from physbench_leaderboard.plots import plots

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from physbench_leaderboard.table import Board

NAME = "index.html"

CURVES = ("rollout_bce", "event_error")

NEW_LINE = Markup("\n")

PNG = b"\x89PNG\r\n\x1a\n"

MOST_PICTURE = 1 << 24
"""Bytes."""

NO_PICTURES: Mapping[str, bytes] = {}


class PageError(PhysbenchError):
    """The page cannot be made, or cannot be shown."""


@dataclass(frozen=True)
class Section:
    """A board, and what the page calls it."""

    board: Board
    place: str  # its id, and its name in the address
    label: str


def build(boards: Sequence[Board], out: Path, *, pictures: Mapping[str, bytes] = NO_PICTURES) -> Path:
    """Write out/index.html; what was there before is replaced at once or not at all. pictures: PNGs by model, of a rollout beside the truth."""
    path, content = out / NAME, page(boards, pictures=pictures)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PageError(f"{path} cannot be written: {error.strerror}") from None
    write_whole(path, content)
    return path


def load_pictures(folder: Path) -> dict[str, bytes]:
    """Read the NAME.png of models that have one."""
    return {path.stem: read_regular_file(path, MOST_PICTURE) for path in sorted(folder.glob("*.png"))}


def page(boards: Sequence[Board], *, pictures: Mapping[str, bytes] = NO_PICTURES) -> str:
    source, style, script = (_part(name) for name in ("page.html", "page.css", "page.js"))
    sections = _sections(boards)
    metrics = [column.metric for board in boards for column in columns(board)] + [row.metric for board in boards for row in board.published]
    metrics += [metric for board in boards for metric in _curves(board)]
    filled = {
        "style_hash": _hash(style),
        "script_hash": _hash(script),
        "style": style,
        "script": script,
        "about": _about(boards),
        "tabs": joined((element("a", section.label, href=f"#{section.place}") for section in sections), NEW_LINE),
        "sections": joined(map(_section, sections), NEW_LINE) or element("p", "Nothing is listed yet."),
        "pictures": _pictures(boards, pictures),
        "definitions": boxes(metrics),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda place: filled[place[1]], source)


def _part(name: str) -> str:
    return files("physbench_leaderboard").joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """What the policy of the page knows its only style or script by."""
    return b64encode(sha256(text.encode()).digest()).decode()


def _sections(boards: Sequence[Board]) -> list[Section]:
    """The first board of a suite is called like the suite, so that a link to it lasts when others follow."""
    taken: Counter[str] = Counter()
    found: list[Section] = []
    for board in boards:
        key = board.key
        first = key.suite not in taken
        place = key.suite if first else key.name
        taken[place] += 1
        place = place if taken[place] == 1 else f"{place}-{taken[place]}"
        label = key.suite if first else " ".join(filter(None, [key.suite, key.size, key.likelihood]))
        found.append(Section(board, place, label))
    return found


def _about(boards: Sequence[Board]) -> Markup:
    models = {standing.model for board in boards for standing in board.standings}
    last = max((standing.date for board in boards for standing in (*board.standings, *board.references)), default="")
    counted = f"{len(models):,} {'model' if len(models) == 1 else 'models'} on {len({board.key.suite for board in boards})} suites"
    return joined(filter(None, [counted, f"last evaluation {last}" if last else ""]), " · ")


def _section(section: Section) -> Markup:
    board = section.board
    key = board.key
    title = element("h2", section.label, " ", element("small", f"v{key.suite_version}, {key.size}{f', {key.likelihood}' if key.likelihood else ''}"))
    inside = [title, _purpose(board), _table(section), _notes(board), _papers(board), plots(board), _plotted(board)]
    return element("section", *inside, class_="board", id=section.place, aria_label=section.label)


def _purpose(board: Board) -> Markup:
    about = f"{board.about[:1].upper()}{board.about[1:]}. "
    if board.ranked_by is None:
        return element("p", about, "Not ranked.", class_="about")
    task, metric = board.ranked_by
    way = f": {board.better} is better. {board.describe_bar()}"
    return element("p", about, "Ranked by ", element("b", metric), " on ", breakable(task), way, class_="about")


def _table(section: Section) -> Markup:
    board, shown = section.board, columns(section.board)
    wide = len(shown) + 7
    bodies = [element("tbody", *(row(standing, shown) for standing in board.standings), class_="rows", data_models=len(board.standings))]
    if not board.standings:
        words = "No model is listed yet: hand in the first one."
        bodies = [element("tbody", element("tr", element("td", words, colspan=wide, class_="none")))]
    if board.references:
        words = element("span", "Reference rows, beside the ranks")
        bodies.append(element("tbody", element("tr", element("th", words, colspan=wide, scope="rowgroup")), class_="apart"))
        bodies.append(element("tbody", *(row(standing, shown) for standing in board.references), class_="rows references"))
    caption = element("caption", f"{section.label}: models and reference rows", class_="unseen")
    table = element("table", caption, element("thead", heads(board, shown)), *bodies)
    more = element("button", "Show all", type="button", class_="all scripted", hidden=True)
    return joined([element("div", table, class_="scroll", tabindex=0, role="region", aria_label=f"table of {section.label}"), more])


def _notes(board: Board) -> Markup:
    """In words, for whoever cannot point at them."""
    noted = sorted({note for standing in (*board.standings, *board.references) for note in standing.notes})
    return element("ul", *(element("li", element("b", note), " ", told(note)) for note in noted), class_="legend") if noted else Markup()


def _papers(board: Board) -> Markup:
    if not board.published:
        return Markup()
    lines = [
        element(
            "tr",
            element("th", paper.model, scope="row"),
            element("td", paper.metric, " ", asked(paper.metric)),
            element("td", number(paper.value), class_="figure"),
            element("td", breakable(paper.task)),
            element("td", paper.remark),
            element("td", anchor(paper.link, paper.paper)),
        )
        for paper in board.published
    ]
    names = ("model", "metric", "figure", "of", "remark", "paper")
    top = element("thead", element("tr", *(element("th", name, scope="col", class_="figure" if name == "figure" else None) for name in names)))
    title = element("h3", "From the paper, its own data ", element("small", "compares with nothing above"))
    table = element("div", element("table", top, element("tbody", *lines)), class_="scroll", tabindex=0, role="region", aria_label="numbers from papers")
    return element("div", title, table, class_="papers")


def _plotted(board: Board) -> Markup:
    """What the curves are of, to be asked about."""
    named = joined((joined([metric, asked(metric)], " ") for metric in _curves(board)), ", ")
    return element("p", "The curves are ", named, ".", class_="legend") if named else Markup()


def _curves(board: Board) -> list[str]:
    here = {metric.partition("[")[0] for standing in (*board.standings, *board.references) for _, metric in standing.scores if "[" in metric}
    return [metric for metric in CURVES if metric in here]


def _pictures(boards: Sequence[Board], pictures: Mapping[str, bytes]) -> Markup:
    """Of models that are listed, in the order of their names."""
    listed = {standing.model for board in boards for standing in (*board.standings, *board.references)}
    shown = [_picture(model, content) for model, content in sorted(pictures.items()) if model in listed]
    return element("section", element("h2", "Rollouts beside the truth"), *shown, class_="pictures", id="pictures") if shown else Markup()


def _picture(model: str, content: bytes) -> Markup:
    if not content.startswith(PNG) or len(content) < 24:
        raise PageError(f"the picture of {model} is no PNG: it begins with {content[:8]!r}")
    width, height = (int.from_bytes(content[start : start + 4], "big") for start in (16, 20))
    source = f"data:image/png;base64,{b64encode(content).decode()}"
    image = element("img", src=source, width=width, height=height, alt=f"a rollout of {model}, frame by frame, beside the truth")
    scroll = element("div", image, class_="scroll", tabindex=0, role="region", aria_label=f"pictures of {model}")
    return element("figure", element("figcaption", element("b", model)), scroll)
