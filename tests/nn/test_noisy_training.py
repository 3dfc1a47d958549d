"""Layers that learn where values come from shots or from a noisy device."""

from __future__ import annotations

import pytest
import torch
from small_runs import resume_small, small_config, train_small

from qgen import QuantumLayer
from qgen.backends import SPSA, ParameterShift, open_backend
from qgen.circuits import ansatz
from qgen.nn import describe_runs
from qgen.runs import load_checkpoint


@pytest.mark.rows(1)
@pytest.mark.parametrize(
    ("backend", "options", "gradient", "steps"),
    [
        ("aer", {"shots": 1024}, ParameterShift(), 40),
        ("aer:fake_brisbane", {}, SPSA(directions=4), 40),
        ("aer:fake_lagos", {"shots": 1024}, "parameter-shift", 40),
    ],
    ids=str,
)
def test_a_layer_learns(backend: str, options: dict[str, int], gradient: object, steps: int) -> None:
    """What the same device answers, without shots, at weights not far away."""
    circuit, inputs = ansatz("basic", qubits=2, layers=2), torch.randn(6, 2)
    target = open_backend(backend).compile(circuit).expectations(inputs, torch.zeros(circuit.num_weights))
    start = 0.6 * torch.randint(2, (circuit.num_weights,)) - 0.3
    layer = QuantumLayer(circuit, open_backend(backend, **options), gradient, initial=start)
    optimiser = torch.optim.Adam(layer.parameters(), lr=0.05)
    losses = []
    for _ in range(steps):
        loss = (layer(inputs) - target).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    floor = 2 / options["shots"] if options else 0.0  # the variance of values from so many shots
    assert sum(losses[-5:]) < 0.4 * sum(losses[:5]) + 5 * floor, losses


def test_what_runs_is_said() -> None:
    layers = torch.nn.Sequential(
        QuantumLayer(ansatz("basic", qubits=2, layers=1), "aer", shots=1024),
        QuantumLayer(ansatz("basic", qubits=2, layers=1), open_backend("aer:fake_lagos")),
        torch.nn.Linear(2, 2),
    )
    assert describe_runs(layers) == "aer (1,024 shots); aer:fake_lagos (density matrix, exact)"
    # Two rotations with the inputs' angles added to the weights': 2 * 2 runs and the forward one.
    assert "aer (1,024 shots), differentiated by ParameterShift (5 runs for each)" in describe_runs(layers, True)
    assert describe_runs(torch.nn.Linear(2, 2)) == ""


def test_a_run_with_shots_that_was_broken_off_goes_on_to_the_same_bits(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Shots too are a function of the run's seed and the step."""
    folder = tmp_path_factory.mktemp("runs")
    changes = ("backend.name=aer", "backend.shots=16", "backend.gradient=spsa", "training.steps=4")
    whole, _ = train_small(folder / "whole", *changes)
    short, _ = train_small(folder / "short", *changes[:3], "training.steps=3")
    resume_small(short, ["training.steps=4"])
    ours, theirs = (load_checkpoint(run.checkpoints()[-1]).tensors["weights"] for run in (whole, short))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert whole.grid(4).read_bytes() == short.grid(4).read_bytes()
    assert small_config(*changes).backend.shots == 16
