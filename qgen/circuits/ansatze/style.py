"""The style-based generator: the latent numbers enter every gate, each with a weight and a bias of its own."""

from collections.abc import Sequence

from qiskit import QuantumCircuit
from qiskit.circuit import Parameter, ParameterExpression

from qgen.circuits.ansatze.base import Ansatz, Layer
from qgen.circuits.arguments import whole_number
from qgen.errors import CircuitError

_FIGURE = """\
Every gate turns by w*z + b: two weights of its own, and an input z. Blocks 1, 2
and 3 on n = 3 qubits:
  q0 -RY-RZ-RY-RZ-RY--o-----RY-RZ-RY-RZ-RY-----o--RY-RZ-RY-RZ-RY--
  q1 -RY-RZ-RY-RZ-RY--x--o--RY-RZ-RY-RZ-RY--o--x--RY-RZ-RY-RZ-RY--
  q2 -RY-RZ-RY-RZ-RY-----x--RY-RZ-RY-RZ-RY--x-----RY-RZ-RY-RZ-RY--
CNOTs along the line lie between blocks; their order turns around each time.
On qubit q all gates read input q; with the option latent there are that many
inputs, and the gates of the circuit take them in turn.
Weights: w, b, w, b, ..., gate by gate: in a block (RY, RZ) on qubit 0, 1, ...,
the same again, then RY on qubit 0, 1, ...
Weights a layer (a block): 10n."""


def _layer(qubits: int, latent: int | None = None) -> Layer:
    order = _gates(qubits)
    inputs = qubits if latent is None else whole_number("latent", latent)
    if inputs > len(order):
        raise CircuitError(
            f"latent={inputs} inputs do not fit into the {len(order)} gates of a block on {qubits} qubits; give fewer."
        )

    def angles(x: Sequence[Parameter], w: Sequence[Parameter], index: int) -> list[ParameterExpression]:
        """Angles of the block's gates, in their order."""
        first = index * len(order)  # the number of the block's first gate in the circuit
        read = [qubit if latent is None else (first + k) % latent for k, (_, qubit) in enumerate(order)]
        return [w[2 * k] * x[z] + w[2 * k + 1] for k, z in enumerate(read)]

    def append(circuit: QuantumCircuit, angles: Sequence[ParameterExpression], index: int) -> None:
        # CNOTs come first, so that the first block has none before it, and the last one none behind.
        if index:
            for control in range(qubits - 1)[:: 1 if index % 2 else -1]:
                circuit.cx(control, control + 1)
        for (gate, qubit), angle in zip(order, angles, strict=True):
            (circuit.ry if gate == "ry" else circuit.rz)(angle, qubit)

    return Layer(weights=2 * len(order), append=append, angles=angles, inputs=inputs)


def _gates(qubits: int) -> list[tuple[str, int]]:
    """Return the gates of a block and their qubits, in the order of their weights."""
    pairs = [(gate, qubit) for qubit in range(qubits) for gate in ("ry", "rz")]
    return pairs + pairs + [("ry", qubit) for qubit in range(qubits)]


ANSATZ = Ansatz(
    name="style",
    summary="Every gate turns by w*z + b, with an input z and weights of its own; CNOTs along a line between blocks.",
    figure=_FIGURE,
    reference=(
        "C. Bravo-Prieto, J. Baglio, M. Ce, A. Francis, D. M. Grabowska, S. Carrazza (2022), 'Style-based quantum "
        "generative adversarial networks for Monte Carlo events', Quantum 6, 777, arXiv:2110.06933, in the form that "
        "its code has for IBM's devices."
    ),
    qubits=3,
    layers=3,
    encoding=None,
    layer=_layer,
    options={"latent": "the number of inputs, which the gates then take in turn; default: each qubit has its own"},
)
