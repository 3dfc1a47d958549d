"""The noise of a device, from the errors and durations that its Target reports."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from qiskit.circuit import Gate, Measure
from qiskit.providers import BackendV2, Options
from qiskit.transpiler import InstructionProperties, QubitProperties, Target

from qgen.errors import BackendError
from qgen.noise.channels import (
    NO_RELAXATION,
    GateNoise,
    Rates,
    Relaxation,
    depolarizing_beyond,
    gate_noise,
    relaxation,
    relaxation_rates,
)
from qgen.noise.model import KINDS, LocalNoise, NoiseSelection, aer_noise
from qgen.noise.readout import confusion_matrices

if TYPE_CHECKING:
    from qiskit_aer.noise import NoiseModel


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
        facts = {**self.provenance(), **selection.provenance()}
        return LocalNoise(_DeviceErrors(self._target, selection), confusion, facts, self._target.dt)

    def provenance(self) -> dict[str, Any]:
        """See `NoiseSource.provenance`."""
        return {"name": self.name, "calibrated": self._calibrated.isoformat() if self._calibrated else None}


class _DeviceErrors:
    """The errors of the chosen qubits of a device: `WireErrors`.

    They are read from one Target, cut down to those qubits, by Aer and here: the two cannot differ in what they read.
    """

    def __init__(self, device: Target, selection: NoiseSelection) -> None:
        self._device, self._selection = device, selection
        self._gates, self._relaxation = "gates" in selection.active, "relaxation" in selection.active

    @cached_property
    def _target(self) -> Target:
        return _restrict(self._device, self._selection, self._relaxation)

    def after(self, name: str, wires: tuple[int, ...]) -> GateNoise | None:
        if not (self._gates or self._relaxation) or name not in self._target.operation_names:
            return None
        reported = (self._target[name] or {}).get(wires)
        if reported is None:
            return None
        relaxed = [relaxation(self.rates(wire), reported.duration or 0) for wire in wires]
        depolarizes = self._gates and reported.error and isinstance(self._target.operation_from_name(name), Gate)
        return gate_noise(depolarizing_beyond(reported.error, relaxed) if depolarizes else 0.0, relaxed)

    def rates(self, wire: int) -> Rates:
        if not self._relaxation:
            return NO_RELAXATION
        return _rates(self._target.qubit_properties[wire])

    def aer_model(self) -> NoiseModel:
        noise_model = aer_noise().NoiseModel
        if not self._selection.qubits or not (self._gates or self._relaxation):
            return noise_model(basis_gates=list(self._device.operation_names))
        return _aer_model(self._device, self._selection)


@lru_cache(maxsize=8)  # of a hundred qubits it takes seconds; a circuit is compiled several times on the same ones
def _aer_model(device: Target, selection: NoiseSelection) -> NoiseModel:
    gates, relaxation_on = "gates" in selection.active, "relaxation" in selection.active
    return aer_noise().NoiseModel.from_backend(
        TargetBackend(_restrict(device, selection, relaxation_on)),
        gate_error=gates,
        thermal_relaxation=relaxation_on,
        readout_error=False,
    )


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


def _restrict(device: Target, selection: NoiseSelection, relaxation_on: bool) -> Target:
    """Restrict the device's Target to the chosen qubits, relabelled, with errors and times scaled.

    Without relaxation the errors are those of the depolarising channels alone.
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
                error = _error(reported, [properties[wire] for wire in here], selection.scale, relaxation_on)
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
    reported: InstructionProperties, qubits: Sequence[QubitProperties], scale: float, relaxation_on: bool
) -> float | None:
    """Return the average infidelity for Aer's model; None if relaxation alone is larger.

    Without relaxation it is that of the depolarising channel, (d - 1) / d lambda.
    """
    if not reported.error:
        return None
    d, whole = 1 << len(qubits), float(reported.error)
    error = min(scale * whole, max(whole, 1 - 1 / d), d / (d + 1))
    relaxed = [relaxation(_rates(qubit), reported.duration or 0) for qubit in qubits]
    depolarizing = depolarizing_beyond(error, relaxed)
    if not depolarizing:
        return None
    return error if relaxation_on else GateNoise(depolarizing, (Relaxation(1.0, 1.0),) * len(qubits)).infidelity


def _rates(qubit: QubitProperties) -> Rates:
    return relaxation_rates(qubit.t1, qubit.t2)


def _readout_errors(reported: Any) -> tuple[float, float]:
    """Return the readout errors of a prepared 0 and 1: as in Aer, each if it is reported, else their mean."""
    mean = float(getattr(reported, "error", None) or 0)
    if not (hasattr(reported, "prob_meas1_prep0") and hasattr(reported, "prob_meas0_prep1")):
        return mean, mean
    return float(reported.prob_meas1_prep0), float(reported.prob_meas0_prep1)
