"""The errors on a few qubits as matrices on the legs of density matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from qiskit.circuit import Instruction
from qiskit.quantum_info import SuperOp
from qiskit.transpiler import QubitProperties

from qgen.devserver.gates import Complexes, on_legs
from qgen.noise import LocalNoise

UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "ps": 1e-12}


class Channels:
    """What gates and delays do beside what they should; each channel is worked out when it is first needed.

    Args:
        noise: Aer's errors of the gates on wires 0..k-1.
        lives: T1 and T2 of those wires.
        dt: seconds of a device's time step.
    """

    def __init__(self, noise: LocalNoise, lives: Sequence[QubitProperties], dt: float | None) -> None:
        self.noise, self._lives, self._dt = noise, lives, dt
        self._known: dict[tuple[str, tuple[int, ...]], Complexes | None] = {}

    def after(self, name: str, wires: tuple[int, ...]) -> Complexes | None:
        """What follows this gate on these wires, (1, 4^n, 4^n); None: nothing."""
        if (name, wires) not in self._known:
            errors: dict[str, Any] = self.noise.model._local_quantum_errors  # noqa: SLF001  # Aer has no public way
            error = errors.get(name, {}).get(wires)
            self._known[name, wires] = None if error is None else on_legs(SuperOp(error).data)[None]
        return self._known[name, wires]

    def waiting(self, delay: Instruction, wire: int) -> Complexes:
        """Relaxation while a qubit waits, (1, 4, 4)."""
        from qiskit_aer.noise import thermal_relaxation_error

        life, seconds = self._lives[wire], self._seconds(delay)
        if not (seconds and life.t1 and life.t2):
            return np.eye(4, dtype=np.complex128)[None]
        error = thermal_relaxation_error(life.t1, min(life.t2, 2 * life.t1), seconds)
        return on_legs(SuperOp(error).data)[None]

    def _seconds(self, delay: Instruction) -> float:
        try:
            duration = float(delay.duration)
        except TypeError:  # a stretch, which the device would resolve
            return 0.0
        return duration * (self._dt or 0.0) if delay.unit == "dt" else duration * UNITS[delay.unit]
