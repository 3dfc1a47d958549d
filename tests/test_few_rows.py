"""`@pytest.mark.rows(n)`: n rows of a table in a default run, the same in each of its processes; all with `-m slow`."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from few_rows import choose_rows


@pytest.fixture
def table(request: pytest.FixtureRequest) -> list[pytest.Item]:
    """Twelve rows, two of which are slow in any case, and a test that is no table."""

    def row(name: str, *marks: pytest.MarkDecorator) -> pytest.Item:
        made = pytest.Function.from_parent(request.node.parent, name=name, callobj=lambda: None)
        for mark in marks:
            made.add_marker(mark)
        return made

    rows = [row(f"test_it[{k}]", pytest.mark.rows(3)) for k in range(10)]
    slow = [row(f"test_it[slow {k}]", pytest.mark.rows(3), pytest.mark.slow) for k in range(2)]
    return [*rows, *slow, row("test_other")]


def quick(items: list[pytest.Item]) -> list[str]:
    return [item.name for item in items if not item.get_closest_marker("slow")]


def test_a_few_rows_are_quick(table: list[pytest.Item], rng: np.random.Generator) -> None:
    choose_rows(table, int(rng.integers(2**32)))
    *rows, other = quick(table)
    assert other == "test_other"
    assert len(rows) == 3
    assert not any("slow" in row for row in rows)


def test_none_is_quick_where_all_are_wanted(table: list[pytest.Item]) -> None:
    choose_rows(table, 0, some=False)
    assert quick(table) == ["test_other"]


def test_fewer_rows_than_that_are_all_quick(table: list[pytest.Item]) -> None:
    """As where the name of one row is given."""
    choose_rows(table[:2], 0)
    assert quick(table[:2]) == ["test_it[0]", "test_it[1]"]


@pytest.mark.slow
def test_each_run_takes_other_rows_and_slow_has_them_all(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text((Path(__file__).parent / "conftest.py").read_text())
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n  slow\n  rows\npythonpath = .\n")
    (tmp_path / "few_rows.py").write_text((Path(__file__).parent / "support" / "few_rows.py").read_text())
    (tmp_path / "test_it.py").write_text(
        "import pytest\n@pytest.mark.rows(3)\n@pytest.mark.parametrize('k', range(40))\ndef test_it(k): pass\n"
    )

    def passed(*words: str) -> set[str]:
        command = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", *words]
        output = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False).stdout
        return {word for line in output.splitlines() if "PASSED" in line for word in line.split() if "::" in word}

    runs = [
        passed("-m", "not slow", "-n", processes, f"--randomly-seed={seed}")
        for seed, processes in ((1, "0"), (1, "2"), (2, "0"))
    ]
    assert [len(run) for run in runs] == [3, 3, 3]
    assert runs[0] == runs[1] != runs[2]
    assert len(passed("-m", "slow", "-n", "0")) == 40
    assert len(passed("-m", "not slow", "-n", "0", "-k", "test_it")) == 40
