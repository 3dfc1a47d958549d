"""Compare circuits and devices, and estimate the change that would help most."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from qgen.circuits import LayerCircuit, ansatz_names
from qgen.circuits.registry import get_ansatz
from qgen.errors import BackendError, CircuitError
from qgen.reports.transpilation.report import two_qubit_bound
from qgen.reports.transpilation.result import DeviceReport, TranspilationReport
from qgen.transpilation import Success

#: The smallest gain that is reported.
_MIN_GAIN = 1.01


@dataclass(frozen=True)
class Change:
    """A change of the circuit or the device, and its gain.

    Attributes:
        what: a description, as in "one layer fewer".
        gain: success after it, divided by success now; from counts of gates if nothing was transpiled for it.
        estimated: whether it is such an estimate.
    """

    what: str
    gain: float
    estimated: bool


@dataclass(frozen=True)
class Suitability:
    """A report and the changes that would help most.

    Attributes:
        report: of the circuit, on all devices.
        changes: device -> the change of the largest gain; None if no change helps.
    """

    report: TranspilationReport
    changes: dict[str, Change | None]


def ansatz_builders(qubits: int, layers: int) -> dict[str, Callable[..., LayerCircuit]]:
    """Return a builder for every ansatz that takes this number of data qubits, as "name:qubits,layers" -> builder.

    Raises:
        BackendError: there is none.
    """
    builders: dict[str, Callable[..., LayerCircuit]] = {}
    for name in ansatz_names():
        builder = _builder(name, qubits, layers)
        try:
            builder()
        except CircuitError:
            continue
        builders[f"{name}:{qubits},{layers}"] = builder
    if not builders:
        raise BackendError(
            f"no ansatz takes {qubits} qubits and {layers} layers: give 4 or more qubits, 1 or more layers"
        )
    return builders


def _builder(name: str, qubits: int, layers: int) -> Callable[..., LayerCircuit]:
    def build(fewer: int = 0, **options: Any) -> LayerCircuit:
        return get_ansatz(name).build(qubits=qubits, layers=layers - fewer, **options)

    return build


def suitability(report: TranspilationReport, smaller: LayerCircuit | None) -> Suitability:
    """Find the change that would help a circuit most, on each device of its report.

    Args:
        report: of the circuit.
        smaller: the same ansatz with one layer fewer; None if there is none.
    """
    bound = None if smaller is None else two_qubit_bound(smaller.circuit)
    changes = {device.device: _best(_changes(device, report, bound)) for device in report.devices}
    return Suitability(report, changes)


def _best(changes: Iterator[Change]) -> Change | None:
    helpful = [change for change in changes if change.gain >= _MIN_GAIN]
    return max(helpful, key=lambda change: change.gain, default=None)


def _changes(device: DeviceReport, report: TranspilationReport, smaller: int | None) -> Iterator[Change]:
    now = device.best.metrics
    total = now.success.total
    others = [other for other in report.devices if other is not device]
    if others and total:
        other = max(others, key=lambda other: other.best.metrics.success.total)
        yield Change(f"run it on {other.device}", other.best.metrics.success.total / total, estimated=False)
    if now.extra_two_qubit_gates > 0:
        yield Change(
            "couplers where the circuit has gates", _gain(now.success, _routing_share(device, report)), estimated=True
        )
    if smaller is not None and report.two_qubit_bound:
        yield Change("one layer fewer", _gain(now.success, 1 - smaller / report.two_qubit_bound), estimated=True)
    if now.success.readout:
        yield Change("readout mitigation, at best", 1 / now.success.readout, estimated=True)


def _routing_share(device: DeviceReport, report: TranspilationReport) -> float:
    """Return the share of the two-qubit gates that routing adds."""
    return 1 - report.two_qubit_bound / device.best.metrics.two_qubit_gates


def _gain(success: Success, share: float) -> float:
    """Return the gain of a circuit without this share of its gates and of its idle time."""
    return math.exp(-share * math.log(max(success.gates * success.idle, 1e-300)))


def summary(circuits: Sequence[Suitability]) -> list[dict[str, Any]]:
    """Return plain values for JSON: a row for each circuit and device."""
    return [
        {
            "circuit": circuit.report.circuit,
            "device": device.device,
            "two_qubit_gates": device.best.metrics.two_qubit_gates,
            "success": device.best.metrics.success.total,
            "gain": device.gain,
            "change": change and {"what": change.what, "gain": change.gain, "estimated": change.estimated},
        }
        for circuit in circuits
        for device in circuit.report.devices
        for change in [circuit.changes[device.device]]
    ]
