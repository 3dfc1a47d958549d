"""Types odd things at `qgen`, thousands of times, and reports what it does not answer with a line.

`python benchmarks/odd_inputs.py --seed 7 --only 1234` repeats one command, with all that it prints.
"""

from __future__ import annotations

import json
import random
import secrets
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer
from harness.forks import Outcome, run_command, warm_up
from harness.machine import machine
from harness.odd_commands import OddCommand, make_case
from harness.oddities import fill
from PIL import Image

from qgen.backends.ibm.journal import Journal
from qgen.circuits import ansatz

RESULT = Path(__file__).parent / "results" / "odd-inputs.json"
TEXTS = {
    "circuit.qasm": 'OPENQASM 2.0;\ninclude "qelib1.inc";\nqreg q[3];\ncreg c[3];\n',
    "circuit3.qasm": 'OPENQASM 3.0;\ninclude "stdgates.inc";\nqubit[3] q;\n',
    "noise.yaml": "basis: [rz, sx, x, cx]\ncoupling: line\ndepolarizing: {sx: 0.001, cx: 0.01}\n"
    "readout: [[0.98, 0.02], [0.03, 0.97]]\n",
    "settings.yaml": "preset: digits\ntraining: {steps: 1, samples: 0}\ndata: {limit: 32}\n",
}
GATES = "h q[0];\ncx q[0],q[1];\nrz(0.25) q[2];\n"
RUN = """model.dim=8 model.mults=[1,2] model.norm_groups=4 model.heads=2 model.head_dim=4 model.vertex.group_channels=1
data.limit=32 training.steps=2 training.batch=8 training.samples=1"""


def main(
    cases: Annotated[int, typer.Option(help="How many commands.")] = 3000,
    seed: Annotated[int | None, typer.Option(help="Of all of them; default: a new one.")] = None,
    only: Annotated[int | None, typer.Option(metavar="NUMBER", help="One command, and what it prints.")] = None,
    whole: Annotated[int, typer.Option(help="How many of them are processes of their own.")] = 10,
    seconds: Annotated[float, typer.Option(help="Limit for each.")] = 10.0,
    gibibytes: Annotated[float, typer.Option(help="Address space that each may take.")] = 8.0,
    out: Annotated[Path, typer.Option(help="Where the summary goes.")] = RESULT,
) -> None:
    """Every command has to end in time with exit code 1, 2 or 130 (0 where the input is good after all).

    And it does so without a traceback. Nothing is contacted but this machine.
    """
    seed = secrets.randbits(32) if seed is None else seed
    print(f"seed {seed}", flush=True)
    memory = int(gibibytes * 2**30)
    warm_up()
    codes: Counter[str] = Counter()
    faults: list[dict[str, Any]] = []
    slowest: dict[str, Any] = {"seconds": 0.0}
    with tempfile.TemporaryDirectory() as place:
        specimens = prepare(Path(place) / "specimens", memory)
        for number in range(cases) if only is None else [only]:
            folder = specimens.parent / "case"
            fill(folder, specimens)
            command = make_case(random.Random(f"{seed} {number}"), folder)
            words = [each.replace("\0", "") for each in command.words]  # no command line can hold it
            done = run_command(words, folder, seconds, memory, whole=number < whole)
            shutil.rmtree(folder, ignore_errors=True)
            facts = describe(number, command, done)
            codes["interrupted after it began" if done.begun else str(done.code)] += 1
            if not done.begun:
                slowest = max(slowest, facts, key=lambda one: one["seconds"])
            if only is not None:
                print(command.words, command.about, done, sep="\n")
            if (fault := done.fault(seconds)) is not None:
                faults.append({"fault": fault} | facts)
                print(f"{number}: {fault}: qgen {' '.join(map(ascii, command.words))[:300]}  ({command.about})")
                print(f"    {done.error.strip()[-300:]}", flush=True)
            elif number and not number % 100:
                print(f"{number} commands, {len(faults)} faults", flush=True)
    if only is None:
        summary = {
            "machine": machine(1),
            "seed": seed,
            "commands": cases,
            "codes": dict(codes),
            "slowest_answer": slowest,
            "faults": faults,
        }
        out.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    raise typer.Exit(bool(faults))


def prepare(folder: Path, memory: int) -> Path:
    """A small run and a good file of every kind: what the cases damage copies of."""
    folder.mkdir()
    for name, text in TEXTS.items():
        (folder / name).write_text(text + (GATES if "qasm" in name else ""))
    for name in ("image.png", *(f"images/class {number % 2}/{number}.png" for number in range(6))):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.effect_noise((8, 8), 50).save(folder / name)
    ansatz("basic", qubits=3, layers=1).save(folder / "circuit.json")
    train = "train --out run --device cpu " + " ".join(f"--set {change}" for change in RUN.split())
    for words in (train, "transpile run --backend fake_manila --seeds 1 --levels 0 --pin pins.json"):
        done = run_command(words.split(), folder, 300.0, memory)
        if done.code:
            raise SystemExit(f"the specimens cannot be made: qgen {words}: {done.error}")
    Journal(folder / "run" / "jobs.sqlite").close()
    for name in ("stdout", "stderr"):
        (folder / name).unlink()
    return folder


def describe(number: int, command: OddCommand, done: Outcome) -> dict[str, Any]:
    """A case and what came of it, so that it can be repeated."""
    words = [each.encode("unicode_escape").decode()[:500] for each in command.words]
    return {
        "number": number,
        "words": words,
        "about": command.about,
        "code": done.code,
        "seconds": round(done.seconds, 2),
        "error": done.error.strip()[-1500:],
    }


if __name__ == "__main__":
    typer.run(main)
