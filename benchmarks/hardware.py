"""One parameter-shift step on hardware, as far as the client goes: `python benchmarks/hardware.py`.

12 qubits, 84 weights, 12 observables, a batch of 16. How long the client takes to prepare the job and how large it is,
in qgen and with the stock way: one PUB for each sample, observable and shift, as `EstimatorQNN` and its parameter-shift
gradient submit them. The stock way is measured on some PUBs and scaled up.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any
from unittest import mock

import torch
import typer
from harness.machine import machine
from harness.tables import save
from qiskit import generate_preset_pass_manager
from requests.adapters import HTTPAdapter

from qgen import QuantumLayer
from qgen.backends.ibm import open_hardware
from qgen.circuits import ansatz
from qgen.devserver import DeviceModel, DevServer

QUBITS, LAYERS, BATCH, SHOTS = 12, 3, 16, 256
#: By Qiskit's parameter-shift gradient: CRZ and CRX take four values a weight.
STOCK_SHIFTS = 4


@contextmanager
def submissions() -> Iterator[list[tuple[float, int]]]:
    """When the first byte of each submission in this block was sent, and the bytes of its body."""
    send, found = HTTPAdapter.send, []

    def noted(adapter: HTTPAdapter, request: Any, **options: Any) -> Any:
        if request.method == "POST" and request.url.endswith("/jobs"):
            found.append((time.perf_counter(), len(request.body)))
        return send(adapter, request, **options)

    with mock.patch.object(HTTPAdapter, "send", noted):
        yield found


def ours(folder: Path) -> dict[str, Any]:
    """The forward values and all shifts of a layer, from the call to the submission."""
    backend = open_hardware("ibm_fez", SHOTS, journal=folder / "jobs.sqlite", max_qpu_seconds=1e5)
    layer = QuantumLayer(ansatz("hqconv", qubits=QUBITS, layers=LAYERS), backend=backend)
    with submissions() as posted:
        inputs, began = torch.rand(BATCH, QUBITS), time.perf_counter()
        layer(inputs).sum().backward()
        ended = time.perf_counter()
    circuits = backend.runner.journal.records()[0].circuits
    backend.close()
    seconds = {"seconds": posted[0][0] - began, "seconds_with_the_server": ended - began}
    return {"pubs": 1, "circuits": circuits, "jobs": len(posted), **seconds, "megabytes": posted[0][1] / 1e6}


def stock(pubs: int) -> dict[str, Any]:
    """PUBs of one setting each, through the client-side Estimator without mitigation, scaled to all of them."""
    from qiskit_ibm_runtime import QiskitRuntimeService
    from qiskit_ibm_runtime.executor_estimator import Estimator

    device = QiskitRuntimeService().backend("ibm_fez")
    circuit = ansatz("hqconv", qubits=QUBITS, layers=LAYERS)
    isa = generate_preset_pass_manager(2, backend=device, seed_transpiler=0).run(circuit.circuit)
    observables = [observable.apply_layout(isa.layout) for observable in circuit.observables]
    angles = torch.rand(pubs, isa.num_parameters).numpy()
    with submissions() as posted:
        estimator, began = Estimator(device, options={"resilience_level": 0}), time.perf_counter()
        estimator.run([(isa, observables[k % QUBITS], angles[k]) for k in range(pubs)], precision=SHOTS**-0.5)
    whole = BATCH * QUBITS * (1 + STOCK_SHIFTS * circuit.num_weights)
    counts = {"pubs": whole, "circuits": whole, "jobs": 1, "measured_pubs": pubs}
    ((sent, size),), scale = posted, whole / pubs
    return {**counts, "seconds": scale * (sent - began), "megabytes": scale * size / 1e6}


def main(
    out: Annotated[Path, typer.Option(help="The results.")] = Path("benchmarks/results/hardware.json"),
    pubs: Annotated[int, typer.Option(min=1, help="PUBs of the stock way that are measured.")] = 24,
) -> None:
    """Measure both ways, one after the other, and write the ratio."""
    with tempfile.TemporaryDirectory() as name, DevServer([DeviceModel("fake_fez", "ibm_fez", noisy=False)]) as server:
        os.environ |= server.environment() | {"HOME": name}
        ways = {"qgen": ours(Path(name)), "one PUB a value": stock(pubs)}
    ratios = {key: ways["one PUB a value"][key] / ways["qgen"][key] for key in ("seconds", "megabytes")}
    sizes = {"qubits": QUBITS, "batch": BATCH, "shots": SHOTS}
    save({"machine": machine(1), **sizes, "ways": ways, "ratios": ratios}, out)
    typer.echo(json.dumps({"ways": ways, "ratios": ratios}, indent=1))


if __name__ == "__main__":
    typer.run(main)
