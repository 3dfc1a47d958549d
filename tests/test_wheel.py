"""What a wheel holds: presets, and the weights that come with some of them, work where nothing else is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from qgen.runs.pretrained import pretrained_names
from qgen.runs.shipped import preset_names

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = "import sys; from hatchling.build import build_wheel; build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", build, str(folder)], cwd=ROOT, check=True)
    (made,) = folder.glob("*.whl")
    return made


def test_it_has_presets_weights_and_templates(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    sources = [path for ending in ("html", "css") for path in (ROOT / "qgen").rglob(f"*.{ending}")]
    assert {path.relative_to(ROOT).as_posix() for path in sources} <= set(names)
    assert all(f"qgen/runs/presets/{name}.yaml" in names for name in preset_names())
    for name in pretrained_names():
        own = [each.removeprefix(f"qgen/runs/weights/{name}/") for each in names if f"runs/weights/{name}/" in each]
        assert {"config.yaml", "README.md", "provenance.json"} <= set(own)
        assert len([each for each in own if each.startswith("checkpoints/") and each.endswith(".safetensors")]) == 1


@pytest.mark.slow
def test_it_samples_where_nothing_may_be_written_beside_it(wheel: Path, tmp_path: Path) -> None:
    installed, folder = tmp_path / "installed", tmp_path / "work"
    zipfile.ZipFile(wheel).extractall(installed)
    folder.mkdir()
    for path in sorted(installed.rglob("*"), reverse=True):
        path.chmod(0o555 if path.is_dir() else 0o444)
    words = ("-m", "qgen", "sample", "digits", "--count", "2", "--steps", "2", "--device", "cpu", "--json")
    environment = {**os.environ, "PYTHONPATH": str(installed), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run([sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True)
    finally:
        for path in installed.rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["run"] == "pretrained:digits"
    assert {path.parts[0] for path in (each.relative_to(folder) for each in folder.rglob("*"))} == {"runs"}
