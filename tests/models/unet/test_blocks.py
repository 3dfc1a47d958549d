"""The parts of the U-Net against the formulas, written out with nothing but elementary operations."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from qgen.models.unet import attention as attention_module
from qgen.models.unet.attention import ChannelNorm, FullAttention, LinearAttention
from qgen.models.unet.blocks import NormSiLU, ResBlock, StandardConv, TimeEmbedding, Upsample

pytestmark = pytest.mark.usefixtures("double")
FORMATS = [torch.contiguous_format, torch.channels_last]


def perturbed(module: nn.Module) -> nn.Module:
    """The module with all of its parameters drawn anew: no scale is 1, no bias 0."""
    for parameter in module.parameters():
        parameter.data = torch.randn_like(parameter) / max(1, parameter[0].numel()) ** 0.5
    return module


def assert_same(
    module: nn.Module, reference: Callable[..., torch.Tensor], *inputs: torch.Tensor, tolerance: float = 1e-11
) -> None:
    """The values of both, and all gradients for inputs and parameters, are equal."""
    variables = [item.requires_grad_() for item in inputs] + list(module.parameters())
    result, wanted = module(*inputs), reference(*inputs)
    upstream = torch.randn_like(wanted)
    assert result.shape == wanted.shape
    torch.testing.assert_close(result, wanted, rtol=tolerance, atol=tolerance)
    gradients = (torch.autograd.grad(values, variables, upstream) for values in (result, wanted))
    for left, right in zip(*gradients, strict=True):
        torch.testing.assert_close(left, right, rtol=tolerance, atol=tolerance * float(right.abs().max() + 1))


def standardised(weight: torch.Tensor) -> torch.Tensor:
    filters = []
    for left in weight:
        mean = left.sum() / left.numel()
        variance = ((left - mean) ** 2).sum() / left.numel()
        filters.append((left - mean) / (variance + 1e-5).sqrt())
    return torch.stack(filters)


def group_norm(maps: torch.Tensor, norm: NormSiLU) -> torch.Tensor:
    batch, channels = maps.shape[:2]
    split = maps.reshape(batch, norm.groups, -1)
    mean = split.mean(dim=2, keepdim=True)
    variance = ((split - mean) ** 2).mean(dim=2, keepdim=True)
    normal = ((split - mean) / (variance + 1e-6).sqrt()).reshape(maps.shape)
    return normal * norm.weight.view(1, channels, 1, 1) + norm.bias.view(1, channels, 1, 1)


def silu(x: torch.Tensor) -> torch.Tensor:
    return x / (1 + torch.exp(-x))


def layer_norm(maps: torch.Tensor, norm: ChannelNorm) -> torch.Tensor:
    mean = maps.mean(dim=1, keepdim=True)
    variance = ((maps - mean) ** 2).mean(dim=1, keepdim=True)
    return (maps - mean) / (variance + 1e-5).sqrt() * norm.weight.view(1, -1, 1, 1)


def projected(maps: torch.Tensor, attention: LinearAttention | FullAttention) -> list[torch.Tensor]:
    """Queries, keys and values (B, H, D, N) by a 1x1 convolution, heads outside, features inside."""
    weight = attention.qkv.weight[:, :, None, None]
    wide = functional.conv2d(layer_norm(maps, attention.norm), weight)
    return [part.reshape(len(maps), attention.heads, attention.features, -1) for part in wide.chunk(3, dim=1)]


def output(read: torch.Tensor, maps: torch.Tensor, attention: LinearAttention | FullAttention) -> torch.Tensor:
    """From what the heads read, (B, H, D, N), through a 1x1 convolution."""
    wide = read.reshape(len(maps), -1, *maps.shape[2:])
    return functional.conv2d(wide, attention.out.weight[:, :, None, None], attention.out.bias)


def plain_linear_attention(maps: torch.Tensor, attention: LinearAttention) -> torch.Tensor:
    q, k, v = projected(maps, attention)
    q = q.softmax(dim=2) / math.sqrt(attention.features)
    k = k.softmax(dim=3)
    v = v / v.shape[3]
    context = torch.einsum("bhdn,bhen->bhde", k, v)
    read = torch.einsum("bhde,bhdn->bhen", context, q)
    return layer_norm(output(read, maps, attention), attention.out_norm) + maps


def plain_full_attention(maps: torch.Tensor, attention: FullAttention, axis: int) -> torch.Tensor:
    """`axis` of (B, H, D, N): 2 are the features, 3 the pixels."""
    q, k, v = projected(maps, attention)
    q, k = (item / (item**2).sum(dim=axis, keepdim=True).sqrt().clamp_min(1e-12) for item in (q, k))
    weights = (10 * torch.einsum("bhdi,bhdj->bhij", q, k)).softmax(dim=3)
    return output(torch.einsum("bhij,bhdj->bhdi", weights, v), maps, attention) + maps


@pytest.mark.parametrize("memory", FORMATS)
@pytest.mark.parametrize(("inputs", "outputs"), [(5, 7), (1, 3)])
def test_standard_conv(inputs: int, outputs: int, memory: torch.memory_format) -> None:
    conv = perturbed(StandardConv(inputs, outputs))
    maps = torch.randn(3, inputs, 6, 5).contiguous(memory_format=memory)
    assert_same(
        conv, lambda x: functional.conv2d(x, standardised(conv.weight), conv.bias, padding=1), maps, tolerance=1e-10
    )


@pytest.mark.parametrize("memory", FORMATS)
@pytest.mark.parametrize(("groups", "channels"), [(6, 6), (3, 6), (1, 6), (2, 12)])
def test_norm_with_modulation(groups: int, channels: int, memory: torch.memory_format) -> None:
    norm = perturbed(NormSiLU(groups, channels))
    maps = (2 + 3 * torch.randn(4, channels, 5, 3)).contiguous(memory_format=memory)
    modulation = torch.randn(4, 2 * channels)

    def reference(x: torch.Tensor, m: torch.Tensor) -> torch.Tensor:
        scale, shift = m[:, :channels, None, None], m[:, channels:, None, None]
        return silu(group_norm(x, norm) * (1 + scale) + shift)

    assert_same(norm, reference, maps, modulation)
    assert_same(norm, lambda x: silu(group_norm(x, norm)), maps)


def test_norm_agrees_with_torch_in_float32() -> None:
    norm = perturbed(NormSiLU(5, 10)).float()
    maps = torch.randn(8, 10, 28, 28, dtype=torch.float32)
    wanted = functional.silu(functional.group_norm(maps, 5, norm.weight, norm.bias, 1e-6))
    torch.testing.assert_close(norm(maps), wanted, rtol=1e-5, atol=1e-5)


def test_norms_under_autocast_compute_in_the_type_of_their_weights() -> None:
    norm, channel_norm = perturbed(NormSiLU(5, 10)).float(), perturbed(ChannelNorm(10)).float()
    maps, modulation = (2 + 3 * torch.randn(4, 10, 6, 6)).bfloat16(), torch.randn(4, 20).bfloat16()
    pixels = maps.flatten(2).mT
    with torch.autocast("cpu", torch.bfloat16):
        result = norm(maps, modulation), channel_norm(pixels)
    wanted = norm(maps.float(), modulation.float()), channel_norm(pixels.float())
    torch.testing.assert_close(result, wanted, rtol=0, atol=1e-6)  # and float32, both


def test_norm_gradients_by_differences() -> None:
    norm = perturbed(NormSiLU(2, 4))
    maps, modulation = torch.randn(2, 4, 3, 2, requires_grad=True), torch.randn(2, 8, requires_grad=True)
    assert torch.autograd.gradcheck(norm, (maps, modulation))


@pytest.mark.parametrize("memory", FORMATS)
@pytest.mark.parametrize(("inputs", "outputs"), [(6, 6), (10, 6)])
def test_res_block(inputs: int, outputs: int, memory: torch.memory_format) -> None:
    block = perturbed(ResBlock(inputs, outputs, time_width=8, norm_groups=3))

    def reference(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        scale, shift = (silu(t) @ block.time.weight.T + block.time.bias).reshape(len(t), 2, outputs, 1, 1).unbind(1)
        first, second = block.stages.conv_0, block.stages.conv_1
        h = functional.conv2d(x, standardised(first.weight), first.bias, padding=1)
        h = silu(group_norm(h, block.norm_0) * (1 + scale) + shift)
        h = functional.conv2d(h, standardised(second.weight), second.bias, padding=1)
        h = silu(group_norm(h, block.norm_1))
        beside = x if inputs == outputs else functional.conv2d(x, block.shortcut.weight, block.shortcut.bias)
        return h + beside

    maps, time = torch.randn(3, inputs, 4, 4).contiguous(memory_format=memory), torch.randn(3, 8)
    assert_same(block, reference, maps, time, tolerance=1e-9)


@pytest.mark.parametrize("memory", FORMATS)
@pytest.mark.parametrize(("heads", "features"), [(4, 32), (1, 3), (2, 5)])
def test_linear_attention(heads: int, features: int, memory: torch.memory_format) -> None:
    attention = perturbed(LinearAttention(6, heads, features))
    maps = torch.randn(3, 6, 5, 4).contiguous(memory_format=memory)
    assert_same(attention, lambda x: plain_linear_attention(x, attention), maps, tolerance=1e-10)


def test_linear_attention_in_any_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    attention = perturbed(LinearAttention(6, 2, 5))
    maps = torch.randn(7, 6, 3, 3)
    whole = attention(maps)
    one_image = 9 * 10 * 8
    for images in (1, 2, 3, 5):
        monkeypatch.setattr(attention_module, "CACHE_BYTES", images * one_image // torch.get_num_threads())
        torch.testing.assert_close(attention(maps), whole, rtol=0, atol=1e-14)
        assert_same(attention, lambda x: plain_linear_attention(x, attention), maps, tolerance=1e-10)


def test_linear_attention_with_logits_that_would_overflow() -> None:
    attention = perturbed(LinearAttention(6, 2, 5))
    attention.qkv.weight.data *= 1000
    assert_same(attention, lambda x: plain_linear_attention(x, attention), torch.randn(3, 6, 5, 4), tolerance=1e-9)


def test_linear_attention_gradients_by_differences() -> None:
    attention = perturbed(LinearAttention(3, 2, 2))
    maps = torch.randn(2, 3, 2, 3, requires_grad=True)
    assert torch.autograd.gradcheck(attention, (maps,))


@pytest.mark.parametrize("memory", FORMATS)
@pytest.mark.parametrize(("variant", "axis"), [("paper", 2), ("published", 3)])
def test_full_attention(variant: str, axis: int, memory: torch.memory_format) -> None:
    attention = perturbed(FullAttention(6, 2, 5, variant))  # type: ignore[arg-type]
    maps = torch.randn(3, 6, 4, 3).contiguous(memory_format=memory)
    assert_same(attention, lambda x: plain_full_attention(x, attention, axis), maps, tolerance=1e-10)
    right = plain_full_attention(maps, attention, 5 - axis)
    assert (attention(maps) - right).abs().max() > 1e-3


@pytest.mark.parametrize(("waves", "width"), [(10, 40), (7, 4), (4, 4)])
def test_time_embedding(waves: int, width: int) -> None:
    embedding = perturbed(TimeEmbedding(waves, width))
    times = torch.tensor([0, 1, 500, 999])
    pairs = waves // 2
    angles = [[t * 10_000 ** (-k / (pairs - 1)) for k in range(pairs)] for t in times.tolist()]
    encoded = torch.tensor([[math.sin(a) for a in row] + [math.cos(a) for a in row] for row in angles])
    hidden = encoded @ embedding.hidden.weight.T + embedding.hidden.bias
    bent = hidden / 2 * (1 + torch.tanh(math.sqrt(2 / math.pi) * (hidden + 0.044715 * hidden**3)))
    wanted = bent @ embedding.out.weight.T + embedding.out.bias
    torch.testing.assert_close(embedding(times), wanted, rtol=0, atol=1e-12)
    torch.testing.assert_close(embedding(times.double()), wanted, rtol=0, atol=1e-12)


def test_time_embedding_in_bfloat16_tells_neighbours_apart() -> None:
    embedding = perturbed(TimeEmbedding(10, 40)).bfloat16()
    times = torch.tensor([0, 1, 500, 998, 999])
    result, exact = embedding(times), embedding.double()(times)
    assert result.dtype == torch.bfloat16
    torch.testing.assert_close(result.double(), exact, rtol=0, atol=0.05)
    assert (result[-1] - result[-2]).abs().max() > 0.1


@pytest.mark.parametrize(
    ("before", "after", "indices"),
    [
        (2, 7, [0, 0, 0, 1, 1, 1, 1]),
        (2, 8, [0, 0, 0, 0, 1, 1, 1, 1]),
        (7, 14, [k // 2 for k in range(14)]),
        (5, 5, [0, 1, 2, 3, 4]),
    ],
)
def test_upsampling_repeats_the_nearest_pixel(before: int, after: int, indices: list[int]) -> None:
    up = Upsample(1, 1, after)
    up.conv.weight.data.zero_()[0, 0, 1, 1] = 1
    up.conv.bias.data.zero_()
    maps = torch.arange(before**2).double().view(1, 1, before, before)
    np.testing.assert_array_equal(up(maps)[0, 0].detach(), maps[0, 0][indices][:, indices])
