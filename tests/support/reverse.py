"""The reverse process of a denoiser that a test gives as a function of states and times."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from qgen.conditioning import Conditioning
from qgen.diffusion import Denoiser, ReverseProcess, Schedule
from qgen.diffusion.settings import Prediction

Answer = Callable[[Tensor, Tensor], Tensor]


def as_denoiser(answer: Answer, schedule: Schedule, prediction: Prediction = "epsilon") -> Denoiser:
    def network(x: Tensor, t: Tensor, conditioning: Conditioning | None, /) -> Tensor:
        assert conditioning is None
        return answer(x, t)

    return Denoiser(network, schedule, prediction)


def reverse(
    answer: Answer,
    schedule: Schedule,
    times: Sequence[int],
    noise: Callable[[], Tensor],
    clip: bool = True,
    prediction: Prediction = "epsilon",
) -> ReverseProcess:
    process = as_denoiser(answer, schedule, prediction)
    return ReverseProcess(process, times, noise, clip=(-1.0, 1.0) if clip else None)
