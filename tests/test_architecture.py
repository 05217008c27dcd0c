"""Tests of the structure of the packages: which module may import which, how things are named, and how light an import
is."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import physbench

ROOT = Path(physbench.__file__).parent.parent
SOURCES = {
    "physbench": ROOT / "physbench",
    "physbench_generators": ROOT / "generators" / "physbench_generators",
    "physbench_baselines": ROOT / "baselines" / "physbench_baselines",
    "physbench_leaderboard": ROOT / "leaderboard" / "physbench_leaderboard",
}
FLOORS = (
    (
        *(
            "physbench.amounts",
            "physbench.errors",
            "physbench.machine",
            "physbench.plainjson",
            "physbench.printable",
            "physbench.renamed",
        ),
        *("physbench.scene", "physbench.model", "physbench.notices"),
    ),
    ("physbench.cluster",),
    (
        *(
            "physbench.recipe",
            "physbench.registry",
            "physbench.cache",
            "physbench.files",
            "physbench.lock",
            "physbench.npz",
        ),
        *(
            "physbench.seeds",
            "physbench.progress",
            "physbench.ahead",
            "physbench.fields",
            "physbench.world",
            "physbench.states",
        ),
    ),
    ("physbench.askings",),
    ("physbench.suites",),
    ("physbench.resolve", "physbench.storage", "physbench.metrics", "physbench.result", "physbench.compiler"),
    (
        "physbench.generate",
        "physbench.stream",
        "physbench.evaluation",
        "physbench.compare",
        "physbench.audit",
        "physbench.view",
    ),
    ("physbench.shards",),
    ("physbench.report",),
    ("physbench_generators", "physbench_baselines", "physbench_leaderboard"),
    ("physbench.cli",),
)
TOGETHER = {"physbench.world": "physbench.recipe"}  # a recipe names its world, and a world makes the scenes of a recipe
FRONT_DOOR = ("physbench", "physbench.__main__")
MODULES = sorted(path for source in SOURCES.values() for path in source.rglob("*.py"))
WIDEST = 120
WRITTEN = {".py", ".j2", ".html", ".css", ".js"}
"""How the names of the files end that people write: Python, templates, and what templates put into a page."""


def module_name(path: Path) -> str:
    package = next(source for source in SOURCES.values() if path.is_relative_to(source))
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def within(name: str, place: str) -> bool:
    return name == place or name.startswith(place + ".")


def place_of(name: str) -> tuple[int, str] | None:
    """(floor, room) of a module."""
    return next(
        (
            (floor, TOGETHER.get(room, room))
            for floor, rooms in enumerate(FLOORS)
            for room in rooms
            if within(name, room)
        ),
        None,
    )


def imports(path: Path) -> Iterator[str]:
    """Every module of ours that a file names in an import, wherever in the file it stands, a type-checker's imports
    included."""
    name = module_name(path)
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1]) if node.level else ""
            source = ".".join(filter(None, [base, node.module or ""]))
            found = [f"{source}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (each for each in found if each.split(".")[0] in SOURCES)


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_every_module_has_a_layer(path: Path) -> None:
    assert module_name(path) in FRONT_DOOR or place_of(module_name(path)), "a new module needs a place in FLOORS"


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_an_import_only_goes_down(path: Path) -> None:
    if module_name(path) in FRONT_DOOR:
        return
    own = place_of(module_name(path))
    assert own is not None
    for target in imports(path):
        if target == "physbench.__version__":
            continue
        there = place_of(target)
        assert there is not None, f"{module_name(path)} imports {target} through the front door"
        assert there[0] < own[0] or there[1] == own[1], (
            f"{module_name(path)} (floor {own[0]}) imports {target} (floor {there[0]})"
        )


def test_the_reader_of_imports_sees_every_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "physbench"
    (package / "storage").mkdir(parents=True)
    monkeypatch.setitem(SOURCES, "physbench", package)
    path = package / "storage" / "reader.py"
    path.write_text(
        "import physbench.cli\nimport os, physbench.view as v\nfrom physbench import generate\n"
        "from . import writer\nfrom ..errors import A\nfrom .layout import B\n"
        "def f():\n    from physbench_generators.balls import scenes\n"
    )
    assert sorted(imports(path)) == [
        "physbench.cli", "physbench.errors.A", "physbench.generate", "physbench.storage.layout.B",
        "physbench.storage.writer", "physbench.view", "physbench_generators.balls.scenes",
    ]  # fmt: skip


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_no_module_is_longer_than_500_lines(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 500


def find_wide_lines(folder: Path) -> list[str]:
    """Name each line of a folder's modules and templates that has more letters than fit."""
    return [
        f"{path.relative_to(folder.parent)}:{number}"
        for path in sorted(folder.rglob("*"))
        if path.suffix in WRITTEN
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if len(line) > WIDEST
    ]


@pytest.mark.parametrize("folder", [*SOURCES.values(), ROOT / "benchmarks"], ids=lambda folder: folder.name)
def test_no_line_of_a_module_or_a_template_is_wider_than_120_letters(folder: Path) -> None:
    assert {path.suffix for path in folder.rglob("*")} & WRITTEN
    assert not find_wide_lines(folder)


def test_the_reader_of_lines_sees_every_kind_of_file(tmp_path: Path) -> None:
    names = ["a.py", "b/c.html.j2", "b/d.css", "b/e.js", "b/f.html"]
    (tmp_path / "b").mkdir()
    for name in [*names, "card.json"]:
        (tmp_path / name).write_text("é" * 120 + "\n" + "é" * 121 + "\n", encoding="utf-8")
    assert find_wide_lines(tmp_path) == [f"{tmp_path.name}/{name}:2" for name in names]


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_no_path_of_some_machine_is_written_down(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    found = re.findall(r"""["'`](?:/(?:home|root|Users|tmp|var|work|mnt|opt|data)/|[A-Za-z]:\\\\)""", text)
    assert not found


def test_no_module_is_called_helpers() -> None:
    forbidden = {"util", "utils", "helper", "helpers", "manager", "common", "misc"}
    assert not [path for path in MODULES if path.stem in forbidden]


def test_every_public_name_is_there() -> None:
    for name in physbench.__all__:
        assert getattr(physbench, name) is not None
    assert sorted(dir(physbench)) == sorted(physbench.__all__)
    assert {"generate", "open", "stream", "verify", "Recipe", "PhysbenchError"} <= set(physbench.__all__)


def test_an_unknown_public_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'physbench' has no attribute 'nothing'"):
        _ = physbench.nothing  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", sorted((SOURCES["physbench"] / "cli").glob("*.py")), ids=module_name)
def test_commands_import_the_other_packages_by_import_statements(path: Path) -> None:
    words = [
        str(node.value)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant)
    ]
    assert not [word for word in words if re.fullmatch(r"physbench_\w+(\.\w+)*:\w*|physbench_\w+(\.\w+)+", word)]


def test_files_are_published_and_locked_in_one_place_and_names_are_suggested_in_one() -> None:
    homes = {"os.replace(": "physbench.files", "flock(": "physbench.lock", "get_close_matches(": "physbench.errors"}
    texts = {module_name(path): path.read_text(encoding="utf-8") for path in MODULES}
    assert {call: [name for name, text in texts.items() if call in text] for call in homes} == {
        call: [home] for call, home in homes.items()
    }


def loaded_after(code: str) -> set[str]:
    """The top-level packages, not of the standard library, that a fresh process has loaded after some code."""
    report = "import sys, json; before = set(sys.modules)\n" + code
    report += "\nprint('LOADED', json.dumps(sorted({name.split('.')[0] for name in set(sys.modules) - before})))"
    # -S -E would hide the installed package: what site loads by itself is subtracted instead
    done = subprocess.run(
        [sys.executable, "-c", report], capture_output=True, text=True, timeout=60, check=True, cwd="/"
    )
    names = json.loads(done.stdout.rsplit("LOADED", 1)[1])
    return {name for name in names if name not in sys.stdlib_module_names}


def test_importing_physbench_loads_the_standard_library_and_numpy_at_most() -> None:
    assert loaded_after("import physbench") <= {"physbench", "numpy"}


@pytest.mark.parametrize(
    "words", [["--help"], ["--version"], ["verify", "--help"], ["info", "--help"], ["show", "--help"]]
)
def test_help_is_light(words: list[str]) -> None:
    code = f"import physbench.cli\ntry: physbench.cli.main({words!r})\nexcept SystemExit as end: assert not end.code"
    assert not loaded_after(code) & {"numpy", "h5py", "numba", "torch", "rich", "isal", "PIL", "physbench_generators"}


@pytest.mark.parametrize(
    "words", [["list"], ["list", "suites"], ["list", "models"], ["generate", "--help"], ["generate", "balls", "--help"]]
)
def test_saying_what_can_be_made_compiles_nothing(words: list[str]) -> None:
    code = f"import physbench.cli\ntry: physbench.cli.main({words!r})\nexcept SystemExit as end: assert not end.code"
    assert not loaded_after(code) & {"numba", "torch", "h5py", "rich", "PIL"}


def test_reading_and_verifying_need_no_compiler_and_no_torch(mass) -> None:  # type: ignore[no-untyped-def]
    code = (
        f"import physbench\nphysbench.open({str(mass.path)!r})['test'][3]\nphysbench.verify({str(mass.path)!r},"
        " depth='quick')"
    )
    loaded = loaded_after(code)
    assert "h5py" in loaded
    assert not loaded & {"numba", "torch", "physbench_generators", "pandas", "matplotlib", "scipy"}


def test_the_check_of_the_motion_shares_no_code_with_the_simulation() -> None:
    path = SOURCES["physbench_generators"] / "balls" / "motion.py"
    assert set(imports(path)) <= {
        "physbench.scene.HIT_OBJECT",
        "physbench.scene.HIT_WALL",
        "physbench.scene.WALL",
        "physbench_generators.compiled.kernel",
    }


@pytest.mark.parametrize(
    "first",
    [
        "pass",
        "import physbench.generate",
        "from physbench.generate import GenerationProgress",
        "import physbench.cli, physbench.view",
    ],
)
def test_no_public_function_is_hidden_by_the_module_of_its_name(first: str) -> None:
    """Importing physbench.generate puts the module where the function is looked for."""
    code = (
        f"{first}\nimport physbench\nassert all(callable(getattr(physbench, name)) for name in ('generate', 'open',"
        " 'stream', 'verify'))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, cwd="/", capture_output=True)


IRREGULAR = frozenset(
    (
        *(
            "told",
            "found",
            "made",
            "drawn",
            "shown",
            "written",
            "given",
            "taken",
            "kept",
            "held",
            "known",
            "asked",
            "said",
            "seen",
            "built",
            "sent",
        ),
        *(
            "met",
            "lost",
            "begun",
            "chosen",
            "broken",
            "thrown",
            "grown",
            "hidden",
            "led",
            "fed",
            "sold",
            "caught",
            "taught",
            "thought",
            "brought",
        ),
        *(
            "bought",
            "sought",
            "dealt",
            "meant",
            "spent",
            "lent",
            "heard",
            "laid",
            "paid",
            "understood",
            "stood",
            "done",
            "worth",
        ),
    )
)
NO_PARTICIPLES = frozenset({"seed", "embed", "feed", "heed", "need", "speed", "shed"})


def is_participle(name: str) -> bool:
    """Whether a name is one word, and that a participle."""
    word = name.strip("_")
    return "_" not in word and word not in NO_PARTICIPLES and (word in IRREGULAR or word.endswith("ed"))


def test_participles_are_told_from_verbs() -> None:
    assert all(map(is_participle, ("told", "_found", "scored", "_checked")))
    assert not any(map(is_participle, ("tell", "_find", "seed", "score_release", "is_pinned", "read")))


@pytest.mark.parametrize(
    "path", [*MODULES, *sorted((ROOT / "benchmarks").rglob("*.py")), *sorted((ROOT / "tests").rglob("*.py"))], ids=str
)
def test_no_function_is_called_by_a_bare_participle(path: Path) -> None:
    """Functions are verbs. Properties and fixtures are values."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef) and not any(
            kind in ast.unparse(each) for each in node.decorator_list for kind in ("property", "fixture")
        ):
            assert not is_participle(node.name), f"{node.name} in line {node.lineno}: call it by a verb"


def test_old_names_still_lead_to_the_new_ones() -> None:
    import physbench.fields
    import physbench.world

    for module, old, new in ((physbench.fields, "bounded", "parameter"), (physbench.world, "seeded", "make_by_seed")):
        with pytest.warns(DeprecationWarning, match=f"{old} is called {new} now"):
            assert getattr(module, old) is getattr(module, new)
        with pytest.raises(AttributeError):
            module.nothing_of_this_name  # type: ignore[attr-defined]  # noqa: B018
    with pytest.warns(DeprecationWarning, match="take_share"):
        assert physbench.stream("balls").shared(1, 2).share == (1, 2)


PRODUCT = [*MODULES, *(path for path in (ROOT / "docs").glob("*.md")), *ROOT.glob("*.md"), *ROOT.glob("*/README.md")]
STILTED = re.compile(r"\b(heeds?|heeded|whoever|nobody|one's own|somebody's)\b", re.I)


@pytest.mark.parametrize("path", PRODUCT, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_sentence_is_stilted(path: Path) -> None:
    found = [line for line in path.read_text(encoding="utf-8").splitlines() if STILTED.search(line)]
    assert not found, "write it as a newcomer would say it"


OF_A_MODEL = frozenset({"State", "Encoder", "Decoder", "Lstm", "Norm"})
"""Parts of a model, which every file of a model may have."""


def test_no_two_classes_have_one_name() -> None:
    places: dict[str, list[str]] = {}
    for path in MODULES:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and node.name not in OF_A_MODEL:
                places.setdefault(node.name, []).append(module_name(path))
    assert {name: modules for name, modules in places.items() if len(modules) > 1} == {}


ONE_OF_A_KIND = {
    "__init__": "a package",
    "__main__": "a package's command",
    "check": "the truth of a world, held to itself",
    "compiled": "the compiler of a package's kernels",
    "encode": "scenes of a world to zlib streams",
    "kernels": "a world's inner loops",
    "marks": "what pictures of a world show",
    "preflight": "what is refused before a training begins",
    "run": "a training in its folder",
    "scenes": "a world",
    "torch_view": "what DataLoader reads",
}
"""Base names that several folders may have, and the one thing that they mean everywhere."""


def test_a_base_name_has_one_meaning() -> None:
    counts = Counter(path.stem for path in [*MODULES, *(ROOT / "benchmarks").rglob("*.py")])
    assert sorted(name for name, count in counts.items() if count > 1 and name not in ONE_OF_A_KIND) == []
    assert sorted(name for name in ONE_OF_A_KIND if counts[name] < 2) == [], "take it out of the list"
