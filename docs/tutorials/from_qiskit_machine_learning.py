# %% [markdown]
# # Coming from qiskit-machine-learning
#
# A `TorchConnector` over an `EstimatorQNN` and a `QuantumLayer` are the same function of the same weights. What differs
# is time.

# %%
import time

import torch
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.quantum_info import SparsePauliOp
from qiskit_machine_learning.connectors import TorchConnector
from qiskit_machine_learning.neural_networks import EstimatorQNN

from qgen import LayerCircuit, QuantumLayer

x, w = ParameterVector("x", 4), ParameterVector("w", 8)
circuit = QuantumCircuit(4)
for qubit in range(4):
    circuit.ry(x[qubit], qubit)
for layer in range(2):
    for qubit in range(4):
        circuit.rx(w[4 * layer + qubit], qubit)
        circuit.cx(qubit, (qubit + 1) % 4)

labels = ["IIIZ", "IIZI", "IZII", "ZIII"]
stock = TorchConnector(
    EstimatorQNN(
        circuit=circuit,
        observables=[SparsePauliOp(label) for label in labels],
        input_params=list(x),
        weight_params=list(w),
        input_gradients=True,
    )
)
ours = QuantumLayer(LayerCircuit(circuit, inputs=x, weights=w, observables=labels)).double()

# %% [markdown]
# Weights of one load into the other.

# %%
ours.load_state_dict(stock.state_dict(), strict=False)
images = torch.randn(4, 4, dtype=torch.float64)
with torch.no_grad():
    print("largest difference of values:", (ours(images) - stock(images)).abs().max().item())


# %%
def seconds(module: torch.nn.Module) -> float:
    batch = images.clone().requires_grad_()
    start = time.perf_counter()
    module(batch).sum().backward()
    return time.perf_counter() - start


ours(images).sum().backward()  # compiles
print(f"values and both gradients of 4 samples: stock {seconds(stock):.3f} s, QuantumLayer {seconds(ours):.5f} s")

# %% [markdown]
# | there | here |
# |---|---|
# | `EstimatorQNN(circuit, observables, ...)` | `LayerCircuit(circuit, inputs, weights, observables)` |
# | `TorchConnector(qnn)` | `QuantumLayer(layer_circuit)`, which is a `TorchConnector` |
# | `EstimatorQNN(estimator=...)` of Aer, of the Runtime | `QuantumLayer(..., backend="aer")`, `"ibm_fez"` |
# | `ParamShiftEstimatorGradient()` | `gradient="parameter-shift"`, on backends that sample; adjoint elsewhere |
# | `SamplerQNN` | `QuantumProbabilities` |
# | `num_inputs`, `num_weights` | the same names |
#
# **Next**: [quantum layers](../layers.md), [backends](../backends.md).
