# %% [markdown]
# # Your own circuit, backend, generator

# %% [markdown]
# **A circuit**: any parameterised Qiskit circuit without measurements.

# %%
import torch
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector

from qgen import LayerCircuit, QuantumLayer

x, w = ParameterVector("x", 3), ParameterVector("w", 6)
circuit = QuantumCircuit(3)
for qubit in range(3):
    circuit.ry(x[qubit], qubit)
    circuit.rx(w[qubit] * x[qubit] + w[3 + qubit], qubit)  # angles may be expressions
circuit.cz(0, 1)
circuit.cz(1, 2)
mine = LayerCircuit(circuit, inputs=x, weights=w, observables=["ZII", "IZI", "IIZ", "XXX"])
layer = QuantumLayer(mine)
layer(torch.rand(5, 3)).shape

# %% [markdown]
# **A backend**: any Qiskit `BackendV2` runs it, transpiled for its target, with gradients by the parameter-shift rule.

# %%
from qiskit.providers.fake_provider import GenericBackendV2

device = GenericBackendV2(5, seed=1)
sampled = QuantumLayer(mine, backend=device)
print(sampled(torch.rand(2, 3)))

# %% [markdown]
# By name, from the command line: `--backend provider:my_module:make_backend`, or an entry point of the group
# `qgen.backends`.
#
# **A generator**: a class that says what its settings are, builds a torch model, and names its loss. This one is
# [examples/own_generator.py](../../examples/own_generator.py); any folder with such a module will do.

# %%
from pathlib import Path

import qgen

source = Path(qgen.__file__).resolve().parents[1] / "examples"
Path("own_generator.py").write_text((source / "own_generator.py").read_text())
Path("own_generator.yaml").write_text((source / "own_generator.yaml").read_text())
print(Path("own_generator.yaml").read_text())

# %%
run = qgen.train("own_generator.yaml", steps=50, out="runs/own-tutorial", progress=False)
run.sample(16, progress=False)

# %% [markdown]
# It has resuming, evaluation and hardware as the built-in ones do. **Next**: [your own
# generator](../layers.md#your-own-generator), [contributing](../../CONTRIBUTING.md), where an ansatz, a backend or a
# preset for everybody goes.
