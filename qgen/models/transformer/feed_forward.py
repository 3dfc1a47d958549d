"""The feed-forward network of a transformer."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class FeedForward(nn.Module):
    """Two linear layers and a GELU between them, four times as wide.

    Args:
        width: D.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(width, 4 * width)
        self.out = nn.Linear(4 * width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Transform tokens (..., D) to (..., D)."""
        return self.out(functional.gelu(self.hidden(tokens), approximate="tanh"))  # type: ignore[no-any-return]
