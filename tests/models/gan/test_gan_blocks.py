"""The blocks in the middle of the players: how many parameters they have, and what they compute."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from effort import examples
from hypothesis import assume, given
from hypothesis import strategies as st
from qiskit.quantum_info import Statevector

from qgen.backends import open_backend
from qgen.circuits import ansatz_names
from qgen.errors import ConfigError, QgenError
from qgen.models.circuit_context import CircuitContext
from qgen.models.description import count
from qgen.models.gan import BlockSettings
from qgen.models.gan.blocks import ClassicalBlock, build_block


def context(seed: int = 0) -> CircuitContext:
    return CircuitContext(open_backend("statevector"), "auto", seed)


@pytest.mark.parametrize("kind", ["classical", "quantum"])
def test_the_default_has_fifteen_parameters(kind: str) -> None:
    """As Al-Othni et al. state for both, arXiv:2507.09706."""
    settings = BlockSettings.read({"kind": kind})
    assert count(build_block(settings, context())) == settings.circuit.num_weights == 15
    assert settings.inputs == settings.width == 5


def most(width: int, parameters: int) -> int:
    """The most parameters, but no more than these, that two dense layers with as many hidden units as fit can have."""
    hidden = parameters // (2 * width)
    taken = [2 * width * hidden + biases for biases in (0, hidden, width, hidden + width)]
    return max(total for total in taken if total <= parameters)


@given(width=st.integers(1, 12), more=st.integers(0, 300), skip=st.booleans())
def test_no_bias_is_left_out_that_the_number_of_parameters_pays_for(width: int, more: int, skip: bool) -> None:
    parameters = 2 * width + more
    assert most(width, parameters) <= count(ClassicalBlock(width, parameters, skip)) <= parameters


@examples(40)
@given(name=st.sampled_from(ansatz_names()), width=st.integers(1, 8), layers=st.integers(1, 5))
def test_a_classical_block_has_as_many_parameters_as_the_circuit(name: str, width: int, layers: int) -> None:
    try:
        chosen = BlockSettings(kind="classical", ansatz=name, width=width, layers=layers)
    except (QgenError, ValueError):  # the ansatz does not take so many qubits, or has too few weights
        assume(False)
    weights, block = chosen.circuit.num_weights, build_block(chosen, context())
    assert most(width, weights) <= count(block) <= weights
    if weights % width == 0:  # as of every circuit whose qubits are all treated alike
        assert count(block) == weights
    assert block(torch.zeros(3, width)).shape == (3, width)


def test_too_few_parameters_for_two_layers_are_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"two dense layers of 4 numbers have 8 parameters or more.*give more `layers`"
    ):
        BlockSettings.read({"kind": "classical", "width": 4, "layers": 1})
    assert BlockSettings.read({"kind": "quantum", "width": 4, "layers": 1}).circuit.num_weights == 4


@pytest.mark.parametrize("skip", [True, False])
def test_a_classical_block_is_its_formula(skip: bool, rng: np.random.Generator) -> None:
    block = ClassicalBlock(5, 27, skip).double()  # two hidden units, and a bias wherever there can be one
    for weight in block.parameters():
        torch.nn.init.normal_(weight)
    given = rng.normal(size=(7, 5))
    first, second = (layer.weight.detach().numpy() for layer in (block.first, block.second))
    behind, ahead = (0 if layer.bias is None else layer.bias.detach().numpy() for layer in (block.first, block.second))
    wanted = np.maximum(given @ first.T + behind, 0) @ second.T + ahead + (given if skip else 0)
    assert np.allclose(block(torch.from_numpy(given)).detach(), wanted, rtol=0, atol=1e-12)


@examples(20)
@given(
    name=st.sampled_from(["ry-cz", "basic", "strongly-entangling", "hardware-efficient", "style"]),
    width=st.integers(2, 4),
    layers=st.integers(1, 3),
    seed=st.integers(0, 2**31),
)
def test_a_quantum_block_gives_what_qiskit_does_at_angles_in_half_turns(
    name: str, width: int, layers: int, seed: int
) -> None:
    torch.manual_seed(seed)
    chosen = BlockSettings(ansatz=name, width=width, layers=layers)
    block = build_block(chosen, context(seed)).double()
    inputs = 2 * torch.rand(2, chosen.inputs, dtype=torch.float64) - 1
    result, circuit = block(inputs).detach(), chosen.circuit
    (weights,) = block.parameters()
    for row, values in zip(inputs, result, strict=True):
        angles = [*(math.pi * row).tolist(), *weights.tolist()]
        bound = circuit.circuit.assign_parameters(dict(zip(circuit.inputs + circuit.weights, angles, strict=True)))
        wanted = [Statevector(bound).expectation_value(observable).real for observable in circuit.observables]
        assert np.allclose(values, wanted, rtol=0, atol=1e-10)


def test_circuits_start_by_their_seed() -> None:
    first, again, right = (build_block(BlockSettings(), context(seed)).circuit.weight for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, right)
