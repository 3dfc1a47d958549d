"""PennyLane's compiler Catalyst over `lightning.qubit`: one compiled loop over the samples.

The sum of the upstream gradient times Z is one observable, so that the adjoint method makes one sweep a sample.
"""

from __future__ import annotations

NAME = "PennyLane Catalyst"
REQUIRES = {"pennylane": "pennylane>=0.45", "catalyst": "pennylane-catalyst>=0.15", "jax": "jax"}
STATES = (0.0, 0.0)
DEVICES = ("cpu",)
ENVIRON = {"OMP_NUM_THREADS": "1"}  # measured ten times faster than with 2: its gates are too small to share


def build(spec, device="cpu"):
    import catalyst
    import jax.numpy as jnp
    import numpy as np
    import pennylane as qml

    operations = {"rx": qml.RX, "crz": qml.CRZ, "crx": qml.CRX}
    offset = {"x": 0, "w": spec.qubits}
    simulator = qml.device("lightning.qubit", wires=spec.qubits, c_dtype=np.complex64)

    z = [qml.PauliZ(q) for q in range(spec.qubits)]

    def apply(angles):
        for gate in spec.gates:
            operations[gate.name](angles[gate.index + offset[gate.source]], wires=gate.qubits)

    @qml.qnode(simulator)
    def expectations(angles):
        apply(angles)
        return [qml.expval(o) for o in z]

    @qml.qnode(simulator, diff_method="adjoint")
    def weighted(angles, g):
        apply(angles)
        return qml.expval(qml.Hamiltonian(g, z))

    @qml.qjit
    def run(x, w, g):
        def one(x, w, g):
            angles = jnp.concatenate([x, w])
            return jnp.stack(expectations(angles)), catalyst.grad(weighted, argnums=0)(angles, g)

        return catalyst.vmap(one, in_axes=(0, None, 0))(x, w, g)

    def step(x, w, g):
        values, grads = (np.asarray(a) for a in run(*(a.astype(np.float64) for a in (x, w, g))))
        return values, grads[:, : spec.qubits], grads[:, spec.qubits :].sum(0)

    return step
