"""`--minutes N`: no test starts after N minutes, and what did not run is reported as over budget."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parent / "conftest.py"
#: Three tests; after the second one it is an hour later.
TESTS = """
import time

def test_one(): pass

def test_two():
    now = time.monotonic()
    time.monotonic = lambda: now + 3600

def test_three(): raise AssertionError("it ran")
"""


def run(folder: Path, *words: str) -> str:
    shutil.copy(CONFTEST, folder)
    (folder / "test_it.py").write_text(TESTS)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:randomly", "-p", "no:cacheprovider", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout


def counts(output: str) -> dict[str, int]:
    return {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|skipped)", output.splitlines()[-1])}


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("--minutes", "30"), {"passed": 2, "skipped": 1}),
        pytest.param(("--minutes", "30", "-n", "1"), {"passed": 2, "skipped": 1}, marks=pytest.mark.slow),
        pytest.param(("--minutes=0", "-n", "2"), {"skipped": 3}, marks=pytest.mark.slow),
        pytest.param((), {"passed": 2, "failed": 1}, marks=pytest.mark.slow),
    ],
)
def test_no_test_starts_after_so_many_minutes(words: tuple[str, ...], wanted: dict[str, int], tmp_path: Path) -> None:
    output = run(tmp_path, *words)
    assert counts(output) == wanted, output
    over = wanted.get("skipped", 0)
    assert (f"{over} tests were over budget" in output) == (over > 0)
