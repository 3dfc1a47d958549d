"""Simultaneous perturbation: a gradient estimate from two values, however many parameters there are."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from qgen.backends.api import Executable
from qgen.backends.batch import Gradients
from qgen.backends.gradients.method import ValueAndVJP, is_real, is_whole, parts
from qgen.errors import BackendError
from qgen.randomness import Seed

SAMPLED_STEP, EXACT_STEP = 0.2, 0.01


@dataclass(frozen=True)
class SPSA:
    """All parameters move at once, by plus and minus `step` along random signs; the difference estimates the gradient.

    It is unbiased up to the third derivative times step^2 / 6: 0.7 % of a rotation's gradient at step 0.2. Its noise
    grows with the number of parameters, and falls with directions and with the samples of a batch. Forward values and
    all perturbed ones are one submission where that is billed, else as many parts as memory asks for. Source: J. C.
    Spall, "Multivariate stochastic approximation using a simultaneous perturbation gradient approximation", IEEE
    Transactions on Automatic Control 37 (1992), 332-341.

    Attributes:
        directions: number of pairs of values that are averaged.
        step: how far each parameter moves, in its own units (weights of circuits that count turns move 2 pi times as
            far in angle); None: 0.2 where values are sampled, so that their noise is not magnified too much, else 0.01.
        shared: one direction for the weights of a layer, the same for all samples of a batch; else one for each sample,
            which costs the same and whose noise averages out over the batch.

    Raises:
        BackendError: directions are no positive whole number, step no positive number, or shared is no truth value.
    """

    directions: int = 1
    step: float | None = None
    shared: bool = False

    def __post_init__(self) -> None:
        if not is_whole(self.directions) or self.directions < 1:
            raise BackendError(f"spsa: directions = {self.directions!r} must be a whole number from 1")
        if self.step is not None and not (is_real(self.step) and 0 < self.step < float("inf")):
            raise BackendError(f"spsa: step = {self.step!r} must be a positive number; 0.1 to 0.3 suit sampled values")
        if not isinstance(self.shared, bool):
            raise BackendError(f"spsa: shared = {self.shared!r} must be true or false")

    def check(self, executable: Executable) -> None:
        """Every backend has values, which is all it takes."""

    def evaluations(self, executable: Executable, wants: tuple[bool, bool]) -> int:
        return 1 + 2 * self.directions * any(wants)

    def value_and_vjp(
        self,
        executable: Executable,
        inputs: torch.Tensor,
        weights: torch.Tensor,
        wants: tuple[bool, bool],
        seed: Seed | None = None,
    ) -> ValueAndVJP:
        streams = executable.streams(inputs, weights, seed)
        if not any(wants):
            return ValueAndVJP(executable.expectations(inputs, weights, streams), lambda _: (None, None))
        step = self.step or (SAMPLED_STEP if executable.draws else EXACT_STEP)
        plan, batch = executable.batch(inputs, weights)
        lead = plan.samples
        signs = (
            self._signs(inputs, lead) if wants[0] else None,
            self._signs(weights, tuple(weights.shape[:-1]) if self.shared else lead) if wants[1] else None,
        )

        def evaluate(part: range) -> torch.Tensor:
            moved_inputs = _moved(inputs, signs[0], step, len(lead), part)
            moved_weights = _moved(weights, signs[1], step, len(lead), part)
            return executable.expectations(moved_inputs, moved_weights, streams.for_evaluations(part))

        numbers = plan.rows * (batch.inputs.shape[1] + batch.weights.shape[1])
        values = torch.cat([evaluate(part) for part in parts(executable, 1 + 2 * self.directions, numbers)])
        plus, minus = values[1 : self.directions + 1], values[self.directions + 1 :]

        def vjp(upstream: torch.Tensor) -> Gradients:
            slopes = ((plus - minus) * upstream).sum(dim=-1, keepdim=True) / (2 * step * self.directions)
            gradients = [
                None if sign is None else _summed(slopes * _aligned(sign, len(lead)), leaf)
                for sign, leaf in zip(signs, (inputs, weights), strict=True)
            ]
            return gradients[0], gradients[1]

        return ValueAndVJP(values[0], vjp)

    def _signs(self, leaf: torch.Tensor, lead: tuple[int, ...]) -> torch.Tensor:
        """Draw plus or minus one, (directions, *lead, P), from torch's global generator."""
        drawn = torch.randint(2, (self.directions, *lead, leaf.shape[-1]))
        return (2 * drawn - 1).to(leaf)


def _moved(leaf: torch.Tensor, signs: torch.Tensor | None, step: float, axes: int, part: range) -> torch.Tensor:
    """Return the evaluations `part` of: as it is, moved along each direction, moved against each; (len(part), ..., P).

    The new axis comes before `axes` leading axes. Where nothing moves, its length is 1.
    """
    unmoved = _aligned(leaf.unsqueeze(0), axes)
    if signs is None:
        return unmoved
    count = len(signs)
    directions = [signs[(k - 1) % count] * (0 if k == 0 else 1 if k <= count else -1) for k in part]
    return unmoved + step * _aligned(torch.stack(directions), axes)


def _aligned(tensor: torch.Tensor, axes: int) -> torch.Tensor:
    """Reshape (D, ..., P) to have `axes` axes between the first and the last one, new ones in front."""
    new = axes + 2 - tensor.dim()
    return tensor.reshape(tensor.shape[0], *[1] * new, *tensor.shape[1:])


def _summed(slopes: torch.Tensor, leaf: torch.Tensor) -> torch.Tensor:
    return slopes.sum(dim=0).sum_to_size(leaf.shape).to(leaf.dtype)
