"""What is imported when: packages that give names on demand, and commands that do without torch."""

import json
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
#: What most commands load that may load as many of torch, qiskit and NumPy: no child has to load it anew.
SHARED = {0: ["pydantic"], 1: ["yaml", "qgen.runs.folder", "rich.console"], 2: ["qgen.runs.config"]}
#: A process that forks one for each command, those first that may load least: then it loads what the others may.
#: Reads a JSON list of (command, what is loaded beforehand, more of that); prints one of (command, what was loaded in
#: the end).
WATCHED = """
import json, os, sys
from importlib import import_module
from qgen.cli.main import app
for words, before, shared in json.load(sys.stdin):
    for name in (*before, *shared):
        import_module(name)
    sys.stdout.flush()
    child = os.fork()
    if child:
        assert os.waitpid(child, 0)[1] == 0
        continue
    sys.stdin = open(os.devnull)
    try:
        app(words.split(), prog_name="qgen")
    except SystemExit:
        pass
    print("\\nloaded:", json.dumps([words, sorted(sys.modules.keys() & {"torch", "qiskit", "numpy"})]), flush=True)
    os._exit(0)
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


def loaded(folder: Path) -> dict[str, set[str]]:
    """What is loaded at the end of each command of LIGHT."""
    names = {"numpy", "qiskit", "torch"}
    asked = [
        (words, sorted(names - LIGHT[words]), SHARED[len(names - LIGHT[words])])
        for words in sorted(LIGHT, key=lambda words: -len(LIGHT[words]))
    ]
    done = subprocess.run(
        [sys.executable, "-c", WATCHED],
        cwd=folder,
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = [line.partition(": ")[2] for line in done.stdout.splitlines() if line.startswith("loaded: ")]
    return {words: set(found) for words, found in map(json.loads, lines)}


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_commands_that_need_no_torch_do_not_load_it(tmp_path: Path) -> None:
    found = loaded(tmp_path)
    assert found.keys() == LIGHT.keys()
    assert {words: LIGHT[words] & found[words] for words in LIGHT if LIGHT[words] & found[words]} == {}
