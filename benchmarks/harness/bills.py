"""What a training step asks of hardware: circuits, shots and seconds on a quantum processor, by gradient method."""

from __future__ import annotations

from typing import Any

from qgen.backends import SPSA, Adjoint, Executable, GradientMethod, ParameterShift, open_backend
from qgen.backends.measuring import Measurement
from qgen.circuits import ansatz
from qgen.errors import BackendError

CIRCUITS = (("hqconv", 12, 3), ("fqconv", 12, 3), ("basic", 4, 1))
WEIGHTS, BOTH = (False, True), (True, True)
SCHEMES = (
    ("adjoint", Adjoint(), BOTH),
    ("parameter-shift, weights", ParameterShift(), WEIGHTS),
    ("parameter-shift, weights and inputs", ParameterShift(), BOTH),
    ("parameter-shift:fraction=0.25, weights", ParameterShift(fraction=0.25), WEIGHTS),
    ("spsa, 1 direction", SPSA(), BOTH),
    ("spsa, 4 directions", SPSA(directions=4), BOTH),
)


def qpu_seconds(executions: int) -> float:
    """IBM's estimate of the usage of one job: 2 s, and 0.35 ms for each execution (a shot of a circuit).

    Source: IBM Quantum documentation, "Estimate job run time", for the default delay of 250 us between executions.
    """
    return 2 + 0.00035 * executions


def bills(batch: int, shots: int, device: str) -> list[dict[str, Any]]:
    """One row for each circuit, method and place: as written (`aer`), and as placed on a device (`aer:DEVICE`)."""
    rows = []
    for name, qubits, layers in CIRCUITS:
        circuit = ansatz(name, qubits=qubits, layers=layers)
        bases = len(Measurement(circuit.conditional.observables).bases)
        facts = {"circuit": name, "qubits": qubits, "layers": layers, "weights": circuit.num_weights}
        facts |= {"batch": batch, "shots": shots, "bases": bases}
        for place in ("aer", f"aer:{device}"):
            executable = open_backend(place, shots=shots).compile(circuit)
            for scheme, method, wants in SCHEMES:
                evaluations = method.evaluations(executable, wants)
                circuits = batch * bases * evaluations
                row = facts | {"place": place, "scheme": scheme, "evaluations": evaluations, "circuits": circuits}
                rows.append(row | (_bill(circuits * shots) if offered(method, executable) else _NO_BILL))
    return rows


def offered(method: GradientMethod, executable: Executable) -> bool:
    """Whether this method works where values are sampled."""
    try:
        method.check(executable)
    except BackendError:
        return False
    return True


_NO_BILL = {"executions": None, "qpu_seconds": None}


def _bill(executions: int) -> dict[str, Any]:
    return {"executions": executions, "qpu_seconds": qpu_seconds(executions)}
