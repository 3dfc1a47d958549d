"""GANs: generators against Qiskit, gradients through whole players, and what describes them."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from qiskit.quantum_info import Statevector
from torch import nn

from qgen.backends import open_backend
from qgen.circuits import LayerCircuit
from qgen.errors import ConfigError
from qgen.models import GAN, GANSettings, build_gan, describe_gan
from qgen.models.gan.generators import ConvGenerator, PatchGenerator, StyleGenerator
from qgen.runs import build_generator, read_config

SMALL_BLOCK = {"kind": "quantum", "width": 2, "layers": 2}
CONV = {"kind": "conv", "channels": 4, "block": SMALL_BLOCK}
PATCH = {"kind": "patch", "patches": 4, "qubits": 5, "layers": 2}
STYLE = {"kind": "style", "layers": 2}
JUDGE = {"extractor": {"name": "conv", "width": 2, "spectral_norm": False}, "block": SMALL_BLOCK}
DENSE = {"extractor": {"name": "mlp", "hidden": [4]}, "block": None}


def gan(generator: dict[str, Any], shape: tuple[int, int, int], backend: Any = "statevector", **judge: Any) -> GAN:
    settings = {"kind": "gan", "generator": generator, "discriminator": judge or DENSE}
    return build_gan(GANSettings.read(settings), shape, backend, seed=int(torch.randint(2**31, ()).item()))


def state(circuit: LayerCircuit, inputs: torch.Tensor, weights: torch.Tensor) -> Statevector:
    values = [*inputs.tolist(), *weights.tolist()]
    return Statevector(
        circuit.circuit.assign_parameters(dict(zip(circuit.inputs + circuit.weights, values, strict=True)))
    )


# Conv


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [4, 7, 8, 28, 32, 33])
def test_convolutions_make_images_of_any_size(size: int, channels: int) -> None:
    shape = channels, size, size
    model = gan(CONV | {"channels": 2}, shape, **JUDGE)
    latents = model.generator.draw(3, torch.Generator().manual_seed(1))
    assert latents.shape == (3, 2)
    assert latents.abs().max() <= 1
    images = model(latents)
    assert images.shape == (3, *shape)
    assert images.abs().max() <= 1
    assert model.discriminator(images).shape == (3,)
    facts = describe_gan(model)
    sides = [row.shape[-1] for row in facts.rows if row.name.startswith("generator.levels")]
    assert sides[0] <= 4
    assert sides[-1] == size
    assert all(before == math.ceil(after / 2) for before, after in pairwise(sides))


@pytest.mark.parametrize(("settings", "shape"), [(CONV, (3, 7, 7)), (PATCH, (1, 8, 8)), (STYLE, (3, 1, 1))])
def test_an_image_depends_on_no_other_one(settings: dict[str, Any], shape: tuple[int, int, int]) -> None:
    built = gan(settings, shape).generator.double()
    latents = built.draw(6, torch.Generator().manual_seed(3)).double()
    together = built(latents)
    for row in range(6):
        torch.testing.assert_close(built(latents[row : row + 1])[0], together[row], rtol=0, atol=1e-9)
    assert (together[1:] - together[:-1]).abs().flatten(1).amax(dim=1).min() > 1e-4


def test_images_have_to_be_square() -> None:
    with pytest.raises(ConfigError, match="images have to be square, not 8x4"):
        gan(CONV, (1, 8, 4))


def test_building_neither_uses_nor_changes_torchs_generator() -> None:
    settings = GANSettings.read({"kind": "gan", "generator": CONV, "discriminator": JUDGE})
    before = torch.get_rng_state()
    first = build_gan(settings, (1, 8, 8), seed=4)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(0)
    again, second = (build_gan(settings, (1, 8, 8), seed=seed).state_dict() for seed in (4, 5))
    assert all(torch.equal(value, again[name]) for name, value in first.state_dict().items())
    for name in ("generator.start.weight", "generator.block.circuit.weight", "discriminator.block.circuit.weight"):
        assert not torch.equal(again[name], second[name])
    assert not torch.equal(again["generator.block.circuit.weight"], again["discriminator.block.circuit.weight"])


# Patch and style


def painted(built: PatchGenerator, latents: torch.Tensor, ancillas: int, numbers: int) -> NDArray[np.float64]:
    """One image's numbers in [-1, 1], patch after patch, from Qiskit's states: ancillas in 0, over the largest."""
    circuit, parts = built.patches.circuits.compiled.circuit, []
    for weights in built.patches.circuits.weight.detach():
        chances = state(circuit, latents, weights).probabilities()
        kept = np.array([chance for outcome, chance in enumerate(chances) if outcome % 2**ancillas == 0])
        given = (kept / kept.sum())[:numbers]
        parts.append(2 * given / given.max() - 1)
    return np.concatenate(parts)


@pytest.mark.parametrize(
    ("changes", "shape"),
    [
        ({}, (1, 8, 8)),  # two rows a patch
        ({"patches": 8}, (1, 8, 8)),  # half of the outcomes are not used
        ({"ancillas": 0, "qubits": 4}, (1, 8, 8)),
        ({"ancillas": 2, "qubits": 4, "patches": 3}, (3, 2, 2)),  # a channel each
    ],
)
def test_patches_are_those_of_qiskit(changes: dict[str, Any], shape: tuple[int, int, int]) -> None:
    settings = {"ancillas": 1} | PATCH | changes
    built = gan(settings, shape).generator.double()
    assert isinstance(built, PatchGenerator)
    latents = built.draw(2, torch.Generator().manual_seed(5)).double()
    assert latents.min() >= 0
    assert latents.max() < math.pi / 2
    numbers = math.prod(shape) // settings["patches"]
    for image, given in zip(built(latents).detach(), latents, strict=True):
        wanted = painted(built, given, settings["ancillas"], numbers)
        assert np.allclose(image.numpy(), wanted.reshape(shape), rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("changes", "shape"), [({}, (1, 7, 7)), ({"patches": 2}, (1, 8, 8)), ({"ancillas": 3}, (1, 8, 8))]
)
def test_patches_that_do_not_make_the_image_are_refused(changes: dict[str, Any], shape: tuple[int, int, int]) -> None:
    with pytest.raises(ConfigError, match="`patches` has to divide"):
        gan(PATCH | changes, shape)


def test_a_patch_of_one_number_is_refused() -> None:
    """Divided by the largest of its patch it would be white, whatever the circuit does."""
    with pytest.raises(ConfigError, match="patches"):
        gan(PATCH | {"patches": 64}, (1, 8, 8))


def test_ancillas_leave_a_qubit_to_paint_with() -> None:
    with pytest.raises(ConfigError, match=r"generator.*5 `ancillas` leave none of 5 `qubits`"):
        GANSettings.read({"generator": PATCH | {"ancillas": 5}})


@pytest.mark.parametrize("shots", [None, 40])
def test_a_patch_of_which_no_shot_is_kept_is_black(shots: int | None) -> None:
    backend = open_backend("statevector") if shots is None else open_backend("aer", shots)
    built = gan(PATCH | {"layers": 1}, (1, 8, 8), backend).generator
    assert isinstance(built, PatchGenerator)
    with torch.no_grad():
        built.patches.circuits.weight[:, 0] = torch.tensor([0.0, math.pi, 0.0, math.pi])  # the ancilla's
    latents = torch.full((3, 5), 0.4)
    latents[:, 0] = 0
    images = built(latents)
    assert images.isfinite().all()
    rows = images.detach().amax(dim=(0, 1, 3))
    assert torch.equal(rows, torch.tensor([rows[0], rows[1], -1, -1, rows[4], rows[5], -1, -1]))
    assert images[:, :, :2].amax() == images[:, :, 4:6].amax() == 1
    images.square().sum().backward()
    assert all(weight.grad.isfinite().all() for weight in built.parameters())


@pytest.mark.parametrize("shape", [(3, 1, 1), (1, 2, 2)])
def test_a_style_sample_is_qiskits_at_angles_w_z_plus_b(shape: tuple[int, int, int]) -> None:
    """Angle by angle: gate k of the circuit turns by w_k z + b_k, with z of its own qubit."""
    built = gan(STYLE, shape).generator.double()
    assert isinstance(built, StyleGenerator)
    latents, circuit = torch.randn(2, math.prod(shape), dtype=torch.float64), built.circuit.circuit
    weights = built.circuit.weight.detach()
    for image, given in zip(built(latents).detach(), latents, strict=True):
        values = dict(zip(circuit.inputs + circuit.weights, [*given.tolist(), *weights.tolist()], strict=True))
        bound = circuit.circuit.assign_parameters(values)
        turned = [gate for gate in bound.data if gate.operation.name in ("ry", "rz")]
        for k, gate in enumerate(turned):
            wanted = weights[2 * k] * given[bound.find_bit(gate.qubits[0]).index] + weights[2 * k + 1]
            assert float(gate.operation.params[0]) == pytest.approx(wanted.item(), abs=1e-12)
        assert 2 * len(turned) == len(weights)
        result = [Statevector(bound).expectation_value(element).real for element in circuit.observables]
        assert np.allclose(image.flatten(), result, rtol=0, atol=1e-10)


# Gradients


def gradients_are_right(module: nn.Module, given: torch.Tensor) -> bool:
    """Against finite differences, along random directions of the input and of each weight.

    Steps are so small that one in ten thousand runs crosses the kink of a leaky ReLU.
    """
    names = [name for name, weight in module.named_parameters() if weight.requires_grad]
    weights = [module.get_parameter(name).detach().clone().requires_grad_() for name in names]

    def values(given: torch.Tensor, *weights: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(module, dict(zip(names, weights, strict=True)), given)

    given = given.double().requires_grad_()
    return torch.autograd.gradcheck(values, (given, *weights), eps=1e-7, atol=1e-5, rtol=1e-3, fast_mode=True)


@pytest.mark.parametrize(("settings", "shape"), [(CONV, (1, 8, 8)), (PATCH, (1, 8, 8)), (STYLE, (3, 1, 1))])
def test_gradients_of_generators(settings: dict[str, Any], shape: tuple[int, int, int]) -> None:
    built = gan(settings, shape).generator.double()
    assert gradients_are_right(built, built.draw(2, torch.Generator().manual_seed(2)))


@pytest.mark.parametrize("judge", [JUDGE, JUDGE | {"block": SMALL_BLOCK | {"kind": "classical"}}, DENSE])
def test_gradients_of_discriminators(judge: dict[str, Any]) -> None:
    scores = gan(CONV, (1, 8, 8), **judge).discriminator.double()
    assert gradients_are_right(scores, 2 * torch.rand(2, 1, 8, 8) - 1)


# Descriptions


@pytest.mark.parametrize(
    ("preset", "shape", "quantum", "circuits"),
    [
        ("gan-classical", (1, 8, 8), 0, 0),
        ("gan-quantum-g", (1, 8, 8), 15, 1),
        ("gan-quantum-d", (1, 8, 8), 15, 0),
        ("gan-quantum-both", (1, 8, 8), 30, 1),
        ("patch-gan", (1, 8, 8), 120, 4),
        ("style-gan", (3, 1, 1), 90, 1),
    ],
)
def test_presets_in_numbers(preset: str, shape: tuple[int, int, int], quantum: int, circuits: int) -> None:
    generator = build_generator(read_config(preset), shape)
    facts = generator.describe()
    assert facts.quantum_parameters == quantum
    assert generator.circuits_per_image == facts.circuits_per_call == circuits
    every = sum(weight.numel() for weight in generator.network.parameters())
    assert facts.parameters == facts.trainable == every == sum(row.parameters for row in facts.rows)
    assert sum(row.circuits for row in facts.rows if row.name.startswith("generator.")) == circuits
    assert facts.rows[-1].name == "discriminator.score"
    rows = facts.to_dict()["rows"]
    assert [row["shape"] for row in rows if row["name"].startswith("generator.")][-1] == list(shape)


def test_both_kinds_of_a_gan_have_as_many_parameters() -> None:
    """What makes a comparison of a hybrid with its classical twin fair: Al-Othni et al., arXiv:2507.09706."""
    sizes = set()
    for preset in ("gan-classical", "gan-quantum-g", "gan-quantum-d", "gan-quantum-both"):
        sizes.add(build_generator(read_config(preset), (1, 8, 8)).describe().parameters)
    assert len(sizes) == 1


def test_equal_parts_of_two_gans_start_equal() -> None:
    base, second = (
        build_generator(read_config(name), (1, 8, 8)).network.state_dict()
        for name in ("gan-classical", "gan-quantum-g")
    )
    shared = base.keys() & second.keys()
    assert {"generator.start.weight", "generator.out.weight", "discriminator.score.weight"} <= shared
    assert all(torch.equal(base[name], second[name]) for name in shared)
    assert isinstance(build_generator(read_config("gan-quantum-g"), (1, 8, 8)).network.generator, ConvGenerator)
