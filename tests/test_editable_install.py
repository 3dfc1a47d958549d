"""An editable install: importable and seen by type checkers from anywhere, but not the links at the root."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
import zipfile
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROGRAM = """\
import circuits
from qgen import QuantumLayer
from qgen.errors import QgenError, short_repr

reveal_type(QuantumLayer)
reveal_type(QgenError("a"))
short_repr(1, 2)
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with nothing but a copy of this tree, installed as `pip install -e` does it."""
    folder = tmp_path_factory.mktemp("editable")
    tree, environment = folder / "tree", folder / "environment"
    tree.mkdir()
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE", "qgen"):
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, tree / name)
    for link in ("circuits", "backends", "cli"):
        (tree / link).symlink_to(Path("qgen", link))
    build = "import sys; from hatchling.build import build_editable; build_editable(sys.argv[1])"
    subprocess.run([sys.executable, "-c", build, str(folder)], cwd=tree, check=True)
    venv.create(environment)
    (wheel,) = folder.glob("*.whl")
    (packages,) = environment.rglob("site-packages")
    zipfile.ZipFile(wheel).extractall(packages)
    return next(environment.rglob("bin/python" if sys.platform != "win32" else "python.exe"))


def run(command: list[str | Path], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    return done.stdout + done.stderr


def test_the_package_is_importable_and_the_links_are_not(python: Path, tmp_path: Path) -> None:
    code = "import qgen; print(qgen.QgenError.__name__); print(*__import__('sys').path); import circuits"
    found = run([python, "-c", code], tmp_path)
    assert found.startswith("QgenError\n")
    assert "No module named 'circuits'" in found
    assert str(ROOT) not in found


def test_mypy_sees_its_types(python: Path, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM, encoding="utf-8")
    places = ["--python-executable", python, "--cache-dir", tmp_path / "cache", "--config-file", ""]
    said = run([sys.executable, "-m", "mypy", *places, program], tmp_path)
    assert 'program.py:1: error: Cannot find implementation or library stub for module named "circuits"' in said
    assert "circuit: qgen.circuits.layer_circuit.LayerCircuit" in said
    assert "-> qgen.nn.layer.QuantumLayer" in said
    assert 'Revealed type is "qgen.errors.QgenError"' in said
    assert 'Too many arguments for "short_repr"' in said


def test_kernels_are_kept_once_however_their_source_is_reached(tmp_path: Path) -> None:
    """The link of an editable install and the tree itself share them: to compile them takes a minute."""
    from qgen import compilation
    from qgen.backends.statevector.lanes import kernel

    assert ROOT.resolve() / "qgen" / "compilation.py" == compilation._HERE  # as its digest of sources has it
    assert ROOT.resolve() / "qgen" / "backends" / "statevector" == compilation._SHARED
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "real" / "sums.py").write_text("def twice(x):\n    return 2 * x\n", encoding="utf-8")

    def kept(folder: str) -> str:
        spec = spec_from_file_location("sums", tmp_path / folder / "sums.py")
        assert spec is not None
        assert spec.loader is not None
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        return str(kernel(module.twice)._cache.cache_path)

    assert kept("link") == kept("real")
    assert kept("real").startswith(str((tmp_path / "real").resolve()))
