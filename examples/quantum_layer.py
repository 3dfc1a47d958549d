"""A quantum layer in the middle of a torch model, trained on scikit-learn's 8 x 8 digits for half a minute.

pip install -e . scikit-learn && python examples/quantum_layer.py
"""

from __future__ import annotations

import torch
from torch import nn

from qgen import QuantumLayer
from qgen.circuits import ansatz


def make_model() -> nn.Sequential:
    """64 pixels -> 12 qubits -> 10 classes."""
    circuit = ansatz("hqconv", qubits=12, layers=3)
    return nn.Sequential(nn.Linear(64, 12), QuantumLayer(circuit), nn.Linear(12, 10))


def train(model: nn.Module, images: torch.Tensor, labels: torch.Tensor, steps: int, batch: int = 128) -> list[float]:
    """Minimise the cross-entropy with Adam for `steps` steps; returns the loss of each."""
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(steps):
        chosen = torch.randint(len(images), (batch,))
        loss = nn.functional.cross_entropy(model(images[chosen]), labels[chosen])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


def main() -> None:
    from sklearn.datasets import load_digits

    torch.manual_seed(0)
    digits = load_digits()
    images, labels = torch.tensor(digits.data / 8 - 1).float(), torch.tensor(digits.target)
    model = make_model()
    print(model)
    losses = train(model, images[:1500], labels[:1500], steps=1000)
    with torch.no_grad():
        right = (model(images[1500:]).argmax(dim=1) == labels[1500:]).float().mean()
    print(f"loss {losses[0]:.2f} -> {losses[-1]:.2f}, {right:.1%} of 297 unseen digits right")


if __name__ == "__main__":
    main()
