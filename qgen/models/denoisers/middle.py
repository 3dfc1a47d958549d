"""The circuit in the middle of a denoiser: on each token, or on the mean of an image's tokens."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from qgen.models.branch_settings import BranchSettings
from qgen.models.circuit_context import CircuitContext
from qgen.models.quantum_branch import QuantumBranch


class Middle(nn.Module):
    """A `QuantumBranch` over tokens (B, N, D). All of a batch are one call of the backend.

    Args:
        width: D.
        tokens: N.
        settings: of the branch.
        circuits: `token`: each token takes circuits of its own; `image`: those of the mean of its tokens, and what they
            add is added to all of them.
        context: where circuits run.
    """

    def __init__(
        self,
        width: int,
        tokens: int,
        settings: BranchSettings,
        circuits: Literal["image", "token"],
        context: CircuitContext,
    ) -> None:
        super().__init__()
        self.per_token = circuits == "token"
        self.tokens = tokens
        self.branch = QuantumBranch(width, settings, context)

    @property
    def circuits_per_call(self) -> int:
        """Circuits that an image takes in one call."""
        return self.branch.circuits * (self.tokens if self.per_token else 1)

    @property
    def circuits_per_training_call(self) -> int:
        """Circuits that an image takes in one call of training, forward."""
        return self.branch.settings.circuits_in_training * (self.tokens if self.per_token else 1)

    def forward(self, tokens: Tensor) -> Tensor:
        """Transform tokens (B, N, D) to (B, N, D)."""
        if self.per_token:
            return self.branch(tokens)  # type: ignore[no-any-return]
        change = self.branch.change(tokens.mean(1))
        return tokens if change is None else tokens + change.unsqueeze(1)
