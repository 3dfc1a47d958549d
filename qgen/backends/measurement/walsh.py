"""The Walsh-Hadamard transform, as torch operations that autograd differentiates any number of times."""

from __future__ import annotations

from functools import lru_cache

import torch

JOINED_BITS = 5  # so many bits are transformed by one product with a matrix


def walsh_hadamard(numbers: torch.Tensor) -> torch.Tensor:
    """(..., 2^n) -> (..., 2^n): entry s is the sum over i of (-1)^(bits that s and i share) * numbers[i].

    It takes probabilities of outcomes to the expectation values of all products of Z, and back, but for a factor 2^n.
    """
    bits = numbers.shape[-1].bit_length() - 1
    for low in range(0, bits, JOINED_BITS):
        # The lowest bits are transformed, and become the highest: after all of them each is where it was.
        width = min(JOINED_BITS, bits - low)
        folded = numbers.unflatten(-1, (-1, 1 << width)) @ _signs(width, numbers.dtype, numbers.device)
        numbers = folded.transpose(-1, -2).flatten(-2)
    return numbers


@lru_cache
def _signs(bits: int, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """The transform of so many bits as a matrix (2^bits, 2^bits)."""
    with torch.inference_mode(False):  # what is made in inference mode can never be part of a graph
        signs = torch.ones(1, 1, dtype=dtype, device=device)
        for _ in range(bits):
            signs = torch.cat([torch.cat([signs, signs], dim=1), torch.cat([signs, -signs], dim=1)])
        return signs
