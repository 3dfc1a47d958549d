"""What is imported when: packages that give names on demand, and commands that do without torch."""

import json
import pkgutil
import re
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from cloud import no_account

import qgen

PACKAGES = [
    each.name
    for each in pkgutil.walk_packages(qgen.__path__, "qgen.")
    if each.ispkg and "lazy_imports(" in Path(str(import_module(each.name).__file__)).read_text(encoding="utf-8")
]
#: Commands that are done, or refuse, without a tensor; and what they may not load.
LIGHT = {
    "backends --help": {"torch", "qiskit", "numpy", "rich", "matplotlib"},
    "backends show --help": {"torch", "qiskit", "numpy", "rich", "matplotlib"},
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
    "backends": {"qiskit_ibm_runtime"},
}
#: Modules that may come late: what loads none of the first ones is tried first.
LATE = ("numpy", "qiskit", "torch")
#: What most commands load that may load as many of LATE: no child has to load it anew.
SHARED = {0: ["pydantic"], 1: ["yaml", "qgen.runs.folder", "rich.console"], 2: ["qgen.runs.config"], 3: []}
#: Noise without Aer. A snapshot is tried too: qiskit-ibm-runtime imports Aer where it can.
WITHOUT_AER = """
import sys; sys.modules["qiskit_aer"] = None
import torch
from pathlib import Path
from qgen.backends import open_backend
from qgen.circuits import ansatz
Path("noise.yaml").write_text("basis: [rz, sx, x, cx]\\ndepolarizing: {two_qubit: 0.01}\\n")
circuit = ansatz("basic", qubits=2, layers=1)
for name in ("noisy:fake_lagos", "noisy:noise.yaml"):
    open_backend(name).compile(circuit).expectations(torch.zeros(1, 2), torch.zeros(circuit.num_weights))
"""
#: All that is tried, and what it may not load.
CODES = {f"app({words.split()}, prog_name='qgen')": unwanted for words, unwanted in LIGHT.items()}
CODES[WITHOUT_AER] = {"qiskit_aer"}
#: A process that forks one for each piece of code, those first that may load least: then it loads what the others may.
#: Reads a JSON list of (code, what is loaded beforehand); prints one of (code, what was loaded in the end).
WATCHED = """
import json, os, sys
from importlib import import_module
from qgen.cli.main import app
for code, before in json.load(sys.stdin):
    for name in before:
        import_module(name)
    sys.stdout.flush()
    child = os.fork()
    if child:
        assert os.waitpid(child, 0)[1] == 0, code
        continue
    sys.stdin = open(os.devnull)
    try:
        exec(code)
    except SystemExit:
        pass
    found = [name for name, module in sys.modules.items() if module and "." not in name]
    print("\\nloaded:", json.dumps([code, found]), flush=True)
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


def loaded(codes: dict[str, set[str]], folder: Path) -> dict[str, set[str]]:
    """What is loaded at the end of each piece of code, by what it may not load."""
    late = {code: [name for name in LATE if name not in codes[code]] for code in codes}
    asked = [
        (code, [*late[code], *SHARED[len(late[code])]]) for code in sorted(codes, key=lambda code: len(late[code]))
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
    return {code: set(found) for code, found in map(json.loads, lines)}


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
@pytest.mark.parametrize("count", [5, pytest.param(len(CODES), marks=pytest.mark.slow)])
def test_nothing_heavy_is_loaded_where_it_is_not_needed(
    count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    no_account(tmp_path, monkeypatch)
    codes = {code: CODES[code] for code in map(str, rng.choice(list(CODES), count, replace=False))}
    found = loaded(codes, tmp_path)
    assert found.keys() == codes.keys()
    assert {code: codes[code] & found[code] for code in codes if codes[code] & found[code]} == {}


def test_a_star_import_has_what_the_reference_lists() -> None:
    found: dict[str, object] = {}
    exec("from qgen import *", found)
    page = Path(__file__).resolve().parents[1] / "docs" / "api" / "qgen.md"
    listed = re.findall(r"^::: qgen\.(\w+)$", page.read_text("utf-8"), re.MULTILINE)
    assert {*listed, "LayerCircuit"} == set(qgen.__all__) == found.keys() - {"__builtins__"}
