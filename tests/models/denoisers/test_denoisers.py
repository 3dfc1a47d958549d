"""Denoisers of codes: shapes, sizes, conditions, circuits, and that they learn."""

from __future__ import annotations

from math import prod
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from qgen.backends import open_backend
from qgen.conditioning import Labels
from qgen.diffusion import (
    Denoiser,
    DenoisingObjective,
    DiffusionSettings,
    SamplingSettings,
    loss_weights,
    noise_schedule,
    sample,
)
from qgen.errors import ConfigError, InputError
from qgen.generators.inspection import count_circuits
from qgen.models.circuit_context import CircuitContext
from qgen.models.denoisers import DenoiserSettings, LatentDenoiser, build_denoiser
from qgen.models.description import count
from qgen.nn import QuantumLayer

CLASSES = 5
CODES: list[tuple[str, tuple[int, ...]]] = [
    ("unet", (4, 7, 7)),
    ("unet", (3, 4, 4)),
    ("transformer-unet", (4, 7, 5)),
    ("dit", (4, 7, 7)),
    ("dit", (2, 3, 4)),
    ("mlp", (16,)),
    ("mlp", (4, 3, 3)),
]
CIRCUIT = {"kind": "circuit", "qubits": 3, "layers": 1}
SMALL = {"width": 8, "depth": 2, "heads": 2}


def built(
    name: str, shape: tuple[int, ...], classes: int | None = CLASSES, seed: int = 3, **given: Any
) -> LatentDenoiser:
    settings = DenoiserSettings.read({"name": name, **SMALL, **given})
    return build_denoiser(settings, shape, CircuitContext(open_backend("statevector"), "auto", seed), classes)


def awake(network: LatentDenoiser) -> LatentDenoiser:
    """The network with random weights where it begins with zeros, so that every part has a say; in float64."""
    for number, weight in enumerate(network.parameters()):
        if not weight.any():
            drawn = torch.randn(weight.shape, generator=torch.Generator().manual_seed(number))
            weight.data.copy_(drawn * 0.2)
    return network.eval().double()


def batch(shape: tuple[int, ...], size: int = 4) -> tuple[Tensor, Tensor, Labels]:
    states, times = torch.randn(size, *shape, dtype=torch.float64), torch.randint(1000, (size,))
    return states, times, Labels(torch.arange(size) % (CLASSES + 1), CLASSES)


# Shapes and sizes


@pytest.mark.rows(3)
@pytest.mark.parametrize(("name", "shape"), CODES)
def test_it_begins_by_predicting_zero_and_keeps_the_shape(name: str, shape: tuple[int, ...]) -> None:
    states, times, labels = batch(shape)
    output = built(name, shape)(states.float(), times, labels)
    assert output.shape == states.shape
    assert not output.any()
    assert awake(built(name, shape))(states, times, labels).abs().min() > 0


def embedding(waves: int, width: int) -> int:
    return waves * width + width + width * width + width + 11 * width


def test_numbers_of_parameters_at_the_usual_sizes() -> None:
    """By hand; the sketches that the sizes come from had 617,668 (U-Net) and 528,684 (DiT)."""
    film = lambda i, o, c: 2 * i + 9 * i * o + o + 2 * o + 9 * o * o + o + c * 2 * o + 2 * o + (i * o + o) * (i != o)  # noqa: E731
    block = lambda d: 4 * d + 3 * d * d + 3 * d + d * d + d + 8 * d * d + 5 * d + d * d + d  # noqa: E731
    u, low, c = 32, 64, 128
    unet = embedding(u, c) + 9 * 4 * u + u + 2 * film(u, u, c) + 9 * u * low + low + 2 * film(low, low, c)
    unet += film(2 * low, low, c) + 2 * block(low) + 9 * low * u + u + 2 * film(2 * u, u, c) + 2 * u + 9 * u * 4 + 4
    d = 96
    dit_block = 4 * d * d + 4 * d + 8 * d * d + 5 * d + 6 * d * d + 6 * d + 9 * d + d
    dit = embedding(d, d) + 4 * d + d + 3 * dit_block + 2 * d * d + 2 * d + 4 * d + 4
    m = 128
    mlp = (
        embedding(m, m)
        + 16 * m
        + m
        + 3 * (2 * m + 2 * (m * m + m) + 3 * m * m + 3 * m)
        + 2 * m * m
        + 2 * m
        + 16 * m
        + 16
    )
    context = CircuitContext(open_backend("statevector"), "auto", 0)
    sizes = [
        count(build_denoiser(DenoiserSettings.read({"name": name}), shape, context, 10))
        for name, shape in (("unet", (4, 7, 7)), ("dit", (4, 7, 7)), ("mlp", (16,)))
    ]
    assert sizes == [unet, dit, mlp]
    assert unet == pytest.approx(617_668, rel=0.01)
    assert dit == pytest.approx(528_684, rel=0.05)


def test_the_network_follows_from_the_shape_of_the_code() -> None:
    context = CircuitContext(open_backend("statevector"), "auto", 0)
    for shape, name in (((4, 4, 4), "LatentUNet"), ((7,), "LatentMLP")):
        assert type(build_denoiser(DenoiserSettings.read(SMALL), shape, context)).__name__ == name


@pytest.mark.parametrize("name", ["unet", "dit"])
def test_a_vector_is_no_map(name: str) -> None:
    with pytest.raises(
        ConfigError, match=f"`{name}` is for codes that are maps .* has the shape \\(16,\\): choose `mlp`"
    ):
        built(name, (16,))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"width": 12}, "multiple of 8"),
        ({"name": "dit", "width": 8, "heads": 3}, "heads = 3 must divide width = 8"),
        ({"name": "unet", "heads": 5}, "heads = 5 must divide width = 32"),
        ({"name": "transformer"}, "'unet', 'transformer-unet', 'dit' or 'mlp'"),
        ({"blocks": 3}, "unknown key `blocks`"),
    ],
)
def test_contradicting_settings_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        DenoiserSettings.read(given)


# Weights


@pytest.mark.parametrize(("name", "shape"), CODES[::2])
def test_weights_follow_from_the_seed_alone(name: str, shape: tuple[int, ...]) -> None:
    before = torch.random.get_rng_state()
    one, same, other = (built(name, shape, seed=seed, quantum=CIRCUIT) for seed in (3, 3, 4))
    assert torch.equal(torch.random.get_rng_state(), before)
    weights = [network.state_dict() for network in (one, same, other)]
    assert all(torch.equal(weights[1][key], value) for key, value in weights[0].items())
    first = next(key for key in weights[0] if key in ("init.weight", "conv_in.weight"))
    assert not torch.equal(weights[2][first], weights[0][first])
    classical = built(name, shape).state_dict()
    assert all(torch.equal(weights[0][key], value) for key, value in classical.items())


@pytest.mark.rows(3)
@pytest.mark.parametrize(("name", "shape"), CODES[::2])
@pytest.mark.parametrize("circuits", ["image", "token"])
def test_gradients_reach_every_weight(name: str, shape: tuple[int, ...], circuits: str) -> None:
    network = awake(built(name, shape, quantum=CIRCUIT, circuits=circuits)).train()
    states, times, _ = batch(shape, CLASSES + 1)
    network(states, times, Labels(torch.arange(CLASSES + 1), CLASSES)).square().mean().backward()
    silent = [key for key, weight in network.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert silent == []


# Batches and conditions


@pytest.mark.rows(7)
@pytest.mark.parametrize(("name", "shape"), CODES)
@pytest.mark.parametrize("quantum", [{}, CIRCUIT, {"kind": "classical", "qubits": 3, "layers": 1}])
def test_rows_of_a_batch_do_not_see_one_another(name: str, shape: tuple[int, ...], quantum: dict[str, Any]) -> None:
    network = awake(built(name, shape, quantum=quantum))
    states, times, labels = batch(shape)
    order = torch.tensor([2, 0, 3, 1])
    together = network(states, times, labels)
    moved = network(states[order], times[order], Labels(labels.classes[order], CLASSES))
    torch.testing.assert_close(moved, together[order], rtol=1e-9, atol=1e-9)
    alone = network(states[1:2], times[1:2], labels.part(slice(1, 2)))
    torch.testing.assert_close(alone, together[1:2], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("name", "shape"), CODES[::2])
def test_every_class_and_time_has_an_output_of_its_own_and_no_condition_is_the_null_class(
    name: str, shape: tuple[int, ...]
) -> None:
    network = awake(built(name, shape))
    states = torch.randn(1, *shape, dtype=torch.float64).expand(CLASSES + 1, *[-1] * len(shape))
    times = torch.full((CLASSES + 1,), 30)
    with torch.no_grad():
        outputs = network(states, times, Labels(torch.arange(CLASSES + 1), CLASSES))
        torch.testing.assert_close(network(states[:1], times[:1], None), outputs[-1:], rtol=1e-9, atol=1e-9)
        later = network(states, torch.arange(CLASSES + 1) * 150, None)
    for each in (outputs, later):
        distances = (each.unsqueeze(0) - each.unsqueeze(1)).flatten(2).abs().amax(2)
        assert distances[~torch.eye(CLASSES + 1, dtype=torch.bool)].min() > 1e-6


@pytest.mark.parametrize(("name", "shape"), CODES[::2])
def test_what_does_not_fit_is_refused(name: str, shape: tuple[int, ...]) -> None:
    states, times, labels = batch(shape)
    network = built(name, shape).double()
    with pytest.raises(InputError, match="takes codes"):
        network(states[:, :1], times, labels)
    with pytest.raises(InputError, match="takes codes"):
        network(states, times[:2], labels)
    with pytest.raises(InputError, match=f"the labels of {CLASSES} classes"):
        network(states, times, Labels.of([0, 1, 2, 3], CLASSES + 2))
    with pytest.raises(InputError, match="built without conditioning"):
        built(name, shape, classes=None).double()(states, times, labels)


# Circuits


@pytest.mark.parametrize(
    ("name", "shape", "circuits", "each"),
    [
        ("unet", (4, 7, 7), "image", 1),
        ("unet", (4, 7, 7), "token", 16),
        ("dit", (2, 3, 4), "token", 12),
        ("mlp", (16,), "token", 1),
    ],
)
def test_circuits_of_a_call_are_counted(name: str, shape: tuple[int, ...], circuits: str, each: int) -> None:
    network = built(name, shape, quantum=CIRCUIT, circuits=circuits)
    states, times, labels = batch(shape, 3)
    assert network.circuits_per_call == each
    assert count_circuits(network, lambda: network(states.float(), times, labels)) == 3 * each
    assert built(name, shape, circuits=circuits).circuits_per_call == 0
    assert sum(isinstance(module, QuantumLayer) for module in network.modules()) == 1


@pytest.mark.rows(3)
@pytest.mark.parametrize(("name", "shape"), CODES[::2])
@pytest.mark.parametrize("circuits", ["image", "token"])
def test_the_circuit_has_a_say(name: str, shape: tuple[int, ...], circuits: str) -> None:
    network = awake(built(name, shape, quantum=CIRCUIT, circuits=circuits))
    states, times, labels = batch(shape)
    before = network(states, times, labels)
    (layer,) = (module for module in network.modules() if isinstance(module, QuantumLayer))
    with torch.no_grad():
        layer.weight.add_(0.7)
    assert (network(states, times, labels) - before).abs().max() > 1e-6


# Learning


class Codes(nn.Module):
    """The denoising objective of codes, with the diffusion of some settings."""

    def __init__(self, network: LatentDenoiser, diffusion: DiffusionSettings) -> None:
        super().__init__()
        self.objective = DenoisingObjective(
            network,
            noise_schedule(diffusion),
            loss_weights(diffusion),
            diffusion.prediction,
            condition_dropout=0.1,
            times=diffusion.drawn_times,
        )


@pytest.mark.rows(1)
@pytest.mark.parametrize(
    ("name", "shape", "width", "diffusion", "sampler"),
    [
        ("mlp", (6,), 32, {"schedule": "flow"}, "heun"),
        ("mlp", (6,), 32, {"prediction": "v", "weights": "min-snr"}, "dpm-solver"),
        pytest.param(
            "unet", (2, 3, 3), 32, {"prediction": "v", "weights": "min-snr"}, "dpm-solver", marks=pytest.mark.slow
        ),
        ("dit", (2, 3, 3), 16, {"schedule": "flow"}, "heun"),
    ],
)
def test_it_learns_one_code_a_class(
    name: str, shape: tuple[int, ...], width: int, diffusion: dict[str, Any], sampler: str
) -> None:
    """Samples come out nearest to the code of the class that was asked for, and near to it."""
    settings = DiffusionSettings.read(diffusion)
    codes = torch.randn(3, *shape, generator=torch.Generator().manual_seed(2))
    context = CircuitContext(open_backend("statevector"), "auto", 1)
    quantum = {"quantum": CIRCUIT} if name == "mlp" else {}
    network = build_denoiser(
        DenoiserSettings.read({"name": name, "width": width, "depth": 2, **quantum}), shape, context, 3
    )
    objective = Codes(network, settings).objective
    optimiser = torch.optim.Adam(network.parameters(), 4e-3)
    generator, rows = torch.Generator().manual_seed(5), torch.arange(24) % 3
    labels = Labels(rows, 3)
    for step in range(200):
        for group in optimiser.param_groups:
            group["lr"] = 4e-3 * min(1, (200 - step) / 120)
        loss = objective(codes[rows], objective.draw(24, shape, generator), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    network.eval()
    chosen = SamplingSettings.read({"sampler": sampler, "steps": 12})
    denoiser = Denoiser(network, objective.schedule, settings.prediction)
    made = sample(denoiser, chosen, range(24), shape, conditioning=labels)
    distances = torch.cdist(made.flatten(1), codes.flatten(1)) / prod(shape) ** 0.5
    assert torch.equal(distances.argmin(1), rows)
    assert distances.amin(1).median() < 0.2
