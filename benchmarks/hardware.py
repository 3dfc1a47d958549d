"""One parameter-shift step on hardware, as far as the client goes: `python benchmarks/hardware.py`.

12 qubits, 84 weights, 12 observables, a batch of 16. How long the client takes to prepare the job and how large it is,
in qgen and with the stock way: one PUB for each sample, observable and shift, as `EstimatorQNN` and its parameter-shift
gradient submit them. The stock way is measured on some PUBs and scaled up. And by how many copies side by side (tiles)
the QPU seconds of the plan fall, on three devices.
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
from qgen.backends import ParameterShift
from qgen.backends.device.saved_layouts import SavedLayouts
from qgen.backends.ibm import HardwareOptions, open_hardware
from qgen.circuits import ansatz
from qgen.devices import open_device
from qgen.devserver import DeviceModel, DevServer
from qgen.transpilation import search

QUBITS, LAYERS, BATCH, SHOTS = 12, 3, 16, 256
DEVICES = ("brisbane", "torino", "fez")
TILES: tuple[int | str, ...] = (1, 2, 4, "auto")
#: Seconds for a search: results shall not depend on what else the machine does.
LONG = 3600.0
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


def searched(device: str) -> SavedLayouts:
    """The circuit with open weights as the search routes it for the device."""
    layer = ansatz("hqconv", qubits=QUBITS, layers=LAYERS)
    best = search(layer.circuit, open_device(f"fake_{device}").target, max_seconds=LONG)[0]
    return SavedLayouts(f"ibm_{device}", {layer.digest: best.isa})


def tiled(layouts: SavedLayouts, tiles: Any, folder: Path) -> dict[str, Any]:
    """The plan of the same step with copies side by side."""
    options, journal = HardwareOptions(tiles=tiles), folder / f"{layouts.device}-{tiles}.sqlite"
    backend = open_hardware(layouts.device, SHOTS, options, journal, saved=layouts)
    executable: Any = backend.compile(ansatz("hqconv", qubits=QUBITS, layers=LAYERS))
    circuits = BATCH * ParameterShift().evaluations(executable, (False, True))
    cost, successes = executable.cost(circuits), executable.tiling.successes
    backend.close()
    facts = {"device": layouts.device, "tiles": len(successes), "of": tiles, "circuits": circuits}
    return facts | {"success_best": max(successes), "success_worst": min(successes), "qpu_seconds": cost.seconds}


def main(
    out: Annotated[Path, typer.Option(help="The results.")] = Path("benchmarks/results/hardware.json"),
    pubs: Annotated[int, typer.Option(min=1, help="PUBs of the stock way that are measured.")] = 24,
) -> None:
    """Measure both ways, one after the other, and write the ratio."""
    with tempfile.TemporaryDirectory() as name, DevServer([DeviceModel("fake_fez", "ibm_fez", noisy=False)]) as server:
        os.environ |= server.environment() | {"HOME": name}
        ways = {"qgen": ours(Path(name)), "one PUB a value": stock(pubs)}
    models = [DeviceModel(f"fake_{one}", f"ibm_{one}", noisy=False) for one in DEVICES]
    with tempfile.TemporaryDirectory() as name, DevServer(models) as server:
        os.environ |= server.environment() | {"HOME": name}
        layouts = [searched(device) for device in DEVICES]
        tiles = [tiled(of_device, count, Path(name)) for of_device in layouts for count in TILES]
    ratios = {key: ways["one PUB a value"][key] / ways["qgen"][key] for key in ("seconds", "megabytes")}
    sizes = {"qubits": QUBITS, "batch": BATCH, "shots": SHOTS}
    results = {"ways": ways, "ratios": ratios, "tiles": tiles}
    save({"machine": machine(1), **sizes, **results}, out)
    typer.echo(json.dumps(results, indent=1))


if __name__ == "__main__":
    typer.run(main)
