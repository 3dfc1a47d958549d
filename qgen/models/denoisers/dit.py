"""A transformer over a code that is a map: each of its pixels a token."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from qgen.conditioning import Conditioning
from qgen.models.branch_settings import BranchSettings
from qgen.models.circuit_context import CircuitContext
from qgen.models.denoisers.conditions import Conditions, check_states
from qgen.models.denoisers.middle import Middle
from qgen.models.denoisers.settings import DenoiserSettings
from qgen.models.quantum_branch import QuantumBranch, branch_metrics, branches
from qgen.models.text import TextForm
from qgen.models.transformer import DiTBlock, modulate, sincos_positions
from qgen.models.transformer.blocks import NORM_EPSILON, zero


class LatentDiT(nn.Module):
    """A diffusion transformer with adaLN-zero (Peebles & Xie 2023, arXiv:2212.09748), with patches of one pixel.

    Before each block, a 3x3 convolution of each feature with its neighbours, which begins at zero, is added to the
    tokens: it tells a small network what lies side by side, beside their fixed positions.

    Args:
        settings: its width, depth and circuit, which comes after half of the blocks, or beside the feed-forward network
            of the block there, or of all blocks.
        code_shape: (C, H, W) of a code.
        context: where circuits run.
        num_classes: classes that it is conditioned on; None: none.
        texts: the form of texts that it is conditioned on; None: none.
    """

    positions: Tensor

    def __init__(
        self,
        settings: DenoiserSettings,
        code_shape: tuple[int, int, int],
        context: CircuitContext,
        num_classes: int | None,
        texts: TextForm | None = None,
    ) -> None:
        super().__init__()
        self.code_shape = code_shape
        channels, height, width = code_shape
        features, depth = settings.width_of("dit"), settings.depth_of("dit")
        self.conditions = Conditions(features, features, num_classes, texts)
        self.init = nn.Linear(channels, features)
        self.register_buffer("positions", sincos_positions(height, width, features), persistent=False)
        self.neighbours = nn.ModuleList(
            nn.Conv2d(features, features, 3, padding=1, groups=features) for _ in range(depth)
        )
        self.tokens, self.quantum_after = height * width, (depth + 1) // 2
        inside = settings.quantum.place == "feed-forward"
        hybrid = [
            inside and (settings.quantum.blocks == "all" or number == self.quantum_after)
            for number in range(1, depth + 1)
        ]
        self.blocks = nn.ModuleList(
            DiTBlock(
                features,
                settings.heads,
                settings.quantum,
                context.at("block", number) if is_hybrid else None,
                self.conditions.context_width,
            )
            for number, is_hybrid in enumerate(hybrid)
        )
        between = BranchSettings() if inside else settings.quantum
        self.quantum = Middle(features, self.tokens, between, settings.circuits, context.at("middle"))
        self.norm = nn.LayerNorm(features, eps=NORM_EPSILON, elementwise_affine=False)
        self.modulation = nn.Linear(features, 2 * features)
        self.out = nn.Linear(features, channels)

    def zero_outputs(self) -> None:
        """Let it begin by predicting zero, its convolutions by adding nothing."""
        zero(self.modulation)
        zero(self.out)
        for conv in self.neighbours:
            assert isinstance(conv, nn.Conv2d)
            zero(conv)

    def forward(self, states: Tensor, times: Tensor, conditioning: Conditioning | None = None) -> Tensor:
        """Return the prediction (B, C, H, W) for noisy codes (B, C, H, W) at times (B,), in steps.

        Raises:
            InputError: codes of another shape, or times or conditions that do not fit them.
        """
        check_states(states, times, self.code_shape)
        condition = self.conditions(times, conditioning)
        tokens = self.init(states.flatten(2).transpose(1, 2)) + self.positions
        for number, (conv, block) in enumerate(zip(self.neighbours, self.blocks, strict=True), start=1):
            maps = tokens.transpose(1, 2).unflatten(2, self.code_shape[1:])
            tokens = block(tokens + conv(maps).flatten(2).transpose(1, 2), *condition)
            if number == self.quantum_after:
                tokens = self.quantum(tokens)
        shift, scale = self.modulation(functional.silu(condition.vector)).unsqueeze(1).chunk(2, dim=2)
        predicted: Tensor = self.out(modulate(self.norm(tokens), shift, scale))
        return predicted.transpose(1, 2).reshape(states.shape)

    @property
    def circuits_per_call(self) -> int:
        """Circuits that one code takes in one call."""
        return self.quantum.circuits_per_call + self.tokens * sum(branch.circuits for branch in self._inside)

    @property
    def circuits_per_training_call(self) -> int:
        """Circuits that one code takes in one call of training, forward."""
        inside = sum(branch.settings.circuits_in_training for branch in self._inside)
        return self.quantum.circuits_per_training_call + self.tokens * inside

    def metrics(self) -> dict[str, Tensor]:
        """Return what its branches say of the last call, for metrics.jsonl; nothing without one."""
        return branch_metrics(self)

    @property
    def _inside(self) -> list[QuantumBranch]:
        return branches(self.blocks)
