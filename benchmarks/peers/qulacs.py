"""qulacs: `backprop` of one weighted sum of Z a sample."""

from __future__ import annotations

NAME = "qulacs"
REQUIRES = {"qulacs": "qulacs>=0.6"}
STATES = (0.0, 0.0)
DEVICES = ("cpu",)


def build(spec, device="cpu"):
    import numpy as np
    import qulacs

    n = spec.qubits
    circuit = qulacs.ParametricQuantumCircuit(n)
    sources, factors = [], []
    for gate in spec.gates:
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
    z = []
    for q in range(n):
        z.append(qulacs.Observable(n))
        z[q].add_operator(1.0, f"Z {q}")
    state = qulacs.QuantumState(n)

    def one(x, w, g):
        for k, angle in enumerate(np.concatenate([x, w])[sources] * factors):
            circuit.set_parameter(k, float(angle))
        state.set_zero_state()
        circuit.update_quantum_state(state)
        total = qulacs.Observable(n)
        for q in range(n):
            total.add_operator(float(g[q]), f"Z {q}")
        grad = np.bincount(sources, weights=np.array(circuit.backprop(total)) * factors, minlength=n + spec.weights)
        return [o.get_expectation_value(state) for o in z], grad

    def step(x, w, g):
        found = [one(x[b], w, g[b]) for b in range(len(x))]
        grads = np.array([grad for _, grad in found])
        return np.array([values for values, _ in found]), grads[:, :n], grads[:, n:].sum(0)

    return step
