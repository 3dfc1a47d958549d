"""TensorFlow Quantum: the C++ adjoint op, which folds the upstream gradient into one backward sweep."""

from __future__ import annotations

NAME = "TensorFlow Quantum"
REQUIRES = {"tensorflow_quantum": "tensorflow-quantum==0.7.6"}
STATES = (0.0, 3.0)
DEVICES = ("cpu",)
ENVIRON = {"TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}


def build(spec, device="cpu"):
    import cirq
    import sympy
    import tensorflow as tf
    import tensorflow_quantum as tfq

    qubits = cirq.GridQubit.rect(1, spec.qubits)
    circuit = cirq.Circuit()
    for gate in spec.gates:
        angle = sympy.Symbol(gate.source + str(gate.index))
        rotation = (cirq.rz if gate.name == "crz" else cirq.rx)(angle).on(qubits[gate.qubits[-1]])
        circuit.append(rotation.controlled_by(*(qubits[q] for q in gate.qubits[:-1])))
    names = [f"x{q}" for q in range(spec.qubits)] + [f"w{i}" for i in range(spec.weights)]
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

    def step(x, w, g):
        return tuple(t.numpy() for t in run(tf.constant(x), tf.constant(w), tf.constant(g)))

    return step
