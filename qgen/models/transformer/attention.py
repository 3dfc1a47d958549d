"""Attention of tokens to one another, or to a context such as the words of a caption."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from qgen.errors import InputError


class CrossAttention(nn.Module):
    """Attention to a context of another width; without one, of the tokens to one another.

    Source: Vaswani et al. 2017, arXiv:1706.03762, section 3.2; named as in diffusers' `Attention`, so that its weights
    fit: `to_q`, `to_k`, `to_v` without biases, and `to_out`.

    Args:
        width: D, the features of a token.
        heads: how many.
        head_width: features of a head; None: D / heads.
        context_width: W, the features of a context's token; None: as of the tokens, which attend to one another.
    """

    def __init__(self, width: int, heads: int, head_width: int | None = None, context_width: int | None = None) -> None:
        super().__init__()
        self.heads, inner = heads, heads * (head_width or width // heads)
        self.to_q = nn.Linear(width, inner, bias=False)
        self.to_k = nn.Linear(context_width or width, inner, bias=False)
        self.to_v = nn.Linear(context_width or width, inner, bias=False)
        self.to_out = nn.ModuleList([nn.Linear(inner, width)])

    def forward(self, tokens: Tensor, context: Tensor | None = None, context_mask: Tensor | None = None) -> Tensor:
        """Transform tokens (B, N, D) to (B, N, D).

        Args:
            tokens: attend.
            context: (B, T, W), what they attend to; None: one another.
            context_mask: (B, T), bool, true where there is a token; each row has one. None: everywhere.

        Raises:
            InputError: a context or a mask that does not fit.
        """
        given = tokens if context is None else context
        batch, width = len(tokens), self.to_k.in_features
        if given.dim() != 3 or given.shape[::2] != (batch, width):
            raise InputError(f"attention takes a context {(batch, 'T', width)}, not {tuple(given.shape)}")
        if context_mask is not None and context_mask.shape != given.shape[:2]:
            wanted, mask = tuple(given.shape[:2]), tuple(context_mask.shape)
            raise InputError(f"a context of {wanted} tokens takes a mask of as many, not {mask}")
        queries, keys, values = (
            self._split(layer(rows)) for layer, rows in ((self.to_q, tokens), (self.to_k, given), (self.to_v, given))
        )
        allowed = None if context_mask is None else context_mask[:, None, None].to(torch.bool)
        read = functional.scaled_dot_product_attention(queries, keys, values, attn_mask=allowed)
        return self.last(read.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]

    @property
    def last(self) -> nn.Linear:
        """The last layer."""
        layer = self.to_out[0]
        assert isinstance(layer, nn.Linear)
        return layer

    def _split(self, rows: Tensor) -> Tensor:
        """(B, N, heads * features) -> (B, heads, N, features)."""
        return rows.unflatten(2, (self.heads, -1)).transpose(1, 2)  # type: ignore[no-any-return]
