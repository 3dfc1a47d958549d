"""Spatial transformers against diffusers' blocks with the same weights; attention to a context, its mask, and Q-FFN."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from effort import examples
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from qgen.backends import open_backend
from qgen.errors import InputError
from qgen.models.branch_settings import BranchSettings
from qgen.models.circuit_context import CircuitContext
from qgen.models.transformer import (
    Attention,
    BasicTransformerBlock,
    CrossAttention,
    DiTBlock,
    QuantumFeedForward,
    SpatialTransformer,
)

CONTEXT = CircuitContext(open_backend("statevector"), "auto", 5)
WIDTH, HEADS, WORDS = 16, 4, 6
CIRCUIT = {"kind": "circuit", "qubits": 2, "layers": 1}


def spatial(branch: dict[str, Any] | None = None, sizes: Attention | None = None) -> SpatialTransformer:
    settings = BranchSettings.read(branch or {})
    return SpatialTransformer(WIDTH, sizes or Attention(HEADS, None, WORDS), settings, CONTEXT, 8).double().eval()


def context(batch: int, tokens: int, generator: torch.Generator | None = None) -> Tensor:
    return torch.randn(batch, tokens, WORDS, dtype=torch.float64, generator=generator)


def test_cross_attention_is_the_formula_of_torch() -> None:
    made = CrossAttention(WIDTH, HEADS, 3, WORDS).double()
    tokens, words = torch.randn(2, 5, WIDTH, dtype=torch.float64), context(2, 7)
    mask = torch.tensor([[True] * 4 + [False] * 3, [False, True] + [False] * 5])
    heads = [
        (rows @ layer.weight.T).view(2, -1, HEADS, 3).transpose(1, 2)
        for rows, layer in ((tokens, made.to_q), (words, made.to_k), (words, made.to_v))
    ]
    scores = (heads[0] @ heads[1].transpose(2, 3) / 3**0.5).masked_fill(~mask[:, None, None], -torch.inf)
    read = (scores.softmax(-1) @ heads[2]).transpose(1, 2).flatten(2)
    expected = read @ made.last.weight.T + made.last.bias
    torch.testing.assert_close(made(tokens, words, mask), expected, rtol=1e-9, atol=1e-9)
    own = functional.scaled_dot_product_attention(*heads, attn_mask=mask[:, None, None]).transpose(1, 2).flatten(2)
    torch.testing.assert_close(own, read, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("words", [None, WORDS])
def test_its_weights_fit_the_block_of_diffusers(words: int | None) -> None:
    from diffusers.models.attention import BasicTransformerBlock as Reference

    made = BasicTransformerBlock(WIDTH, Attention(HEADS, 3, words), BranchSettings(), CONTEXT).double()
    kind = "gelu-approximate"
    reference = Reference(WIDTH, HEADS, 3, cross_attention_dim=words, activation_fn=kind).double().eval()
    for weight in made.parameters():
        nn.init.normal_(weight, std=0.3)
    own = {key: value for key, value in made.state_dict().items() if not key.startswith("ff.")}
    for ours, theirs in (("hidden", "0.proj"), ("out", "2")):
        own |= {f"ff.net.{theirs}.{kind}": made.state_dict()[f"ff.{ours}.{kind}"] for kind in ("weight", "bias")}
    reference.load_state_dict(own)
    tokens = torch.randn(2, 5, WIDTH, dtype=torch.float64)
    given = None if words is None else context(2, 7)
    mask = None if words is None else torch.tensor([[True] * 4 + [False] * 3, [True] * 7])
    expected = reference(tokens, encoder_hidden_states=given, encoder_attention_mask=_as_bias(mask))
    torch.testing.assert_close(made(tokens, given, mask), expected, rtol=1e-9, atol=1e-9)


def _as_bias(mask: Tensor | None) -> Tensor | None:
    """The mask as diffusers' models hand it to their blocks: added to the scores."""
    return None if mask is None else ((1 - mask.double()) * -1e9).unsqueeze(1)


def test_its_weights_fit_the_transformer_of_diffusers() -> None:
    from diffusers.models.transformers.transformer_2d import Transformer2DModel

    made = spatial(sizes=Attention(2, 8, WORDS))
    reference = Transformer2DModel(2, 8, WIDTH, norm_num_groups=8, cross_attention_dim=WORDS)
    expected = {name: weight.shape for name, weight in reference.named_parameters() if ".ff." not in name}
    own = {name: weight.shape for name, weight in made.named_parameters() if ".ff." not in name}
    assert own == expected


@examples(30)
@given(st.data())
def test_masked_tokens_have_no_influence(data: st.DataObject) -> None:
    batch, tokens = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 6))
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 2**31)))
    mask = torch.rand(batch, tokens, generator=generator) < 0.5
    mask[torch.arange(batch), torch.randint(tokens, (batch,), generator=generator)] = True
    maps = torch.randn(batch, WIDTH, 2, 2, dtype=torch.float64, generator=generator)
    words, others = (context(batch, tokens, generator) for _ in range(2))
    block = spatial()
    words.requires_grad_()
    one = block(maps, words, mask)
    other = block(maps, torch.where(mask.unsqueeze(2), words, 1e3 * others), mask)
    torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)
    (gradient,) = torch.autograd.grad(one.square().sum(), words)
    assert not gradient[~mask].any()
    assert (gradient.abs().sum(2) > 0)[mask & (mask.sum(1, keepdim=True) > 1)].all()
    row = data.draw(st.integers(0, batch - 1))  # alone, without what was masked
    alone = block(maps[row : row + 1], words[row : row + 1, mask[row]])
    torch.testing.assert_close(alone, one[row : row + 1], rtol=1e-9, atol=1e-9)


def test_it_begins_as_the_identity_and_the_published_one_does_not() -> None:
    maps = torch.randn(2, WIDTH, 3, 2, dtype=torch.float64)
    block = spatial(CIRCUIT)
    block.zero_outputs()
    torch.testing.assert_close(block(maps, context(2, 3)), maps, rtol=0, atol=0)
    published = SpatialTransformer(WIDTH, Attention(HEADS), BranchSettings(), CONTEXT, None).double()
    published.zero_outputs()
    assert (published(maps) - maps).abs().min() > 0
    assert not any(name.startswith("norm.") for name, _ in published.named_parameters())


@pytest.mark.parametrize("scale", [None, 0.3])
def test_qffn_is_its_formula_and_knows_its_share(scale: float | None) -> None:
    made = QuantumFeedForward(WIDTH, BranchSettings.read(CIRCUIT | {"gate_by": "scalar"}), CONTEXT).double().eval()
    tokens, stream = (torch.randn(2, 3, WIDTH, dtype=torch.float64) for _ in range(2))
    made.branch.mean.normal_()
    values = made.branch.values(made.branch.pre(tokens).arctan())
    branch = made.branch.gate * (values - made.branch.mean) @ made.branch.out.weight.T
    factor = torch.tensor(scale or 1.0, dtype=torch.float64)
    result = made.add(tokens, stream, None if scale is None else factor)
    torch.testing.assert_close(result, stream + factor * (made(tokens) + branch), rtol=1e-9, atol=1e-9)
    share = (factor * branch).norm() / result.norm()
    assert made.branch.metrics()["branch_share"].item() == pytest.approx(share.item(), rel=1e-9)


def test_a_dit_block_attends_to_a_context_and_begins_without_it() -> None:
    made = DiTBlock(WIDTH, HEADS, BranchSettings.read(CIRCUIT), CONTEXT, WORDS).double()
    for weight in made.parameters():
        nn.init.normal_(weight, std=0.3)
    tokens, condition = torch.randn(2, 5, WIDTH, dtype=torch.float64), torch.randn(2, WIDTH, dtype=torch.float64)
    one, other = (made(tokens, condition, context(2, 3)) for _ in range(2))
    assert (one - other).abs().min() > 0
    made.zero_outputs()
    assert torch.equal(made(tokens, condition, context(2, 3)), tokens)


def test_what_does_not_fit_is_one_line() -> None:
    made, tokens = CrossAttention(WIDTH, HEADS, None, WORDS), torch.randn(2, 5, WIDTH)
    with pytest.raises(InputError, match=r"takes a context \(2, 'T', 6\), not \(2, 7, 5\)"):
        made(tokens, torch.randn(2, 7, 5))
    with pytest.raises(InputError, match=r"of \(2, 7\) tokens takes a mask of as many, not \(2, 6\)"):
        made(tokens, torch.randn(2, 7, WORDS), torch.ones(2, 6, dtype=torch.bool))
