"""Make transpilation reports: a circuit on one or several devices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.circuit.library import CZGate, RZGate, SXGate, XGate
from qiskit.transpiler import Target

from qgen.backends.ibm.live_devices import find_device
from qgen.circuits import LayerCircuit
from qgen.circuits.observables import support
from qgen.devices import Device
from qgen.errors import BackendError
from qgen.progress import ProgressCallback
from qgen.reports.transpilation.result import DecouplingSummary, DeviceReport, TilingSummary, TranspilationReport
from qgen.reports.transpilation.simulability import Simulability
from qgen.reports.transpilation.simulation import check_prediction
from qgen.reports.transpilation.workload import WorkloadSpec, estimate_workloads
from qgen.transpilation.dynamical_decoupling import SequenceName, decouple
from qgen.transpilation.merge_rotations import merge_rotations
from qgen.transpilation.relayout import final_layout
from qgen.transpilation.search import LEVELS, options_grid, qiskit_default, search, transpile_candidate
from qgen.transpilation.tiling import find_tiles
from qgen.transpilation.transpile import TranspiledCircuit, TranspileOptions, check_size, prepare_for_transpiler

#: Days after which the reader is warned of the age of a calibration.
MAX_AGE_DAYS = 90
SEEDS = 20
MAX_SEEDS = 10_000
_BOUND_SEEDS = 5


@dataclass(frozen=True)
class ReportOptions:
    """Optional parts of a report, for the best candidate on each device.

    Attributes:
        workload: estimate the cost of this workload.
        bindings: simulate the noise for this number of bindings of the parameters; 0: no simulation.
        decoupling: estimate the cost of this pulse sequence.
        tiles: count the copies that fit on the device.
        simulability: say whether the circuit is easy to simulate.
    """

    workload: WorkloadSpec | None = None
    bindings: int = 0
    decoupling: SequenceName | None = None
    tiles: bool = False
    simulability: bool = False


def transpile_report(
    circuit: LayerCircuit,
    names: Sequence[str],
    levels: Sequence[int] = LEVELS,
    seeds: int = SEEDS,
    progress: ProgressCallback | None = None,
    *,
    name: str | None = None,
    processes: int = 1,
    options: ReportOptions | None = None,
) -> TranspilationReport:
    """Search for the best transpilation of a circuit for each device.

    Snapshots need no network; the calibration of a live device is fetched. Nothing is submitted.

    The qubits on which the observables act are measured at the end. Basis changes for X and Y, a few one-qubit gates,
    are not counted.

    Args:
        circuit: with its parameters open.
        names: of device snapshots, such as "fake_fez", or of live devices, such as "ibm_fez".
        levels: optimisation levels, 0 to 3.
        seeds: number of seeds of the transpiler, from 0 on.
        progress: called with the number of steps done and their total, over all devices.
        name: of the circuit in the report; None: its own name.
        processes: see `search`.
        options: optional parts of the report.

    Raises:
        BackendError: no device, or one that is unknown or too small; levels or seeds out of range; a circuit that
            cannot be routed. All but the last before anything is run.
    """
    report, _ = report_with_circuits(
        circuit, names, levels, seeds, progress, name=name, processes=processes, options=options
    )
    return report


def report_with_circuits(
    circuit: LayerCircuit,
    names: Sequence[str],
    levels: Sequence[int] = LEVELS,
    seeds: int = SEEDS,
    progress: ProgressCallback | None = None,
    *,
    name: str | None = None,
    processes: int = 1,
    options: ReportOptions | None = None,
) -> tuple[TranspilationReport, tuple[TranspiledCircuit, ...]]:
    """As `transpile_report`, and the best transpiled circuit of each device."""
    if not names:
        raise BackendError("no device was named: give one or more, such as fake_fez")
    if not 1 <= seeds <= MAX_SEEDS:
        raise BackendError(f"the search takes 1 to {MAX_SEEDS:,} seeds, not {seeds}")
    options_grid(levels, range(seeds))  # refuses what is out of range
    logical, devices = circuit.circuit, [find_device(device) for device in dict.fromkeys(names)]
    for device in devices:
        check_size(logical, device.target, f"`{device.name}`")
    bound, measured = two_qubit_bound(logical), support(circuit.observables)
    searched: list[list[TranspiledCircuit]] = []
    for k, device in enumerate(devices):
        results = search(
            logical,
            device.target,
            levels,
            range(seeds),
            measured=measured,
            two_qubit_bound=bound,
            processes=processes,
            progress=_device_progress(progress, k, len(devices)),
        )
        searched.append(results)
    reports = tuple(
        _with_options(_device_report(device, results), circuit, device, results[0], options or ReportOptions())
        for device, results in zip(devices, searched, strict=True)
    )
    title = name or str(logical.name)
    hard = Simulability.of(circuit) if options is not None and options.simulability else None
    report = TranspilationReport(title, logical.num_qubits, logical.num_parameters, bound, reports, hard)
    return report, tuple(results[0] for results in searched)


def two_qubit_bound(circuit: QuantumCircuit) -> int:
    """Return the fewest two-qubit gates of Qiskit's level 3, over a few seeds, with all-to-all coupling.

    Controlled rotations on one pair are merged before, as the search does.
    """
    all_to_all = Target(num_qubits=circuit.num_qubits)
    for gate in (CZGate(), RZGate(Parameter("angle")), SXGate(), XGate()):
        all_to_all.add_instruction(gate)
    merged = merge_rotations(prepare_for_transpiler(circuit))
    options = (TranspileOptions(level=3, seed=seed) for seed in range(_BOUND_SEEDS))
    circuits = (transpile_candidate(merged, all_to_all, option) for option in options)
    return min(sum(len(instruction.qubits) == 2 for instruction in isa.data) for isa in circuits)


def device_warnings(device: Device, now: datetime) -> tuple[str, ...]:
    """Return sentences that a reader of numbers of this device has to know."""
    status, sentences = device.machine_status, []
    if device.calibrated is None:
        sentences.append(f"{device.name} does not say when its errors were measured.")
    elif (days := (now - device.calibrated).days) > MAX_AGE_DAYS:
        sentences.append(
            f"The errors of {device.name} were measured on {device.calibrated:%Y-%m-%d}, {days} days ago: "
            "those of today may differ."
        )
    if status.status == "retired":
        when = f" on {status.retired}" if status.retired else ""
        sentences.append(f"The machine behind {device.name} was retired{when}.")
    return tuple(sentences)


def _device_report(device: Device, results: Sequence[TranspiledCircuit]) -> DeviceReport:
    return DeviceReport(
        device=device.name,
        qubits=device.qubits,
        processor=device.processor,
        calibrated=device.calibrated,
        candidates=tuple(transpiled.result for transpiled in results),
        default=qiskit_default(results).result,
        warnings=device_warnings(device, datetime.now(UTC)),
    )


def _with_options(
    report: DeviceReport, circuit: LayerCircuit, device: Device, best: TranspiledCircuit, options: ReportOptions
) -> DeviceReport:
    """Add the optional parts; one that is impossible for this circuit or device becomes a warning."""
    parts: dict[str, Any] = {}
    warnings = list(report.warnings)
    if options.workload is not None:
        parts["workloads"] = estimate_workloads(circuit, device, best, options.workload)
    ends = final_layout(best.isa)
    measured = [ends[qubit] for qubit in support(circuit.observables)]
    if options.tiles:
        tiling = find_tiles(best.isa, device.target, measured)
        parts["tiles"] = TilingSummary(len(tiling.tiles), tiling.best, tiling.mean, tiling.worst)
    try:
        if options.decoupling is not None:
            padded = decouple(best.isa, device.target, measured, options.decoupling)
            parts["decoupling"] = DecouplingSummary(padded.sequence, padded.total_pulses, padded.coverage, padded.gates)
        if options.bindings:
            parts["check"] = check_prediction(circuit, best, device, bindings=options.bindings)
    except BackendError as error:
        warnings.append(f"{device.name}: {error}.")
    return replace(report, **parts, warnings=tuple(warnings))


def _device_progress(progress: ProgressCallback | None, k: int, devices: int) -> ProgressCallback | None:
    if progress is None:
        return None
    return lambda done, total: progress(k * total + done, devices * total)
