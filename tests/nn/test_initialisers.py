"""Where weights start."""

from __future__ import annotations

from math import pi

import pytest
import torch

from qgen import QuantumLayer
from qgen.circuits import ansatz
from qgen.errors import CircuitError
from qgen.nn.initialisers import IdentityBlock, Normal, Uniform, UniformAngle


def drawn(initialiser: object, name: str = "hqconv", **options: object) -> torch.Tensor:
    layer = QuantumLayer(ansatz(name, **options), initial=initialiser, seed=None)
    return layer.weight.detach()


def test_angles_cover_one_turn() -> None:
    """84 uniform numbers miss the upper half of their range with probability 1e-25."""
    assert drawn(UniformAngle()).min() >= 0
    assert 0.5 < drawn(UniformAngle()).max() < 1
    weights = drawn(UniformAngle(), "basic", qubits=4, layers=30)
    assert weights.min() >= 0
    assert pi < weights.max() < 2 * pi


def test_weights_that_multiply_inputs_start_as_angles_do() -> None:
    """The published start of the style-based generator: all its 90 weights uniform over [0, 2 pi)."""
    for weights in drawn(UniformAngle(), "style").reshape(45, 2).unbind(1):
        assert weights.min() >= 0
        assert pi < weights.max() < 2 * pi
    assert 0.05 < drawn(Normal(0.1), "style").std() < 0.15


def test_uniform_and_normal_keep_to_their_range() -> None:
    weights = drawn(Uniform(-0.2, 0.3))
    assert weights.min() >= -0.2
    assert weights.max() < 0.3
    angles = 2 * pi * drawn(Normal(0.05), layers=20)
    assert 0.04 < angles.std() < 0.06  # 560 numbers: the deviation of the deviation is 0.0015


@pytest.mark.parametrize("name", ["hqconv", "strongly-entangling", "basic", "style"])
def test_identity_blocks_start_at_the_identity(name: str) -> None:
    layer = QuantumLayer(
        ansatz(name, qubits=4, layers=4, mirrored=True), initial=IdentityBlock(layers=4), seed=None
    ).double()
    encoding = ansatz(name, qubits=4, layers=2, mirrored=True)
    zeros = QuantumLayer(encoding, initial=torch.zeros(encoding.num_weights)).double()
    inputs = torch.randn(3, 4, dtype=torch.float64)
    torch.testing.assert_close(layer(inputs), zeros(inputs), rtol=0, atol=1e-10)
    assert layer.weight.abs().min() > 0


def test_bad_settings_are_named() -> None:
    with pytest.raises(CircuitError, match=r"Uniform\(1, 0\)"):
        Uniform(1, 0)
    with pytest.raises(CircuitError, match="positive number of radians"):
        Normal(-1)
    with pytest.raises(CircuitError, match="even number of layers"):
        drawn(IdentityBlock(layers=3))
    with pytest.raises(CircuitError, match="mirrored=True"):
        drawn(IdentityBlock(layers=2), layers=2)
