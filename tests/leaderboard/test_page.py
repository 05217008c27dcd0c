"""Tests of the page: complete, the same every time, without any other file, and safe with untrusted texts.

`python -m tests.leaderboard.test_page` writes the golden page anew, to be looked at.
"""

from __future__ import annotations

import json
import math
import re
import struct
import time
import zlib
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from physbench.evaluation.known import Published
from physbench.metrics.catalogue import find
from physbench.report import numbers, pages
from physbench.report.charts import axis
from physbench_leaderboard.board_page import PageError, build, page
from physbench_leaderboard.boards import Board, BoardKey, Standing
from physbench_leaderboard.columns import columns
from physbench_leaderboard.estimate import ScoreEstimate
from physbench_leaderboard.exports import as_json
from physbench_leaderboard.plots import Labels

GOLDEN = Path(__file__).parent.parent / "golden" / "leaderboard.html"

UNCLOSED = {"meta", "link", "img", "input", "br", "wbr"}

BALLS, FRAMES, AHEAD = "balls4mass64", "balls4mass64/frames", "balls4mass64/rollout-5+10"


def standing(
    model: str, rank: int | None, figures: dict[tuple[str, str], tuple[float, ...]], **changes: Any
) -> Standing:
    scores = {
        key: ScoreEstimate(*(each if len(each) == 3 else (each[0], each[0] * 0.9, each[0] * 1.1)))
        for key, each in figures.items()
    }
    told: dict[str, Any] = {"trainings": 1, "evaluations": 1, "trust": "self-reported", "date": "2026-01-02", **changes}
    return Standing(rank=rank, model=model, scores=scores, **told)


def on_balls(bce: float, ari: float = math.nan) -> dict[tuple[str, str], tuple[float, ...]]:
    figures = {(BALLS, "bce"): (3000 * bce,), (BALLS, "relative_bce"): (bce,), (BALLS, "bce_last"): (2900 * bce,)}
    return figures | ({} if math.isnan(ari) else {(BALLS, "ari"): (ari,), (FRAMES, "ari"): (ari / 2,)})


def imagine(overlap: float, error: float) -> dict[tuple[str, str], tuple[float, ...]]:
    figures: dict[tuple[str, str], tuple[float, ...]] = {
        (AHEAD, "rollout_overlap"): (overlap,),
        (AHEAD, "rollout_relative_bce"): (error,),
    }
    figures |= {(AHEAD, f"rollout_bce[{h}]"): (1000 * error * math.sqrt(h),) for h in range(1, 11)}
    return figures | {
        (AHEAD, f"event_error[10,{kind}]"): (error + at / 10,) for at, kind in enumerate(("0", "1", "2", "3+"))
    }


def golden() -> list[Board]:
    nem: dict[str, Any] = {
        "parameters": 120_000,
        "model_link": "https://example.org/nem",
        "paper_link": "https://example.org/paper.pdf",
    }
    return [
        Board(
            BoardKey("balls", 1, "lite", 1, ("0" * 64,)),
            "4 balls",
            (BALLS, "relative_bce"),
            "lower",
            (
                standing("r-nem", 1, on_balls(0.25, 0.8), trainings=3, evaluations=6, trust="re-run", **nem),
                standing(
                    "nem:small",
                    1,
                    on_balls(0.26, 0.9),
                    parameters=40_000,
                    trust="recomputed",
                    notes=("own-code", "samples-5"),
                    date="2026-01-03",
                ),
                standing("slots", 3, on_balls(0.5), parameters=3_000_000),
                standing("broken", None, {(BALLS, "bce"): (5000.0,)}),
            ),
            (
                standing("copy", None, on_balls(1.0)),
                standing("oracle", None, on_balls(1e-6, 1.0), notes=("privileged",)),
            ),
            (
                Published(
                    "balls",
                    BALLS,
                    "ari",
                    "r-nem",
                    0.8,
                    "A paper, 2018",
                    "https://example.org/abs/1",
                    "about, read off a figure",
                ),
            ),
        ),
        Board(
            BoardKey("simulation", 1, "lite", 1, ("1" * 64,)),
            "imagining 10 frames after 5",
            (AHEAD, "rollout_overlap"),
            "higher",
            (standing("r-nem", 1, imagine(0.6, 0.3), trust="re-run", **nem), standing("slots", 2, imagine(0.4, 0.35))),
            (standing("copy", None, imagine(0.24, 1.0)),),
            (),
        ),
        Board(
            BoardKey("smoke", 1, "lite", 1, ()),
            "does a model run at all?",
            None,
            "neither",
            (),
            (standing("copy", None, on_balls(1.0)),),
            (),
        ),
    ]


def picture(width: int = 4, height: int = 2) -> bytes:
    """A grey PNG, written by hand."""
    parts = {
        b"IHDR": struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0),
        b"IDAT": zlib.compress((b"\0" + b"\x80" * width) * height),
        b"IEND": b"",
    }
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts.items()
    )


class Read(HTMLParser):
    """What is on a page; an element that is not closed where it should be is an error."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.words: list[tuple[tuple[str, ...], str]] = []  # with the elements around them
        self.feed(source)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in UNCLOSED:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append((tuple(self.open), data))

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self) -> str:
        return "".join(words for around, words in self.words if not {"style", "script"} & set(around))

    @property
    def shape(self) -> list[tuple[str, tuple[str, ...]]]:
        """Elements and the names of their attributes."""
        return [(tag, tuple(attributes)) for tag, attributes in self.elements if tag != "wbr"]


def rows(source: str) -> list[list[list[str]]]:
    """The cells of every row of every table, apart by table, as they are read."""
    tables = re.findall("<table.*?</table>", re.sub(r">\s+<", "><", source), re.DOTALL)
    cells = [re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL) for table in tables]
    return [[re.sub("<[^>]*>", "|", row) for row in table] for table in cells]  # type: ignore[misc]


def test_the_golden_page(tmp_path: Path) -> None:
    built = [build(golden(), tmp_path / name, pictures={"r-nem": picture()}) for name in ("one", "other")]
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["index.html"]
    assert built[0].read_bytes() == built[1].read_bytes() == GOLDEN.read_bytes()


def test_a_page_shows_every_model_with_its_figures_and_everything_about_it() -> None:
    source = page(golden())
    read = Read(source)
    for board in golden():
        assert board.key.suite in read.text and board.about[1:] in read.text
        for each in (*board.standings, *board.references):
            assert each.model in read.text and each.trust in read.text and each.date in read.text
            assert each.parameters is None or f"{each.parameters:,}" in read.text
            assert all(note in read.text for note in each.notes)
            for key, figure in each.scores.items():
                if "[" not in key[1]:
                    assert numbers.figures(figure.value, figure.low, figure.high)[0] in read.text
            if board.ranked_by in each.scores:
                value, interval = numbers.figures(
                    *(getattr(board.headline(each), name) for name in ("value", "low", "high"))
                )
                assert f"{value}<small>{interval}</small>" in source
    for metric in (
        "relative_bce",
        "bce",
        "ari",
        "rollout_overlap",
        "rollout_relative_bce",
        "bce_last",
        "rollout_bce",
        "event_error",
    ):
        card = find(metric)
        assert all(words in read.text for words in (card.definition, card.formula, card.caution, card.paper))
        assert [box for box in read.all("div") if box.get("id") == f"what-{metric}" and "popover" in box]
    assert "made by running the user's own code" in read.text, "notes are told in words"


def test_grouping_is_headed_by_the_index_of_the_video_and_few_positions_have_columns() -> None:
    figures = {
        (BALLS, "relative_bce"): (0.2,),
        (BALLS, "ari"): (0.5,),
        (BALLS, "ari_video"): (0.4,),
        (BALLS, "rollout_position_error[10]"): (3.0,),
    }
    board = replace(
        golden()[0], ranked_by=(BALLS, "relative_bce"), standings=(standing("a", 1, figures),), references=()
    )
    assert [(each.metric, each.first) for each in columns(board)] == [
        ("relative_bce", True), ("rollout_position_error[10]", True), ("ari_video", True), ("ari", True),
    ]  # fmt: skip
    assert 'popovertarget="what-rollout_position_error[10]"' in page(
        [board]
    ) and 'id="what-rollout_position_error[10]"' in page([board])


def test_a_figure_of_few_sequences_has_a_mark_and_says_why() -> None:
    figures = {("balls3curtain64", metric): (2.0,) for metric in ("permanence_bce", "relative_bce")}
    board = replace(
        golden()[0],
        key=golden()[0].key._replace(suite="smoke"),
        ranked_by=None,
        standings=(standing("a", None, figures),),
        references=(),
    )
    marks = {each.metric: "~" in str(each.cell(board.standings[0])) for each in columns(board)}
    assert marks == {"permanence_bce": True, "relative_bce": False}
    assert "of fewer than 64 sequences: too narrow" in page([board])
    (plain,) = json.loads(as_json([board]))
    narrow = {each["metric"]: each.get("is_narrow", False) for each in plain["models"][0]["scores"]}
    assert narrow == marks


def test_models_stand_in_the_order_of_the_board_and_references_and_papers_apart() -> None:
    balls, papers, *_ = rows(page(golden()))
    names = ["r-nem", "nem:small", "slots", "broken", "copy", "oracle"]
    cells = [re.sub(r"\|+", "|", row) for row in balls]  # type: ignore[arg-type]
    places = [
        next(
            at
            for at, row in enumerate(cells)
            if re.match(rf"\|[\d{numbers.NOTHING}]+\|{name}\|", row.replace(":|", ":"))
        )
        for name in names
    ]
    assert places == sorted(places)
    (between,) = [at for at, row in enumerate(cells) if "Reference rows" in row]
    assert places[3] < between < places[4]
    assert cells[places[0]].startswith("|1|") and cells[places[3]].startswith(f"|{numbers.NOTHING}|")
    assert "A paper, 2018" in str(papers) and "A paper, 2018" not in str(balls)
    assert "From the paper, its own data" in page(golden()).split("A paper, 2018")[0]


def test_a_page_needs_nothing_but_itself_and_keeps_its_own_policy() -> None:
    source = page(golden(), pictures={"r-nem": picture()})
    read = Read(source)
    (policy,) = [
        meta["content"] for meta in read.all("meta") if meta.get("http-equiv", "").lower() == "content-security-policy"
    ]
    allowed = {name: rest.split() for name, _, rest in (part.strip().partition(" ") for part in policy.split(";"))}
    for tag in ("style", "script"):
        (inside,) = re.findall(f"<{tag}>(.*?)</{tag}>", source, re.DOTALL)
        assert allowed.pop(f"{tag}-src") == [f"'sha256-{b64encode(sha256(inside.encode()).digest()).decode()}'"]
        assert "url(" not in inside and "@import" not in inside and "https:" not in inside
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|\bfetch\b|XMLHttp|WebSocket|import\(|setAttribute\(.on",
            inside,
        )
    assert allowed == {
        "default-src": ["'none'"],
        "img-src": ["data:"],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
    }
    assert not {"iframe", "object", "embed", "base", "form", "video", "audio", "use", "image", "foreignobject"} & {
        tag for tag, _ in read.elements
    }
    for tag, attributes in read.elements:
        assert not [
            name
            for name in attributes
            if name.startswith("on") or name in ("style", "srcset", "background", "action", "formaction")
        ]
        if tag in ("img", "link"):
            assert (attributes.get("src") or attributes["href"]).startswith("data:")
        elif "href" in attributes:
            assert tag == "a" and re.match("https://example.org/|#[a-z]+$", attributes["href"])
        else:
            assert "src" not in attributes


HOSTILE = [
    '<script>alert(1)</script>"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</td></table><svg onload=alert(1)>",
    "&lt;b&gt;</style></title>{{script}}",
    "a" * 3_000 + "<b>",
    "\u202egnp.exe\x00\n\r<i>",
    "javascript:alert(1)",
]


def inject(words: str) -> list[Board]:
    """The same words in every place for text."""
    figures = {
        (words, "bce"): (1.0,),
        (words + "2", words): (2.0,),
        (words, "rollout_bce[1]"): (1.0,),
        (words, "rollout_bce[2]"): (1.0,),
    }
    about: dict[str, Any] = {
        "trust": words,
        "notes": (words,),
        "date": words,
        "model_link": words,
        "paper_link": words,
        "parameters": 5,
    }
    models = (standing(words, 1, figures, **about), standing("1" + words, 2, figures, **about))
    paper = Published(words, words, words, words, 1.0, words, words, words)
    key = BoardKey(words, 1, words, 1, (words,), words)
    return [Board(key, words, (words, "bce"), "lower", models, (standing("copy", None, figures, **about),), (paper,))]


def as_it_should_be(words: str) -> bool:
    """Whether a stranger's words leave the page in the shape that it has with words of peace."""
    try:
        return Read(page(inject(words))).shape == Read(page(inject("peace"))).shape
    except AssertionError:
        return False  # something is not closed


@pytest.mark.parametrize("words", HOSTILE)
def test_text_of_a_stranger_stays_text(words: str) -> None:
    assert as_it_should_be(words)
    read = Read(page(inject(words)))
    seen = "".join(letter if letter.isprintable() else "?" for letter in words)
    assert read.text.count(seen[:400]) >= 8
    assert not read.all("img") and len(read.all("script")) == 1
    assert "\u202e" not in read.text and "\x00" not in read.text


@pytest.mark.parametrize("part", ["board.html.j2", "parts.html.j2"])
def test_without_escaping_this_would_be_seen(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The board, and the charts and links that it shares with the report, are templates of their own."""
    environment = pages._environment.__wrapped__("physbench_leaderboard")
    environment.autoescape = lambda name: name != part
    monkeypatch.setattr(pages, "_environment", lambda package: environment)
    assert not as_it_should_be(HOSTILE[0])


@pytest.mark.parametrize(
    ("address", "is_link"),
    [
        ("https://example.org/a/b?c=d&e=f#g", True),
        ("https://example.org", True),
        ("http://example.org", False),
        ("javascript:alert(1)", False),
        ("data:text/html,<b>", False),
        ("//example.org", False),
        ('https://example.org/"onmouseover="alert(1)', False),
        ("https://bank.example@evil.example/", False),
        ("https://example.org/ javascript:alert(1)", False),
        (" https://example.org", False),
        ("https://example.org\n", False),
        ("https://example.org/" + "a" * 600, False),
    ],
)
def test_only_plain_https_is_a_link(address: str, is_link: bool) -> None:
    (board, *_) = golden()
    mine = replace(
        board,
        standings=(replace(board.standings[2], model_link=address, paper_link=address),),
        references=(),
        published=(),
    )
    links = [link["href"] for link in Read(page([mine])).all("a") if not link["href"].startswith("#")]
    assert links == [address] * 2 * is_link


def test_a_section_is_called_like_its_suite_and_no_two_alike() -> None:
    (board, *_) = golden()
    keys = [
        board.key,
        board.key._replace(size="full"),
        board.key._replace(size="full", data=("2" * 64,)),
        board.key._replace(likelihood="gaussian-0.3"),
    ]
    read = Read(page([replace(board, key=key) for key in keys]))
    places = [section["id"] for section in read.all("section")]
    assert places[0] == "balls" and len(set(places)) == 4 and all(re.fullmatch("[a-z0-9-]+", place) for place in places)
    assert [link["href"] for link in read.all("a") if link["href"].startswith("#")] == [f"#{place}" for place in places]
    every = [each["id"] for _, each in read.elements if "id" in each]
    assert len(every) == len(set(every))


def test_every_column_has_its_own_name_and_empty_ones_are_hidden_by_default() -> None:
    board = golden()[0]
    found = columns(board)
    assert [column.key for column in found] == ["relative_bce", "ari", f"ari@{FRAMES}", "bce", "bce_last"]
    assert [column.first for column in found] == [True, True, True, False, False]
    without = replace(board, standings=board.standings[2:])
    assert [column.key for column in columns(without) if column.first] == ["relative_bce"], (
        "only the oracle has an index"
    )
    assert not any(column.headline for column in columns(golden()[2]))


def test_a_picture_is_of_a_listed_model_and_is_a_png() -> None:
    read = Read(page(golden(), pictures={"r-nem": picture(40, 30), "nobody": picture()}))
    (image,) = read.all("img")
    assert (image["width"], image["height"]) == ("40", "30") and image[
        "src"
    ] == f"data:image/png;base64,{b64encode(picture(40, 30)).decode()}"
    with pytest.raises(PageError, match="the picture of r-nem is not a PNG"):
        page(golden(), pictures={"r-nem": b"<svg onload=alert(1)>" + bytes(9)})


def test_a_page_of_nothing_says_so() -> None:
    assert "Nothing is listed yet" in Read(page([])).text
    empty = replace(golden()[0], standings=(), references=(), published=())
    assert "No model is listed yet" in Read(page([empty])).text


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "site").write_text("in the way")
    with pytest.raises(PageError, match="site.* cannot be written"):
        build(golden(), tmp_path / "site")


def find_drawing(source: str, title: str) -> str:
    return next(svg for svg in re.findall(r"<svg viewBox.*?</svg>", source, re.DOTALL) if f'aria-label="{title}' in svg)


@pytest.mark.parametrize(("values", "logarithmic"), [((0.25, 0.26, 0.5), False), ((0.01, 0.26, 0.5), True)])
def test_a_score_can_be_read_off_its_plot(values: tuple[float, ...], logarithmic: bool) -> None:
    (board, *_) = golden()
    models = tuple(
        standing(f"m{at}", at, on_balls(value), parameters=10 ** (at + 3)) for at, value in enumerate(values)
    )
    source = page([replace(board, standings=models)])
    way: Callable[[float], float] = math.log if logarithmic else float
    scores = find_drawing(source, "relative_bce with 95 %")
    ticks = [
        (float(x), float(value))
        for x, value in re.findall(r'<text x="([\d.]+)" y="[\d.]+" class="mid">([\d.]+)</text>', scores)
    ]
    dots = [float(x) for x in re.findall(r'<circle class="dot l0" cx="([\d.]+)"', scores)]
    (x0, first), (x1, last) = ticks[0], ticks[-1]
    expected = [x0 + (way(value) - way(first)) / (way(last) - way(first)) * (x1 - x0) for value in values]
    assert dots == pytest.approx(expected, abs=0.11)
    ends = [float(x) for x in re.findall(r'class="bar l0" d="M([\d.]+) ', scores)]
    assert ends == pytest.approx(
        [x0 + (way(value * 0.9) - way(first)) / (way(last) - way(first)) * (x1 - x0) for value in values], abs=0.11
    )
    sizes = find_drawing(source, "relative_bce against parameters")
    across = [float(x) for x in re.findall(r'<circle class="dot l0" cx="([\d.]+)"', sizes)]
    assert across[2] - across[1] == pytest.approx(across[1] - across[0], abs=0.2), "a step is a factor of ten"


def edge_arrows(svg: str) -> list[str]:
    """What is pointed at beyond the axis."""
    return re.findall(r'<path class="dot l\d" d="[^"]*z"><title>([^<]*)</title>', svg)


@pytest.mark.parametrize(
    ("values", "copied", "is_beyond"),
    [
        ((0.10, 0.13, 0.19), 1.0, True),
        ((0.4, 0.6, 0.9), 1.0, False),
        ((0.2, 0.21, 0.22), 0.25, False),
        ((-39.0, -31.0), -307.0, True),
        ((0.01, 0.5), 1.0, False),
    ],
)
def test_the_axis_fits_the_models_and_an_arrow_points_at_what_lies_beyond(
    values: tuple[float, ...], copied: float, is_beyond: bool
) -> None:
    (board, *_) = golden()
    models = tuple(
        standing(
            f"m{at}",
            at,
            {(BALLS, "relative_bce"): (value, value - 0.001, value + 0.001)},
            parameters=10**6 + 10**5 * at,
        )
        for at, value in enumerate(values)
    )
    source = page(
        [
            replace(
                board,
                standings=models,
                references=(standing("copy", None, {(BALLS, "relative_bce"): (copied, math.nan, math.nan)}),),
            )
        ]
    )
    scores, sizes = (
        find_drawing(source, "relative_bce with 95 %"),
        find_drawing(source, "relative_bce against parameters"),
    )
    across = [float(x) for x in re.findall(r'<circle class="dot l0" cx="([\d.]+)"', scores)]
    up = [float(y) for y in re.findall(r'<circle class="dot l0" cx="[\d.]+" cy="([\d.]+)"', sizes)]
    assert len(across) == len(up) == len(values)
    if max(values) - min(values) > 0.2 * max(map(abs, values)):
        assert max(across) - min(across) > 0.4 * 232 and max(up) - min(up) > 0.4 * 182, "the models have the axis"
    assert [words.split(":")[0] for words in edge_arrows(scores)] == ["copy"] * is_beyond
    figure = f"{copied:g}".replace("-", "\N{MINUS SIGN}")
    assert (f">{figure}</text>" in scores.partition("copy</text>")[2]) or not is_beyond
    assert len(re.findall(r'<circle class="dot l1"', scores)) == (not is_beyond)
    assert (f">copy, {figure}</text>" in sizes) == is_beyond and (">copy</text>" in sizes) == (not is_beyond)
    assert ("an arrow points beyond the axis" in source) == is_beyond


def test_parameters_that_are_near_each_other_are_spread_over_the_axis() -> None:
    (board, *_) = golden()
    models = tuple(
        standing(f"m{at}", at, on_balls(0.1 + at / 100), parameters=count)
        for at, count in enumerate((4_611_827, 4_951_978, 5_185_077))
    )
    sizes = find_drawing(page([replace(board, standings=models)]), "relative_bce against parameters")
    across = [float(x) for x in re.findall(r'<circle class="dot l0" cx="([\d.]+)"', sizes)]
    assert across[-1] - across[0] > 150 and ">parameters</text>" in sizes


@given(
    st.lists(st.tuples(st.text("abc-", min_size=1, max_size=20), st.floats(52, 392), st.floats(10, 192)), max_size=12)
)
def test_names_lie_on_no_other_name_and_on_no_dot(dots: list[tuple[str, float, float]]) -> None:
    labels = Labels(52, 10, 392, 192)
    for _, x, y in dots:
        labels.block(x - 3, y - 3, x + 3, y + 3)
    boxes = []
    for name, x, y in dots:
        if place := labels.place(name, x, y):
            width = 6 * len(name)  # at least
            start = {"name": place.x, "end name": place.x - width, "mid name": place.x - width / 2}[place.look]
            boxes.append((start, place.y - 9, start + width, place.y + 2))
            assert abs(place.x - x) <= 8 and abs(place.y - y) <= 20, "it stands beside its dot"
    boxes += [(x - 3, y - 3, x + 3, y + 3) for _, x, y in dots]
    named = len(boxes) - len(dots)
    for at, (left, top, right, bottom) in enumerate(boxes[:named]):
        for other in boxes[at + 1 :]:
            assert right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top
    assert named == 1 or len(dots) != 1


def test_curves_are_of_the_longest_rollout_and_of_collisions() -> None:
    labels = [svg["aria-label"] for svg in Read(page(golden())).all("svg") if svg.get("role") == "img"]
    assert [label.split(":")[0].split(",")[0] for label in labels] == [
        "relative_bce with 95 % intervals",
        "relative_bce against parameters",
        "rollout_overlap with 95 % intervals",
        "error against rollout step",
        "error against collisions",
        "rollout_overlap against parameters",
    ]
    assert "r-nem from 300 to 948.7" in labels[3] and "copy from 1 to 1.3" in labels[4]


@pytest.mark.parametrize("low", [-3000.0, -0.02, 0.0, 1e-6, 0.3, 999.0])
@pytest.mark.parametrize("span", [0.0, 1e-5, 0.7, 31.0, 1e6])
def test_an_axis_holds_every_value_between_round_ones(low: float, span: float) -> None:
    found = axis([low, low + span], 10, 110)
    assert (
        found.ticks[0] <= low * (1 + 1e-9 * (low > 0)) + 1e-12
        and found.ticks[-1] >= (low + span) * (1 - 1e-9 * (low > 0)) - 1e-12
    )
    assert 2 <= len(found.ticks) <= 32 and list(found.ticks) == sorted(set(found.ticks))
    assert 10 <= found.at(low) <= found.at(low + span) <= 110
    assert (found.at(found.ticks[0]), found.at(found.ticks[-1])) == pytest.approx((10, 110))


def many(count: int) -> Board:
    (board, *_) = golden()
    here = [
        (BALLS, metric)
        for metric in (
            "bce",
            "relative_bce",
            "relational_bce",
            "relative_relational_bce",
            "log_likelihood",
            "relational_log_likelihood",
        )
    ]
    here += [(task, f"{metric}_last") for task, metric in here] + [
        (BALLS, "ari"),
        (BALLS, "ari_video"),
        (BALLS, "ari_last"),
        (FRAMES, "ari"),
    ]
    models = [
        standing(
            f"model-{at}", at + 1, {key: (0.1 + (at * 7919 % count) / count,) for key in here}, parameters=1000 + at
        )
        for at in range(count)
    ]
    return replace(board, standings=tuple(models))


@pytest.mark.slow
def test_five_thousand_rows_are_a_page_in_ten_seconds() -> None:
    board = many(5_000)
    began = time.perf_counter()
    source = page([board])
    assert time.perf_counter() - began < 10
    assert source.count('<th scope="row" class="model"') == 5_002


if __name__ == "__main__":
    GOLDEN.write_text(page(golden(), pictures={"r-nem": picture()}), encoding="utf-8", newline="")
