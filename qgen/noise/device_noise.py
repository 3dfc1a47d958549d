"""The noise of a device, from the errors and durations that its Target reports."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from math import exp, prod
from typing import Any

from qiskit.circuit import Measure
from qiskit.providers import BackendV2, Options
from qiskit.transpiler import InstructionProperties, QubitProperties, Target

from qgen.errors import BackendError
from qgen.noise.model import KINDS, LocalNoise, NoiseSelection, aer_noise
from qgen.noise.readout import confusion_matrices

#: What relaxation leaves of a state, below which no other error can be determined.
_NOTHING_LEFT = 1e-9


class DeviceNoise:
    """The noise of a device, by the model of Aer's `NoiseModel.from_backend`.

    After each gate comes a depolarising channel, then relaxation with each qubit's T1 and T2 for the duration of the
    gate or `delay`. Depolarisation makes up the difference between relaxation and the error
    that the device reports for the gate, its average infidelity; if relaxation is larger already, there is none. At
    scale 1, with all kinds on, channels and readout are those of `NoiseModel.from_backend`, and so those of the
    client-side primitives of IBM Runtime in local mode.

    Scale s multiplies reported errors, up to full depolarisation; durations; and readout errors, up to one half. What
    a device reports beyond such a limit (1 for a faulty gate) is used as Aer does, and does not grow.

    Kinds are parts of that one model: "gates" alone is the depolarising channel that there is with "relaxation" on
    too, so that gates and relaxation one after the other are both of them, and a study that takes kinds out one by one
    sees what each contributes. (Aer's own switch, `thermal_relaxation=False`, means another model, in which the whole
    reported error is depolarising.)

    Args:
        target: gates, durations and errors, T1 and T2. Whatever is missing counts as no error.
        name: of the device.
        calibrated: when these numbers were measured, if known.
    """

    def __init__(self, target: Target, name: str, calibrated: date | None = None) -> None:
        self._target, self._name, self._calibrated = target, name, calibrated

    @property
    def name(self) -> str:
        """The name of the device."""
        return self._name

    @property
    def qubits(self) -> int:
        """The number of qubits of the device."""
        return int(self._target.num_qubits)

    def target(self, qubits: int) -> Target:
        """Return the target of the device, the same for all circuits that fit on it.

        Raises:
            BackendError: the circuit has more qubits than the device.
        """
        if qubits > self._target.num_qubits:
            raise BackendError(
                f"the circuit has {qubits} qubits, `{self.name}` only {self._target.num_qubits}: "
                "take a larger device or a smaller circuit"
            )
        return self._target

    def local(self, qubits: Sequence[int], scale: float = 1.0, kinds: Collection[str] = KINDS) -> LocalNoise:
        """See `NoiseSource.local`."""
        selection = NoiseSelection.check(qubits, scale, kinds, self._target.num_qubits)
        read = self._target.get("measure", {})
        errors = [_readout_errors(read.get((qubit,))) for qubit in selection.qubits]
        confusion = confusion_matrices(errors, selection.scale if "readout" in selection.active else 0)
        return LocalNoise(self._model(selection), confusion, {**self.provenance(), **selection.provenance()})

    def provenance(self) -> dict[str, Any]:
        """See `NoiseSource.provenance`."""
        return {"name": self.name, "calibrated": self._calibrated.isoformat() if self._calibrated else None}

    def _model(self, selection: NoiseSelection) -> Any:
        gates, relaxation = "gates" in selection.active, "relaxation" in selection.active
        noise_model = aer_noise().NoiseModel
        if not selection.qubits or not (gates or relaxation):
            return noise_model(basis_gates=list(self._target.operation_names))
        reduced = TargetBackend(_restrict(self._target, selection, relaxation))
        return noise_model.from_backend(reduced, gate_error=gates, thermal_relaxation=relaxation, readout_error=False)


class TargetBackend(BackendV2):  # type: ignore[misc]  # qiskit ships no types
    """A backend that is nothing but its Target, for Aer's `NoiseModel.from_backend`."""

    def __init__(self, target: Target) -> None:
        super().__init__(name="target")
        self._target = target

    @property
    def target(self) -> Target:
        return self._target

    @property
    def max_circuits(self) -> None:
        return None

    @classmethod
    def _default_options(cls) -> Options:
        return Options()

    def run(self, run_input: Any, **options: Any) -> Any:
        raise NotImplementedError("nothing runs here")


def _restrict(device: Target, selection: NoiseSelection, relaxation: bool) -> Target:
    """Restrict the device's Target to the chosen qubits, relabelled, with errors and times scaled.

    Without `relaxation` the errors are those of the depolarising channels alone.
    """
    wires = {qubit: wire for wire, qubit in enumerate(selection.qubits)}
    properties = [_qubit_properties(device, qubit, selection.scale) for qubit in selection.qubits]
    reduced = Target(num_qubits=len(wires), dt=device.dt, qubit_properties=properties)
    for name in device.operation_names:
        operation = device.operation_from_name(name)
        if isinstance(operation, Measure):
            continue
        kept: dict[tuple[int, ...], InstructionProperties | None] = {}
        for sites, reported in (device[name] or {}).items():
            if reported is not None and sites is not None and wires.keys() >= set(sites):
                here = tuple(wires[qubit] for qubit in sites)
                error = _error(reported, [properties[wire] for wire in here], selection.scale, relaxation)
                kept[here] = InstructionProperties(duration=reported.duration, error=error)
        if kept:
            reduced.add_instruction(operation, kept, name=name)
    return reduced


def _qubit_properties(device: Target, qubit: int, scale: float) -> QubitProperties:
    """T1 and T2 in seconds, divided by the scale, which is the same as multiplying all durations."""
    known = device.qubit_properties or []
    reported = known[qubit] if qubit < len(known) else QubitProperties()
    t1, t2 = (time / scale if time else None for time in (reported.t1, reported.t2))
    return QubitProperties(t1=t1, t2=t2)


def _error(
    reported: InstructionProperties, qubits: Sequence[QubitProperties], scale: float, relaxation: bool
) -> float | None:
    """Return the average infidelity for Aer's model; None if relaxation alone is larger.

    With d the dimension and G the process fidelity of relaxation, its average fidelity is F = (d G + 1) / (d + 1) (M.,
    P. and R. Horodecki, 1999, quant-ph/9807091). A depolarising channel of infidelity x before it makes the infidelity
    of both e, if x = (d^2 - 1) (e - (1 - F)) / (d^2 G - 1).
    """
    if not reported.error:
        return None
    d, whole = 1 << len(qubits), float(reported.error)
    error = min(scale * whole, max(whole, 1 - 1 / d), d / (d + 1))
    survives = prod(_process_fidelity(qubit, reported.duration or 0) for qubit in qubits)
    beyond, left = error - d * (1 - survives) / (d + 1), d * d * survives - 1
    if beyond <= 0 or left < _NOTHING_LEFT:
        return None
    return error if relaxation else (d * d - 1) * beyond / left


def _process_fidelity(qubit: QubitProperties, duration: float) -> float:
    """Return the process fidelity of relaxation at zero temperature: the trace of its Pauli transfer matrix over 4."""
    rate_1 = 1 / qubit.t1 if qubit.t1 else 0.0
    rate_2 = max(1 / qubit.t2 if qubit.t2 else 0.0, rate_1 / 2)  # T2 is at most 2 T1
    return (1 + exp(-duration * rate_1) + 2 * exp(-duration * rate_2)) / 4


def _readout_errors(reported: Any) -> tuple[float, float]:
    """Return the readout errors of a prepared 0 and 1: as in Aer, each if it is reported, else their mean."""
    mean = float(getattr(reported, "error", None) or 0)
    if not (hasattr(reported, "prob_meas1_prep0") and hasattr(reported, "prob_meas0_prep1")):
        return mean, mean
    return float(reported.prob_meas1_prep0), float(reported.prob_meas0_prep1)
