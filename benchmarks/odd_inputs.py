"""Types odd things at `qgen`, thousands of times, and reports what it does not answer with a line.

    python benchmarks/odd_inputs.py                      # 3,000 commands, from a seed that is printed
    python benchmarks/odd_inputs.py --seed 7 --only 1234 # one of them again, with all that it prints

Every command has to end within ten seconds with exit code 1, 2 or 130 (0 where the input is good after all), and
without a traceback. Nothing is contacted but this machine.
"""

from __future__ import annotations

import argparse
import json
import random
import secrets
import shutil
import sys
import tempfile
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from harness.forks import Limits, Outcome, run_forked, run_whole, warm_up
from harness.odd_commands import Case, make_case
from harness.oddities import fill

RESULT = Path(__file__).parent / "results" / "odd-inputs.json"
_QASM = 'OPENQASM 2.0;\ninclude "qelib1.inc";\nqreg q[3];\ncreg c[3];\nh q[0];\ncx q[0],q[1];\nrz(0.25) q[2];\n'
_QASM3 = 'OPENQASM 3.0;\ninclude "stdgates.inc";\nqubit[3] q;\nh q[0];\ncx q[0], q[1];\nrz(0.25) q[2];\n'
_NOISE = """basis: [rz, sx, x, cx]
coupling: line
depolarizing: {sx: 0.001, cx: 0.01}
readout: [[0.98, 0.02], [0.03, 0.97]]
"""
_SMALL = (
    "model.dim=8",
    "model.mults=[1, 2]",
    "model.norm_groups=4",
    "model.heads=2",
    "model.head_dim=4",
    "data.limit=32",
)
_QUICK = (
    "data.limit=32",
    "training.steps=2",
    "training.batch=8",
    "training.samples=1",
    "model.vertex.group_channels=1",
)


def main() -> None:
    """Runs them all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=3000, help="how many commands")
    parser.add_argument("--seed", type=int, default=None, help="of all of them; default: a new one")
    parser.add_argument("--only", type=int, default=None, metavar="NUMBER", help="one command, and what it prints")
    parser.add_argument("--whole", type=int, default=10, help="how many of them are processes of their own")
    parser.add_argument("--seconds", type=float, default=10.0, help="limit for each")
    parser.add_argument("--gibibytes", type=float, default=8.0, help="address space that each may take")
    parser.add_argument("--out", type=Path, default=RESULT, help="where the summary goes")
    given = parser.parse_args()
    seed = secrets.randbits(32) if given.seed is None else given.seed
    print(f"seed {seed}", flush=True)
    limits = Limits(given.seconds, int(given.gibibytes * 2**30))
    warm_up()
    with tempfile.TemporaryDirectory() as place:
        specimens = prepare(Path(place) / "specimens", limits)
        numbers = range(given.cases) if given.only is None else [given.only]
        summary = try_all(numbers, seed, given.whole, specimens, limits, loud=given.only is not None)
    if given.only is None:
        given.out.write_text(json.dumps({"seed": seed} | summary, indent=2) + "\n", encoding="utf-8")
    sys.exit(bool(summary["faults"]))


def prepare(folder: Path, limits: Limits) -> Path:
    """A small run and a good file of every kind: what the cases damage copies of."""
    from PIL import Image

    from qgen.backends.ibm.journal import Journal

    folder.mkdir()
    texts = {"circuit.qasm": _QASM, "circuit3.qasm": _QASM3, "noise.yaml": _NOISE}
    texts["settings.yaml"] = "preset: digits\ntraining: {steps: 1, samples: 0}\ndata: {limit: 32}\n"
    for name, text in texts.items():
        (folder / name).write_text(text)
    for number in range(6):
        at = folder / "images" / f"class {number % 2}" / f"{number}.png"
        at.parent.mkdir(parents=True, exist_ok=True)
        Image.effect_noise((8, 8), 50).save(at)
    Image.effect_noise((8, 8), 50).save(folder / "image.png")
    sets = [part for change in (*_SMALL, *_QUICK) for part in ("--set", change)]
    patient = Limits(300.0, limits.memory)
    for words in (
        ["train", "--out", "run", "--device", "cpu", *sets],
        ["transpile", "run", "--backend", "fake_manila", "--seeds", "1", "--levels", "0", "--pin", "pins.json"],
    ):
        done = run_forked(words, folder, patient)
        if done.code:
            raise SystemExit(f"the specimens cannot be made: qgen {' '.join(words)}: {done.error}")
    save_circuit(folder / "circuit.json")
    Journal(folder / "run" / "jobs.sqlite").close()
    for name in ("stdout", "stderr"):
        (folder / name).unlink()
    return folder


def save_circuit(path: Path) -> None:
    """A saved circuit."""
    from qgen.circuits import ansatz

    ansatz("basic", qubits=3, layers=1).save(path)


def try_all(numbers: Any, seed: int, whole: int, specimens: Path, limits: Limits, loud: bool) -> dict[str, Any]:
    """All cases; what came of them."""
    codes: Counter[str] = Counter()
    faults: list[dict[str, Any]] = []
    slowest: dict[str, Any] = {"seconds": 0.0}
    for number in numbers:
        case, done = try_one(number, seed, number < whole, specimens, limits)
        codes["interrupted after it began" if done.begun else str(done.code)] += 1
        if not done.begun and done.seconds > slowest["seconds"]:
            slowest = describe(number, case, done)
        fault = done.fault(limits)
        if loud:
            print(case.words, case.about, done, sep="\n")
        if fault is not None:
            faults.append({"fault": fault} | describe(number, case, done))
            print(f"{number}: {fault}: qgen {' '.join(map(ascii, case.words))[:300]}  ({case.about})", flush=True)
            print(f"    {done.error.strip()[-300:]}", flush=True)
        elif number and not number % 100:
            print(f"{number} commands, {len(faults)} faults", flush=True)
    return {"commands": len(numbers), "codes": dict(codes), "slowest_answer": slowest, "faults": faults}


def try_one(number: int, seed: int, whole: bool, specimens: Path, limits: Limits) -> tuple[Case, Outcome]:
    """One case in a folder of its own."""
    rng = random.Random(f"{seed} {number}")
    folder = specimens.parent / "case"
    fill(folder, specimens)
    try:
        case = make_case(rng, folder)
        words = [each.replace("\0", "") for each in case.words]  # no command line can hold it
        return case, (run_whole if whole else run_forked)(words, folder, limits)
    finally:
        with suppress(OSError):
            shutil.rmtree(folder)


def describe(number: int, case: Case, done: Outcome) -> dict[str, Any]:
    """A case and what came of it, so that it can be repeated."""
    words = [each.encode("unicode_escape").decode()[:500] for each in case.words]
    told = {"number": number, "words": words, "about": case.about, "code": done.code}
    return told | {"seconds": round(done.seconds, 2), "error": done.error.strip()[-1500:]}


if __name__ == "__main__":
    main()
