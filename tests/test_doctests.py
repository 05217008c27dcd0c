"""Tests of every example in a docstring.

Those of public names, which may need a file, are run in test_python.py.
"""

from __future__ import annotations

import doctest
import re
from importlib import import_module

import pytest

from tests.test_architecture import MODULES, module_name

NEEDS_MORE = re.compile(r">>> .*physbench\.\w+\(|except physbench\.")
WITH_EXAMPLES = [
    module_name(path)
    for path in MODULES
    if ">>> " in path.read_text(encoding="utf-8")
    and "_cards" not in path.stem
    and not NEEDS_MORE.search(path.read_text(encoding="utf-8"))
]


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_the_examples_of_a_module_run(name: str) -> None:
    result = doctest.testmod(import_module(name))
    assert result.attempted and not result.failed
