"""A step of training an IQP circuit beside IQPopt, in one run: `python benchmarks/iqp.py --python PYTHON`.

scikit-learn's digits, binarised at 7 of 16, are learned by a circuit of 64 qubits with the couplings of an 8x8 grid
(Recio-Armengol, Ahmed and Bowles, arXiv:2503.02934, whose package IQPopt is). Both begin at the same angles and take
equal numbers of steps, strings and phases, on one thread; the angles that they reach are judged by one estimate of the
squared MMD, of other strings and phases.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from harness.machine import machine
from harness.tables import save
from harness.worker import Worker
from rich.console import Console
from sklearn.datasets import load_digits

from qgen.circuits.iqp import iqp
from qgen.models.born.kernels import GaussianKernels
from qgen.models.born.machine import BornMachine
from qgen.models.born.strings import data_values, phases, squared_differences

SCALES = (2.0, 3.0, 4.0)
console = Console(highlight=False)


def main(
    python: Annotated[str, typer.Option(help="A Python that has IQPopt.")] = "python",
    steps: Annotated[int, typer.Option(min=1, help="Half of those after which angles are judged.")] = 100,
    strings: Annotated[int, typer.Option(min=3, help="Of a loss, over three scales.")] = 384,
    samples: Annotated[int, typer.Option(min=2, help="Phases of each.")] = 512,
    out: Annotated[Path, typer.Option(help="Results go to OUT.json.")] = Path("benchmarks/results/iqp.json"),
) -> None:
    """Train with both, and compare."""
    bits = (load_digits().images.reshape(-1, 64) >= 7).astype(np.float32)
    circuit = iqp(64, "grid")
    start = BornMachine(circuit, "aer", seed=0)
    mean, second = (torch.from_numpy(part) for part in (bits.mean(0), bits.T @ bits / len(bits)))
    start.start(mean, second)
    begun = start.weight.detach().double().numpy()
    rows = [{"name": "the start", "mmd": judged(begun, bits)}]
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder) / "task.npz")
        np.savez(file, bits=bits, start=begun, pairs=np.array(circuit.gates[64:]))
        task = {"file": file, "scales": list(SCALES), "strings": strings, "samples": samples}
        for name, own in (("Qgen", None), ("IQPopt", python)):
            with Worker(f"peers.on_iqp:{name}", own or sys.executable, threads=1, verbose=True, **task) as worker:
                found = worker.ask(steps=steps, seed=0)
            reached = judged(np.array(found.pop("weights")), bits)
            rows.append({"name": name.replace("Qgen", "qgen"), **found, "mmd": reached})
            console.print(rows[-1])
    facts = {
        "steps": 2 * steps,
        "strings": strings,
        "samples": samples,
        "machine": machine(1, ("torch", "scikit-learn")),
    }
    save({**facts, "rows": rows}, out.with_suffix(""))


def judged(weights: np.ndarray, bits: np.ndarray) -> dict[str, float]:
    """The squared MMD to these bits, and its standard error over 20 estimates."""
    source, masks = torch.Generator().manual_seed(1), torch.from_numpy(iqp(64, "grid").masks).float()
    theta, found = torch.from_numpy(weights).float(), []
    for _ in range(20):
        strings = GaussianKernels(64, SCALES).draw(300, source)
        uniform = torch.rand(1000, 64, generator=source).round()
        cosines = phases(theta, masks, strings, uniform).cos()
        found.append(float(squared_differences(cosines, data_values(torch.from_numpy(bits), strings)).mean()))
    return {"value": float(np.mean(found)), "standard_error": float(np.std(found, ddof=1) / 20**0.5)}


if __name__ == "__main__":
    typer.run(main)
