"""What a circuit has become on a device, as data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Success:
    """The probability that nothing goes wrong in one execution, and its three independent parts, each in [0, 1].

    Attributes:
        gates: the product of 1 - error over all gates.
        readout: the product of 1 - error over all measured qubits.
        idle: the product over qubits of exp(-idle time / min(T1, T2)); 1 where the device gives no times.
    """

    gates: float
    readout: float
    idle: float

    @property
    def total(self) -> float:
        """All three."""
        return self.gates * self.readout * self.idle


@dataclass(frozen=True)
class Figures:
    """What a circuit has become on a device.

    Attributes:
        two_qubit_gates: how many.
        two_qubit_depth: layers of them.
        depth: layers of all gates that take time.
        gates: how many of each name.
        extra_two_qubit_gates: beyond the fewest that were found where every qubit is coupled to every other; below 0
            where a device's own gates do with fewer.
        duration_us: of the scheduled circuit, without measurement; None where the device gives no times.
        idle_us: physical qubit -> microseconds in which it waits, between its first gate and its measurement at the end
            (or its last gate, where it is not measured), everything being scheduled as late as possible.
        success: see `Success`.
        worst_coupler: the pair with the largest error in use, and that error; None without two-qubit gates.
        worst_readout: the measured qubit with the largest readout error, and that error.
    """

    two_qubit_gates: int
    two_qubit_depth: int
    depth: int
    gates: dict[str, int]
    extra_two_qubit_gates: int
    duration_us: float | None
    idle_us: dict[int, float]
    success: Success
    worst_coupler: tuple[tuple[int, int], float] | None
    worst_readout: tuple[int, float] | None


@dataclass(frozen=True)
class Candidate:
    """One way to transpile, and what came of it.

    Attributes:
        level: the transpiler's optimisation level, 0 to 3.
        seed: its seed.
        layout_method, routing_method: as Qiskit calls them; "default" where its preset chose.
        joined: controlled rotations on one pair of qubits were written as one gate before.
        replaced: the result was moved afterwards to better qubits of the same form.
        seconds: how long it took.
        layout: the physical qubit on which each logical qubit starts.
        figures: the result.
    """

    level: int
    seed: int
    layout_method: str
    routing_method: str
    joined: bool
    replaced: bool
    seconds: float
    layout: tuple[int, ...]
    figures: Figures
