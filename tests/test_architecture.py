"""The shape of the code base: floors, links at the root, quick start-up, file sizes, what a wheel contains."""

import ast
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import grimp
import pytest
import rustworkx as rx

from qgen.extras import DISTRIBUTION, install_command

ROOT = Path(__file__).parents[1]
LINKS = {"circuits": "qgen/circuits", "backends": "qgen/backends", "cli": "qgen/cli"}
#: Lines that may import something by these names; those that do are told by the syntax tree.
MAYBE_IMPORTED = re.compile(rf"(?:^|[:;])\s*(?:from|import)\s.*?(?<![.\w])(?:{'|'.join(LINKS)})\b", flags=re.MULTILINE)
LONGEST_FILE = 400
COMMANDS = ("train", "sample", "evaluate", "describe", "data", "backends", "transpile", "study", "schema")
HEAVY = {"torch", "qiskit", "qiskit_machine_learning", "numba", "numpy", "scipy", "sympy", "rich", "matplotlib"} | {
    *("PIL", "sklearn", "yaml", "lightning_fabric", "qiskit_aer")
}


def sources() -> list[Path]:
    """Every Python file that people write here."""
    folders = ("qgen", "tests", "benchmarks", "examples")
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def imported_names(text: str) -> set[str]:
    """The first part of every absolute import in the source of a file, wherever it stands."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
    return names


def test_imports_only_point_down() -> None:
    report = run_python("import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))")
    assert "3 kept, 0 broken" in report


def test_no_files_import_each_other_in_a_circle() -> None:
    graph = grimp.build_graph("qgen", cache_dir=None)
    names = sorted(graph.modules)
    imports = rx.PyDiGraph()
    number = dict(zip(names, imports.add_nodes_from(names), strict=True))
    for name in names:
        for imported in graph.find_modules_directly_imported_by(name):
            imports.add_edge(number[name], number[imported], None)
    circles = [
        sorted(names[k] for k in circle) for circle in rx.strongly_connected_components(imports) if len(circle) > 1
    ]
    assert circles == []


@pytest.mark.parametrize(("link", "target"), LINKS.items())
def test_root_links_are_relative_and_point_into_the_package(link: str, target: str) -> None:
    path = ROOT / link
    assert path.is_symlink()
    assert os.readlink(path) == target
    assert (path / "__init__.py").is_file()


def test_nothing_is_imported_through_the_links() -> None:
    texts = {path: path.read_text(encoding="utf-8") for path in sources()}
    maybe = {path: text for path, text in texts.items() if MAYBE_IMPORTED.search(text)}
    assert ROOT / "tests" / "test_editable_install.py" in maybe  # inside a text
    assert not [str(path.relative_to(ROOT)) for path, text in maybe.items() if imported_names(text) & LINKS.keys()]


def test_files_are_short() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in sources()}
    assert lengths
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}


@pytest.mark.parametrize(
    "start",
    [
        "import qgen; qgen.QgenError; qgen.__version__; dir(qgen)",
        "from qgen.cli.main import app; app(['--help'], standalone_mode=False)",
        *(f"from qgen.cli.main import app; app(['{name}', '--help'], standalone_mode=False)" for name in COMMANDS),
    ],
    ids=["import qgen", "qgen --help", *(f"qgen {name} --help" for name in COMMANDS)],
)
def test_starting_up_imports_nothing_heavy(start: str) -> None:
    loaded = set(run_python(f"{start}\nimport sys; print(*{{name.split('.')[0] for name in sys.modules}})").split())
    assert "qgen" in loaded
    assert not HEAVY & loaded


def test_lazy_names_are_the_real_ones() -> None:
    import qgen
    from qgen.circuits import LayerCircuit
    from qgen.nn import QuantumLayer

    assert qgen.LayerCircuit is LayerCircuit
    assert qgen.QuantumLayer is QuantumLayer
    assert {"LayerCircuit", "QuantumLayer", "QgenError"} <= set(dir(qgen))
    with pytest.raises(AttributeError, match="no attribute 'QuantumLayr'"):
        qgen.QuantumLayr  # noqa: B018


def test_the_wheel_contains_the_package_and_nothing_else(tmp_path: Path) -> None:
    run_python(f"from hatchling.build import build_wheel; build_wheel({str(tmp_path)!r})")
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert wheel.name.startswith("qgen_torch-")
    assert {name.split("/")[0].split("-")[0] for name in names} == {"qgen", "qgen_torch"}
    assert "qgen/py.typed" in names
    assert "qgen/cli/main.py" in names


def test_extras_are_named_by_the_distribution() -> None:
    """`qgen` on the public index is another project: no text tells anybody to install that."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["name"] == DISTRIBUTION != "qgen"
    extras = project["optional-dependencies"]
    assert install_command("text") == f'pip install "{DISTRIBUTION}[text]"'
    for path in [*(ROOT / "qgen").rglob("*.py"), ROOT / "CONTRIBUTING.md", ROOT / "README.md", ROOT / "pyproject.toml"]:
        text = path.read_text(encoding="utf-8")
        assert not re.findall(r"\bqgen\[", text), path
        for extra in re.findall(r"install_command\(['\"](\w+)['\"]\)", text):
            assert extra in extras, path
