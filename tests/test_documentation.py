"""Tests of the documentation: its code runs, its links work on GitHub and on the site, and generated parts are up to
date."""

from __future__ import annotations

import html
import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from click.testing import Result

from physbench import registry
from physbench.metrics.catalogue import METRICS, find
from tests.pages import ROOT, anchors_of, blocks_of, links_of, run_blocks

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
OTHERS = [
    ROOT / name
    for name in ("CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "generators/README.md", "leaderboard/README.md")
]
PACKAGES = ("physbench", "generators", "baselines", "leaderboard", "benchmarks", "examples", "tests", "docs")
NAMED_CODE = re.compile(r"`((?:[\w-]+/)+[\w-]+\.py)`")
FILLED = {"metrics.md": "metric cards", "models.md": "model cards"}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.fixture(scope="module")
def hooks() -> ModuleType:
    spec = importlib.util.spec_from_file_location("physbench_site_hooks", DOCS / "hooks.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize("page", ["index.md", "models.md", "leaderboard.md", "cluster.md"])
def test_the_code_of_a_page_runs(page: str, tmp_path: Path) -> None:
    blocks = blocks_of((DOCS / page).read_text(encoding="utf-8"))
    assert blocks
    run_blocks(blocks, tmp_path)


@pytest.mark.parametrize("path", [*PAGES, *OTHERS], ids=name_of)
def test_every_link_leads_somewhere(path: Path) -> None:
    for target, anchor in links_of(path.read_text(encoding="utf-8")):
        there = (path.parent / target).resolve() if target else path
        assert there.is_relative_to(ROOT) and there.exists(), target
        if anchor:
            assert anchor in anchors_of(there.read_text(encoding="utf-8")), f"{target}#{anchor}"


def test_every_file_of_code_that_a_page_names_is_there() -> None:
    """`module.py` may be anybody's; with a folder before it, it is one of this repository."""
    files = [f"/{path.relative_to(ROOT).as_posix()}" for name in PACKAGES for path in (ROOT / name).rglob("*.py")]
    read = [*PAGES, *OTHERS, ROOT / "README.md", ROOT / "baselines" / "README.md"]
    named = [(path.name, found[1]) for path in read for found in NAMED_CODE.finditer(path.read_text(encoding="utf-8"))]
    assert len(named) > 20
    assert [(page, name) for page, name in named if not any(file.endswith(f"/{name}") for file in files)] == []


def test_the_menu_of_the_site_leads_to_every_page() -> None:
    menu = re.search(r"^nav:\n.*", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.M | re.S)
    assert menu
    linked = [
        page
        for section in yaml.safe_load(menu[0])["nav"]
        for entries in section.values()
        for entry in entries
        for page in entry.values()
    ]
    assert len(linked) == len(set(linked))
    assert {page for page in linked if "/" not in page} == {path.name for path in PAGES}
    for page in linked:
        if page.startswith("repository/"):
            assert (ROOT / re.sub(r"\.ipynb\.md$", ".ipynb", page.removeprefix("repository/"))).exists()


@pytest.mark.parametrize(("page", "marker"), FILLED.items())
def test_a_page_asks_once_for_what_is_filled_in(page: str, marker: str) -> None:
    assert (DOCS / page).read_text(encoding="utf-8").count(f"<!-- {marker} -->") == 1


def test_the_page_of_metrics_says_what_explain_prints(hooks: ModuleType, cli: Callable[..., Result]) -> None:
    """Of every metric, word by word: the page may only add, and set apart."""
    text = re.sub(r"\\([\\`*_\[\]<>])", r"\1", hooks.metric_cards())
    cards = {part.split("`", 2)[1]: part for part in text.split("### ")[1:]}
    names = {cli("explain", name).stdout.split()[0] for name in cli("explain").stdout.split()}
    assert set(cards) == names and len(names) > 30
    for name in names:
        first, *lines = [line.strip() for line in cli("explain", name).stdout.splitlines() if line.strip()]
        reading, paper = find(name).reading, find(name).paper
        assert first == f"{name}   ({reading}; {paper})" and f"{reading}; {paper}" in cards[name]
        assert [line for line in lines if line.removeprefix("Caution: ") not in cards[name]] == []


def test_what_a_score_of_one_is_is_said_in_the_words_of_the_card() -> None:
    """They stand nowhere else in a card, and pages that are read without the program quote them."""
    shares = [card for card in METRICS.values() if card.one_is]
    assert len(shares) >= 7
    for card in shares:
        assert card.reading == f"lower is better; 1 is {card.one_is}"
        assert not re.search(r"\b1 (is|remembers)\b", card.definition + card.caution), card.name
    memory = find("permanence_bce").one_is
    assert f"`permanence_bce` of 1 is {memory}" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"; 1 is {memory})" in (ROOT / "baselines" / "README.md").read_text(encoding="utf-8")


def test_the_page_of_models_has_every_model(hooks: ModuleType) -> None:
    assert set(registry.models.built_in) <= set(re.findall(r"^(?:### |\| )`([^`]+)`", hooks.model_cards(), re.M))


@pytest.mark.parametrize(
    ("place", "page"),
    [
        ("docs/format.md", "format.md"),
        ("README.md", "repository/README.md"),
        ("physbench/model.py", "repository/physbench/model.py.md"),
        ("baselines", "repository/baselines/README.md"),
        ("examples", "repository/examples/index.md"),
    ],
)
def test_a_file_has_a_page_of_its_own(hooks: ModuleType, place: str, page: str) -> None:
    assert hooks.page_of(place) == page
    assert hooks.place_of(page).removesuffix("/README.md") == place or place == "README.md"


class Reader(HTMLParser):
    """The ids and the addresses of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.ids |= {found[name] for name in ("id", "name") if name in found}
        address = found.get("href", found.get("src", ""))
        if tag == "a":
            self.links.append(address)
        elif address and found.get("rel") not in ("canonical", "prev", "next"):
            self.loaded.append(address)


@pytest.mark.slow
def test_the_site_is_whole_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    quiet = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=quiet, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0 and "WARNING" not in done.stderr, done.stderr
    pages = {
        path: Reader(path.read_text(encoding="utf-8"))
        for path in (tmp_path / "site").rglob("*.html")
        if path.name != "404.html"
    }
    assert len(pages) > len(PAGES)
    for path, page in pages.items():
        assert [address for address in page.loaded if urlsplit(address).netloc] == []
        for address in page.links:
            parts = urlsplit(html.unescape(address))
            if parts.scheme or parts.netloc:
                continue
            there = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert there.exists(), f"{path.name}: {address}"
            if parts.fragment and there in pages and not parts.fragment.startswith("__"):
                assert unquote(parts.fragment) in pages[there].ids, f"{path.name}: {address}"
    for style in (tmp_path / "site").rglob("*.css"):
        assert not re.findall(r"url\(['\"]?https?:", style.read_text(encoding="utf-8"))
    assert "permanence_bce" in (tmp_path / "site" / "metrics.html").read_text(encoding="utf-8")
