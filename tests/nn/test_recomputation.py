"""Gradient checkpointing: the same gradients to the bit, the same draws, no circuit twice, less memory."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from qgen.backends import ParameterShift, open_backend
from qgen.models import UNetSettings, build_unet
from qgen.models.circuit_context import CircuitContext
from qgen.models.denoisers import DenoiserSettings, build_denoiser
from qgen.nn.recomputation import Recomputed, once, set_checkpointing

MASKED = {"kind": "circuit", "ansatz": "masked", "qubits": 2, "layers": 1, "options": {"masks": 1}, "redraw": "step"}
NETWORKS: dict[str, dict[str, Any]] = {
    "transformer-unet": {"mults": [1, 1], "quantum": MASKED | {"blocks": "all"}},
    "dit": {"depth": 2, "quantum": MASKED | {"place": "feed-forward", "blocks": "all"}},
    "unet": {"quantum": MASKED, "circuits": "token"},
    "mlp": {"quantum": MASKED},
}


def network(name: str, backend: str = "statevector", **options: Any) -> nn.Module:
    settings = DenoiserSettings.read({"name": name, "width": 8, "heads": 2, **NETWORKS[name]})
    context = CircuitContext(open_backend(backend, **options), "auto", 3)
    made = build_denoiser(settings, (2, 4, 4), context, 3)
    for number, weight in enumerate(made.parameters()):
        if not weight.any():
            weight.data.normal_(std=0.2, generator=torch.Generator().manual_seed(number))
    return made


def step(made: nn.Module, shape: tuple[int, ...] = (3, 2, 4, 4)) -> dict[str, torch.Tensor]:
    """Values, gradients and buffers after two steps from the same seed."""
    torch.manual_seed(5)
    states = torch.randn(*shape, requires_grad=True)
    outputs = []
    for _ in range(2):
        outputs.append(made(states, torch.arange(len(states)).float() * 300))
        outputs[-1].square().sum().backward()
    found = {f"gradient {key}": weight.grad for key, weight in made.named_parameters() if weight.grad is not None}
    assert states.grad is not None
    return found | dict(made.named_buffers()) | {"states": states.grad, "0": outputs[0], "1": outputs[1]}


def compare(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    assert [key for key, value in one.items() if not torch.equal(value, other[key])] == []


@pytest.mark.rows(2)
@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_draws_and_buffers_are_the_same_to_the_bit(name: str) -> None:
    made = network(name)
    plain = step(made)
    again = network(name)
    assert set_checkpointing(again) == sum(isinstance(part, Recomputed) for part in again.modules()) > 0
    compare(plain, step(again))


def test_a_pixel_unet_with_circuits_too() -> None:
    small = {"dim": 4, "mults": [1, 2], "norm_groups": 2, "heads": 2, "head_dim": 4}
    settings = UNetSettings.read(small | {"vertex": {"groups": 1, "layers": 1, "ansatz": "fqconv"}})
    one, other = (build_unet(settings, 1, 8, seed=2) for _ in range(2))
    assert set_checkpointing(other) > 4
    compare(step(one, (2, 1, 8, 8)), step(other, (2, 1, 8, 8)))


def test_shots_are_those_of_the_first_pass_and_no_circuit_runs_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[int] = []
    own = ParameterShift.value_and_vjp

    def counting(self: ParameterShift, *args: Any) -> Any:
        runs.append(1)
        return own(self, *args)

    monkeypatch.setattr(ParameterShift, "value_and_vjp", counting)
    counts, results = [], []
    for checkpointing in (False, True):
        made = network("dit", "aer", shots=64)
        set_checkpointing(made, checkpointing)
        runs.clear()
        results.append(step(made))
        counts.append(len(runs))
    compare(*results)
    assert counts == [2 * 2] * 2  # steps, blocks


def test_less_is_kept_for_the_backward_pass() -> None:
    kept = []
    for checkpointing in (False, True):
        made, sizes = network("transformer-unet"), {}
        set_checkpointing(made, checkpointing)

        def note(tensor: torch.Tensor, sizes: dict[int, int] = sizes) -> torch.Tensor:
            sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            output = made(torch.randn(8, 2, 4, 4), torch.zeros(8))
            kept.append(sum(sizes.values()))
            del output
    assert kept[1] < kept[0] / 2


def test_evaluation_and_what_has_no_blocks_are_left_alone() -> None:
    assert set_checkpointing(nn.Linear(2, 2)) == 0
    assert once(lambda: 3) == 3
    made = network("mlp").eval()
    set_checkpointing(made)
    inputs = torch.randn(2, 2, 4, 4), torch.zeros(2)
    before = made(*inputs)
    set_checkpointing(made, False)
    assert torch.equal(made(*inputs), before)
