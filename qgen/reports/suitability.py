"""Which circuit suits which device, and the change that would help most."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from qgen.circuits import LayerCircuit, ansatz_names
from qgen.circuits.catalogue import get_ansatz
from qgen.errors import BackendError, CircuitError
from qgen.reports.report import two_qubit_bound
from qgen.reports.result import DeviceReport, TranspilationReport
from qgen.transpilation import Success

#: A change that gains less is not worth a word.
_WORTH = 1.01


@dataclass(frozen=True)
class Change:
    """Something else that could be done, and what it would be worth.

    Attributes:
        what: in words, as in "one layer fewer".
        gain: success after it, divided by success now. Where nothing was transpiled for it, an estimate from the
            counts of gates.
        estimated: whether it is such an estimate.
    """

    what: str
    gain: float
    estimated: bool


@dataclass(frozen=True)
class Suitability:
    """A circuit and its devices.

    Attributes:
        report: of the circuit, on all devices.
        changes: device -> the change that would help most there; None where nothing would.
    """

    report: TranspilationReport
    changes: dict[str, Change | None]


def catalogue_circuits(qubits: int, layers: int) -> dict[str, Callable[..., LayerCircuit]]:
    """Every ansatz that takes this many data qubits, by what it is called; each is built by a call.

    Raises:
        BackendError: none does.
    """
    found: dict[str, Callable[..., LayerCircuit]] = {}
    for name in ansatz_names():
        builder = _builder(name, qubits, layers)
        try:
            builder()
        except CircuitError:
            continue
        found[f"{name}:{qubits},{layers}"] = builder
    if not found:
        raise BackendError(
            f"no ansatz takes {qubits} qubits and {layers} layers: give 4 or more qubits, 1 or more layers"
        )
    return found


def _builder(name: str, qubits: int, layers: int) -> Callable[..., LayerCircuit]:
    def build(fewer: int = 0, **options: Any) -> LayerCircuit:
        return get_ansatz(name).build(qubits=qubits, layers=layers - fewer, **options)

    return build


def suitability(report: TranspilationReport, smaller: LayerCircuit | None) -> Suitability:
    """What would help a circuit most, on each device of its report.

    Args:
        report: of the circuit.
        smaller: the same ansatz with one layer fewer; None where there is none.
    """
    bound = None if smaller is None else two_qubit_bound(smaller.circuit)
    changes = {device.device: _best(_changes(device, report, bound)) for device in report.devices}
    return Suitability(report, changes)


def _best(changes: Iterator[Change]) -> Change | None:
    worth = [change for change in changes if change.gain >= _WORTH]
    return max(worth, key=lambda change: change.gain, default=None)


def _changes(device: DeviceReport, report: TranspilationReport, smaller: int | None) -> Iterator[Change]:
    now = device.best.figures
    total = now.success.total
    others = [one for one in report.devices if one is not device]
    if others and total:
        other = max(others, key=lambda one: one.best.figures.success.total)
        yield Change(f"run it on {other.device}", other.best.figures.success.total / total, estimated=False)
    if now.extra_two_qubit_gates > 0:
        yield Change("couplers where the circuit has gates", _gain(now.success, _less(device, report)), estimated=True)
    if smaller is not None and report.two_qubit_bound:
        yield Change("one layer fewer", _gain(now.success, 1 - smaller / report.two_qubit_bound), estimated=True)
    if now.success.readout:
        yield Change("readout mitigation, at best", 1 / now.success.readout, estimated=True)


def _less(device: DeviceReport, report: TranspilationReport) -> float:
    """The part of the gates that routing adds."""
    return 1 - report.two_qubit_bound / device.best.figures.two_qubit_gates


def _gain(success: Success, part: float) -> float:
    """What a circuit gains that has this part fewer gates and waits in proportion."""
    return math.exp(-part * math.log(max(success.gates * success.idle, 1e-300)))


def summary(found: Sequence[Suitability]) -> list[dict[str, Any]]:
    """Plain values for JSON: a row for each circuit and device."""
    return [
        {
            "circuit": one.report.circuit,
            "device": device.device,
            "two_qubit_gates": device.best.figures.two_qubit_gates,
            "success": device.best.figures.success.total,
            "gain": device.gain,
            "change": change and {"what": change.what, "gain": change.gain, "estimated": change.estimated},
        }
        for one in found
        for device in one.report.devices
        for change in [one.changes[device.device]]
    ]
