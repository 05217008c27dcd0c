"""Tests of the page in a real browser: sorting, filters, definitions, its state in the address, phones, and no
JavaScript."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from physbench.metrics.catalogue import find
from physbench.model import TrainingCost
from physbench.report.numbers import NOTHING
from physbench_leaderboard.board_page import build
from physbench_leaderboard.boards import Board, Standing
from tests.leaderboard.browser import CHROMIUM, Browser
from tests.leaderboard.test_page import BALLS, HOSTILE, golden, inject, many, on_balls, picture, standing

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium is installed: the page is not looked at in a browser"
)

SHOWN = (
    "[...document.querySelectorAll('.board:not([hidden]) [data-models] tr:not([hidden]) .model')].map(cell =>"
    " cell.dataset.v)"
)
VISIBLE = "[...document.querySelectorAll('.board')].filter(board => board.offsetHeight).map(board => board.id)"
OPEN = "[...document.querySelectorAll(':popover-open')].map(box => box.textContent)"
MANY = 5_000


def list_boards() -> list[Board]:
    """Five models whose figures, counts and words all stand in another order."""
    balls, simulation, smoke = golden()
    models = [
        standing(
            "nem",
            1,
            on_balls(0.25, 0.5),
            parameters=900,
            date="2026-01-02",
            cost=TrainingCost(gpu_hours=0.5),
            ranks={"": 1, "gpu-hour": 1},
        ),
        standing("Slots", 2, on_balls(0.3), parameters=1_000, trust="re-run", date="2026-03-01"),
        standing(
            "r-nem",
            2,
            on_balls(0.31, 0.9),
            trainings=3,
            date="2025-12-31",
            cost=TrainingCost(cpu_hours=2.81),
            ranks={"": 2, "night": 1, "gpu-hour": 2},
        ),
        standing(
            "model-10",
            4,
            on_balls(0.5, -0.01),
            parameters=20,
            trust="recomputed",
            notes=("samples-5",),
            date="2026-01-30",
        ),
        standing(
            "model-9",
            5,
            on_balls(1.2, 0.25),
            notes=("own-code",),
            parameters=3_000_000,
            date="2026-01-01",
            cost=TrainingCost(cpu_hours=30, gpu_hours=2),
            ranks={"": 5},
        ),
    ]
    others = [
        replace(smoke, key=smoke.key._replace(suite=name)) for name in ("extrapolation", "curtain", "crop50")
    ]  # more tabs than a phone is wide
    return [replace(balls, standings=tuple(models)), simulation, smoke, *others]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> str:
    return build(list_boards(), tmp_path_factory.mktemp("site"), pictures={"r-nem": picture(900, 60)}).as_uri()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    started = Browser(tmp_path_factory.mktemp("profile"))
    yield started
    started.close()


@pytest.fixture
def tab(browser: Browser, site: str) -> Iterator[Browser]:
    """With the page opened, on a desk and in light; nothing was complained about when it is left, and nothing
    fetched."""
    browser.size(1200)
    browser.dark(False)
    browser.point(5, 5)
    browser.open(site)
    yield browser
    assert browser.complaints == [] and {address.partition("#")[0] for address in browser.asked_for} == {site}
    browser.scripts(True)


def place(tab: Browser, selector: str) -> tuple[float, float]:
    """The middle of an element, brought into sight."""
    x, y = tab.run(
        f"(() => {{ const one = document.querySelector({json.dumps(selector)}); one.scrollIntoView({{block: 'center',"
        " inline: 'center'}); const at = one.getBoundingClientRect(); return [at.x + at.width / 2, at.y + at.height /"
        " 2]; })()"
    )
    return x, y


def address(tab: Browser) -> str:
    return tab.run("location.hash")


def test_it_renders_a_suite_at_a_time_with_its_plots(tab: Browser) -> None:
    assert tab.run(VISIBLE) == ["balls"]
    assert tab.run(SHOWN) == ["nem", "Slots", "r-nem", "model-10", "model-9"]
    assert tab.run("document.querySelector('#count').textContent") == "5 models"
    sizes = tab.run(
        "[...document.querySelectorAll('#balls .chart > svg')].map(drawn => [drawn.clientWidth, drawn.clientHeight])"
    )
    assert len(sizes) == 2 and all(wide > 250 and high > 100 for wide, high in sizes)
    assert tab.run("document.querySelector('#pictures img').naturalWidth") == 900


BOXES = """[...document.querySelectorAll('#balls .chart > svg')[1].querySelectorAll('.name, circle')].map(each => {
  const box = each.getBoundingClientRect(); return [each.textContent, box.left, box.top, box.right, box.bottom]; })"""


def test_no_name_lies_on_another_or_on_a_dot(browser: Browser, tmp_path: Path) -> None:
    board, *_ = golden()
    near = {
        "r-nem": (0.1028, 4_951_978),
        "r-nem-no-attention": (0.1271, 4_926_577),
        "r-nem.balls3curtain64": (0.1331, 4_951_978),
        "rnn": (0.14302, 4_611_827),
    }
    near |= {"rnn-em": (0.1453, 4_611_827), "lstm": (0.1886, 5_185_077)}
    models = [
        standing(name, at, on_balls(value), parameters=count)
        for at, (name, (value, count)) in enumerate(near.items(), 1)
    ]
    browser.open(build([replace(board, standings=tuple(models))], tmp_path).as_uri())
    boxes = browser.run(BOXES)
    assert len(boxes) == 12, "a name for each of six dots"
    for at, (words, left, top, right, bottom) in enumerate(boxes):
        for other in boxes[at + 1 :]:
            if "parameters" not in words or "parameters" not in other[0]:  # dots may lie on one another
                apart = (
                    right <= other[1] or other[3] <= left or bottom - 3 <= other[2] or other[4] - 3 <= top
                )  # letters do not fill their line
                assert apart, f"{words} lies on {other[0]}"


COLUMNS: dict[str, tuple[Callable[[Standing], Any], str]] = {
    "model": (
        lambda each: (
            each.model.rstrip("0123456789").lower(),
            int(each.model.partition("-")[2] or 0) if "model" in each.model else 0,
        ),
        "asc",
    ),
    "relative_bce": (lambda each: each.score(BALLS, "relative_bce").value, "asc"),
    "ari": (lambda each: each.score(BALLS, "ari").value, "desc"),
    "trainings": (lambda each: each.trainings, "desc"),
    "parameters": (lambda each: math.nan if each.parameters is None else each.parameters, "asc"),
    "training": (lambda each: (each.cost.gpu_hours, each.cost.cpu_hours) if each.cost else math.nan, "asc"),
    "trust": (lambda each: ("self-reported", "recomputed", "re-run").index(each.trust), "desc"),
    "notes": (lambda each: " ".join(each.notes) or math.nan, "asc"),
    "date": (lambda each: each.date, "desc"),
}


@pytest.mark.parametrize("column", COLUMNS)
def test_every_column_sorts_both_ways_and_what_is_missing_comes_last(tab: Browser, column: str) -> None:
    value, first = COLUMNS[column]
    models = list_boards()[0].standings
    known = [each for each in models if value(each) == value(each)]
    missing = [each.model for each in models if value(each) != value(each)]
    for way in (first, "asc" if first == "desc" else "desc"):
        tab.run(f"document.querySelector('#balls th[data-key={column}] .sort').click()")
        expected = [
            each.model for each in sorted(known, key=value, reverse=way == "desc")
        ]  # of equals the better ranked still comes first
        assert tab.run(SHOWN) == expected + missing
        assert {f"sort={column}", f"dir={way}"} <= set(address(tab)[1:].split("&"))
        assert tab.run(
            "[...document.querySelectorAll('#balls [aria-sort]')].map(th => [th.dataset.key, th.ariaSort])"
        ) == [[column, {"asc": "ascending", "desc": "descending"}[way]]]
    references = tab.run("[...document.querySelectorAll('#balls .references tr .model')].map(cell => cell.dataset.v)")
    assert sorted(references) == ["copy", "oracle"], "they stay by themselves"


def test_the_filter_keeps_what_has_every_word(tab: Browser) -> None:
    for typed, expected, counted in [
        ("nem", ["nem", "r-nem"], "2 of 5 models"),
        ("R-NEM", ["r-nem"], "1 of 5 models"),
        ("model own", ["model-9"], "1 of 5 models"),
        ("re-run", ["Slots"], "1 of 5 models"),
        ("<b>", [], "0 of 5 models"),
        ("", ["nem", "Slots", "r-nem", "model-10", "model-9"], "5 models"),
    ]:
        tab.run(f"(() => {{ const box = document.querySelector('#filter'); box.value = ''; box.focus(); box.value = {json.dumps(typed)};"
                " box.dispatchEvent(new Event('input')); })()")  # fmt: skip
        assert tab.run(SHOWN) == expected
        assert tab.run("document.querySelector('#count').textContent") == counted


def test_a_budget_keeps_what_it_can_pay_for_and_ranks_it_anew(tab: Browser, site: str) -> None:
    ranked = "[...document.querySelectorAll('#balls [data-models] tr')].map(row => row.cells[0].textContent)"
    for budget, expected, counted in [
        ("night", {"r-nem": "1"}, "1 of 5 models"),
        ("gpu-hour", {"nem": "1", "r-nem": "2"}, "2 of 5 models"),
        ("", {"nem": "1", "Slots": "2", "r-nem": "2", "model-10": "4", "model-9": "5"}, "5 models"),
    ]:
        tab.run(f"(() => {{ const box = document.querySelector('#budget'); box.value = {json.dumps(budget)};"
                " box.dispatchEvent(new Event('change')); })()")  # fmt: skip
        assert dict(zip(tab.run(SHOWN), tab.run(ranked), strict=True)) == expected
        assert tab.run("document.querySelector('#count').textContent") == counted
        assert (f"budget={budget}" in address(tab)) == bool(budget)
    tab.open(site + "#suite=balls&budget=night")
    assert tab.run(SHOWN) == ["r-nem"] and tab.run("document.querySelector('#budget').value") == "night"
    tab.open(site + "#suite=balls&budget=none-of-them")
    assert len(tab.run(SHOWN)) == 5
    costs = tab.run("[...document.querySelectorAll('#balls [data-models] .cost')].map(cell => cell.textContent)")
    assert costs == ["0.5 GPU-h", NOTHING, "2.81 core-h", NOTHING, "30 core-h + 2 GPU-h"]


def test_the_state_is_in_the_address_and_comes_back(tab: Browser, site: str) -> None:
    tab.tap(*place(tab, "#filter"))
    tab.call("Input.insertText", text="nem")
    tab.tap(*place(tab, "#balls th[data-key=ari] .sort"))
    assert address(tab) == "#suite=balls&sort=ari&dir=desc&filter=nem"
    assert tab.run(SHOWN) == ["r-nem", "nem"]
    tab.open(site + "#suite=balls&sort=ari&dir=asc&filter=nem")
    assert tab.run(SHOWN) == ["nem", "r-nem"] and tab.run("document.querySelector('#filter').value") == "nem"
    tab.tap(*place(tab, "nav a[href='#simulation']"))
    assert (
        tab.run(VISIBLE) == ["simulation"]
        and address(tab) == "#suite=simulation&filter=nem"
        and tab.run(SHOWN) == ["r-nem"]
    )
    tab.run("history.back()")
    tab.until("location.hash.includes('suite=balls')")
    assert tab.run(VISIBLE) == ["balls"] and tab.run(SHOWN) == ["nem", "r-nem"]
    tab.open(site + "#simulation")
    assert tab.run(VISIBLE) == ["simulation"], "as a link without JavaScript has it"


def test_figures_that_are_seldom_looked_at_are_shown_when_asked_for(tab: Browser) -> None:
    seen = "[...document.querySelectorAll('#balls thead th')].filter(th => th.offsetWidth).map(th => th.dataset.key)"
    assert "bce_last" not in tab.run(seen)
    tab.tap(*place(tab, "#every"))
    assert "bce_last" in tab.run(seen) and "figures=all" in address(tab)
    tab.run("history.back()")
    tab.until("!document.querySelector('#every').checked")
    assert "bce_last" not in tab.run(seen)


def is_open(tab: Browser) -> bool:
    """Whether the definition of relative_bce, and nothing else, is open and lies in sight."""
    inside = tab.run(
        "[...document.querySelectorAll(':popover-open')].map(box => box.getBoundingClientRect()).every(at => at.left >="
        " 0 && at.top >= 0 && at.right <= innerWidth && at.bottom <= innerHeight && at.width > 200)"
    )
    found = tab.run(OPEN)
    return (
        inside
        and len(found) == 1
        and find("relative_bce").definition in found[0]
        and find("relative_bce").caution in found[0]
    )


WHAT = "#balls th[data-key=relative_bce] .what"


def test_a_definition_opens_by_hover_and_closes_when_the_pointer_leaves(tab: Browser) -> None:
    x, y = place(tab, "#balls th[data-key=relative_bce] .sort")
    assert tab.run(OPEN) == []
    tab.point(x, y)
    tab.until(f"{OPEN}.length")
    assert is_open(tab)
    tab.point(x, y + 1)
    tab.point(5, 790)
    tab.until(f"!{OPEN}.length")


def test_a_definition_opens_by_focus_and_closes_with_escape(tab: Browser) -> None:
    tab.run("document.querySelector('#balls th[data-key=relative_bce] .sort').focus()")
    tab.press("Tab")
    assert tab.run(f"document.activeElement === document.querySelector('{WHAT}')")
    tab.until(f"{OPEN}.length")
    assert is_open(tab)
    tab.press("Escape")
    tab.until(f"!{OPEN}.length")
    tab.press("Enter", text="\r")
    tab.until(f"{OPEN}.length")
    tab.press("Tab")
    tab.until(f"!{OPEN}.some(text => text.startsWith('relative_bce'))")


@pytest.mark.parametrize("width", [1200, 360])
def test_a_definition_opens_by_tap_and_stays(tab: Browser, width: int) -> None:
    tab.size(width, phone=width < 500)
    tab.tap(*place(tab, WHAT))
    tab.until(f"{OPEN}.length")
    assert is_open(tab)
    tab.run("new Promise(done => setTimeout(done, 400))")
    assert is_open(tab)
    tab.tap(5, 5)
    tab.until(f"!{OPEN}.length")


def test_the_keyboard_goes_through_the_suites(tab: Browser) -> None:
    tab.run("document.querySelector('nav a').focus()")
    for key, expected in [
        ("ArrowRight", "simulation"),
        ("End", "crop50"),
        ("ArrowRight", "balls"),
        ("ArrowLeft", "crop50"),
        ("ArrowLeft", "curtain"),
    ]:
        tab.press(key)
        assert tab.run(VISIBLE) == [expected]
        assert (
            tab.run("document.activeElement.getAttribute('aria-selected')") == "true"
            and tab.run("document.activeElement.hash") == f"#{expected}"
        )


@pytest.mark.parametrize("suite", ["balls", "simulation", "crop50"])
@pytest.mark.parametrize("scripts", [True, False])
def test_it_fits_a_phone_and_tables_scroll_in_their_boxes(tab: Browser, site: str, suite: str, scripts: bool) -> None:
    tab.size(360, 740, phone=True)
    tab.scripts(scripts)
    tab.open(f"{site}#suite={suite}&figures=all")
    assert tab.run("[innerWidth, document.documentElement.scrollWidth]") == [360, 360]
    if scripts:
        chosen = "document.querySelector('nav [aria-selected=true]').getBoundingClientRect()"
        assert tab.run(f"[{chosen}.left >= 0, {chosen}.right <= 360]") == [True, True]
    outside = "!one.closest('.scroll, nav, .unseen, [popover]') && one.getBoundingClientRect().right > 360"
    assert (
        tab.run(
            f"[...document.querySelectorAll('body *')].filter(one => {outside}).map(one => one.outerHTML.slice(0, 80))"
        )
        == []
    )
    box = f"document.querySelector('#{suite} .scroll')"
    assert tab.run(f"{box}.scrollWidth > {box}.clientWidth && ({box}.scrollLeft = 60, {box}.scrollLeft) === 60")


def test_without_javascript_the_tables_are_there_one_after_the_other(tab: Browser, site: str) -> None:
    tab.scripts(False)
    tab.open(site)
    assert tab.run(VISIBLE) == ["balls", "simulation", "smoke", "extrapolation", "curtain", "crop50"]
    seen = (
        "[...document.querySelectorAll('#balls [data-models] .model')].filter(cell => cell.offsetHeight).map(cell =>"
        " cell.dataset.v)"
    )
    assert tab.run(seen) == ["nem", "Slots", "r-nem", "model-10", "model-9"]
    assert tab.run("[...document.querySelectorAll('#balls thead th')].every(head => head.offsetWidth)"), "every figure"
    assert tab.run("[...document.querySelectorAll('.controls, .all')].every(each => !each.offsetHeight)"), (
        "nothing that does nothing"
    )
    assert tab.run("[...document.querySelectorAll('.sort')].every(each => each.disabled)")
    tab.tap(*place(tab, WHAT))
    assert is_open(tab)


def test_light_and_dark_are_both_readable(tab: Browser) -> None:
    def light(of: str, selector: str) -> float:
        """The luminance of a colour, after WCAG."""
        colour = tab.run(f"getComputedStyle(document.querySelector('{selector}')).{of}")
        parts = [int(part) / 255 for part in colour.removeprefix("rgb(").rstrip(")").split(",")]
        red, green, blue = ((part / 12.92) if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    for dark in (False, True):
        tab.dark(dark)
        papers = {"body": light("backgroundColor", "body"), "card": light("backgroundColor", "#balls .scroll")}
        assert all((paper < 0.05) == dark for paper in papers.values())
        for selector in (
            "h1",
            "h1 span",
            "header .dim",
            "summary",
            "nav a",
            "thead .figure",
            ".references .model",
            ".legend",
            ".about",
            "figcaption",
        ):
            ink = light("color", selector)
            assert all((max(ink, paper) + 0.05) / (min(ink, paper) + 0.05) >= 4.5 for paper in papers.values()), (
                selector
            )


@pytest.mark.parametrize(
    "state",
    [
        'suite="><img src=x onerror=alert(1)>',
        "suite=__proto__&sort=constructor&dir=x",
        "filter=<script>alert(1)</script>",
        "suite=%E0%A4%A",
        "&&==&sort",
        "sort=ari]",
    ],
)
def test_an_address_of_a_stranger_is_only_looked_up(tab: Browser, site: str, state: str) -> None:
    tab.open(f"{site}#{state}")
    assert tab.run(VISIBLE) == ["balls"]
    assert tab.run("document.images.length") == 1


def test_the_policy_of_the_page_forbids_every_other_script_and_request(browser: Browser, site: str) -> None:
    browser.open(site)
    for tag, rest in (
        ("script", "one.textContent = 'window.ran = 1'"),
        ("img", "one.src = 'https://example.org/a.png'"),
        ("div", "one.setAttribute('onclick', '1')"),
    ):
        browser.run(
            f"(() => {{ const one = document.createElement('{tag}'); {rest}; document.body.append(one); one.click();"
            " })()"
        )
    browser.until("true")
    assert browser.run("window.ran") is None
    assert len([complaint for complaint in browser.complaints if "Content Security Policy" in complaint]) == 3
    assert {address for address in browser.asked_for if not address.startswith("file:")} <= {
        "https://example.org/a.png"
    }


@pytest.mark.parametrize("words", HOSTILE)
def test_words_of_a_stranger_do_nothing(browser: Browser, tmp_path: Path, words: str) -> None:
    site = build(inject(words), tmp_path).as_uri()
    browser.size(360, phone=True)
    browser.open(site)
    assert browser.complaints == [] and browser.asked_for == [site]
    assert browser.run("[document.images.length, document.scripts.length, document.links.length]") == [
        0,
        1,
        1,
    ], "the link of the tab"
    assert browser.run("document.documentElement.scrollWidth") == 360


@pytest.mark.slow
def test_five_thousand_rows_sort_and_filter(browser: Browser, tmp_path: Path) -> None:
    browser.size(1200)
    browser.open(build([many(MANY)], tmp_path).as_uri())
    assert (
        len(browser.run(SHOWN)) == 200 and browser.run("document.querySelector('#count').textContent") == "5,000 models"
    )
    for key in ("relative_bce", "parameters", "model"):
        browser.run(f"document.querySelector('th[data-key={key}] .sort').click()")
    browser.run(
        "(() => { const box = document.querySelector('#filter'); box.value = '99'; box.dispatchEvent(new"
        " Event('input')); })()"
    )
    expected = [f"model-{at}" for at in range(MANY) if "99" in str(at)]
    assert browser.run(SHOWN) == expected and len(expected) < 200
    browser.run(
        "(() => { const box = document.querySelector('#filter'); box.value = ''; box.dispatchEvent(new Event('input'));"
        " })()"
    )
    browser.run("document.querySelector('.all').click()")
    assert len(browser.run(SHOWN)) == MANY and browser.complaints == []
