"""The hybrid stages: which circuit sees which pixel, what runs, what is learned, and how often the engine is asked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from qgen import QuantumLayer
from qgen.backends import Backend, Batch, Capabilities, Executable, open_backend
from qgen.circuits import LayerCircuit
from qgen.models import UNet, UNetSettings, VertexSettings, build_unet
from qgen.models.unet.hybrid import HybridConvPair, QuantumConv2d
from qgen.randomness import Streams

EFFECTIVE = {  # weights of circuits that get a gradient in the published code
    "1hq": 24,
    "1fq": 144,
    "7hq": 168,
    "7fq": 1008,
    "full-hq": 624 + 32,
    "full-fq": 3744 + 32,
    "quanvunet": 24 + 24,
}


def weighted_stages(settings: UNetSettings, part: str) -> HybridConvPair:
    stages = build_unet(settings, 1, 8).double().get_submodule(part).stages
    assert isinstance(stages, HybridConvPair)
    return stages


def one_by_one(maps: torch.Tensor, circuits: QuantumConv2d, variant: str) -> torch.Tensor:
    """The values of each circuit on each patch of each image, one call each, written where their pixels are."""
    values = torch.zeros_like(maps)
    channels = maps.shape[1] // len(circuits.circuits.weight)
    for group, weight in enumerate(circuits.circuits.weight):
        layer = QuantumLayer(circuits.spec.circuit, initial=weight).double()
        for top in range(0, maps.shape[2], 2):
            for left in range(0, maps.shape[3], 2):
                places = [(group * channels + c, top + p // 2, left + p % 2) for c in range(channels) for p in range(4)]
                if variant == "published":
                    places = [places[4 * c + p] for p in range(4) for c in range(channels)]
                result = layer(torch.stack([maps[:, c, y, x] for c, y, x in places], dim=1))
                for wire, (c, y, x) in enumerate(places):
                    values[:, c, y, x] = result[:, wire]
    return values


def convolved(conv: torch.nn.Conv2d, maps: torch.Tensor) -> torch.Tensor:
    variance, mean = torch.var_mean(conv.weight, dim=(1, 2, 3), keepdim=True, correction=0)
    return functional.conv2d(maps, (conv.weight - mean) / (variance + 1e-5).sqrt(), conv.bias, padding=1)


@pytest.mark.rows(2)
@pytest.mark.parametrize("name", ["hqconv", "fqconv"])
@pytest.mark.parametrize("variant", ["paper", "published"])
def test_one_call_is_a_circuit_on_each_group_and_patch(presets: Any, name: str, variant: str) -> None:
    settings = presets.small("quanvunet", variant, quanvolution={"ansatz": name, "groups": 2, "level": 1})
    circuits = weighted_stages(settings, "encoder.levels.1.block_0").banks[0].sets[0]
    maps = torch.randn(2, 6, 4, 6, dtype=torch.float64)
    torch.testing.assert_close(circuits(maps), one_by_one(maps, circuits, variant), rtol=0, atol=1e-12)
    last = maps.contiguous(memory_format=torch.channels_last)
    assert torch.equal(circuits(last), circuits(maps))


@pytest.mark.parametrize(("variant", "touched"), [("paper", [(1, 0), (2, 0)]), ("published", [(1, 1), (2, 2)])])
def test_wires_run_over_channels_or_over_pixels(presets: Any, variant: str, touched: list[tuple[int, int]]) -> None:
    """Of 12 wires `hqconv-published` touches 4 and 8; every other value is the cosine of its input, in its place."""
    settings = presets.small("1hq", variant, vertex={"groups": 1, "ansatz": "hqconv-published"})
    circuits = weighted_stages(settings, "vertex.block_0").banks[0].sets[0]
    maps = torch.randn(5, 3, 2, 2, dtype=torch.float64)
    change = (circuits(maps) - maps.cos()).abs().amax(0).flatten(1)
    places = [(int(channel), int(pixel)) for channel, pixel in (change > 1e-6).nonzero()]
    assert places == touched
    assert change.flatten().sort().values[:-2].max() < 1e-12


@pytest.mark.parametrize(("swapped", "axis"), [([1, 0, 2], 1), ([1, 0], 3)])
def test_a_permuted_channel_or_pixel_is_a_permuted_wire(presets: Any, swapped: list[int], axis: int) -> None:
    settings = presets.small("1hq")
    circuits = weighted_stages(settings, "vertex.block_0").banks[0].sets[0]
    layer = QuantumLayer(circuits.spec.circuit, initial=circuits.circuits.weight[0]).double()
    maps = torch.randn(4, 3, 2, 2, dtype=torch.float64)
    order = torch.tensor(swapped)
    wires = torch.arange(12).view(1, 3, 2, 2).index_select(axis, order).flatten()
    result = circuits(maps.index_select(axis, order)).flatten(1)
    torch.testing.assert_close(result, layer(maps.flatten(1)[:, wires]), rtol=0, atol=1e-12)
    assert (result - circuits(maps).flatten(1)[:, wires]).abs().max() > 1e-3  # wires are not alike


@pytest.mark.rows(3)
@pytest.mark.parametrize("preset", ["1hq", "7fq", "full-hq", "full-fq"])
@pytest.mark.parametrize("variant", ["paper", "published"])
def test_stages_of_the_vertex(presets: Any, preset: str, variant: str) -> None:
    stages = weighted_stages(presets.small(preset, variant), "vertex.block_1")
    groups, published = stages.banks[0], variant == "published"
    quantum = 3 * len(groups.sets[0].circuits.weight)
    maps, later = torch.randn(2, 2, 14, 2, 2, dtype=torch.float64)

    def run(x: torch.Tensor, stage: int) -> torch.Tensor:
        values = [one_by_one(x[:, :quantum], groups.sets[stage], variant)]
        if preset.startswith("full"):
            singles = stages.banks[1].sets[0 if published else stage]
            values.append(one_by_one(x[:, quantum:], singles, variant))
        else:
            values.append(convolved([stages.conv_0, stages.conv_1][stage], x[:, quantum:]))
        return torch.cat(values, dim=1)

    first, kept = stages.first(maps)
    torch.testing.assert_close(first, run(maps, 0), rtol=0, atol=1e-11)
    second = run(later, 1)
    if published and not preset.startswith("full"):
        second[:, :quantum] = first[:, :quantum]
    torch.testing.assert_close(stages.second(later, kept), second, rtol=0, atol=1e-11)


@pytest.mark.parametrize("variant", ["paper", "published"])
def test_stages_of_the_quanvolution(presets: Any, variant: str) -> None:
    stages = weighted_stages(presets.small("quanvunet", variant), "encoder.levels.1.block_0")
    maps, later = torch.randn(2, 2, 7, 4, 4, dtype=torch.float64)
    sets, published = stages.banks[0].sets, variant == "published"
    assert len(sets) == (2 if published else 1)

    def run(x: torch.Tensor, seen: torch.Tensor, stage: int) -> torch.Tensor:
        conv = [stages.conv_0, stages.conv_1][stage]
        values = one_by_one(seen[:, :3], sets[stage if published else 0], variant)
        return torch.cat([values, convolved(conv, x[:, 3:] if published else x)], dim=1)

    first, kept = stages.first(maps)
    torch.testing.assert_close(first, run(maps, maps, 0), rtol=0, atol=1e-11)
    second = run(later, maps if published else later, 1)
    torch.testing.assert_close(stages.second(later, kept), second, rtol=0, atol=1e-11)


def quantum_gradients(model: UNet) -> dict[str, torch.Tensor]:
    images, times = torch.randn(2, *model.image_shape), torch.randint(0, 1000, (2,))
    named = {name: item for name, item in model.named_parameters() if ".banks." in name}
    learned = {name: item for name, item in named.items() if item.requires_grad}
    total = (model(images, times) * torch.randn(2, *model.image_shape)).sum()
    result = dict(zip(learned, torch.autograd.grad(total, list(learned.values())), strict=True))
    return {name: result.get(name, torch.zeros_like(item)) for name, item in named.items()}


def check_all_learn(model: UNet) -> None:
    assert all((gradient != 0).all() for gradient in quantum_gradients(model).values())


def check_few_learn(model: UNet, preset: str) -> None:
    gradients = quantum_gradients(model)
    assert sum(int((gradient != 0).sum()) for gradient in gradients.values()) == EFFECTIVE[preset]
    for name, gradient in gradients.items():
        # The second stage reads neither the first one's values nor, with a norm for each channel, anything they change.
        idle = name.startswith("encoder") and ".sets.0." in name
        assert (gradient != 0).all() == (model.get_parameter(name).requires_grad and not idle), name


def test_in_the_paper_all_circuits_learn_and_in_the_published_code_few(presets: Any, rng: np.random.Generator) -> None:
    """Of one preset; `slow` has them all."""
    preset = str(rng.choice([*EFFECTIVE]))
    check_all_learn(presets.built(preset))
    check_few_learn(presets.built(preset, "published"), preset)


@pytest.mark.slow
@pytest.mark.parametrize("preset", EFFECTIVE)
def test_in_the_paper_all_circuits_of_a_preset_learn(presets: Any, preset: str) -> None:
    check_all_learn(presets.built(preset))


@pytest.mark.slow
@pytest.mark.parametrize("preset", EFFECTIVE)
def test_in_the_published_code_few_circuits_of_a_preset_learn(presets: Any, preset: str) -> None:
    check_few_learn(presets.built(preset, "published"), preset)


@pytest.mark.rows(2)
@pytest.mark.parametrize("preset", ["1hq", "1fq", "full-hq", "quanvunet"])
def test_circuits_of_the_paper_are_no_cosines(presets: Any, preset: str) -> None:
    model = build_unet(presets.small(preset), 1, 8).double()
    for circuits in (module for module in model.modules() if isinstance(module, QuantumConv2d)):
        maps = torch.randn(6, circuits.spec.count * circuits.spec.channels, 2, 2, dtype=torch.float64)
        assert ((circuits(maps) - maps.cos()).abs().amax(0) > 1e-3).all()


class Counting(Backend):
    """The engine, keeping how many samples each of its calls had."""

    def __init__(self) -> None:
        self.inner = open_backend("statevector")
        self.samples: list[int] = []

    @property
    def name(self) -> str:
        return "counting"

    @property
    def capabilities(self) -> Capabilities:
        return self.inner.capabilities

    def compile(self, circuit: LayerCircuit) -> Executable:
        executable = self.inner.compile(circuit)
        evaluate = executable.evaluate

        def counted(batch: Batch, streams: Streams) -> torch.Tensor:
            self.samples.append(len(batch.inputs))
            return evaluate(batch, streams)

        executable.evaluate = counted  # type: ignore[method-assign]
        return executable


@pytest.mark.rows(3)
@pytest.mark.parametrize(
    ("preset", "variant", "per_image"),
    [
        ("unet", "paper", []),
        ("1hq", "paper", [1] * 4),
        ("full-hq", "paper", [13, 1] * 4),
        ("quanvunet", "paper", [49] * 4 + [1] * 4),
        ("1hq", "published", [1] * 2),
        ("full-hq", "published", [13, 1] * 4),
        ("quanvunet", "published", [49] * 4 + [1] * 2),
    ],
)
def test_one_call_of_the_engine_a_stage(presets: Any, preset: str, variant: str, per_image: list[int]) -> None:
    backend = Counting()
    model = build_unet(presets(preset, variant), 1, 28, backend=backend)
    with torch.no_grad():
        model(torch.randn(3, 1, 28, 28), torch.zeros(3))
    assert backend.samples == [3 * circuits for circuits in per_image]
    assert model.circuits_per_call == sum(per_image)


@pytest.mark.parametrize("variant", ["paper", "published"])
@pytest.mark.parametrize("preset", ["full-hq", "quanvunet"])
def test_no_two_circuits_start_equal(presets: Any, preset: str, variant: str) -> None:
    model = build_unet(presets.small(preset, variant), 1, 8)
    circuits = [item.circuits for item in model.modules() if isinstance(item, QuantumConv2d)]
    rows = [tuple(row.tolist()) for item in circuits for row in item.weight[:, :12]]
    assert len({row[0] for row in rows}) == len(rows)


def test_weights_of_the_published_code_are_fractions(presets: Any) -> None:
    """Also where they are angles: single channels start within [0, 1) radian there, over the whole turn otherwise."""
    highest = {}
    for variant in ("paper", "published"):
        model = build_unet(presets.small("full-hq", variant), 1, 8)
        singles = [item for item in model.modules() if isinstance(item, QuantumConv2d) and item.spec.ansatz == "basic"]
        weights = torch.cat([item.circuits.weight.detach().flatten() for item in singles])
        assert weights.min() >= 0
        highest[variant] = weights.max()
    assert highest["published"] < 1 < 5 < highest["paper"] < 2 * torch.pi


@pytest.mark.rows(3)
@pytest.mark.parametrize(
    ("ansatz", "options", "channels"),
    [
        ("strongly-entangling", {}, 2),
        ("hardware-efficient", {"coupling": "line"}, 1),
        ("masked", {}, 1),
        ("basic", {"encoding": {"gate": "ry", "map": "arctan"}}, 3),
    ],
)
@pytest.mark.parametrize("groups", [1, "all"])
def test_any_ansatz(ansatz: str, options: dict[str, Any], channels: int, groups: Any) -> None:
    vertex = VertexSettings(groups=groups, ansatz=ansatz, options=options, group_channels=channels, layers=1)
    model = build_unet(UNetSettings(dim=5, norm_groups=5, mults=(1, 1), heads=1, head_dim=4, vertex=vertex), 1, 8)
    gradients = quantum_gradients(model)
    assert any((gradient != 0).any() for gradient in gradients.values())


def test_a_mixture_counts_all_of_its_circuits() -> None:
    vertex = VertexSettings(groups=2, ansatz="masked", group_channels=1, layers=1)
    model = build_unet(UNetSettings(dim=5, norm_groups=5, mults=(1, 1), heads=1, head_dim=4, vertex=vertex), 1, 8)
    mixture = vertex.circuit(1, "paper").mixture
    points = 1 if mixture is None else len(mixture)
    assert model.circuits_per_call == 4 * 2 * points
