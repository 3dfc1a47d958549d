"""The stock way with Qiskit: `TorchConnector` over `EstimatorQNN` on Aer, parameter-shift gradients."""

from __future__ import annotations

NAME = "qiskit-machine-learning (stock)"
REQUIRES = {
    "qiskit_machine_learning": "qiskit-machine-learning>=0.9",
    "qiskit_aer": "qiskit-aer",
    "torch": "torch>=2.6,<2.14",
}
STATES = (0.0, 4.0)
DEVICES = ("cpu",)
SAMPLES = 1


def build(spec, device="cpu"):
    import torch
    from qiskit import transpile
    from qiskit.circuit import ParameterVector, QuantumCircuit
    from qiskit.quantum_info import SparsePauliOp
    from qiskit_aer.primitives import EstimatorV2
    from qiskit_machine_learning.connectors import TorchConnector
    from qiskit_machine_learning.gradients import ParamShiftEstimatorGradient
    from qiskit_machine_learning.neural_networks import EstimatorQNN

    angles = {"x": ParameterVector("x", spec.qubits), "w": ParameterVector("w", spec.weights)}
    circuit = QuantumCircuit(spec.qubits)
    for gate in spec.gates:
        getattr(circuit, gate.name)(angles[gate.source][gate.index], *gate.qubits)
    # With Aer 0.18.2 under qiskit 2.6.2, bound parameters of controlled rotations failed our check; plain gates pass.
    circuit = transpile(circuit, basis_gates=["rx", "ry", "rz", "cx"])
    estimator = EstimatorV2(options={"default_precision": 0.0})
    network = EstimatorQNN(
        circuit=circuit,
        estimator=estimator,
        observables=[SparsePauliOp.from_sparse_list([("Z", [q], 1)], spec.qubits) for q in range(spec.qubits)],
        input_params=list(angles["x"]),
        weight_params=list(angles["w"]),
        gradient=ParamShiftEstimatorGradient(estimator),
        input_gradients=True,
        default_precision=0.0,
    )
    layer = TorchConnector(network)

    def step(x, w, g):
        tx = torch.from_numpy(x).requires_grad_()
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(w))
        values = layer(tx)
        grad_x, grad_w = torch.autograd.grad(values, (tx, layer.weight), torch.from_numpy(g))
        return values.detach().numpy(), grad_x.numpy(), grad_w.numpy()

    return step
