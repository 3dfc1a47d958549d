"""The way of samples through the steps of a diffusion, as images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from qgen.backends import Backend
    from qgen.conditioning import Conditioning
    from qgen.progress import ProgressCallback


@dataclass(frozen=True)
class DenoisingSteps:
    """Images on their way from noise.

    Attributes:
        times: F numbers of steps of the diffusion, falling; the last is -1, where nothing is noisy any more.
        noisy: (N, F, C, H, W), float32: the states at these steps, decoded: what lies outside [-1, 1] is clipped where
            states are images. The last are the samples.
        predicted: (N, F, C, H, W), float32: the images that the network predicts from these states.
    """

    times: tuple[int, ...]
    noisy: Tensor
    predicted: Tensor


@runtime_checkable
class HasSteps(Protocol):
    """What a generator has beside if it makes images of noise step by step."""

    @property
    def backend(self) -> Backend:
        """Backend that runs its circuits."""
        ...

    @property
    def circuits_per_step_image(self) -> int:
        """Circuits that make an image of one state on the way."""
        ...

    def sample_steps(
        self,
        seeds: Sequence[int],
        conditioning: Conditioning | None = None,
        *,
        frames: int,
        device: torch.device | str = "cpu",
        progress: ProgressCallback | None = None,
    ) -> DenoisingSteps:
        """Return the samples of `sample` with what they were at `frames` - 1 steps before, all in one batch."""
        ...


def chosen_steps(times: Sequence[int], count: int) -> list[int]:
    """Return at most `count` of the steps (T,), as evenly as can be; the first one is among them."""
    count = min(count, len(times))
    return [times[number * len(times) // count] for number in range(count)]
