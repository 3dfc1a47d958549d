# %% [markdown]
# # Noise: values, gradients, a study
#
# What a device's errors do to a circuit, and to the images of a generator with that circuit inside.

# %%
import torch

import qgen
from qgen import QuantumLayer
from qgen.backends import open_backend
from qgen.circuits import ansatz

circuit = ansatz("hqconv", qubits=4, layers=2)
torch.manual_seed(0)
x = torch.randn(16, 4)

ideal = QuantumLayer(circuit, backend="statevector")
with torch.no_grad():
    expected = ideal(x)
    for device in ("fake_fez", "fake_torino", "fake_brisbane"):
        for scale in (0.5, 1, 3):
            noisy = QuantumLayer(circuit, backend=open_backend(f"noisy:{device}", noise_scale=scale))
            error = (noisy(x) - expected).square().mean().sqrt()
            print(f"{device:<14} noise x {scale:<3}  rms error of values {error:.4f}")

# %% [markdown]
# Noisy values have exact gradients, by one sweep backwards, so models can be trained under noise (`qgen train --backend
# noisy:fake_fez`).

# %%
noisy = QuantumLayer(circuit, backend="noisy:fake_brisbane")
noisy(x).mean().backward()
print(noisy.weight.grad[:4])

# %% [markdown]
# Errors can be mitigated: readout inverted, values extrapolated to no noise.

# %%
with torch.no_grad():
    for method in (None, "readout", "readout+zne:1,3"):
        backend = open_backend("noisy:fake_brisbane", **({"mitigation": method} if method else {}))
        error = (QuantumLayer(circuit, backend=backend)(x) - expected).square().mean().sqrt()
        print(f"{method or 'no mitigation':<16} rms error {error:.4f}")

# %% [markdown]
# A study asks the same of whole generators: a cell for each scale and seed, the same images in each, and paired changes
# with intervals.

# %%
qgen.train("gan-quantum-g", steps=100, out="runs/gan-tutorial", progress=False)

# %%
# !qgen study noise runs/gan-tutorial --backend fake_fez --scales 0,1,3 --count 100 --seeds 2 --out studies/tutorial

# %% [markdown]
# After 100 steps the images are poor, and the study says whether noise makes them worse. **Next**: [noise
# studies](../noise-studies.md), [backends](../backends.md), [noise files](../noise-files.md).
