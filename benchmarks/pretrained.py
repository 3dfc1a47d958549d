"""Train, evaluate and export the weights that come with qgen: `python benchmarks/pretrained.py digits born-digits`.

Each is trained as its preset says, exported (rounded to float16 where ROUNDED says so), evaluated as it will be
shipped, and exported again with these values in its card. Its provenance has the commands, and the revision of the
sources that it was trained with.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import qgen

ROOT = Path(__file__).parents[1]
WEIGHTS = ROOT / "qgen" / "runs" / "weights"
#: Presets whose weights come with qgen, and whether they are rounded: all together stay below 2 MB.
ROUNDED = {"digits": True, "born-digits": False, "gan-quantum-g": True}
LICENCE = "Apache-2.0, as qgen"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("presets", nargs="*", default=list(ROUNDED), help=f"of {', '.join(ROUNDED)}; default: all")
    parser.add_argument("--runs", type=Path, help="where runs stay; those that are there are not trained again")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        for preset in options.presets:
            make(preset, options.runs or Path(scratch), Path(scratch))


def make(preset: str, runs: Path, scratch: Path) -> None:
    folder = runs / preset
    half = ["--half"] if ROUNDED[preset] else []
    if not folder.exists():
        command("train", preset, "--out", str(folder), "--device", "cpu")
        note(folder, {"revision": revision()})
    noted = json.loads(folder.joinpath("provenance.json").read_text("utf-8"))["made"]
    commands = [f"qgen train {preset} --name {preset}", " ".join([f"qgen export runs/{preset}", *half])]
    commands.append(f"qgen evaluate exports/{preset}")
    note(folder, noted | {"commands": commands, "licence": LICENCE})
    first = scratch / "exports" / preset
    command("export", str(folder), "--out", str(first), *half)
    command("evaluate", str(first), "--device", "cpu")
    target = WEIGHTS / preset
    shutil.rmtree(target, ignore_errors=True)
    command("export", str(first), "--out", str(target))
    size = sum(file.stat().st_size for file in WEIGHTS.rglob("*") if file.is_file())
    print(f"all weights together: {size / 1e6:.2f} MB")


def command(*words: str) -> None:
    subprocess.run(["qgen", *words], check=True)


def note(folder: Path, made: dict[str, object]) -> None:
    file = folder / "provenance.json"
    file.write_text(json.dumps(json.loads(file.read_text("utf-8")) | {"made": made}, indent=2) + "\n", "utf-8")


def revision() -> str:
    found = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    changed = subprocess.run(["git", "status", "--porcelain", "qgen"], cwd=ROOT, capture_output=True, text=True)
    return found.stdout.strip() + ("+" if changed.stdout.strip() else "")


if __name__ == "__main__":
    print(f"qgen {qgen.__version__}, revision {revision()}")
    main()
