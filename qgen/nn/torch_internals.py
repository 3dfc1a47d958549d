"""Everything used of torch that has no public name; the bound on torch's version covers it."""
# ruff: noqa: SLF001

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import torch
from torch.autograd import forward_ad

Tensors = tuple[torch.Tensor, ...]


def is_transformed(*tensors: torch.Tensor) -> bool:
    """Return whether a transform of torch is active that only a `RuleFunction` can serve."""
    if torch._C._are_functorch_transforms_active():  # what `Function.apply` itself asks
        return True
    return forward_ad._current_level >= 0 and any(
        forward_ad.unpack_dual(tensor).tangent is not None for tensor in tensors
    )


def forward_mode() -> AbstractContextManager[object]:
    """Return a context in which tangents are carried on, also where torch has turned that off."""
    return forward_ad._set_fwd_grad_enabled(True)


def is_legacy_batch(tensor: torch.Tensor) -> bool:
    """Return whether a tensor stands for a batch of the legacy vmap, which knows nothing of a Function's own rule.

    `torch.autograd` batches gradients with it: `is_grads_batched`, `jacobian(vectorize=True)`.
    """
    return torch._C._functorch.is_legacy_batchedtensor(tensor)


def leave_legacy_batch(
    tensors: Sequence[torch.Tensor],
) -> tuple[Tensors, list[int | None], Callable[[Tensors], Tensors]]:
    """Return tensors with the batch as an axis, which axis that is for each, and the way back from a first axis."""
    level = torch._C._vmapmode_increment_nesting() - 1
    torch._C._vmapmode_decrement_nesting()
    axes = [0 if is_legacy_batch(tensor) else None for tensor in tensors]
    plain = tuple(
        tensor if axis is None else torch._remove_batch_dim(tensor, level, 0, axis)
        for tensor, axis in zip(tensors, axes, strict=True)
    )
    return plain, axes, lambda results: tuple(torch._add_batch_dim(result, 0, level) for result in results)
