"""PennyLane's `default.qubit` under JAX: jit over vmap, backpropagation."""

from __future__ import annotations

NAME = "PennyLane + JAX"
REQUIRES = {"pennylane": "pennylane>=0.45", "jax": "jax>=0.7"}
STATES = (2.0, 4.0)
DEVICES = ("cpu",)


def build(spec, device="cpu"):
    import jax
    import numpy as np
    import pennylane as qml

    operations = {"rx": qml.RX, "crz": qml.CRZ, "crx": qml.CRX}

    @qml.qnode(qml.device("default.qubit", wires=spec.qubits), interface="jax", diff_method="backprop")
    def circuit(x, w):
        for gate in spec.gates:
            operations[gate.name]((x if gate.source == "x" else w)[gate.index], wires=gate.qubits)
        return [qml.expval(qml.PauliZ(q)) for q in range(spec.qubits)]

    def loss(x, w, g):
        values = jax.vmap(lambda row: jax.numpy.stack(circuit(row, w)))(x)
        return (g * values).sum(), values

    compiled = jax.jit(jax.value_and_grad(loss, argnums=(0, 1), has_aux=True))

    def step(x, w, g):
        (_, values), (grad_x, grad_w) = compiled(x, w, g)
        return np.asarray(values), np.asarray(grad_x), np.asarray(grad_w)

    return step
