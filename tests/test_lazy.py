"""What is imported when: packages that give names on demand, and commands that do without torch."""

import pkgutil
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

import qgen

PACKAGES = [
    each.name
    for each in pkgutil.walk_packages(qgen.__path__, "qgen.")
    if each.ispkg and "lazy_imports(" in Path(str(import_module(each.name).__file__)).read_text(encoding="utf-8")
]
#: Commands that are done, or refuse, without a tensor; and what they may not load.
LIGHT = {
    "--help": {"torch", "qiskit", "numpy"},
    "train --help": {"torch", "qiskit", "numpy"},
    "train --list": {"torch", "qiskit", "numpy"},
    "train --resume": {"torch", "qiskit"},
    "train --set x=1": {"torch"},
    "train --set training.steps=-1": {"torch"},
    "train gan-quantum-g --set training.steps=no": {"torch"},
    "train not-there": {"torch"},
    "sample": {"torch", "qiskit"},
    "sample not-there": {"torch", "qiskit"},
    "sample --layout not-there.json": {"torch", "qiskit", "numpy"},
    "train --layout not-there.json": {"torch", "qiskit", "numpy"},
    "train --backend not-there": {"torch"},
    "train --shots 9": {"torch"},
    "train --dry-run": {"torch"},
    "jobs": {"torch", "qiskit"},
    "data": {"torch", "qiskit"},
    "describe --list": {"torch"},
    "describe --circuit hqconv": {"torch"},
    "describe not-there": {"torch"},
    "backends login": {"torch", "qiskit"},
}
WATCHED = """
import sys
from qgen.cli.main import app
try:
    app(sys.argv[1:], prog_name="qgen")
except SystemExit:
    pass
print("loaded:", *sorted(name for name in ("torch", "qiskit", "numpy") if name in sys.modules))
"""


def test_several_packages_are_lazy() -> None:
    assert {"qgen.runs", "qgen.data", "qgen.models", "qgen.backends"} <= set(PACKAGES)


@pytest.mark.parametrize("name", PACKAGES)
def test_every_name_of_a_lazy_package_is_there(name: str) -> None:
    package = import_module(name)
    others = {"TYPE_CHECKING", "lazy_imports"}
    listed = [each for each in dir(package) if not each.startswith("_") and each not in others]
    assert listed
    for each in listed:
        value = getattr(package, each)
        assert value is getattr(package, each)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = package.nothing


@pytest.mark.parametrize("name", PACKAGES)
def test_no_module_hides_a_name(name: str) -> None:
    """`import qgen.part.name` would put a module where `from qgen.part import name` looks for something else."""
    shown = vars(import_module(name))["__dir__"]()
    given = [each for each in shown if find_spec(f"{name}.{each}") and not _is_module(name, each)]
    assert given == []


def _is_module(package: str, name: str) -> bool:
    value = getattr(import_module(package), name)
    return getattr(value, "__name__", "") == f"{package}.{name}"


@pytest.mark.parametrize("words", LIGHT)
def test_commands_that_need_no_torch_do_not_load_it(words: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, *words.split()],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    loaded = done.stdout.splitlines()[-1]
    assert loaded.startswith("loaded:"), done.stderr
    assert not LIGHT[words] & set(loaded.split()), loaded
