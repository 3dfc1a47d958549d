"""Peers that torch differentiates: layers (qgen, stock qiskit-machine-learning), and states that are its tensors."""

from __future__ import annotations

import math
import sys
from unittest import mock

import numpy as np

from peers.registry import GPU, PENNYLANE, TORCH, apply_pennylane, peer, z_signs


def autograd_step(evaluate, device, leaf=None, unit=1.0):
    """A step that differentiates `evaluate(x, w) -> values`; the copies back to NumPy wait for the device.

    Where a layer has the weights, `leaf` is its parameter, which counts in units of so many radians.
    """
    import torch

    def step(x, w, g):
        tx, tw = (torch.from_numpy(a).to(device).requires_grad_() for a in (x, w / unit))
        if leaf is not None:
            leaf.data.copy_(tw.detach())
            tw = leaf
        values = evaluate(tx, tw)
        grads = torch.autograd.grad(values, (tx, tw), torch.from_numpy(g).to(device, values.dtype))
        values, grad_x, grad_w = (tensor.detach().cpu().numpy() for tensor in (values, *grads))
        return values, grad_x, grad_w / unit

    return step


@peer("qgen", {**TORCH, "numba": "numba", "qgen.nn": "qgen", "qgen.circuits": "qgen"}, devices=GPU)
def qgen(case, device):
    """`QuantumLayer` over the in-process statevector engine; its weights count turns."""
    from qgen import QuantumLayer
    from qgen.circuits import ansatz

    circuit = ansatz("hqconv", qubits=case.qubits, layers=case.layers)
    layer = QuantumLayer(circuit, backend="statevector").to(device)
    return autograd_step(lambda x, _: layer(x), device, layer.weight, unit=2 * math.pi)


@peer("qgen, no graph", {**TORCH, "numba": "numba", "qgen.backends": "qgen", "qgen.circuits": "qgen"})
def executable(case, device):
    """The statevector engine by itself: it records no graph of torch, like a function that JAX compiled."""
    import torch

    from qgen.backends.registry import open_backend
    from qgen.circuits import ansatz

    compiled = open_backend("statevector").compile(ansatz("hqconv", qubits=case.qubits, layers=case.layers))
    unit = np.float32(2 * math.pi)  # its weights count turns

    def step(x, w, g):
        inputs, weights, upstream = (torch.from_numpy(array) for array in (x, w / unit, g))
        values, vjp = compiled.expectations_with_vjp(inputs, weights, (True, True))
        grad_x, grad_w = vjp(upstream)
        return values.numpy(), grad_x.numpy(), grad_w.numpy() / unit

    return step


def estimator_network(circuit, observables, inputs, weights):
    """`EstimatorQNN` on Aer's `EstimatorV2`: exact values, parameter-shift gradients of inputs and weights."""
    from qiskit import transpile
    from qiskit_aer.primitives import EstimatorV2
    from qiskit_machine_learning.gradients import ParamShiftEstimatorGradient
    from qiskit_machine_learning.neural_networks import EstimatorQNN

    # With Aer 0.18.2 under qiskit 2.6.2, bound parameters of controlled rotations failed our check; plain gates pass.
    estimator = EstimatorV2(options={"default_precision": 0.0})
    return EstimatorQNN(
        circuit=transpile(circuit, basis_gates=["rx", "ry", "rz", "cx"], optimization_level=0),
        estimator=estimator,
        observables=observables,
        input_params=list(inputs),
        weight_params=list(weights),
        gradient=ParamShiftEstimatorGradient(estimator),
        input_gradients=True,
        default_precision=0.0,
    )


STOCK = {"qiskit_machine_learning": "qiskit-machine-learning>=0.9", "qiskit_aer": "qiskit-aer", **TORCH}


@peer("qiskit-machine-learning (stock)", STOCK, states=(0.0, 4.0), samples=1)
def stock(case, device):
    """The stock way with Qiskit: `TorchConnector` over `EstimatorQNN` on Aer, parameter-shift gradients."""
    from qiskit.circuit import ParameterVector, QuantumCircuit
    from qiskit.quantum_info import SparsePauliOp
    from qiskit_machine_learning.connectors import TorchConnector

    angles = {"x": ParameterVector("x", case.qubits), "w": ParameterVector("w", case.weights)}
    circuit = QuantumCircuit(case.qubits)
    for gate in case.gates:
        getattr(circuit, gate.name)(angles[gate.source][gate.index], *gate.qubits)
    observables = [SparsePauliOp.from_sparse_list([("Z", [q], 1)], case.qubits) for q in range(case.qubits)]
    layer = TorchConnector(estimator_network(circuit, observables, *angles.values()))
    return autograd_step(lambda x, _: layer(x), device, layer.weight)


@peer("PennyLane + torch", PENNYLANE | TORCH, states=(4.0, 4.0), devices=GPU)
def pennylane_torch(case, device):
    """`default.qubit` with parameter broadcasting, backpropagation."""
    import pennylane as qml
    import torch

    @qml.qnode(qml.device("default.qubit", wires=case.qubits), interface="torch", diff_method="backprop")
    def circuit(x, w):
        return apply_pennylane(case, x, w)

    return autograd_step(lambda x, w: torch.stack(circuit(x, w), dim=-1), device)


@peer("PennyLane lightning", PENNYLANE | {"pennylane_lightning": "pennylane-lightning>=0.45", "torch": "torch>=2.6"})
def lightning(case, device):
    """`lightning.qubit`: a C++ statevector, one adjoint product a sample."""
    import numpy as np
    import pennylane as qml
    import torch

    simulator = qml.device("lightning.qubit", wires=case.qubits, c_dtype=np.complex64)

    @qml.qnode(simulator, interface="torch", diff_method="adjoint", device_vjp=True)
    def circuit(x, w):
        return apply_pennylane(case, x, w)

    return autograd_step(lambda x, w: torch.stack(circuit(x, w), dim=-1), device)


FLAGQUANTUM = {"flagquantum": "flagquantum>=0.3.1", "torch": "torch>=2.10,<2.14"}


@peer("FlagQuantum", FLAGQUANTUM, states=(1.5, 4.0), devices=GPU)
def flagquantum(case, device):
    """Batched states, autograd."""
    import flagquantum as fq

    def evaluate(x, w):
        circuit = fq.Circuit(case.qubits, bsz=len(x), device=device)
        for gate in case.gates:
            getattr(circuit, gate.name)(*gate.qubits, gate.angle(x, w))
        return circuit.expectation_z()

    return autograd_step(evaluate, device)


def without_torchvision():
    """Lets torchquantum import torchvision, unused here, whose wheel fails beside a CPU build of torch."""
    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        for name in ("", ".datasets", ".datasets.utils", ".transforms"):
            sys.modules["torchvision" + name] = mock.MagicMock()


TORCHQUANTUM = {"torchquantum": "torchquantum-ng>=0.2", **TORCH}


@peer("torchquantum-ng", TORCHQUANTUM, states=(2.0, 4.0), devices=GPU, before_import=without_torchvision)
def torchquantum(case, device):
    """Batched states, autograd."""
    import torchquantum as tq
    import torchquantum.functional as tqf

    measure = tq.MeasureAll(tq.PauliZ)

    def evaluate(x, w):
        register = tq.QuantumDevice(n_wires=case.qubits, bsz=len(x), device=device)
        for gate in case.gates:
            getattr(tqf, gate.name)(register, wires=list(gate.qubits), params=gate.angle(x, w).reshape(-1, 1))
        return measure(register)

    return autograd_step(evaluate, device)


@peer("pyqtorch", {"pyqtorch": "pyqtorch>=1.7", **TORCH}, states=(2.0, 4.0), devices=GPU)
def pyqtorch(case, device):
    """Batched states, autograd; its adjoint failed our check where a control's number is above its target's."""
    import pyqtorch as pyq
    import torch

    gates = [getattr(pyq, g.name.upper())(*g.qubits, param_name=g.source + str(g.index)) for g in case.gates]
    circuit = pyq.QuantumCircuit(case.qubits, gates).to(device=torch.device(device), dtype=torch.complex64)
    signs = torch.from_numpy(z_signs(case.qubits)).to(device)

    def evaluate(x, w):
        values = {f"x{q}": x[:, q] for q in range(case.qubits)} | {f"w{i}": w[i] for i in range(case.weights)}
        state = pyq.run(circuit, circuit.init_state(batch_size=len(x)), values)  # (2, ..., 2, B)
        return (state.reshape(-1, len(x)).abs() ** 2).T @ signs

    return autograd_step(evaluate, device)


@peer("DeepQuantum", {"deepquantum": "deepquantum>=4.5", **TORCH}, states=(3.0, 4.0), devices=GPU)
def deepquantum(case, device):
    """A vmap over samples, autograd."""
    import deepquantum as dq
    import torch

    circuit = dq.QubitCircuit(case.qubits)
    for gate in case.gates:
        getattr(circuit, gate.name)(*gate.qubits, encode=True)
    circuit.to(torch.device(device))
    signs = torch.from_numpy(z_signs(case.qubits)).to(device)

    def evaluate(x, w):
        # Encoders take their angles in the order of the gates: all inputs first, then all weights.
        state = circuit(torch.cat([x, w.expand(len(x), -1)], dim=-1))
        return (state.reshape(len(x), -1).abs() ** 2) @ signs

    return autograd_step(evaluate, device)


@peer("fastQML", {"fastqml": "fastqml>=0.2", **TORCH}, states=(2.5, 4.0), devices=GPU)
def fastqml(case, device):
    """Its kernels gate by gate, on real and imaginary parts; its fused layers build dense 2^n x 2^n matrices."""
    import torch
    from fastqml import torch_sim_real as kernels

    signs = torch.from_numpy(z_signs(case.qubits)).to(device)

    def evaluate(x, w):
        real = torch.zeros(len(x), *[2] * case.qubits, device=device)
        real.view(len(x), -1)[:, 0] = 1
        imaginary = torch.zeros_like(real)
        for gate in case.gates:
            kernel = getattr(kernels, "apply_" + gate.name)
            real, imaginary = kernel(real, imaginary, gate.angle(x, w), *gate.qubits, case.qubits)
        return (real**2 + imaginary**2).reshape(len(x), -1) @ signs

    return autograd_step(evaluate, device)
