"""Dense layers over a code that is a vector."""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn import functional

from qgen.conditioning import Conditioning
from qgen.models.circuit_context import CircuitContext
from qgen.models.denoisers.conditions import Conditions, check_states
from qgen.models.denoisers.middle import Middle
from qgen.models.denoisers.settings import DenoiserSettings
from qgen.models.text import TextForm
from qgen.models.transformer import modulate
from qgen.models.transformer.blocks import NORM_EPSILON, zero
from qgen.nn.recomputation import Recomputed


class DenseBlock(Recomputed):
    """A residual block of two linear layers that the condition scales, shifts and gates, as in adaLN-zero.

    Source: the denoising MLP of Li et al. 2024, "Autoregressive Image Generation without Vector Quantization",
    arXiv:2406.11838, section 3.

    Args:
        width: D, of features and condition.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=NORM_EPSILON)
        self.hidden = nn.Linear(width, width)
        self.out = nn.Linear(width, width)
        self.modulation = nn.Linear(width, 3 * width)

    def zero_outputs(self) -> None:
        """Let the block begin as the identity, whatever the condition."""
        zero(self.modulation)

    def forward(self, features: Tensor, condition: Tensor) -> Tensor:
        """Transform features (B, D) with a condition (B, D) to (B, D)."""
        shift, scale, gate = self.modulation(functional.silu(condition)).chunk(3, dim=1)
        hidden = self.hidden(modulate(self.norm(features), shift, scale))
        return features + gate * self.out(functional.silu(hidden))  # type: ignore[no-any-return]


class LatentMLP(nn.Module):
    """A denoiser of vectors; a map is taken as one.

    Args:
        settings: its width, depth and circuit; the circuit comes after half of the blocks.
        code_shape: of a code.
        context: where circuits run.
        num_classes: classes that it is conditioned on; None: none.
        texts: the form of texts that it is conditioned on, of which it reads the pooled vector alone; None: none.
    """

    def __init__(
        self,
        settings: DenoiserSettings,
        code_shape: tuple[int, ...],
        context: CircuitContext,
        num_classes: int | None,
        texts: TextForm | None = None,
    ) -> None:
        super().__init__()
        self.code_shape = code_shape
        width, depth, size = settings.width_of("mlp"), settings.depth_of("mlp"), math.prod(code_shape)
        self.conditions = Conditions(width, width, num_classes, texts)
        self.init = nn.Linear(size, width)
        self.blocks = nn.ModuleList(DenseBlock(width) for _ in range(depth))
        self.quantum_after = (depth + 1) // 2
        self.quantum = Middle(width, 1, settings.quantum, settings.circuits, context.at("middle"))
        self.norm = nn.LayerNorm(width, eps=NORM_EPSILON, elementwise_affine=False)
        self.modulation = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, size)

    def zero_outputs(self) -> None:
        """Let it begin by predicting zero."""
        zero(self.modulation)
        zero(self.out)

    def forward(self, states: Tensor, times: Tensor, conditioning: Conditioning | None = None) -> Tensor:
        """Return the prediction (B, ...) for noisy codes (B, ...) at times (B,), in steps.

        Raises:
            InputError: codes of another shape, or times or conditions that do not fit them.
        """
        check_states(states, times, self.code_shape)
        condition = self.conditions(times, conditioning).vector
        features = self.init(states.flatten(1))
        for number, block in enumerate(self.blocks, start=1):
            features = block(features, condition)
            if number == self.quantum_after:
                features = self.quantum(features.unsqueeze(1)).squeeze(1)
        shift, scale = self.modulation(functional.silu(condition)).chunk(2, dim=1)
        return self.out(modulate(self.norm(features), shift, scale)).view(states.shape)  # type: ignore[no-any-return]

    @property
    def circuits_per_call(self) -> int:
        """Circuits that one code takes in one call."""
        return self.quantum.circuits_per_call

    @property
    def circuits_per_training_call(self) -> int:
        """Circuits that one code takes in one call of training, forward."""
        return self.quantum.circuits_per_training_call

    def metrics(self) -> dict[str, Tensor]:
        """Return what its branch says of the last call, for metrics.jsonl; nothing without one."""
        return self.quantum.branch.metrics()
