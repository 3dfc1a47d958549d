"""Peers whose own compiled code has the gradients."""

from __future__ import annotations

from peers.registry import peer

TENSORFLOW = {"TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}


@peer("TensorFlow Quantum", {"tensorflow_quantum": "tensorflow-quantum==0.7.6"}, states=(0.0, 3.0), environ=TENSORFLOW)
def tfq(case, device):
    """The C++ adjoint op, which folds the upstream gradient into one backward sweep."""
    import cirq
    import sympy
    import tensorflow as tf
    import tensorflow_quantum as tfq

    qubits = cirq.GridQubit.rect(1, case.qubits)
    circuit = cirq.Circuit()
    for gate in case.gates:
        angle = sympy.Symbol(gate.source + str(gate.index))
        rotation = (cirq.rz if gate.name == "crz" else cirq.rx)(angle).on(qubits[gate.qubits[-1]])
        circuit.append(rotation.controlled_by(*(qubits[q] for q in gate.qubits[:-1])))
    names = [f"x{q}" for q in range(case.qubits)] + [f"w{i}" for i in range(case.weights)]
    program = tfq.convert_to_tensor([circuit])
    z = tfq.convert_to_tensor([[1.0 * cirq.Z(q) for q in qubits]])
    expectation = tfq.differentiators.Adjoint().generate_differentiable_op(analytic_op=tfq.get_expectation_op())

    @tf.function
    def run(x, w, g):
        batch = tf.shape(x)[0]
        with tf.GradientTape() as tape:
            tape.watch([x, w])
            angles = tf.concat([x, tf.tile(w[None], [batch, 1])], axis=1)
            values = expectation(tf.tile(program, [batch]), tf.constant(names), angles, tf.tile(z, [batch, 1]))
        return (values, *tape.gradient(values, [x, w], output_gradients=g))

    return lambda *arrays: [tensor.numpy() for tensor in run(*map(tf.constant, arrays))]


@peer("MindQuantum", {"mindquantum": "mindquantum>=0.12"})
def mindquantum(case, device):
    """Its C++ batched gradient: a full Jacobian in <Z_q>, contracted with the upstream gradient."""
    import os

    import mindquantum as mq
    import numpy as np
    from mindquantum.core.circuit import Circuit
    from mindquantum.core.gates import RX, RZ
    from mindquantum.core.operators import Hamiltonian, QubitOperator
    from mindquantum.simulator import Simulator

    encoder, ansatz = Circuit(), Circuit()
    for gate in case.gates:
        rotation = (RZ if gate.name == "crz" else RX)(gate.source + str(gate.index))
        (encoder if gate.source == "x" else ansatz).append(rotation.on(gate.qubits[-1], list(gate.qubits[:-1])))
    total = encoder.as_encoder() + ansatz.as_ansatz()
    z = [Hamiltonian(QubitOperator(f"Z{q}"), dtype=mq.complex64) for q in range(case.qubits)]
    simulator = Simulator("mqvector", case.qubits, dtype=mq.complex64)
    run = simulator.get_expectation_with_grad(z, total, parallel_worker=len(os.sched_getaffinity(0)))

    def step(x, w, g):
        values, by_x, by_w = (a.real for a in run(x, w))  # (B, n), (B, n, n), (B, n, P)
        return values, np.einsum("bo,boi->bi", g, by_x), np.einsum("bo,bop->p", g, by_w)

    return step


@peer("qulacs", {"qulacs": "qulacs>=0.6"})
def qulacs(case, device):
    """`backprop` of one weighted sum of Z a sample."""
    import numpy as np
    import qulacs

    n = case.qubits
    circuit = qulacs.ParametricQuantumCircuit(n)
    sources, factors = [], []
    for gate in case.gates:
        # qulacs rotates by exp(+i angle P / 2) and has no controlled rotation with a parameter: with C = CNOT or CZ, so
        # that C anticommutes with P where the control is 1, CP(a) = C P(-a/2) C P(a/2).
        rotate = circuit.add_parametric_RZ_gate if gate.name == "crz" else circuit.add_parametric_RX_gate
        flip = circuit.add_CNOT_gate if gate.name == "crz" else circuit.add_CZ_gate
        for factor in (-1.0,) if gate.name == "rx" else (-0.5, 0.5):
            rotate(gate.qubits[-1], 0.0)
            sources.append(gate.index + (n if gate.source == "w" else 0))
            factors.append(factor)
            if gate.name != "rx":
                flip(*gate.qubits)
    sources, factors = np.array(sources), np.array(factors)
    state = qulacs.QuantumState(n)

    def z_sum(terms):
        total = qulacs.Observable(n)
        for q, coefficient in terms:
            total.add_operator(float(coefficient), f"Z {q}")
        return total

    z = [z_sum([(q, 1.0)]) for q in range(n)]

    def one(x, w, g):
        for k, angle in enumerate(np.concatenate([x, w])[sources] * factors):
            circuit.set_parameter(k, float(angle))
        state.set_zero_state()
        circuit.update_quantum_state(state)
        by_rotation = np.array(circuit.backprop(z_sum(enumerate(g)))) * factors
        grad = np.bincount(sources, weights=by_rotation, minlength=n + case.weights)
        return [observable.get_expectation_value(state) for observable in z], grad

    def step(x, w, g):
        values, grads = map(np.array, zip(*map(one, x, [w] * len(x), g), strict=True))
        return values, grads[:, :n], grads[:, n:].sum(0)

    return step
