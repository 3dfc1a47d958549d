"""The whole U-Net: against plain operations, its published size, its seeds, and what it accepts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import scipy.stats
import torch
from torch import nn
from torch.nn import functional

from qgen.backends import ParameterShift, open_backend
from qgen.errors import InputError
from qgen.models import UNet, UNetSettings, VertexSettings, build_unet
from qgen.models.unet.hybrid import QuantumConv2d

Weights = dict[str, torch.Tensor]


class PlainUNet:
    """The classical U-Net in torch's stock operations, on the weights of a `UNet` by their names."""

    def __init__(self, settings: UNetSettings, weights: Weights) -> None:
        self.settings, self.weights = settings, weights

    def conv(self, name: str, x: torch.Tensor, **options: int) -> torch.Tensor:
        return functional.conv2d(x, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"], **options)

    def linear(self, name: str, x: torch.Tensor) -> torch.Tensor:
        return functional.linear(x, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])

    def standard_conv(self, name: str, x: torch.Tensor) -> torch.Tensor:
        weight = self.weights[f"{name}.weight"]
        variance, mean = torch.var_mean(weight, dim=(1, 2, 3), keepdim=True, correction=0)
        return functional.conv2d(x, (weight - mean) / (variance + 1e-5).sqrt(), self.weights[f"{name}.bias"], padding=1)

    def group_norm(self, name: str, x: torch.Tensor) -> torch.Tensor:
        scale, shift = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        return functional.group_norm(x, self.settings.norm_groups, scale, shift, 1e-6)

    def block(self, name: str, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        scale, shift = self.linear(f"{name}.time", functional.silu(t))[:, :, None, None].chunk(2, dim=1)
        h = self.group_norm(f"{name}.norm_0", self.standard_conv(f"{name}.stages.conv_0", x))
        h = functional.silu(h * (1 + scale) + shift)
        h = functional.silu(self.group_norm(f"{name}.norm_1", self.standard_conv(f"{name}.stages.conv_1", h)))
        return h + (self.conv(f"{name}.shortcut", x) if f"{name}.shortcut.weight" in self.weights else x)

    def channel_norm(self, name: str, x: torch.Tensor) -> torch.Tensor:
        last = x.permute(0, 2, 3, 1)
        scale = self.weights[f"{name}.weight"]
        return functional.layer_norm(last, scale.shape, scale, None, 1e-5).permute(0, 3, 1, 2)

    def attention(self, name: str, x: torch.Tensor, full: bool = False) -> torch.Tensor:
        heads, features = self.settings.heads, self.settings.head_dim
        wide = functional.conv2d(
            self.channel_norm(f"{name}.norm", x), self.weights[f"{name}.qkv.weight"][..., None, None]
        )
        q, k, v = wide.reshape(len(x), 3, heads, features, -1).unbind(1)
        if full:
            q, k = functional.normalize(q, dim=2), functional.normalize(k, dim=2)
            shares = (10 * torch.einsum("bhdi,bhdj->bhij", q, k)).softmax(dim=3)
            read = torch.einsum("bhij,bhdj->bhdi", shares, v)
        else:
            q, k, v = q.softmax(dim=2) / math.sqrt(features), k.softmax(dim=3), v / v.shape[3]
            read = torch.einsum("bhde,bhdn->bhen", torch.einsum("bhdn,bhen->bhde", k, v), q)
        weight, bias = self.weights[f"{name}.out.weight"][..., None, None], self.weights[f"{name}.out.bias"]
        output = functional.conv2d(read.reshape(len(x), -1, *x.shape[2:]), weight, bias)
        return x + (output if full else self.channel_norm(f"{name}.out_norm", output))

    def time(self, times: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        pairs = self.settings.dim // 2
        rates = torch.exp(torch.arange(pairs, dtype=dtype) * -(math.log(10_000) / (pairs - 1)))
        angles = times[:, None] * rates[None, :]
        hidden = self.linear("encoder.time.hidden", torch.cat([angles.sin(), angles.cos()], dim=1))
        return self.linear("encoder.time.out", functional.gelu(hidden, approximate="tanh"))

    def __call__(self, images: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        last = len(self.settings.mults) - 1
        t = self.time(times, images.dtype)
        h = self.conv("encoder.init", images, padding=3)
        skips = [h]
        for level in range(last + 1):
            name = f"encoder.levels.{level}"
            h = self.block(f"{name}.block_0", h, t)
            skips.append(h)
            h = self.attention(f"{name}.attention", self.block(f"{name}.block_1", h, t))
            skips.append(h)
            if level < last:
                h = self.conv(f"{name}.down", h, stride=2, padding=1)
        h = self.conv("encoder.out", h, padding=1)
        h = self.attention("vertex.attention", self.block("vertex.block_0", h, t), full=True)
        h = self.block("vertex.block_1", h, t)
        for level in reversed(range(last + 1)):
            name = f"decoder.levels.{level}"
            h = self.block(f"{name}.block_0", torch.cat([h, skips.pop()], dim=1), t)
            h = self.block(f"{name}.block_1", torch.cat([h, skips.pop()], dim=1), t)
            h = self.attention(f"{name}.attention", h)
            h = functional.interpolate(h, size=skips[-1].shape[2:], mode="nearest-exact")
            h = self.conv(f"{name}.up.conv", h, padding=1)
        return self.conv("decoder.out", self.block("decoder.final", torch.cat([h, skips.pop()], dim=1), t))


def perturb(model: nn.Module) -> None:
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)


def noise(model: UNet, batch: int = 2, dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(batch, *model.image_shape, dtype=dtype), torch.randint(0, 1000, (batch,))


@pytest.mark.parametrize(
    ("given", "channels", "size"),
    [({}, 1, 28), ({"dim": 8, "mults": (1, 3), "norm_groups": 2, "heads": 2, "head_dim": 5}, 3, 9)],
)
def test_values_and_gradients_are_those_of_plain_operations(given: dict[str, Any], channels: int, size: int) -> None:
    model = build_unet(UNetSettings.read(given), channels, size).double()
    perturb(model)
    weights = dict(model.named_parameters())
    images, times = noise(model, dtype=torch.float64)
    result, wanted = model(images, times), PlainUNet(model.settings, weights)(images, times)
    torch.testing.assert_close(result, wanted, rtol=1e-10, atol=1e-10)
    upstream = torch.randn_like(wanted)
    both = (torch.autograd.grad(values, list(weights.values()), upstream) for values in (result, wanted))
    for name, actual, expected in zip(weights, *both, strict=True):
        torch.testing.assert_close(
            actual, expected, rtol=1e-8, atol=1e-8, msg=lambda text, name=name: f"{name}: {text}"
        )


def test_float32_is_the_plain_operations_up_to_rounding(presets: Any) -> None:
    model = presets.built("unet")
    images, times = noise(model)
    exact = PlainUNet(model.settings, {name: element.double() for name, element in model.state_dict().items()})
    wanted = exact(images.double(), times)
    plain = PlainUNet(model.settings, model.state_dict())(images, times)
    ours, theirs = ((values - wanted).abs().max().item() for values in (model(images, times), plain))
    assert ours < 2e-5
    assert ours < 10 * theirs


@pytest.mark.parametrize(
    ("preset", "variant", "parameters", "circuits"),
    [
        ("unet", "paper", 483_321, 0),
        ("1hq", "paper", 475_329, 4),
        ("1fq", "paper", 475_281, 4),
        ("7hq", "paper", 440_985, 28),
        ("7fq", "paper", 440_649, 28),
        ("full-hq", "paper", 429_993, 56),
        ("full-fq", "paper", 429_369, 56),
        ("quanvunet", "paper", 474_293, 200),
        pytest.param("unet", "published", 483_321, 0, marks=pytest.mark.slow),
        ("1hq", "published", 475_329, 2),
        pytest.param("1fq", "published", 475_281, 2, marks=pytest.mark.slow),
        pytest.param("7hq", "published", 440_985, 14, marks=pytest.mark.slow),
        pytest.param("7fq", "published", 440_649, 14, marks=pytest.mark.slow),
        pytest.param("full-hq", "published", 429_993, 56, marks=pytest.mark.slow),
        pytest.param("full-fq", "published", 429_369, 56, marks=pytest.mark.slow),
        ("quanvunet", "published", 473_817, 198),
    ],
)
def test_the_published_numbers_of_parameters(
    presets: Any, preset: str, variant: str, parameters: int, circuits: int
) -> None:
    model = presets.built(preset, variant)
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters
    assert model.circuits_per_call == circuits


@pytest.mark.rows(4)
@pytest.mark.parametrize(
    ("given", "channels", "size"),
    [
        ({}, 1, 28),
        ({"mults": (1, 2, 3)}, 1, 8),
        ({}, 3, 32),
        ({}, 1, 20),
        ({}, 1, 24),
        ({}, 1, 27),
        ({"mults": (2, 1)}, 2, 11),
        ({"mults": (3,)}, 1, 6),
        ({"mults": (1, 1, 1, 1, 2), "vertex": {"groups": "all"}}, 1, 32),
        ({"mults": (1, 2), "dim": 16, "norm_groups": 4, "quanvolution": {"level": 0, "groups": 2}}, 4, 6),
    ],
)
def test_any_channels_sizes_and_levels(given: dict[str, Any], channels: int, size: int) -> None:
    model = build_unet(UNetSettings.read(given | {"heads": 2, "head_dim": 4}), channels, size)
    images, times = noise(model, batch=3)
    result = model(images, times)
    assert result.shape == images.shape
    assert result.isfinite().all()
    result.square().mean().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_times_may_be_fractions_and_any_memory_format() -> None:
    model = build_unet(UNetSettings(mults=(1, 2)), 3, 8)
    images, times = noise(model)
    whole = model(images, times)
    torch.testing.assert_close(model(images.contiguous(memory_format=torch.channels_last), times.float()), whole)
    assert (model(images, times + 0.5) - whole).abs().max() > 1e-4


def test_no_images_are_a_batch(presets: Any) -> None:
    model = build_unet(presets.small("quanvunet"), 1, 8)
    result = model(*noise(model, batch=0))
    assert result.shape == (0, 1, 8, 8)
    result.sum().backward()
    assert all((element.grad == 0).all() for element in model.parameters() if element.requires_grad)


def test_wrong_shapes_are_refused() -> None:
    model = build_unet(UNetSettings(mults=(1, 2)), 1, 8)
    for images, times in ((torch.zeros(2, 3, 8, 8), 2), (torch.zeros(2, 1, 9, 8), 2), (torch.zeros(2, 1, 8, 8), 3)):
        with pytest.raises(InputError, match=r"takes images \('B', 1, 8, 8\) and times \('B',\)"):
            model(images, torch.zeros(times))


def test_weights_come_from_the_seed_alone(presets: Any) -> None:
    settings = presets.small("quanvunet")
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = build_unet(settings, 1, 8, seed=5).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    again, second = (build_unet(settings, 1, 8, seed=seed).state_dict() for seed in (5, 6))
    for name, weight in first.items():
        assert torch.equal(weight, again[name])
        drawn = not (name.endswith("bias") or "norm" in name)
        assert torch.equal(weight, second[name]) != drawn, name


def test_parts_that_two_models_share_start_equal(presets: Any) -> None:
    classical, hybrid = (build_unet(presets.small(name), 1, 8, seed=3).state_dict() for name in ("unet", "full-hq"))
    shared = [name for name in classical if name in hybrid]
    assert all(name.startswith("vertex.") for name in classical.keys() ^ hybrid.keys())
    assert all(torch.equal(classical[name], hybrid[name]) for name in shared)


def test_weights_start_as_in_flax(presets: Any) -> None:
    model = presets.built("unet")
    drawn = {name: p for name, p in model.named_parameters() if name.endswith("weight") and p.dim() > 1}
    blocks, attentions, other_convs, time_layers = 19, 9, 10, 2
    assert len(drawn) == 3 * blocks + 9 + 2 * attentions + other_convs + time_layers  # 9 blocks have a shortcut
    scaled = np.concatenate([(p.detach() * math.sqrt(p[0].numel())).flatten().numpy() for p in drawn.values()])
    spread = 1 / scipy.stats.truncnorm(-2, 2).std()
    assert scipy.stats.kstest(scaled, scipy.stats.truncnorm(-2, 2, scale=spread).cdf).pvalue > 0.01
    for name, parameter in model.named_parameters():
        if name not in drawn:
            assert torch.equal(parameter, torch.full_like(parameter, 0 if name.endswith("bias") else 1)), name


@pytest.mark.rows(1)
@pytest.mark.parametrize("preset", ["unet", "1hq", "full-fq", "quanvunet"])
def test_bfloat16_is_close(presets: Any, preset: str) -> None:
    model = build_unet(presets.small(preset), 1, 8)
    images, times = noise(model, batch=8)
    exact = model(images, times)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = model(images, times)
        (rough - 1).square().mean().backward()
    assert (rough - exact).square().mean() < 1e-2 * exact.square().mean()  # 8 bits, and norms of maps of 2x2
    gradients = {name: element.grad for name, element in model.named_parameters() if element.requires_grad}
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients.values())


def test_state_dict_has_no_shared_tensors(presets: Any) -> None:
    for variant in ("paper", "published"):
        for name in ("full-hq", "quanvunet"):
            model = build_unet(presets.small(name, variant), 1, 8)
            places = [weight.data_ptr() for weight in model.state_dict().values()]
            assert len(set(places)) == len(places)
            assert all(weight.is_contiguous() for weight in model.state_dict().values())
            assert {key.split(".")[0] for key in model.state_dict()} == {"encoder", "vertex", "decoder"}


def test_an_opened_backend_serves() -> None:
    settings = UNetSettings(mults=(1, 2), vertex=VertexSettings(groups=1))
    model = build_unet(settings, 1, 8, backend=open_backend("statevector"), gradient="adjoint")
    assert model(*noise(model)).isfinite().all()


def test_circuits_are_differentiated_as_asked(presets: Any) -> None:
    model = build_unet(presets.small("quanvunet"), 1, 8, gradient="parameter-shift")
    networks = [module.circuits.compiled for module in model.modules() if isinstance(module, QuantumConv2d)]
    assert networks
    assert all(type(network.gradient) is ParameterShift for network in networks)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("preset", ["unet", "full-hq", "quanvunet"])
def test_a_gpu_gives_the_numbers_of_the_processor(presets: Any, preset: str) -> None:
    model = build_unet(presets.small(preset), 1, 8).double()
    images, times = noise(model, dtype=torch.float64)
    here = model(images, times)
    gradients = torch.autograd.grad(here.square().sum(), [p for p in model.parameters() if p.requires_grad])
    there = model.cuda()(images.cuda(), times.cuda())
    others = torch.autograd.grad(there.square().sum(), [p for p in model.parameters() if p.requires_grad])
    torch.testing.assert_close(there.cpu(), here, rtol=0, atol=1e-8)
    for expected, actual in zip(gradients, others, strict=True):
        torch.testing.assert_close(actual.cpu(), expected, rtol=1e-6, atol=1e-6)
