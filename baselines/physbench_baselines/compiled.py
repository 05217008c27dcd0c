"""The compiler of the kernels in this package."""

from pathlib import Path

from physbench.compiler import Compiler

FOLDER = Path(__file__).parent

kernel = Compiler(
    [
        FOLDER / "regions.py",
        *(FOLDER / "tracking").glob("*.py"),
        FOLDER / "dqn" / "picture.py",
        FOLDER / "dqn" / "marksman.py",
    ],
    seconds=15,
)
