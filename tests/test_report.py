"""Tests of the page of a result: it needs no other file, every text on it stays text, and its pictures show the right
sequences."""

from __future__ import annotations

import io
import math
import re
from base64 import b64decode, b64encode
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cache
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from physbench import registry
from physbench.errors import StorageError
from physbench.evaluation.evaluate import Extent, evaluate, extent
from physbench.evaluation.known import Known, Published
from physbench.evaluation.window import answers_of
from physbench.generate import generate
from physbench.metrics.catalogue import find
from physbench.model import Batch, Bernoulli, Gaussian, Prediction
from physbench.recipe import Recipe
from physbench.report import Strip, gallery, write_report
from physbench.report.charts import Line, Point, line_chart, step_axis
from physbench.report.numbers import figures, number
from physbench.report.pages import _environment
from physbench.result import NOTES, Result
from physbench_baselines.reference import ConstantVelocity, Copy, Mean, Oracle
from tests.leaderboard.browser import CHROMIUM, Browser

OKABE_ITO = [(230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167)]
GROUND = (10, 11, 15)
FETCHING = {
    "script",
    "link",
    "iframe",
    "object",
    "embed",
    "base",
    "form",
    "video",
    "audio",
    "use",
    "image",
    "foreignobject",
}
UNCLOSED = {"meta", "img", "br", "wbr", "html"}


@dataclass(frozen=True)
class Quarters:
    """A slot for each quarter of the frame, and soft edges."""

    likelihood: Bernoulli | Gaussian = field(default_factory=Bernoulli)

    def begin(self, batch: Batch) -> None:
        return None

    def observe(self, state: None, frame: NDArray[np.float32], action: object) -> tuple[None, Prediction]:
        rows, columns = np.indices(frame.shape[1:3])
        owner = np.broadcast_to(
            2 * (2 * rows >= frame.shape[1]) + (2 * columns >= frame.shape[2]), frame.shape[:3]
        ).astype(np.uint8)
        return None, Prediction((0.8 * frame + 0.1).astype(np.float32), owner)


class Page(HTMLParser):
    """What is on a page; an element that is not closed where it should be is an error."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.words: list[tuple[str, str]] = []  # the element around them
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in UNCLOSED:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if tag != "html":
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append((self.open[-1] if self.open else "", data))

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self) -> str:
        return "".join(words for element, words in self.words if element != "style")


@dataclass(frozen=True)
class WrittenReport:
    """A result, its strips of frames, and the page that was written of them."""

    result: Result
    strips: tuple[Strip, ...]
    html: str

    @property
    def page(self) -> Page:
        return Page(self.html)


MODELS: dict[str, Any] = {
    "copy": Copy(),
    "constant-velocity": ConstantVelocity(),
    "mean": Mean(),
    "oracle": Oracle(),
    "quarters": Quarters(),
    "normal": Quarters(Gaussian(0.2)),
}

CASES = [
    ("oracle", "balls", 12),
    ("quarters", "balls", 12),
    ("copy", "balls", 5),
    ("normal", "balls", 4),
    ("constant-velocity", "curtain", 24),
    ("constant-velocity", "simulation", 7),
    ("quarters", "crop50", 6),
    ("mean", "extrapolation", 3),
    ("oracle", "smoke", 1),
]


@cache
def of(name: str, suite: str, limit: int) -> tuple[Extent, Result]:
    return extent(suite, limit=limit), evaluate(MODELS[name], suite, name=name, limit=limit)


@pytest.fixture
def written(tmp_path: Path, request: pytest.FixtureRequest) -> WrittenReport:
    name, suite, limit = request.param
    chosen, result = of(name, suite, limit)
    strips = gallery(answers_of(MODELS[name], 0), chosen, result, likelihood=MODELS[name].likelihood)
    return WrittenReport(
        result, strips, write_report(tmp_path / "report", result, strips=strips).read_text(encoding="utf-8")
    )


def of_case(*cases: tuple[str, str, int]) -> Any:
    return pytest.mark.parametrize("written", cases or CASES, indirect=True, ids=lambda case: f"{case[0]}-{case[1]}")


def pictures(page: Page) -> list[tuple[str, NDArray[np.uint8]]]:
    """Every picture under its words."""
    return [(image["alt"], open_picture(image["src"])) for image in page.all("img")]


def open_picture(address: str) -> NDArray[np.uint8]:
    image = Image.open(io.BytesIO(b64decode(address.removeprefix("data:image/png;base64,"), validate=True)))
    return np.array(image.convert("RGB"))


def frames_of(dataset: str, sequence: int, frames: int = 51) -> tuple[NDArray[Any], NDArray[Any]]:
    recipe: Recipe = registry.datasets.get(dataset)
    scenes = recipe.generator.batch(recipe.seeds("test", sequence, sequence + 1), frames)
    return scenes.features[0, ..., 0], scenes.groups[0, ..., 0]


@of_case()
def test_a_page_has_every_score_every_strip_and_where_they_come_from(written: WrittenReport) -> None:
    page = written.page
    assert page.all("h1") and f"{written.result.provenance.model} on {written.result.provenance.suite}" in page.text
    for score in written.result.scores:
        assert (
            score.task in page.text
            and score.metric in page.text
            and figures(score.value, score.low, score.high)[0] in page.text
        )
    headings = [
        int(words.removeprefix("sequence "))
        for element, words in page.words
        if element == "b" and words.startswith("sequence ")
    ]
    assert headings == [strip.number for strip in written.strips] and headings
    for fact in (
        *written.result.provenance.data_sha256.values(),
        written.result.provenance.physbench_version,
        written.result.provenance.date,
    ):
        assert fact in page.text
    charts = [line["aria-label"] for line in page.all("svg") if line.get("role") == "img"]
    expected = {"crop50": (), "simulation": ("rollout_bce", "rollout_overlap", "event_error")}.get(
        written.result.provenance.suite, ("bce",)
    )
    assert all(any(label.startswith(stem) for label in charts) for stem in expected)
    assert any(label.startswith("ari") for label in charts) == any(
        metric == "ari" for _, metric in written.result.curves
    )


@of_case()
def test_a_page_needs_nothing_but_itself_and_keeps_its_own_policy(written: WrittenReport) -> None:
    page = written.page
    assert not FETCHING & {tag for tag, _ in page.elements}
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name in ("style", "srcset", "background")]
        assert tag == "a" or "href" not in attributes
        assert tag == "img" or "src" not in attributes
    assert page.all("img") and all(image["src"].startswith("data:image/png;base64,") for image in page.all("img"))
    assert all(anchor["href"].startswith("https://") for anchor in page.all("a"))
    (policy,) = [
        meta["content"] for meta in page.all("meta") if meta.get("http-equiv", "").lower() == "content-security-policy"
    ]
    (style,) = re.findall("<style>(.*?)</style>", written.html, re.DOTALL)
    allowed = {name: rest.split() for name, _, rest in (part.strip().partition(" ") for part in policy.split(";"))}
    assert allowed["default-src"] == ["'none'"] and allowed["img-src"] == ["data:"]
    assert allowed["style-src"] == [f"'sha256-{b64encode(sha256(style.encode()).digest()).decode()}'"]
    assert "script-src" not in allowed and "url(" not in style and "@import" not in style


def test_the_same_result_gives_the_same_bytes(tmp_path: Path) -> None:
    chosen, result = of("quarters", "balls", 12)
    pages = []
    for folder in ("one", "other"):
        strips = gallery(answers_of(Quarters(), 0), chosen, result)
        pages.append(write_report(tmp_path / folder, result, strips=strips).read_bytes())
    assert pages[0] == pages[1]
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == ["index.html"]


HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(1)>'


def test_names_and_notes_of_strangers_stay_text(tmp_path: Path) -> None:
    chosen, result = of("copy", "balls", 5)
    origin = replace(
        result.provenance,
        model=HOSTILE,
        suite=HOSTILE,
        size=HOSTILE,
        device=HOSTILE,
        notes=(HOSTILE, "own-code"),
        data_sha256={HOSTILE: HOSTILE},
    )
    scores = tuple(replace(score, task=HOSTILE, metric=HOSTILE) for score in result.scores[:2])
    known = [Known(HOSTILE, HOSTILE, HOSTILE, 1.0, 0.0, 2.0)]
    papers = [Published(HOSTILE, HOSTILE, HOSTILE, HOSTILE + "2", 1.0, HOSTILE, "javascript:alert(1)", HOSTILE)]
    strips = gallery(answers_of(Copy(), 0), chosen, result)
    curves = {(HOSTILE, metric): values for (_, metric), values in result.curves.items()}
    found = replace(result, provenance=origin, scores=scores, curves=curves)
    page = Page(write_report(tmp_path, found, known, papers, strips).read_text(encoding="utf-8"))
    assert "script" not in {tag for tag, _ in page.elements}
    assert page.text.count("<script>alert(1)</script>") > 8
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert all(image["src"].startswith("data:image/png") for image in page.all("img")) and not page.all("a")


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
        ("https://example.org/<b>", False),
        ("https://bank.example@evil.example/", False),
        ("https://example.org/ javascript:alert(1)", False),
        (" https://example.org", False),
        ("https://example.org\n", False),
    ],
)
def test_only_plain_https_is_a_link(tmp_path: Path, address: str, is_link: bool) -> None:
    _, result = of("copy", "balls", 5)
    found = replace(result, provenance=replace(result.provenance, model_link=address))
    page = Page(write_report(tmp_path, found).read_text(encoding="utf-8"))
    assert [anchor["href"] for anchor in page.all("a")] == [address] * is_link
    assert address.replace("\n", "?") in page.text


@pytest.mark.parametrize("suite", ["balls", "curtain", "simulation"])
def test_a_metric_is_a_share_of_copying_where_copying_scores_one(suite: str) -> None:
    """By its card, and as it comes out."""
    scores = of("copy", suite, 24 if suite == "curtain" else 5)[1].scores
    ones = {score.metric for score in scores if score.value == score.value and abs(score.value - 1) < 1e-12}
    shares = {score.metric for score in scores if find(score.metric).one_is == "copying" and score.value == score.value}
    assert shares and ones == shares


@of_case(("copy", "balls", 5), ("constant-velocity", "curtain", 24), ("constant-velocity", "simulation", 7))
def test_the_headline_says_which_way_is_better_and_what_one_means(written: WrittenReport) -> None:
    headline = written.html.partition('<p class="headline">')[2].partition("</p>")[0].replace("<wbr>", "")
    for words in {
        "balls": ("relative_bce ↓ on balls4mass64", find("relative_bce").reading),
        "curtain": ("permanence_bce ↓ on balls3curtain64", find("permanence_bce").reading),
        "simulation": ("rollout_overlap ↑ on balls4mass64/rollout-5+10", "higher is better<"),
    }[written.result.provenance.suite]:
        assert words in headline
    assert "↓ lower is better, ↑ higher is better" in written.page.text.replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.slow
@of_case(("constant-velocity", "curtain", 24))
def test_the_curtain_is_drawn_over_the_objects_which_are_seen_through_it(written: WrittenReport) -> None:
    hidden = 0
    for words, pixels in pictures(written.page):
        if not words.startswith("objects"):
            continue
        scale = len(pixels) // 64
        assert scale > 1, "finer than the pixels of a frame"
        hidden += len({tuple(pixel) for pixel in pixels.reshape(-1, 3).tolist()}) > 6
    assert hidden, "somewhere an object is behind it"
    strip = written.strips[0]
    recipe: Recipe = registry.datasets.get("balls3curtain64")
    scenes = recipe.generator.batch(recipe.seeds("test", strip.number, strip.number + 1), 51)
    y0, x0, y1, x1 = scenes.truth["curtain"][0].tolist()
    t, pixels = next(
        (int(words.split()[-1]), pixels) for words, pixels in pictures(written.page) if words.startswith("objects")
    )
    scale = len(pixels) // 64
    outside = np.ones((64, 64), bool)
    outside[y0:y1, x0:x1] = False
    expected = np.array([GROUND, *OKABE_ITO])[scenes.groups[0, t, ..., 0]].repeat(scale, axis=0).repeat(scale, axis=1)
    assert ((pixels == expected).all(axis=2) == outside.repeat(scale, axis=0).repeat(scale, axis=1)).all()
    assert "Hatched: the curtain" in written.page.text


@dataclass(frozen=True)
class One(Quarters):
    """All pixels in one slot."""

    def observe(self, state: None, frame: NDArray[np.float32], action: object) -> tuple[None, Prediction]:
        _, prediction = super().observe(state, frame, action)
        return None, replace(prediction, owner=np.zeros(frame.shape[:3], np.uint8))


@pytest.mark.parametrize(
    ("model", "rows"), [(One(), {"truth", "prediction"}), (Quarters(), {"truth", "prediction", "owners", "objects"})]
)
def test_a_model_of_one_slot_has_no_row_of_owners(tmp_path: Path, model: Quarters, rows: set[str]) -> None:
    chosen, result = extent("balls", limit=3), evaluate(model, "balls", limit=3)
    page = Page(
        write_report(tmp_path, result, strips=gallery(answers_of(model, 0), chosen, result)).read_text(encoding="utf-8")
    )
    assert {words.split(",")[0] for words, _ in pictures(page)} == rows
    assert ("Owners: a colour" in page.text) == ("owners" in rows)


def test_objects_in_colour_have_the_colours_of_their_frames(tmp_path: Path) -> None:
    recipe = replace(registry.datasets.get("balls"), splits={"test": 3}, frames=31)
    path = generate(
        replace(recipe, generator=replace(recipe.generator, colour=True)), tmp_path / "colour.h5", workers=1
    )  # type: ignore[type-var]
    chosen, result = extent("balls", data=path), evaluate(Quarters(), "balls", data=path)
    page = Page(
        write_report(tmp_path / "page", result, strips=gallery(answers_of(Quarters(), 0), chosen, result)).read_text(
            encoding="utf-8"
        )
    )
    shown = dict(pictures(page)[: len(pictures(page)) // 2])
    compared = 0
    for words, objects in shown.items():
        if words.startswith("objects"):
            truth = shown[words.replace("objects", "truth")]
            there = (objects != GROUND).any(axis=2)
            compared += there.sum()
            np.testing.assert_array_equal(objects[there], truth[there])
    assert compared > 500


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed: the page is not looked at in a browser")
def test_the_page_uses_its_width(tmp_path: Path) -> None:
    """Tables and charts stand side by side, or fill a row; and on a phone nothing sticks out."""
    _, result = of("quarters", "balls", 12)
    metrics = [score.metric for score in result.scores if score.task == "balls4mass64"]
    known = [
        Known("balls4mass64", metric, model, 1528.72, 1522.1, 1535.1)
        for model in ("copy", "mean", "blank", "oracle")
        for metric in metrics
    ]
    edges = (
        "['.task', '.figures', '.charts'].map(name => document.querySelector(name).getBoundingClientRect()).map(b =>"
        " [b.left, b.right, b.top, b.bottom])"
    )
    browser = Browser(tmp_path / "profile")
    try:
        for references, beside in (([], True), (known, False)):
            browser.size(1200)
            browser.open(write_report(tmp_path / f"page{beside}", result, references).as_uri())
            whole, table, charts = browser.run(edges)
            assert whole[1] - whole[0] > 1000 and (charts[2] < table[3]) == beside
            used = [table, charts] if beside else [table]
            assert sum(box[1] - box[0] for box in used) > 0.95 * (whole[1] - whole[0]) - 40 * beside
            browser.size(360)
            assert browser.run("document.documentElement.scrollWidth") <= 360
    finally:
        browser.close()


def flat_line(name: str, *values: float, look: int = 0, beside: bool = False) -> Line:
    return Line(name, tuple(Point(step, value) for step, value in enumerate(values, 1)), look, beside=beside)


def draw(*words: Any, **options: Any) -> str:
    return str(
        _environment("physbench.report").get_template("parts.html.j2").module.figure(line_chart(*words, **options))
    )  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("ours", "copied", "is_drawn", "words"),
    [
        ((0.1, 0.2, 0.15), (1.0, 1.0, 1.0), False, "copy (not drawn: 1, above the axis)"),
        ((0.1, 0.6, 0.15), (1.0, 1.0, 1.0), True, ""),
        ((200.0, 400.0, 300.0), (2900.0, 3000.0, 3100.0), False, "copy (not drawn: 2,900 to 3,100, above the axis)"),
        ((80.0, 600.0, 300.0), (1200.0, 1300.0, 1500.0), True, ""),
    ],
)
def test_the_axis_of_a_chart_fits_the_model_and_says_where_copying_lies(
    ours: tuple[float, ...], copied: tuple[float, ...], is_drawn: bool, words: str
) -> None:
    page = Page(
        draw("t", [flat_line("ours", *ours), flat_line("copy", *copied, look=1, beside=True)], along="x", ratios=True)
    )
    lines = [path["class"] for path in page.all("path") if path["class"].startswith("line") and path["d"] != "M0 4H22"]
    assert ("line l1" in lines) == is_drawn and "line l0" in lines
    heights = [float(dot["cy"]) for dot in page.all("circle")]
    assert max(heights) - min(heights) > 0.25 * 182
    assert words in page.text and ("not drawn" in page.text) == (not is_drawn)


def test_a_chart_of_reference_rows_alone_has_them_all() -> None:
    page = Page(
        draw(
            "t", [flat_line("copy", 1, 1, look=1, beside=True), flat_line("mean", 9, 9, look=2, beside=True)], along="x"
        )
    )
    assert {"line l1", "line l2"} <= {path["class"] for path in page.all("path")} and "not drawn" not in page.text


@pytest.mark.parametrize(
    ("first", "last"), [(1, 1), (0, 1), (1, 3), (1, 10), (1, 30), (7, 61), (0, 40), (3, 871), (120_000, 130_000)]
)
def test_steps_have_a_few_whole_numbers_beside_their_axis(first: int, last: int) -> None:
    found = step_axis([first, last], 0, 100)
    assert 1 <= len(found.ticks) <= 11 and all(first <= tick <= last and tick == int(tick) for tick in found.ticks)
    assert (found.at(first), found.at(last)) == ((0, 100) if first < last else (0, 0))


def test_what_a_reader_must_know_stands_at_the_top(tmp_path: Path) -> None:
    _, result = of("copy", "balls", 5)
    noted = replace(result, provenance=replace(result.provenance, notes=("own-code", "predictions-file", "samples-5")))
    text = Page(write_report(tmp_path, noted).read_text(encoding="utf-8")).text
    top = text[: text.index("relative_relational_bce")].lower()
    for words in (NOTES["own-code"], NOTES["predictions-file"], "the average of 5 samples", "limit-5"):
        assert words.lower() in top
    enough = tuple(replace(score, contributing=1_000) for score in result.scores)
    pinned = replace(result, scores=enough, provenance=replace(result.provenance, size="lite"))
    assert not [
        attributes
        for tag, attributes in Page(write_report(tmp_path, pinned).read_text()).elements
        if attributes.get("class") == "notes"
    ]


@of_case(
    ("constant-velocity", "curtain", 24), ("quarters", "crop50", 6), ("quarters", "balls", 12), ("copy", "balls", 5)
)
def test_the_strips_are_of_the_worst_and_of_the_middle(written: WrittenReport) -> None:
    """The highest error is the worst, or the lowest likelihood; of equals the first."""
    key, higher = {
        "curtain": (("balls3curtain64", "permanence_bce"), False),
        "crop50": (("balls4mass64-crop50/rollout-9+1", "log_likelihood"), True),
        "balls": (("balls4mass64", "relative_bce"), False),
    }[written.result.provenance.suite]
    above, below = written.result.sums[key]
    each = [(above[i] / below[i], i) for i in range(len(above)) if below[i]]
    ordered = []
    while each:
        extreme = (min if higher else max)(figure for figure, _ in each)
        chosen = min(entry for entry in each if entry[0] == extreme)
        ordered.append(chosen)
        each.remove(chosen)
    worst, middle = (
        [(strip.figure, strip.number) for strip in written.strips if strip.kind == kind] for kind in ("worst", "median")
    )
    third = math.ceil(len(ordered) / 3)
    assert worst == ordered[: min(10, third)]
    places = [ordered.index(strip) for strip in middle]
    assert places == list(range(places[0], places[0] + len(places)))
    assert abs((places[0] + places[-1]) / 2 - (len(ordered) - 1) / 2) <= 1
    assert not set(worst) & set(middle) and len({number for _, number in worst + middle}) == len(written.strips)
    assert all(math.isclose(strip.again, strip.figure, rel_tol=1e-9) for strip in written.strips)


def test_of_many_sequences_ten_of_each_are_shown() -> None:
    chosen, result = of("constant-velocity", "balls", 40)
    strips = gallery(answers_of(ConstantVelocity(), 0), chosen, result)
    assert Counter(strip.kind for strip in strips) == {"worst": 10, "median": 10}
    assert min(strip.figure for strip in strips if strip.kind == "worst") >= max(
        strip.figure for strip in strips if strip.kind == "median"
    )


@of_case(("quarters", "balls", 12))
def test_the_pixels_of_a_strip_are_the_truth_the_prediction_and_the_owners(written: WrittenReport) -> None:
    shown = pictures(written.page)
    rows = [words.split(",")[0] for words, _ in shown]
    starts = [i for i, row in enumerate(rows) if row == "truth" and (i == 0 or rows[i - 1] != "truth")]
    assert len(starts) == len(written.strips)
    for strip, start, end in zip(written.strips, starts, [*starts[1:], len(shown)], strict=True):
        truth, groups = frames_of("balls4mass64", strip.number)
        kinds = Counter(rows[start:end])
        assert set(kinds) == {"truth", "prediction", "owners", "objects"} and kinds["truth"] <= 8
        for words, pixels in shown[start:end]:
            row, t = words.split(",")[0], int(words.rpartition(" ")[2])
            match row:
                case "truth":
                    expected = np.repeat(truth[t][..., None] * 255, 3, axis=2)
                case "prediction":
                    soft = np.rint(255 * (np.float32(0.8) * truth[t - 1].astype(np.float32) + np.float32(0.1)))
                    expected = np.repeat(soft[..., None], 3, axis=2)
                case "owners":
                    y, x = np.indices((64, 64))
                    expected = np.array([GROUND, *OKABE_ITO])[2 * (y >= 32) + (x >= 32)]
                case _:
                    expected = np.array([GROUND, *OKABE_ITO])[groups[t]]
            np.testing.assert_array_equal(pixels, expected, err_msg=f"{strip.number}: {words}")


@of_case(("constant-velocity", "simulation", 7))
def test_a_rollout_shows_what_was_seen_and_then_what_was_imagined(written: WrittenReport) -> None:
    (first,) = {strip.first for strip in written.strips}
    assert (
        first == 5
        and {strip.steps for strip in written.strips} == {10}
        and not any(strip.owners is not None for strip in written.strips)
    )
    frames = [int(words.rpartition(" ")[2]) for words, _ in pictures(written.page) if words.startswith("prediction")]
    assert min(frames) >= 5 and max(frames) == 14
    seen = [int(words.rpartition(" ")[2]) for words, _ in pictures(written.page) if words.startswith("truth")]
    assert min(seen) < 5 and written.html.count(">seen<") == len([t for t in seen if t < 5])


def test_the_curve_of_copying_is_what_copying_scores(tmp_path: Path) -> None:
    """It is worked out from the model's figures, and must come out as when copying itself is evaluated."""
    for name, suite, limit, stem in (
        ("quarters", "balls", 12, "bce: "),
        ("constant-velocity", "simulation", 7, "rollout_bce[h]: "),
    ):
        copied = evaluate(Copy(), suite, limit=limit)
        ahead = [
            score.value
            for score in copied.scores
            if score.task == "balls4mass64/rollout-5+10" and score.metric.startswith("rollout_bce[")
        ]
        expected = ahead or copied.curves["balls4mass64", "bce"]
        page = Page(write_report(tmp_path, of(name, suite, limit)[1]).read_text())
        label = next(line["aria-label"] for line in page.all("svg") if line.get("aria-label", "").startswith(stem))
        assert f"copy from {number(expected[0])} to {number(expected[-1])}" in label


@of_case(("constant-velocity", "simulation", 7))
def test_curves_have_the_figures_of_the_scores(written: WrittenReport) -> None:
    texts = [
        words for element, words in written.page.words if element == "title" and words.startswith("constant-velocity, ")
    ]
    for score in written.result.scores:
        if score.metric.startswith("rollout_bce["):
            step, (value, interval) = score.metric[12:-1], figures(score.value, score.low, score.high)
            assert f"constant-velocity, {step}: {value} ({interval})" in texts
    cells = {words for element, words in written.page.words if element == "title" and "steps ahead, " in words}
    there = [
        score
        for score in written.result.scores
        if score.metric.startswith("event_error[") and not math.isnan(score.value)
    ]
    assert there and all(
        any(f"ahead, {score.metric[:-1].split(',')[1]}: {figures(score.value)[0][:3]}" in cell for cell in cells)
        for score in there
    )
    assert {cell.split()[0] for cell in cells} == {"5", "10", "30"}


def test_reference_rows_and_papers_stand_beside_and_are_told_apart(tmp_path: Path) -> None:
    _, result = of("quarters", "balls", 12)
    known = [
        Known("balls4mass64", "bce", "mean", 1528.72, 1522.1, 1535.1),
        Known("balls4mass64", "relative_bce", "mean", 0.4976, 0.49, 0.51),
    ]
    papers = [
        Published(
            "balls",
            "balls4mass64",
            "ari",
            "some-model",
            0.8,
            "Somebody, 2018",
            "https://example.org/paper",
            "read off a figure",
        )
    ]
    page = Page(write_report(tmp_path, result, known, papers).read_text())
    for words in ("1,528.7", "1,522.1 to 1,535.1", "from the paper, its own data", "some-model", "read off a figure"):
        assert words in page.text.replace("\n", " ")
    assert [anchor["href"] for anchor in page.all("a")] == ["https://example.org/paper"]


def test_a_metric_is_defined_where_it_stands_for_mice_fingers_and_keys(tmp_path: Path) -> None:
    _, result = of("quarters", "balls", 12)
    page = Page(write_report(tmp_path, result).read_text())
    assert "The adjusted Rand index" in page.text and "a ratio of sums, never a mean of ratios" in page.text
    assert any("binary cross-entropy" in summary.get("title", "") for summary in page.all("summary"))
    assert all(
        box.get("tabindex") == "0" and box.get("aria-label") for box in page.all("div") if box.get("class") == "scroll"
    )


def test_a_model_that_answers_otherwise_the_second_time_is_named(tmp_path: Path) -> None:
    chosen, result = of("copy", "balls", 5)
    strips = gallery(answers_of(Quarters(), 0), chosen, result)
    assert "answered otherwise" in write_report(tmp_path, result, strips=strips).read_text()
    assert (
        "answered otherwise"
        not in write_report(tmp_path, result, strips=gallery(answers_of(Copy(), 0), chosen, result)).read_text()
    )


@pytest.mark.parametrize("channels", [1, 3])
def test_a_users_own_plain_file_has_a_page_too(tmp_path: Path, channels: int) -> None:
    frames = (
        np.random.default_rng(0).integers(0, 2 if channels == 1 else 256, (12, 7, 20, 28, channels)).astype(np.uint8)
    )  # time first
    with h5py.File(tmp_path / "own.h5", "w") as file:
        file["test/features"] = frames
    chosen, result = extent("balls", data=tmp_path / "own.h5"), evaluate(Quarters(), "balls", data=tmp_path / "own.h5")
    strips = gallery(answers_of(Quarters(), 0), chosen, result)
    page = Page(write_report(tmp_path / "page", result, strips=strips).read_text())
    expected = {t: frames[t, strips[0].number] * (255 if channels == 1 else 1) for t in range(12)}
    shown = [(int(words.split()[-1]), pixels) for words, pixels in pictures(page) if words.startswith("truth")][:6]
    assert [t for t, _ in shown] == [1, 3, 5, 7, 9, 11]
    for t, pixels in shown:
        np.testing.assert_array_equal(pixels, np.broadcast_to(expected[t], (20, 28, 3)))
    assert strips and "file" in page.text and "objects, frame" not in page.text


def test_a_page_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(StorageError, match="cannot be written"):
        write_report(tmp_path / "taken", of("copy", "balls", 5)[1])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((0.23451, 0.2312, 0.2379), ("0.2345", "0.2312 to 0.2379")),
        ((3072.0176, 3037.97, 3106.08), ("3,072", "3,038 to 3,106")),
        ((1.0, 1.0, 1.0), ("1", "")),
        ((-42.4, -101.2, 0.0), ("\N{MINUS SIGN}42", "\N{MINUS SIGN}101 to 0")),
        ((1.351e-6, 1.28e-6, 1.44e-6), ("1.35e\N{MINUS SIGN}6", "1.28e\N{MINUS SIGN}6 to 1.44e\N{MINUS SIGN}6")),
        ((0.8, math.nan, math.nan), ("0.8", "")),
        ((math.nan, math.nan, math.nan), ("\N{EN DASH}", "")),
    ],
)
def test_a_number_has_the_digits_that_its_interval_leaves(
    given: tuple[float, float, float], words: tuple[str, str]
) -> None:
    assert figures(*given) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.0, "0"), (1200.0, "1,200"), (0.125, "0.125"), (1 / 3, "0.3333"), (2e12, "2.00e12"), (math.inf, "inf")],
)
def test_a_number_alone_has_four_digits(value: float, words: str) -> None:
    assert number(value) == words
