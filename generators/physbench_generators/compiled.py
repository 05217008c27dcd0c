"""The compiler of the kernels in this package."""

from pathlib import Path

from physbench.compiler import Compiler

kernel = Compiler(Path(__file__).parent.rglob("*.py"), seconds=6)
