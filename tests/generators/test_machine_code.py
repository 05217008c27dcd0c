"""Tests that the machine code of the kernels rounds as IEEE 754 prescribes, on every machine."""

from pathlib import Path

import numba
import pytest

from physbench_generators.balls import kernels
from tests.builders.launches import launch, simulate


def processor_features() -> list[str]:
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.read_text().split() if cpuinfo.exists() else []


@pytest.mark.parametrize("name", ["simulate", "next_touch", "falling_to_wall", "fly", "collide"])
def test_the_machine_code_holds_no_fused_operation(name: str) -> None:
    """A fused multiply-add rounds once where IEEE 754 code rounds twice: the same recipe would differ between
    machines."""
    simulate(launch(1), 5)
    f8, i8 = numba.float64, numba.int64
    row = f8[::1]
    signatures = {
        "next_touch": (i8, i8, *[row] * 5),
        "falling_to_wall": (f8,) * 5,
        "fly": (i8, f8, *[row] * 4, f8),
        "collide": (i8, i8, *[row] * 6, i8, numba.uint8[::1], f8[:, ::1], row, f8[:, ::1]),
    }
    original = getattr(kernels, name)
    options = {option: original.targetoptions.get(option) for option in ("nogil", "error_model", "fastmath")}
    fresh = numba.njit(**options)(original.py_func)  # cached machine code cannot be inspected
    fresh.compile(signatures.get(name) or kernels.simulate.signatures[0])
    code = fresh.inspect_asm(fresh.signatures[0])
    assert "mul" in code
    assert not any(word in code for word in ("fmadd", "fmsub", "fnmadd", "fmla"))


@pytest.mark.skipif("fma" not in processor_features(), reason="this processor has no fused operation to find")
def test_a_fused_operation_would_be_seen() -> None:
    fused = numba.njit((numba.float64,) * 3, fastmath=True)(lambda a, b, c: a * b + c)
    assert "fmadd" in fused.inspect_asm(fused.signatures[0])
