"""Q-FFN: a feed-forward network with a circuit beside it."""

from __future__ import annotations

from torch import Tensor

from qgen.models.branch_settings import BranchSettings
from qgen.models.circuit_context import CircuitContext
from qgen.models.quantum_branch import QuantumBranch
from qgen.models.transformer.feed_forward import FeedForward


class QuantumFeedForward(FeedForward):
    """MLP(x) + gate * post(circuit(arctan(pre(x)))), a circuit a token.

    Source: the code utai-utai/quantum-diffusion-model-anime (2026), whose `pre` and `post` are those of `post:
    published`; the usual ones have no way for a constant (`QuantumBranch`). Without a branch it is the feed-forward
    network alone, with the same names and initial weights.

    Args:
        width: D.
        settings: of the branch.
        context: where the circuit runs.
    """

    def __init__(self, width: int, settings: BranchSettings, context: CircuitContext) -> None:
        super().__init__(width)
        self.branch = QuantumBranch(width, settings, context)

    def add(self, tokens: Tensor, stream: Tensor, scale: Tensor | None = None) -> Tensor:
        """Return stream + scale * (MLP + branch) at tokens, all (B, N, D); the branch notes its share of the result.

        Args:
            tokens: what the networks see.
            stream: to what their results are added.
            scale: (B, 1, D); None: 1.
        """
        changed = super().forward(tokens)
        stream = stream + (changed if scale is None else scale * changed)
        change = self.branch.change(tokens, stream, scale)
        if change is None:
            return stream
        return stream + (change if scale is None else scale * change)
