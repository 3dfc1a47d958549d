"""TensorCircuit-NG under JAX: the state by contraction, <Z> from its probabilities, jit over vmap."""

from __future__ import annotations

NAME = "TensorCircuit + JAX"
REQUIRES = {"tensorcircuit": "tensorcircuit-ng>=1.10", "jax": "jax>=0.7"}
STATES = (2.0, 4.0)
DEVICES = ("cpu",)


def build(spec, device="cpu"):
    import jax
    import numpy as np
    import tensorcircuit as tc

    tc.set_backend("jax")
    tc.set_dtype("complex64")
    bits = (np.arange(2**spec.qubits)[:, None] >> np.arange(spec.qubits - 1, -1, -1)) & 1
    signs = (1 - 2 * bits).astype(np.float32)

    def evaluate(x, w):
        circuit = tc.Circuit(spec.qubits)
        for gate in spec.gates:
            getattr(circuit, gate.name)(*gate.qubits, theta=(x if gate.source == "x" else w)[gate.index])
        return (abs(circuit.state()) ** 2) @ signs

    def loss(x, w, g):
        values = jax.vmap(evaluate, in_axes=(0, None))(x, w)
        return (g * values).sum(), values

    compiled = jax.jit(jax.value_and_grad(loss, argnums=(0, 1), has_aux=True))

    def step(x, w, g):
        (_, values), (grad_x, grad_w) = compiled(x, w, g)
        return np.asarray(values), np.asarray(grad_x), np.asarray(grad_w)

    return step
