"""Transformer blocks against torch's own attention and the formulas of the papers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from qgen.models.transformer import DiTBlock, SelfAttention, TransformerBlock, sincos_positions

WIDTH, HEADS = 16, 4


def test_self_attention_is_torchs_own() -> None:
    attention = SelfAttention(WIDTH, HEADS).double()
    reference = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True).double()
    with torch.no_grad():
        reference.in_proj_weight.copy_(attention.qkv.weight)
        reference.in_proj_bias.copy_(attention.qkv.bias)
        reference.out_proj.weight.copy_(attention.out.weight)
        reference.out_proj.bias.copy_(attention.out.bias)
    tokens = torch.randn(3, 7, WIDTH, dtype=torch.float64)
    torch.testing.assert_close(attention(tokens), reference(tokens, tokens, tokens)[0], rtol=1e-9, atol=1e-9)


def test_a_dit_block_is_its_formula() -> None:
    """Peebles & Xie 2023, figure 3: x + gate * part(norm(x) (1 + scale) + shift), twice."""
    block = DiTBlock(WIDTH, HEADS).double()
    tokens, condition = torch.randn(3, 5, WIDTH, dtype=torch.float64), torch.randn(3, WIDTH, dtype=torch.float64)
    numbers = (functional.silu(condition) @ block.modulation.weight.T + block.modulation.bias).view(3, 6, 1, WIDTH)
    expected = tokens
    for part, (shift, scale, gate) in (
        (block.attention, numbers[:, :3].unbind(1)),
        (block.feed_forward, numbers[:, 3:].unbind(1)),
    ):
        normed = (expected - expected.mean(2, keepdim=True)) / (
            expected.var(2, correction=0, keepdim=True) + 1e-6
        ).sqrt()
        expected = expected + gate * part(normed * (1 + scale) + shift)
    torch.testing.assert_close(block(tokens, condition), expected, rtol=1e-9, atol=1e-9)


def test_blocks_begin_as_the_identity() -> None:
    dit, plain = DiTBlock(WIDTH, HEADS), TransformerBlock(WIDTH, HEADS)
    dit.zero_outputs()
    plain.zero_outputs()
    tokens, maps = torch.randn(2, 9, WIDTH), torch.randn(2, WIDTH, 3, 3)
    assert torch.equal(dit(tokens, torch.randn(2, WIDTH)), tokens)
    assert torch.equal(plain(maps), maps)


def test_a_transformer_block_does_not_mix_up_pixels_and_channels() -> None:
    """Attention without positions: moving pixels moves the results."""
    block = TransformerBlock(WIDTH, HEADS).double()
    maps, order = torch.randn(2, WIDTH, 3, 4, dtype=torch.float64), torch.randperm(12)
    moved = maps.flatten(2)[:, :, order].view_as(maps)
    torch.testing.assert_close(block(moved).flatten(2), block(maps).flatten(2)[:, :, order], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_memory_layouts_are_alike(layout: torch.memory_format) -> None:
    block = TransformerBlock(WIDTH, HEADS).double()
    maps = torch.randn(2, WIDTH, 3, 4, dtype=torch.float64)
    torch.testing.assert_close(block(maps.contiguous(memory_format=layout)), block(maps), rtol=1e-12, atol=1e-12)


def test_positions_are_sines_and_cosines_of_rows_and_columns() -> None:
    table = sincos_positions(3, 5, 8).numpy()
    assert table.shape == (15, 8)
    for row in range(3):
        for column in range(5):
            expected = [
                f(place / 1e4 ** (k / 2)) for place in (row, column) for f in (math.sin, math.cos) for k in (0, 1)
            ]
            np.testing.assert_allclose(table[5 * row + column], expected, atol=1e-6)
    assert len(np.unique(table.round(5), axis=0)) == 15
