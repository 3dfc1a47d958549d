"""Peers that JAX compiles."""

from __future__ import annotations

from peers.registry import JAX, PENNYLANE, apply_pennylane, peer, z_signs


def vmapped_step(evaluate):
    """A step of `evaluate(x (n,), w) -> values (n,)`: jit over vmap, backpropagation."""
    import jax
    import numpy as np

    def loss(x, w, g):
        values = jax.vmap(evaluate, in_axes=(0, None))(x, w)
        return (g * values).sum(), values

    compiled = jax.jit(jax.value_and_grad(loss, argnums=(0, 1), has_aux=True))

    def step(x, w, g):
        (_, values), (grad_x, grad_w) = compiled(x, w, g)
        return np.asarray(values), np.asarray(grad_x), np.asarray(grad_w)

    return step


@peer("PennyLane + JAX", PENNYLANE | JAX, states=(2.0, 4.0))
def pennylane_jax(case, device):
    """`default.qubit`, backpropagation."""
    import jax
    import pennylane as qml

    @qml.qnode(qml.device("default.qubit", wires=case.qubits), interface="jax", diff_method="backprop")
    def circuit(x, w):
        return apply_pennylane(case, x, w)

    return vmapped_step(lambda x, w: jax.numpy.stack(circuit(x, w)))


@peer("TensorCircuit + JAX", {"tensorcircuit": "tensorcircuit-ng>=1.10", **JAX}, states=(2.0, 4.0))
def tensorcircuit(case, device):
    """TensorCircuit-NG: the state by contraction, <Z> from its probabilities."""
    import tensorcircuit as tc

    tc.set_backend("jax")
    tc.set_dtype("complex64")
    signs = z_signs(case.qubits)

    def evaluate(x, w):
        circuit = tc.Circuit(case.qubits)
        for gate in case.gates:
            getattr(circuit, gate.name)(*gate.qubits, theta=gate.angle(x, w))
        return (abs(circuit.state()) ** 2) @ signs

    return vmapped_step(evaluate)


CATALYST = {**PENNYLANE, "catalyst": "pennylane-catalyst>=0.15", "jax": "jax"}


# One core: measured ten times faster than two, as its gates are too small to share.
@peer("PennyLane Catalyst", CATALYST, environ={"OMP_NUM_THREADS": "1"})
def catalyst(case, device):
    """PennyLane's compiler over `lightning.qubit`: one compiled loop over the samples.

    The sum of the upstream gradient times Z is one observable, so that the adjoint method makes one sweep a sample.
    """
    import catalyst
    import jax.numpy as jnp
    import numpy as np
    import pennylane as qml

    n = case.qubits
    simulator = qml.device("lightning.qubit", wires=n, c_dtype=np.complex64)

    @qml.qnode(simulator)
    def expectations(angles):
        return apply_pennylane(case, angles[:n], angles[n:])

    @qml.qnode(simulator, diff_method="adjoint")
    def weighted(angles, g):
        apply_pennylane(case, angles[:n], angles[n:])
        return qml.expval(qml.Hamiltonian(g, [qml.PauliZ(q) for q in range(n)]))

    @qml.qjit
    def run(x, w, g):
        def one(x, w, g):
            angles = jnp.concatenate([x, w])
            return jnp.stack(expectations(angles)), catalyst.grad(weighted, argnums=0)(angles, g)

        return catalyst.vmap(one, in_axes=(0, None, 0))(x, w, g)

    def step(x, w, g):
        values, grads = (np.asarray(a) for a in run(*(a.astype(np.float64) for a in (x, w, g))))
        return values, grads[:, :n], grads[:, n:].sum(0)

    return step
