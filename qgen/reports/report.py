"""The transpilation report: a circuit on one or several devices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.circuit.library import CZGate, RZGate, SXGate, XGate
from qiskit.transpiler import Target

from qgen.backends.ibm.live import find_device
from qgen.circuits import LayerCircuit
from qgen.circuits.observables import support
from qgen.devices import Device
from qgen.errors import BackendError
from qgen.reports.result import DecouplingFigures, DeviceReport, TileFigures, TranspilationReport
from qgen.reports.simulation import check_prediction
from qgen.reports.workload import Work, workloads
from qgen.transpilation.decoupling import SequenceName, decouple
from qgen.transpilation.device_form import device_form
from qgen.transpilation.joining import join_rotations
from qgen.transpilation.moving import ends_of
from qgen.transpilation.search import LEVELS, Found, Way, check_size, qiskit_default, search, transpile, ways
from qgen.transpilation.tiling import find_tiles
from qgen.transpilation.workers import Told

#: Days after which a snapshot says little of the machine.
OLD = 90
SEEDS = 20
MOST_SEEDS = 10_000
_BOUND_SEEDS = 5


@dataclass(frozen=True)
class Extras:
    """What else a report should say of the best candidate on each device.

    Attributes:
        work: what it costs to do this.
        bindings: how well a simulation of the noise agrees with the prediction, over so many settings of the angles; 0:
            nothing is simulated.
        decoupling: what this sequence of pulses costs.
        tiles: how often it fits on the device.
    """

    work: Work | None = None
    bindings: int = 0
    decoupling: SequenceName | None = None
    tiles: bool = False


def transpile_report(
    circuit: LayerCircuit,
    names: Sequence[str],
    levels: Sequence[int] = LEVELS,
    seeds: int = SEEDS,
    progress: Told | None = None,
    *,
    name: str | None = None,
    processes: int = 1,
    extras: Extras | None = None,
) -> TranspilationReport:
    """Searches for the best way to run a circuit on each of these devices.

    Snapshots need no network; of a live device today's calibration is fetched. Nothing is submitted.

    The qubits that its observables look at are read at the end. What turns X and Y onto Z is not counted: a few gates
    on one qubit.

    Args:
        circuit: with its parameters open.
        names: of device snapshots, such as "fake_fez", or of live devices, such as "ibm_fez".
        levels: the transpiler's optimisation levels, of 0 to 3.
        seeds: how many of the transpiler's seeds, from 0 on.
        progress: told after each step how many are done, of how many, on all devices.
        name: what the report calls the circuit; None: by its own name.
        processes: see `search`.
        extras: what else the report should say of the best candidates.

    Raises:
        BackendError: no device, or one that is not known or too small; levels or seeds out of range; a circuit that
            cannot be routed. All but the last before anything is run.
    """
    found = report_with_circuits(circuit, names, levels, seeds, progress, name=name, processes=processes, extras=extras)
    return found[0]


def report_with_circuits(
    circuit: LayerCircuit,
    names: Sequence[str],
    levels: Sequence[int] = LEVELS,
    seeds: int = SEEDS,
    progress: Told | None = None,
    *,
    name: str | None = None,
    processes: int = 1,
    extras: Extras | None = None,
) -> tuple[TranspilationReport, tuple[Found, ...]]:
    """As `transpile_report`, with the best of each device, which has the circuit itself."""
    if not names:
        raise BackendError("no device was named: give one or more, such as fake_fez")
    if not 1 <= seeds <= MOST_SEEDS:
        raise BackendError(f"the search takes 1 to {MOST_SEEDS:,} seeds, not {seeds}")
    ways(levels, range(seeds))
    logical, devices = circuit.circuit, [find_device(device) for device in dict.fromkeys(names)]
    for device in devices:
        check_size(logical, device.target, f"`{device.name}`")
    bound, measured = two_qubit_bound(logical), support(circuit.observables)
    searched: list[list[Found]] = []
    for k, device in enumerate(devices):
        found = search(
            logical,
            device.target,
            levels,
            range(seeds),
            measured=measured,
            two_qubit_bound=bound,
            processes=processes,
            progress=_part(progress, k, len(devices)),
        )
        searched.append(found)
    reports = tuple(
        _with_extras(_device_report(device, found), circuit, device, found[0], extras or Extras())
        for device, found in zip(devices, searched, strict=True)
    )
    called = name or str(logical.name)
    report = TranspilationReport(called, logical.num_qubits, logical.num_parameters, bound, reports)
    return report, tuple(found[0] for found in searched)


def two_qubit_bound(circuit: QuantumCircuit) -> int:
    """The fewest two-qubit gates that Qiskit's level 3 finds, over a few seeds, where all qubits are coupled.

    Controlled rotations on one pair are joined before, as the search does.
    """
    everywhere = Target(num_qubits=circuit.num_qubits)
    for gate in (CZGate(), RZGate(Parameter("angle")), SXGate(), XGate()):
        everywhere.add_instruction(gate)
    joined = join_rotations(device_form(circuit))
    tried = (transpile(joined, everywhere, Way(3, seed)) for seed in range(_BOUND_SEEDS))
    return min(sum(len(instruction.qubits) == 2 for instruction in isa.data) for isa in tried)


def warnings_of(device: Device, now: datetime) -> tuple[str, ...]:
    """What a reader of figures from this snapshot has to know, in sentences."""
    facts, sentences = device.facts, []
    if device.calibrated is None:
        sentences.append(f"{device.name} does not say when its errors were measured.")
    elif (days := (now - device.calibrated).days) > OLD:
        sentences.append(
            f"The errors of {device.name} were measured on {device.calibrated:%Y-%m-%d}, {days} days ago: "
            "those of today may differ."
        )
    if facts.status == "retired":
        when = f" on {facts.retired}" if facts.retired else ""
        sentences.append(f"The machine behind {device.name} was retired{when}.")
    return tuple(sentences)


def _device_report(device: Device, found: Sequence[Found]) -> DeviceReport:
    return DeviceReport(
        device=device.name,
        qubits=device.qubits,
        processor=device.processor,
        calibrated=device.calibrated,
        candidates=tuple(one.candidate for one in found),
        default=qiskit_default(found).candidate,
        warnings=warnings_of(device, datetime.now(UTC)),
    )


def _with_extras(
    report: DeviceReport, circuit: LayerCircuit, device: Device, best: Found, extras: Extras
) -> DeviceReport:
    """What cannot be had for this circuit on this device becomes a warning."""
    found: dict[str, Any] = {}
    warnings = list(report.warnings)
    if extras.work is not None:
        found["workloads"] = workloads(circuit, device, best, extras.work)
    ends = ends_of(best.isa)
    measured = [ends[qubit] for qubit in support(circuit.observables)]
    if extras.tiles:
        tiling = find_tiles(best.isa, device.target, measured)
        found["tiles"] = TileFigures(len(tiling.tiles), tiling.best, tiling.mean, tiling.worst)
    try:
        if extras.decoupling is not None:
            pulsed = decouple(best.isa, device.target, measured, extras.decoupling)
            found["decoupling"] = DecouplingFigures(pulsed.sequence, pulsed.total_pulses, pulsed.coverage, pulsed.gates)
        if extras.bindings:
            found["check"] = check_prediction(circuit, best, device, bindings=extras.bindings)
    except BackendError as error:
        warnings.append(f"{device.name}: {error}.")
    return replace(report, **found, warnings=tuple(warnings))


def _part(progress: Told | None, k: int, devices: int) -> Told | None:
    if progress is None:
        return None
    return lambda done, total: progress(k * total + done, devices * total)
