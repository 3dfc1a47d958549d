"""Born machines: probabilities, what is drawn, and what they learn; their classical opponents likewise."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from chi_square import check_frequencies
from qiskit.quantum_info import Statevector

from qgen.circuits import ansatz
from qgen.circuits.iqp import iqp
from qgen.errors import CircuitError
from qgen.models.born.machine import BornMachine
from qgen.models.born.network import without_inputs
from qgen.models.born.priors import BoltzmannPrior, ProductPrior

FEW = 3
#: What they learn: 011 or 100, mostly.
DATA = np.array([0.02, 0.02, 0.02, 0.42, 0.42, 0.02, 0.06, 0.02])


def bits_of(count: int, rng: np.random.Generator) -> torch.Tensor:
    drawn = rng.choice(8, size=count, p=DATA)
    return torch.from_numpy(drawn[:, None] >> np.arange(FEW) & 1).float()


@pytest.mark.parametrize("name", ["hardware-efficient", "basic"])
def test_probabilities_and_their_gradients(name: str, rng: np.random.Generator) -> None:
    circuit = without_inputs(ansatz(name, qubits=4, layers=2))
    machine = BornMachine(circuit, seed=int(rng.integers(1000))).double()
    bound = circuit.circuit.assign_parameters(dict(zip(circuit.weights, machine.weight.tolist(), strict=True)))
    wanted = torch.from_numpy(Statevector(bound).probabilities())
    torch.testing.assert_close(machine.probabilities(), wanted, rtol=0, atol=1e-12)
    direction = torch.from_numpy(rng.normal(size=16))
    (machine.probabilities() @ direction).backward()
    with torch.no_grad():
        start = machine.weight.clone()
        for place in range(0, len(start), 5):
            found = []
            for move in (1e-5, -1e-5):
                machine.weight.copy_(start)
                machine.weight[place] += move
                found.append(float(machine.probabilities() @ direction))
            slope = (found[0] - found[1]) / 2e-5
            assert float(machine.weight.grad[place]) == pytest.approx(slope, abs=1e-7)


@pytest.mark.parametrize("backend", ["statevector", "aer"])
def test_draws_follow_the_probabilities_of_visible_bits(backend: str) -> None:
    machine = BornMachine(iqp(FEW, "all", hidden=2), backend)
    machine.start(torch.tensor([0.3, 0.5, 0.8]), torch.eye(FEW))
    torch.nn.init.uniform_(machine.weight, -1, 1)
    probabilities = machine.probabilities().detach().numpy()
    assert probabilities.shape == (8,)
    check_frequencies(machine.draw(5000, 3).numpy(), probabilities)


@pytest.mark.parametrize("kind", ["iqp", "ansatz", "boltzmann", "product"])
def test_each_learns_what_it_can(kind: str, rng: np.random.Generator) -> None:
    """All but the product find that the first two bits are opposite to the third."""
    layered = without_inputs(ansatz("hardware-efficient", qubits=FEW, layers=3))  # of two, one run in 75 gets stuck
    machines = {
        "iqp": lambda: BornMachine(iqp(FEW, "all", hidden=2), samples=256, strings=64),
        "ansatz": lambda: BornMachine(layered, scales=(0.8,)),
        "boltzmann": lambda: BoltzmannPrior(FEW, 6),
        "product": lambda: ProductPrior(FEW),
    }
    machine, source = machines[kind](), torch.Generator().manual_seed(1)
    data = bits_of(2000, rng)
    machine.start(data.mean(0), data.T @ data / len(data))
    optimizer = torch.optim.Adam(machine.parameters(), 0.1 if kind == "ansatz" else 0.05)
    for _ in range({"ansatz": 150, "iqp": 250, "boltzmann": 400, "product": 250}[kind]):
        loss = machine.loss(data[torch.randint(len(data), (500,), generator=source)], source)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    drawn = machine.draw(4000, 1)
    assert (drawn.dtype, drawn.shape) == (torch.uint8, (4000, FEW))
    assert torch.equal(machine.draw(4000, 1), drawn)
    counts = np.bincount(drawn.numpy() @ (1 << np.arange(FEW)), minlength=8) / 4000
    distance = np.abs(counts - DATA).sum() / 2
    # The best product is 0.59 off; contrastive divergence wanders more than gradients of expectation values.
    most = {"iqp": 0.2, "ansatz": 0.2, "boltzmann": 0.45, "product": 1.0}[kind]
    assert (0.5 if kind == "product" else 0.0) < distance < most


def test_what_cannot_be_a_born_machine_is_said() -> None:
    with pytest.raises(CircuitError, match="no inputs, and this circuit has 4"):
        BornMachine(ansatz("basic"))
    with pytest.raises(CircuitError, match="of 21 qubits is learned from all its probabilities"):
        BornMachine(without_inputs(ansatz("hardware-efficient", qubits=21, layers=1)))
    wide = BornMachine(iqp(40, "line"), "aer")
    with pytest.raises(CircuitError, match="20 are the most"):
        wide.probabilities()
    assert wide.draw(3, 1).shape == (3, 40)
