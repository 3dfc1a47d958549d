"""Kernels that call one another, in the process that compiles them and in one that finds them compiled."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SOURCE = """
import math

import numpy as np

from qgen.compilation import inlined, internal, kernel


@inlined
def power(x, k):
    return x**2 if k == 0 else x**3


@internal
def checked(x):
    if x < 0:
        raise ValueError("below zero")
    return math.sqrt(x)


@kernel
def add(numbers, to):
    for i in range(len(numbers)):
        to[i] += checked(numbers[i]) + power(numbers[i], 0) - power(numbers[i], 1)


@kernel
def twice(numbers):
    to = np.zeros(len(numbers))
    add(numbers, to)
    add(numbers, to)
    return to
"""
IN_A_NEW_PROCESS = """
import sys

import numpy as np
from numba.core import event

import some_kernels

with event.install_recorder("numba:compile") as compilations:
    print(*some_kernels.twice(np.array([float(number) for number in sys.argv[1:]])), sep="\\n")
assert not compilations.buffer
try:
    some_kernels.twice(np.array([-1.0]))
except ValueError as error:
    assert "below zero" in str(error)
else:
    raise AssertionError("no error")
"""


@pytest.mark.parametrize("links", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_kernels_call_one_another_and_are_compiled_once(
    links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    (tmp_path / "some_kernels.py").write_text(SOURCE)
    monkeypatch.setattr("qgen.compilation._LINKS_PARTS", links)
    monkeypatch.delitem(sys.modules, "some_kernels", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    import some_kernels

    numbers = rng.uniform(0, 3, size=5)
    wanted = np.sqrt(numbers) + numbers**2 - numbers**3
    found = some_kernels.twice(numbers)
    assert found == pytest.approx(2 * wanted, abs=1e-12)
    with pytest.raises(ValueError, match="below zero"):
        some_kernels.twice(np.array([-1.0]))
    to = np.ones(5)
    some_kernels.add(numbers, to)  # a kernel that another one calls can be called from Python
    assert to == pytest.approx(1 + wanted, abs=1e-12)
    ran = subprocess.run(
        [sys.executable, "-c", IN_A_NEW_PROCESS, *map(repr, numbers.tolist())],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert [float(line) for line in ran.stdout.split()] == found.tolist()
