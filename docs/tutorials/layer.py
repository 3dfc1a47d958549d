# %% [markdown]
# # A quantum layer in your model
#
# A classifier of 8x8 digits with a circuit in its middle: how to build it, what its gradients are, and what the circuit
# adds.

# %%
import torch
from sklearn.datasets import load_digits
from torch import nn

from qgen import QuantumLayer
from qgen.circuits import ansatz

torch.manual_seed(0)
digits = load_digits()
images = torch.tensor(digits.data / 8 - 1, dtype=torch.float32)
labels = torch.tensor(digits.target)
train, test = slice(0, 1400), slice(1400, None)

# %% [markdown]
# An ansatz of the catalogue is a Qiskit circuit that knows which of its parameters are inputs and which are weights.
# `QuantumLayer` makes a torch module of it: `(..., inputs)` to `(..., observables)`, here Z of each qubit.

# %%
circuit = ansatz("strongly-entangling", qubits=6, layers=2)
layer = QuantumLayer(circuit)
print(layer)
circuit.circuit.draw("text", fold=110)

# %% [markdown]
# A whole batch is one call of the engine, and so is the backward pass. Gradients are exact, by adjoint differentiation;
# here the first weight is compared with a central difference.

# %%
double = QuantumLayer(circuit).double()
x = torch.randn(3, 6, dtype=torch.float64)
double(x).sum().backward()

step = torch.zeros_like(double.weight)
step[0] = 1e-5
with torch.no_grad():
    weight = double.weight.clone()
    values = []
    for sign in (1, -1):
        double.weight.copy_(weight + sign * step)
        values.append(double(x).sum())
    double.weight.copy_(weight)
difference = (values[0] - values[1]) / 2e-5
print(f"adjoint {double.weight.grad[0]:.9f}, central difference {difference:.9f}")
assert abs(double.weight.grad[0] - difference) < 1e-8


# %% [markdown]
# In a model it is a module like any other. Its control is the same model with a dense layer in the circuit's place.


# %%
def accuracy(middle: nn.Module, steps: int = 150) -> float:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 6), middle, nn.Linear(6, 10))
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-2)
    for _ in range(steps):
        chosen = torch.randint(1400, (128,))
        loss = nn.functional.cross_entropy(model(images[train][chosen]), labels[train][chosen])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        return (model(images[test]).argmax(1) == labels[test]).float().mean().item()


print(f"circuit: {accuracy(QuantumLayer(circuit)):.1%} of unseen digits right")
print(f"dense layer and tanh: {accuracy(nn.Sequential(nn.Linear(6, 6), nn.Tanh())):.1%}")

# %% [markdown]
# One seed says little: a difference of a few percent here is not an advantage. `qgen study compare` trains several
# seeds and gives intervals.
#
# **Next**: [quantum layers in full](../layers.md), [the catalogue](../circuits.md), [a circuit of your own](own.md).
