"""The errors of a device as superoperators on the legs of density matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from qiskit.circuit import Instruction
from qiskit.quantum_info import SuperOp
from qiskit.transpiler import QubitProperties, Target

from qgen.devserver.kernels import Complexes, by_legs
from qgen.noise import DeviceNoise, LocalNoise

SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "ps": 1e-12}


class DeviceErrors:
    """The errors of a device; those on the same qubits are computed once."""

    def __init__(self, target: Target, name: str) -> None:
        self._source, self._target = DeviceNoise(target, name), target
        self._cache: dict[tuple[int, ...], ErrorChannels] = {}

    def channels(self, qubits: Sequence[int]) -> ErrorChannels:
        """Return the errors on these qubits; qubits[k] becomes wire k."""
        key = tuple(qubits)
        if key not in self._cache:
            properties = [self._target.qubit_properties[qubit] for qubit in key]
            self._cache[key] = ErrorChannels(self._source.local(key), properties, self._target.dt)
        return self._cache[key]


class ErrorChannels:
    """The errors of gates and delays on a few wires; each channel is computed on first use.

    Args:
        noise: Aer's errors of the gates on wires 0..k-1.
        properties: T1 and T2 of those wires.
        dt: seconds of a device's time step.
    """

    def __init__(self, noise: LocalNoise, properties: Sequence[QubitProperties], dt: float | None) -> None:
        self.noise, self._properties, self._dt = noise, properties, dt
        self._cache: dict[tuple[str, tuple[int, ...]], Complexes | None] = {}

    def after_gate(self, name: str, wires: tuple[int, ...]) -> Complexes | None:
        """Return the channel that follows this gate on these wires, (1, 4^n, 4^n); None: there is none."""
        if (name, wires) not in self._cache:
            errors: dict[str, Any] = self.noise.model._local_quantum_errors  # noqa: SLF001  # Aer has no public way
            error = errors.get(name, {}).get(wires)
            self._cache[name, wires] = None if error is None else by_legs(SuperOp(error).data)[None]
        return self._cache[name, wires]

    def relaxation(self, delay: Instruction, wire: int) -> Complexes:
        """Return the relaxation of a qubit during a delay, (1, 4, 4)."""
        from qiskit_aer.noise import thermal_relaxation_error

        qubit, seconds = self._properties[wire], self._seconds(delay)
        if not (seconds and qubit.t1 and qubit.t2):
            return np.eye(4, dtype=np.complex128)[None]
        error = thermal_relaxation_error(qubit.t1, min(qubit.t2, 2 * qubit.t1), seconds)
        return by_legs(SuperOp(error).data)[None]

    def _seconds(self, delay: Instruction) -> float:
        try:
            duration = float(delay.duration)
        except TypeError:  # a stretch, which the device would resolve
            return 0.0
        return duration * (self._dt or 0.0) if delay.unit == "dt" else duration * SECONDS[delay.unit]
