"""Layers that learn where values come from shots or from a noisy device."""

from __future__ import annotations

import pytest
import torch
from small_runs import resume_small, small_config, train_small

from qgen import QuantumLayer
from qgen.backends import SPSA, ParameterShift, open_backend
from qgen.circuits import ansatz
from qgen.layer import describe_runs
from qgen.runs import load_checkpoint


@pytest.mark.parametrize(
    ("backend", "options", "gradient", "steps"),
    [
        ("aer", {"shots": 128}, ParameterShift(), 25),
        ("aer:fake_brisbane", {}, SPSA(directions=4), 40),
        ("aer:fake_lagos", {"shots": 256}, "parameter-shift", 25),
    ],
    ids=str,
)
def test_a_layer_learns(backend: str, options: dict[str, int], gradient: object, steps: int) -> None:
    """It is to answer 0.5 everywhere, from where it answers something else."""
    layer = QuantumLayer(ansatz("basic", qubits=2, layers=2), open_backend(backend, **options), gradient, seed=1)
    optimiser = torch.optim.Adam(layer.parameters(), lr=0.1)
    inputs = 0.1 * torch.randn(6, 2)
    losses = []
    for _ in range(steps):
        loss = (layer(inputs) - 0.5).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert sum(losses[-5:]) < 0.3 * sum(losses[:5]), losses


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
